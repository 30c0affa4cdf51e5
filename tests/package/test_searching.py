"""From a question to the index that is read, and from there to the rows of the answer."""

import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.dicom.person_names import name_key
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from imaging_index.searching import slices, stream
from imaging_index.searching.errors import SearchError
from imaging_index.searching.grammar import parse
from imaging_index.searching.moments import AFTER_ALL
from imaging_index.searching.planner import DATED, UNDATED, Plan, plan
from imaging_index.searching.question import Level, Order, Question
from imaging_index.searching.report import Ended
from imaging_index.searching.search import Search
from imaging_index.table.layout import Between
from imaging_index.table.reading import TableDescription, TableReader
from proof.campaigns import searches
from proof.searching.table import Table

PROFILE = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")
INDEXES = dict(PROFILE.indexes)
STORE = "d" * 32
OTHER = "e" * 32
TODAY = date(2024, 1, 31)
# Each shard looks at so many of the 20,000 random questions.
SHARDS = 16
CASES = 20_000 // SHARDS
MOMENTS = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 1, 1)).map(  # noqa: DTZ001  # of no zone
    lambda moment: "".join(filter(str.isdecimal, moment.isoformat(timespec="seconds")))
)


def asked(*texts: str, profile: Any = PROFILE, exact: bool = True, **how: Any) -> Question:
    conditions = tuple(parse(texts, profile, TODAY, exact=exact))
    return Question(**{"datastores": (STORE,), "conditions": conditions, **how})


def planned(*texts: str, indexes: Mapping[str, Index] = INDEXES, **how: Any) -> Plan:
    return plan(TableDescription(dict(indexes), {}), asked(*texts, **how))


@pytest.mark.parametrize(
    ("texts", "index", "query"),
    [
        (["StudyInstanceUID=1.2"], "study", {"StudyInstanceUID": "1.2"}),
        (["SeriesInstanceUID=1.2.3"], "series", {"SeriesInstanceUID": "1.2.3"}),
        (["AccessionNumber=A=1"], "accession", {"DatastoreId": STORE, "AccessionNumber": "A=1"}),
        (["PatientID=1"], "patient", {"DatastoreId": STORE, "PatientID": "1"}),
        (
            ["PatientID=1", "StudyDate=20240101"],
            "patient",
            {"DatastoreId": STORE, "PatientID": "1", "StudyMoment": Between("20240101", "20240101" + AFTER_ALL)},
        ),
        (
            ["StudyDate=20240101-20240131", "Modality=CT", "PatientSex=F"],
            "date",
            {"DatastoreId": STORE, "StudyMoment": Between("20240101", "20240131" + AFTER_ALL)},
        ),
        (["StudyDate="], "date", {"DatastoreId": STORE, "StudyMoment": UNDATED}),
        (["StudyDate=*"], "date", {"DatastoreId": STORE, "StudyMoment": DATED}),
        (["PatientName=Müller^Jan"], "name", {"DatastoreId": STORE, "PatientNameKey": "muller jan"}),
        (["PatientName=Doe^*"], "name", {"DatastoreId": STORE, "PatientNameKey": Between("doe", "doe " + AFTER_ALL)}),
        (["PatientName=Mü*"], "name", {"DatastoreId": STORE, "PatientNameKey": Between("mu", "mu" + AFTER_ALL)}),
        (["NonPrimary=1"], "nonprimary", {"DatastoreId": STORE, "NonPrimary": "1"}),
        (["ImageSetId=x", "StudyInstanceUID=1.2"], "study", {"StudyInstanceUID": "1.2", "ImageSetId": "x"}),
        (["StudyInstanceUID=1.2", "PatientID=1"], "study", {"StudyInstanceUID": "1.2"}),
    ],
)
def test_the_index_that_reads_the_least_is_read(texts: list[str], index: str, query: dict[str, str | Between]) -> None:
    found = planned(*texts)
    assert (found.index, found.queries) == (index, (query,))
    assert list(found.queries[0]) == list(query)
    assert found.bounded is (index not in ("date", "name", "arrived"))


@pytest.mark.parametrize(
    "texts",
    [
        ["Modality=CT"],
        ["PatientName=*doe*"],
        ["PatientName=~doe"],
        ["PatientID=*1*"],
        ["StudyDate!=20240101"],
        ["PatientID!=1"],
        ["ModalitiesInStudy=CT"],
    ],
)
def test_what_no_index_narrows_down_is_looked_for_in_all_studies_by_date(texts: list[str]) -> None:
    found = planned(*texts)
    assert (found.index, found.queries, found.bounded) == ("date", ({"DatastoreId": STORE},), False)


def test_a_whole_data_store_is_read_in_the_order_of_the_rows_if_there_is_such_an_index() -> None:
    assert planned("Modality=CT", order=Order.ARRIVED).index == "arrived"
    # By name it cannot be: those without a name would be missing.
    assert planned("Modality=CT", order=Order.NAME).index == "date"


def test_an_index_that_misses_entries_is_no_stand_in_for_a_whole_data_store() -> None:
    named = {"name": INDEXES["name"]}
    assert planned("PatientName=doe", indexes=named).index == "name"
    with pytest.raises(SearchError, match="The table has no index of a whole data store"):
        planned("Modality=CT", indexes=named)
    assert planned("Modality=CT", indexes=named | {"arrived": INDEXES["arrived"]}).index == "arrived"
    assert planned("Modality=CT", indexes=INDEXES, index="name").index == "name"


def test_several_values_and_several_data_stores_are_a_query_each() -> None:
    assert planned("StudyInstanceUID=1.2,1.3,1.2").queries == ({"StudyInstanceUID": "1.2"}, {"StudyInstanceUID": "1.3"})
    found = planned("AccessionNumber=A1", exact=False, datastores=(OTHER, STORE, STORE))
    wanted = [(store, number) for store in (STORE, OTHER) for number in ("A1", "a1")]
    assert [(*query.values(),) for query in found.queries] == wanted


def test_a_named_index_is_the_one_to_be_read() -> None:
    assert planned(index="date").index == "date"
    assert planned("PatientID=1", "StudyDate=20240101", index="date").index == "date"
    with pytest.raises(SearchError, match="The index patient needs a whole value of PatientID"):
        planned("StudyDate=20240101", index="patient")
    with pytest.raises(SearchError, match=r"There is no index 'dates'\. The table has accession, arrived, date"):
        planned(index="dates")


def entry(image_set: str, /, store: str = STORE, **values: Any) -> Item:
    """An entry with some values; its study's date is that of `StudyMoment`."""
    item: Item = {"ImageSet": {"S": f"{store}/{image_set}"}, "Part": {"S": "entry"}, "Generation": {"S": "1"}}
    item |= {"DatastoreId": {"S": store}, "ImageSetId": {"S": image_set}, "InstanceCount": {"N": "1"}}
    item |= {"ProfileHash": {"S": "h"}, "PagesChecksum": {"S": "c"}, "FirstIndexedAt": {"S": "2024-01-01T00:00:00Z"}}
    item |= {"StudyMoment": {"S": "0" * 14}, "IsPrimary": {"BOOL": True}}
    item |= {name: {"BOOL" if isinstance(value, bool) else "S": value} for name, value in values.items()}
    if not item["StudyMoment"]["S"].startswith("0" * 8):
        item["StudyDate"] = {"S": item["StudyMoment"]["S"][:8]}
    if "PatientName" in item:
        item["PatientNameKey"] = {"S": name_key(item["PatientName"]["S"])}
    if not item["IsPrimary"]["BOOL"]:
        item["NonPrimary"] = {"S": "1"}
    return item


def archive(studies: int, sets: int = 1, **values: Any) -> list[Item]:
    """Studies of one hour after the other, each of some image sets."""
    return [
        entry(
            f"{number:04}{part}",
            StudyInstanceUID=f"1.{number}",
            SeriesInstanceUID=f"1.{number}.{part}",
            StudyMoment=f"2024{number // 672 + 1:02}{number // 24 % 28 + 1:02}{number % 24:02}0000",
            Modality="CT",
            **values,
        )
        for number in range(studies)
        for part in range(sets)
    ]


def search(table: Table, *texts: str, question: Question | None = None, **how: Any) -> Search:
    whole = how.pop("whole", True)
    return Search(cast("TableReader", table), question or asked(*texts, **how), whole=whole)


def sets_of(running: Search) -> list[str]:
    return [str(item["ImageSetId"]["S"]) for row in running for item in row.entries]


class Late(Executor):
    """Makes a call when its result is wanted. `most` is how many were to be made at a time."""

    def __init__(self) -> None:
        self.most = self._open = 0

    def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
        self._open += 1
        self.most = max(self.most, self._open)

        def result() -> Any:
            self._open -= 1
            return call(*arguments, **options)

        return SimpleNamespace(result=result)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_any_question_finds_what_looking_at_every_entry_finds(shard: int) -> None:
    """With any indexes, whatever they hold, from cursor to cursor, at any level, limit and budget."""
    assert searches.run(shard * CASES, CASES) == []


def test_a_row_does_not_come_again_though_another_day_knows_less_of_its_studies() -> None:
    assert searches.run(898_671, 1) == []


@pytest.mark.parametrize(
    "name",
    ["Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田^太郎", "Müller" * 60, "Doe^" + "x" * 300, "x" * 256 + "^Doe"],
)
def test_a_name_is_found_as_it_is_shown_however_many_groups_or_letters_it_has(name: str) -> None:
    table = Table([entry("x", PatientName=name)], INDEXES)
    for written in (name, f"{name}*", name.split("=")[0] + "*", *filter(None, name.split("="))):
        assert sets_of(search(table, f"PatientName={written}")) == ["x"], written


@pytest.mark.parametrize("attribute", ["PatientID", "StudyDate"])
def test_a_hashed_attribute_is_found_by_its_token_and_by_another_one_is_not(attribute: str) -> None:
    hashing = toml_file.parse(f'revision = 1\nattributes = ["{attribute}"]\n[privacy]\n{attribute} = "hash"\n')
    token, other = "0a" * 32, "0b" * 32
    table = Table([entry("x") | {attribute: {"S": token}}], INDEXES)
    for written, count in ((f"={token}", 1), (f"={other}", 0), (f"!={token}", 0), (f"!={other}", 1)):
        question = asked(attribute + written, profile=hashing)
        assert len(sets_of(search(table, question=question))) == count, written


@pytest.mark.parametrize(("stores", "names"), [("d", "xz"), ("e", "y"), ("ed", "yxz"), ("", "")])
def test_only_the_entries_of_the_data_stores_asked_for_are_found(stores: str, names: str) -> None:
    items = [
        entry(name, store * 32, StudyInstanceUID="1.2", StudyMoment=moment + "0" * 6)
        for store, name, moment in (("d", "x", "20240102"), ("e", "y", "20240103"), ("d", "z", "20240101"))
    ]
    stored = tuple(store * 32 for store in stores)
    found = search(Table(items, INDEXES), "StudyInstanceUID=1.2", datastores=stored, level=Level.IMAGE_SET)
    assert sets_of(found) == [*names]


def test_a_study_in_two_data_stores_is_two_studies() -> None:
    items = [entry(name, store, StudyInstanceUID="1.2") for store, name in ((STORE, "x"), (OTHER, "y"))]
    rows = [*search(Table(items, INDEXES), "StudyInstanceUID=1.2", datastores=(STORE, OTHER))]
    assert sorted((row.datastore_id, row.counts.image_sets) for row in rows if row.counts) == [(STORE, 1), (OTHER, 1)]


def test_a_patient_is_an_id_and_its_issuer_and_no_issuer_is_none() -> None:
    issuers: tuple[dict[str, str], ...] = ({"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}, {}, {})
    items = [entry(str(number), PatientID="1", **issuer) for number, issuer in enumerate(issuers)]
    rows = [*search(Table(items, INDEXES), "PatientID=1", level=Level.PATIENT)]
    assert sorted(len(row.entries) for row in rows) == [1, 1, 2]


def test_conflicting_values_of_a_patient_are_listed() -> None:
    names = ("Doe^John", "Doe^Jon", "Doe^John")
    items = [entry(str(at), PatientID="1", PatientName=name, PatientSex="M") for at, name in enumerate(names)]
    (row,) = search(Table(items, INDEXES), "PatientID=1", level=Level.PATIENT)
    assert row.conflicts == {"PatientName": ("Doe^John", "Doe^Jon")}


def test_the_newest_studies_are_shown_and_the_answer_says_how_to_go_on() -> None:
    table = Table(archive(500, sets=3), INDEXES)
    first = search(table, limit=10)
    assert [row.value("StudyInstanceUID") for row in first] == [f"1.{number}" for number in range(499, 489, -1)]
    assert (first.report.ended, first.report.entries) == (Ended.LIMIT, 100)
    second = search(table, limit=10, cursor=first.report.cursor)
    assert [row.value("StudyInstanceUID") for row in second] == [f"1.{number}" for number in range(489, 479, -1)]


@pytest.mark.parametrize(
    ("text", "studies"),
    [
        ("", 2_000),
        ("StudyDate=2024", 2_000),
        ("ModalitiesInStudy=CT", 2_000),
        ("PatientID=1", 100),
        ("AccessionNumber=A", 100),
    ],
)
def test_a_work_list_takes_three_queries_at_most(text: str, studies: int) -> None:
    table = Table(archive(studies, sets=5, PatientID="1", AccessionNumber="A"), INDEXES)
    shown = ("PatientName", "StudyDescription", "AccessionNumber")
    running = Search(cast("TableReader", table), asked(*filter(None, [text]), limit=100), shown)
    assert [row.counts.image_sets for row in running if row.counts] == [5] * 100
    assert running.report.calls == len(table.calls) <= 3, table.calls


def test_a_search_that_nothing_narrows_down_ends_with_its_budget_and_says_how_far_it_read() -> None:
    table = Table(archive(200), INDEXES)
    running = search(table, "Modality=MR", budget=100)
    assert sets_of(running) == []
    assert (running.report.ended, running.report.read_back_to) == (Ended.BUDGET, "20240105140000")
    assert running.report.entries <= 100
    assert running.report.matched == {"Modality": 0}
    assert len(sets_of(search(table, "Modality=CT", budget=None, limit=None))) == 200


def test_image_sets_without_a_date_come_last_and_a_tenth_of_the_budget_is_kept_for_them() -> None:
    undated = [entry(f"u{number}", StudyInstanceUID=f"2.{number}", Modality="MR") for number in range(30)]
    table = Table([*archive(200), *undated], INDEXES)
    running = search(table, "Modality=MR", budget=100)
    assert len(sets_of(running)) == 10
    assert running.report.more_undated
    assert len(sets_of(search(table, "Modality=MR", budget=None))) == 30
    assert sets_of(search(table, limit=1)) == ["01990"]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_long_search_reads_slices_of_time_side_by_side_and_each_entry_once(
    monkeypatch: pytest.MonkeyPatch, *, reverse: bool
) -> None:
    monkeypatch.setattr(stream, "LARGEST", 100)
    # A cluster, two years without anything, and one more study.
    items = [*archive(600), entry("old", StudyInstanceUID="0", StudyMoment="20220101000000", Modality="CT")]
    table = Table(items, INDEXES, page=50)
    calls = Late()
    question = asked(budget=None, limit=None, reverse=reverse)
    running = Search(cast("TableReader", table), question, whole=False, executor=calls)
    assert len(sets_of(running)) == 601
    assert 4 <= calls.most <= 5
    assert running.report.entries == 601
    assert running.report.calls == len(table.calls) <= 40


def test_what_was_read_ahead_for_nothing_is_counted_and_remains_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "LARGEST", 100)
    table = Table(archive(600), INDEXES, page=50)
    running = search(table, limit=330, budget=450, whole=False)
    assert len(sets_of(running)) == 330
    assert running.report.calls == len(table.calls)
    assert 350 < running.report.entries <= 450
    running = search(table, "Modality=MR", budget=450, whole=False)
    assert sets_of(running) == []
    # A tenth is kept for those without a date.
    assert running.report.entries == 405


@given(near=MOMENTS, far=MOMENTS | st.just(AFTER_ALL) | st.just("00010101"), length=st.integers(10, 10**9))
def test_a_cut_is_between_the_ends_and_no_moment_is_on_both_of_its_sides(near: str, far: str, length: int) -> None:
    found = slices.cut(near, far, length)
    if found is not None:
        assert min(near, far) < found < max(near, far)
        assert len(found) < len(near)
        assert abs(slices.seconds(found) - slices.seconds(near)) <= length + slices.SHORTEST


def test_a_question_with_a_range_of_dates_says_how_many_match_without_a_date() -> None:
    undated = [entry(f"u{number}", PatientID="1", StudyInstanceUID="2", Modality="MR") for number in range(3)]
    dated = archive(2, PatientID="1")
    table = Table([*dated, *undated], INDEXES)
    for texts in (["StudyDate=2024"], ["StudyDate=2024", "PatientID=1"], ["StudyDate=2024", "StudyInstanceUID=2"]):
        running = search(table, *texts, "Modality=MR")
        assert sets_of(running) == []
        assert (running.report.undated, running.report.more_undated) == (3, False), texts
    assert len(sets_of(search(table, "StudyDate="))) == 3


def test_image_sets_without_a_date_are_not_looked_for_if_nobody_asks_how_many_there_are() -> None:
    table = Table([*archive(200), entry("u", StudyInstanceUID="2")], INDEXES)
    for counts, calls in ((True, 2), (False, 1)):
        table.calls.clear()
        running = Search(cast("TableReader", table), asked("StudyDate=2024", limit=10), counts_undated=counts)
        assert len([*running]) == 10
        assert (running.report.undated, table.calls.count("date")) == (int(counts), calls)


def test_what_is_not_primary_is_left_out_and_counted_or_shown_where_there_is_nothing_else() -> None:
    items = [
        entry("a", StudyInstanceUID="1", SeriesInstanceUID="1.1", Modality="CT"),
        entry("b", StudyInstanceUID="1", SeriesInstanceUID="1.2", Modality="MR", IsPrimary=False),
        entry("c", StudyInstanceUID="2", SeriesInstanceUID="2.1", Modality="MR", IsPrimary=False),
    ]
    table = Table(items, INDEXES)
    rows = {row.value("StudyInstanceUID"): row for row in search(table)}
    assert [(row.only_non_primary, row.non_primary) for row in (rows["1"], rows["2"])] == [(False, 1), (True, 0)]
    assert rows["1"].modalities == ("CT",)
    running = search(table, "Modality=MR")
    assert sets_of(running) == ["c"]
    assert running.report.non_primary == 1
    assert sorted(sets_of(search(table, "Modality=MR", all_copies=True))) == ["b", "c"]
    for text in ("IsPrimary=false", "NonPrimary=1"):
        assert sorted(sets_of(search(table, text))) == ["b", "c"]
    assert sorted(sets_of(search(table, level=Level.SERIES))) == ["a", "b", "c"]


def test_copies_of_another_date_are_counted_unless_nobody_asks_for_them() -> None:
    items = [
        *archive(20),
        entry("x", StudyInstanceUID="1.7", StudyMoment="20240101070000", IsPrimary=False),
        entry("y", StudyInstanceUID="1.7", StudyMoment="20200101070000", IsPrimary=False),
    ]
    table = Table(items, INDEXES)
    for counts, copies in ((True, 2), (False, 1)):
        table.calls.clear()
        running = Search(cast("TableReader", table), asked(limit=None), counts_copies=counts)
        (row,) = (row for row in running if row.value("StudyInstanceUID") == "1.7")
        assert (row.non_primary, "nonprimary" in table.calls) == (copies, counts)
        assert [item["ImageSetId"]["S"] for item in row.entries] == ["00070"]


def test_the_modalities_of_a_study_are_those_of_all_of_it() -> None:
    items = [
        entry("a", StudyInstanceUID="1", Modality="CT", BodyPartExamined="CHEST", PatientName="Doe"),
        entry("b", StudyInstanceUID="1", Modality="PT", PatientName="Doe"),
        entry("c", StudyInstanceUID="2", Modality="CT", BodyPartExamined="CHEST", PatientName="Doe"),
    ]
    for texts in ([], ["PatientName=doe"]):
        (row,) = search(Table(items, INDEXES), "ModalitiesInStudy=PT", "BodyPartExamined=CHEST", *texts)
        assert (row.value("StudyInstanceUID"), row.modalities) == ("1", ("CT", "PT"))
        assert [item["ImageSetId"]["S"] for item in row.entries] == ["a"]


def test_a_study_is_counted_whole_though_nothing_says_whether_its_image_sets_are_primary() -> None:
    items = [
        entry(name, StudyInstanceUID="1", StudyMoment=f"{day}080000")
        for name, day in (("a", "20240101"), ("b", "20240101"), ("c", "20240102"))
    ]
    for item in items[1:]:
        del item["IsPrimary"]
    (row,) = search(Table(items, INDEXES), "StudyDate=20240101", "ImageSetId=a")
    assert row.counts
    assert row.counts.image_sets == 3


def test_the_studies_of_many_series_are_counted_whole_and_not_by_these_series() -> None:
    items = [
        entry(f"{study}.{series}", StudyInstanceUID=f"{study}", SeriesInstanceUID=f"{study}.{series}")
        for study in range(20)
        for series in (1, 2)
    ]
    holding_all = {"series": msgspec.structs.replace(INDEXES["series"], holds=None)}
    uids = ",".join(f"{study}.1" for study in range(20))
    running = search(Table(items, INDEXES | holding_all), f"SeriesInstanceUID={uids}")
    assert [row.counts.series for row in running if row.counts] == [2] * 20


def test_image_sets_that_match_only_because_they_have_no_value_are_counted() -> None:
    items = [
        entry("a", StudyInstanceUID="1", Modality="CT"),
        entry("b", StudyInstanceUID="2"),
        entry("c", StudyInstanceUID="3", Modality="MR"),
        entry("d", StudyInstanceUID="4", PatientID="1"),
    ]
    for texts, found, without in (
        (["Modality!=CT"], "bcd", 2),
        (["Modality!=CT", "PatientID!=2"], "bcd", 3),
        (["Modality!=CT", "PatientID=1"], "d", 1),
        (["ModalitiesInStudy!=CT"], "bcd", 0),
        (["Modality=MR"], "c", 0),
    ):
        running = search(Table(items, INDEXES), *texts)
        assert sorted(sets_of(running)) == [*found], texts
        assert running.report.without_value == without, texts


def test_an_entry_that_may_match_says_so() -> None:
    table = Table([entry("x") | {"SliceThickness": {"M": {"Min": {"N": "1"}, "Max": {"N": "5"}}}}], INDEXES)
    assert [row.possible for row in search(table, "SliceThickness=3")] == [True]
    assert [row.possible for row in search(table, "SliceThickness=2..9")] == [False]
    assert [*search(table, "SliceThickness=6")] == []


def test_an_entry_that_was_deleted_meanwhile_is_not_found() -> None:
    table = Table([entry("x", PatientID="1", Modality="CT")], {"patient": INDEXES["patient"]})
    vanished = msgspec.structs.replace(INDEXES["patient"], holds=())
    table.indexes["patient"] = vanished
    table.forget("x")
    running = search(table, "PatientID=1", "Modality=CT")
    assert sets_of(running) == []
    assert running.report.deleted == 1


def test_rows_have_all_that_is_to_be_shown_whatever_an_index_holds() -> None:
    table = Table([entry("x", PatientID="1", StationName="S")], INDEXES)
    question = asked("PatientID=1", index="patient")
    for shown, called in ((["PatientID"], False), (["StationName"], True), (None, True)):
        table.calls.clear()
        (row,) = Search(cast("TableReader", table), question, shown, whole=False)
        assert (row.value("StationName") == "S", "" in table.calls) == (called, called), shown


@pytest.mark.parametrize(
    "cursor",
    ["x", "", "not a cursor", "AAAA", "eJxjYAACAAAEAAE", "é"],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    table = Table(archive(3), INDEXES)
    if not cursor:
        assert len(sets_of(search(table, cursor=cursor))) == 3
        return
    with pytest.raises(SearchError, match="This is not a cursor"):
        search(table, cursor=cursor)


def test_a_cursor_is_of_its_question_and_of_its_index() -> None:
    table = Table(archive(30), INDEXES)
    first = search(table, "Modality=CT", limit=3)
    assert len(sets_of(first)) == 3
    cursor = first.report.cursor
    for other in (asked("Modality=MR"), asked("Modality=CT", level=Level.SERIES), asked("Modality=CT", reverse=True)):
        with pytest.raises(SearchError, match="This cursor is of another search"):
            search(table, question=msgspec.structs.replace(other, cursor=cursor))
    assert len(sets_of(search(table, "Modality=CT", limit=7, cursor=cursor))) == 7
    del table.indexes["date"]
    with pytest.raises(SearchError, match="The index that this cursor is of is no longer there"):
        search(table, "Modality=CT", cursor=cursor)


def test_an_estimate_takes_the_part_of_the_dates_that_are_asked_for() -> None:
    table = Table(archive(24 * 28), INDEXES)
    assert search(table, "Modality=CT").estimate().entries == 24 * 28
    assert search(table, "StudyDate=20240108-20240114").estimate().entries == 24 * 7
    assert search(table, "StudyDate=20240108").estimate().entries == 24
    assert search(table, "StudyInstanceUID=1.2").estimate().entries == 5


def test_a_search_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    assert len(sets_of(search(Table(archive(300), INDEXES), limit=None))) == 300
    rows = iter(search(Table(archive(300), INDEXES), limit=None))
    next(rows)
    cast("Any", rows).close()
    assert threading.active_count() == before
