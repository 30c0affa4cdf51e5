"""From conditions to the index that is read, and from there to the entries that match."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest import mock

import pytest

from imaging_index.dicom.person_names import name_key
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from imaging_index.searching.grammar import AFTER_ALL, SearchError, parse
from imaging_index.searching.matching import Match, match_all
from imaging_index.searching.planner import Plan, plan
from imaging_index.searching.search import Search
from imaging_index.table.layout import Between
from imaging_index.table.reading import TableDescription, TableReader

PROFILE = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")
INDEXES = dict(PROFILE.indexes)
STORE = "d" * 32
TODAY = date(2024, 1, 31)
CASES = 2_000


def planned(*texts: str, index: str | None = None, indexes: Mapping[str, Index] = INDEXES) -> Plan:
    return plan(indexes, parse(texts, PROFILE, TODAY), STORE, index)


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
        (["PatientName=Müller^Jan"], "name", {"DatastoreId": STORE, "PatientNameKey": "muller jan"}),
        (["PatientName=Doe^*"], "name", {"DatastoreId": STORE, "PatientNameKey": Between("doe", "doe " + AFTER_ALL)}),
        (["PatientName=Mü*"], "name", {"DatastoreId": STORE, "PatientNameKey": Between("mu", "mu" + AFTER_ALL)}),
        (
            ["FirstIndexedAt=2024-01*"],
            "arrived",
            {"DatastoreId": STORE, "FirstIndexedAt": Between("2024-01", "2024-01" + AFTER_ALL)},
        ),
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
    assert found.newest_first is (index in ("date", "arrived"))


@pytest.mark.parametrize(
    "texts",
    [
        ["Modality=CT"],
        ["PatientName=*doe*"],
        ["PatientName=~doe"],
        ["PatientID=*1*"],
        ["StudyDate!=20240101"],
        ["PatientID!=1"],
        ["StudyDate=*"],
    ],
)
def test_what_no_index_narrows_down_is_looked_for_in_the_newest_studies(texts: list[str]) -> None:
    assert planned(*texts) == Plan("date", ({"DatastoreId": STORE},), bounded=False, newest_first=True)


def test_an_index_that_misses_entries_is_no_stand_in_for_a_whole_data_store() -> None:
    named = {"name": INDEXES["name"]}
    assert planned("PatientName=doe", indexes=named).index == "name"
    with pytest.raises(SearchError, match="The table has no index of a whole data store"):
        planned("Modality=CT", indexes=named)
    assert planned("Modality=CT", indexes=named | {"arrived": INDEXES["arrived"]}).index == "arrived"
    assert planned("Modality=CT", index="name").index == "name"


@pytest.mark.parametrize(
    "name",
    ["Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田^太郎", "Müller" * 60, "Doe^" + "x" * 300, "x" * 256 + "^Doe"],
)
def test_a_name_is_found_as_it_is_shown_however_many_groups_or_letters_it_has(name: str) -> None:
    item = made(Random(0)) | {"PatientName": {"S": name}, "PatientNameKey": {"S": name_key(name)}}
    for written in (name, f"{name}*", name.split("=")[0] + "*"):
        assert len([*searched(Table([item]), [f"PatientName={written}"])]) == 1, written


@pytest.mark.parametrize("attribute", ["PatientID", "StudyDate"])
def test_a_hashed_attribute_is_found_by_its_token_and_by_another_one_is_not(attribute: str) -> None:
    hashing = toml_file.parse(f'revision = 1\nattributes = ["{attribute}"]\n[privacy]\n{attribute} = "hash"\n')
    token, other = "0a" * 32, "0b" * 32
    item = made(Random(0)) | {attribute: {"S": token}, "StudyMoment": {"S": "0" * 14}}
    for written, count in ((f"={token}", 1), (f"={other}", 0), (f"!={token}", 0), (f"!={other}", 1)):
        conditions = parse([attribute + written], hashing, TODAY)
        assert len([*Search(cast("TableReader", Table([item])), [STORE], conditions)]) == count, written


def test_several_uids_are_a_query_each() -> None:
    found = planned("StudyInstanceUID=1.2,1.3")
    assert found.queries == ({"StudyInstanceUID": "1.2"}, {"StudyInstanceUID": "1.3"})
    assert planned("StudyInstanceUID=1.2,1.2").queries == ({"StudyInstanceUID": "1.2"},)


def test_a_named_index_is_the_one_to_be_read() -> None:
    assert planned(index="date") == Plan("date", ({"DatastoreId": STORE},), bounded=False, newest_first=True)
    assert planned("PatientID=1", "StudyDate=20240101", index="date").index == "date"
    with pytest.raises(SearchError, match="The index patient needs a whole value of PatientID"):
        planned("StudyDate=20240101", index="patient")
    with pytest.raises(SearchError, match=r"There is no index 'dates'\. The table has accession, arrived, date"):
        planned(index="dates")


def test_a_table_without_an_index_of_a_whole_data_store_says_so() -> None:
    only = {"study": INDEXES["study"]}
    assert planned("StudyInstanceUID=1.2", "Modality=CT", indexes=only).index == "study"
    with pytest.raises(SearchError, match="The table has no index of a whole data store"):
        planned("Modality=CT", indexes=only)


class Table:
    """A table in memory whose indexes answer as DynamoDB's do."""

    def __init__(self, items: Sequence[Item], indexes: Mapping[str, Index] = INDEXES) -> None:
        self.items = items
        self.indexes = dict(indexes)
        self.read = 0

    def describe(self) -> TableDescription:
        return TableDescription(self.indexes, {})

    def query(
        self, index: str, conditions: Mapping[str, Any], key_types: Mapping[str, str], *, newest_first: bool
    ) -> Iterator[Item]:
        assert key_types == {}
        keys = self.indexes[index]
        names = (*keys.partition, *keys.sort)
        held = [item for item in self.items if all(name in item for name in names)]
        held.sort(key=lambda item: [item[name]["S"].encode() for name in keys.sort], reverse=newest_first)
        for item in held:
            if all(_holds(condition, item[name]["S"]) for name, condition in conditions.items()):
                self.read += 1
                yield item

    def whole(self, items: Iterable[Item]) -> Iterator[Item]:
        yield from items


def _holds(condition: str | Between, value: str) -> bool:
    if isinstance(condition, str):
        return condition == value
    return condition.low.encode() <= value.encode() <= condition.high.encode()


def searched(table: Table, texts: Sequence[str], stores: Sequence[str] = (STORE,), **how: Any) -> Search:
    return Search(cast("TableReader", table), stores, parse(texts, PROFILE, TODAY, exact=True), **how)


VALUES: dict[str, Sequence[str]] = {
    "PatientID": ("1", "12", "2", "A1"),
    "Modality": ("CT", "MR", "US"),
    "AccessionNumber": ("A", "B"),
    "StudyInstanceUID": ("1.2", "1.3", "1.20"),
    "StudyDate": ("20231231", "20240101", "20240131", "20240229"),
    "PatientName": ("Doe^John", "Doe", "Doering^Ann", "Müller", "山田^太郎"),
    "StudyDescription": ("Head", "head and neck", "CHEST"),
}
QUESTIONS = (
    *(
        "PatientID=1",
        "PatientID=1*",
        "PatientID!=1",
        "PatientID=?",
        "FirstIndexedAt=2024*-1*",
        "PatientID=",
        "Modality=CT",
        "Modality=CT,MR",
    ),
    *("Modality=*", "AccessionNumber=A", "StudyInstanceUID=1.2", "StudyInstanceUID=1.2,1.3", "StudyDate=20240101"),
    *("StudyDate=2024", "StudyDate=202401", "StudyDate=-20240101", "StudyDate=20240101-", "StudyDate!=20240131"),
    *("StudyDate=", "PatientName=doe", "PatientName=doe*", "PatientName=doe^*", "PatientName=*john", "PatientName=山*"),
    *("PatientName=doe^john", "StudyDescription=*ea*", "StudyDescription=Head", "FirstIndexedAt=2024-01-1*"),
)


def made(chance: Random) -> Item:
    """An entry with some of the values."""
    item: Item = {name: {"S": chance.choice(values)} for name, values in VALUES.items() if chance.random() < 0.8}
    moment = item.get("StudyDate", {"S": "0" * 8})["S"] + "120000"
    item |= {"DatastoreId": {"S": STORE}, "ImageSetId": {"S": f"{chance.getrandbits(64):016x}"}}
    item |= {"StudyMoment": {"S": moment}, "FirstIndexedAt": {"S": f"2024-01-{chance.randrange(1, 29):02}T00:00:00Z"}}
    if "PatientName" in item:
        item["PatientNameKey"] = {"S": name_key(item["PatientName"]["S"])}
    return item


def test_the_plan_finds_what_looking_at_every_entry_finds() -> None:
    for case in range(CASES):
        chance = Random(case)
        items = [made(chance) for _ in range(chance.randrange(12))]
        names = chance.sample(sorted(INDEXES), chance.randrange(1, len(INDEXES) + 1))
        texts = {text.split("=")[0].rstrip("!"): text for text in chance.choices(QUESTIONS, k=chance.randrange(1, 4))}
        conditions = parse(texts.values(), PROFILE, TODAY, exact=True)
        table = Table(items, {name: INDEXES[name] for name in names})
        try:
            found = {item["ImageSetId"]["S"] for item, _ in searched(table, [*texts.values()], budget=None)}
        except SearchError:
            assert not {"date", "arrived"} & {*names}, "an index of a whole data store answers everything"
            continue
        wanted = {item["ImageSetId"]["S"] for item in items if match_all(conditions, item) is not Match.NO}
        assert found == wanted, (case, [*texts.values()], names)


def test_a_search_that_nothing_narrows_down_ends_with_its_budget_and_says_how_far_it_read() -> None:
    chance = Random(0)
    table = Table([made(chance) for _ in range(50)])
    newest = sorted((item["StudyMoment"]["S"] for item in table.items), reverse=True)
    running = searched(table, ["Modality=*"], budget=20)
    found = [item for item, _ in running]
    assert (running.read, running.ended_early, running.read_back_to) == (20, True, newest[20])
    assert all(item["StudyMoment"]["S"] >= newest[20] for item in found)
    whole = searched(table, ["Modality=*"], budget=50)
    assert len([*whole]) == sum("Modality" in item for item in table.items)
    assert (whole.ended_early, whole.read_back_to) == (False, None)


def test_each_data_store_has_its_own_budget_and_all_were_read_to_the_moment_that_is_said() -> None:
    chance = Random(1)
    items = [made(chance) | {"DatastoreId": {"S": store}} for store in "ab" for _ in range(30)]
    running = searched(Table(items), ["Modality=*"], ["a", "b"], budget=20)
    found = {item["ImageSetId"]["S"] for item, _ in running}
    assert (running.read, running.ended_early) == (40, True)
    assert running.read_back_to is not None
    later = [item for item in items if item["StudyMoment"]["S"] > running.read_back_to and "Modality" in item]
    assert later
    assert {item["ImageSetId"]["S"] for item in later} <= found


def test_a_range_of_names_ends_with_the_budget_as_well() -> None:
    chance = Random(2)
    table = Table([made(chance) | {"PatientName": {"S": "Doe"}, "PatientNameKey": {"S": "doe"}} for _ in range(30)])
    running = searched(table, ["PatientName=doe*"], budget=20)
    assert len([*running]) == 20
    assert (running.ended_early, running.read_back_to) == (True, None)


def test_an_index_that_narrows_a_search_down_is_read_whole() -> None:
    chance = Random(0)
    table = Table([made(chance) | {"PatientID": {"S": "1"}} for _ in range(50)])
    running = searched(table, ["PatientID=1"], budget=20)
    assert len([*running]) == 50
    assert not running.ended_early


@pytest.mark.parametrize(("stores", "names"), [(["a"], "xz"), (["b"], "y"), (["b", "a"], "xyz"), ([], "")])
def test_only_the_entries_of_the_data_stores_asked_for_are_found(stores: Sequence[str], names: str) -> None:
    items: list[Item] = [
        {"DatastoreId": {"S": store}, "ImageSetId": {"S": name}, "StudyInstanceUID": {"S": "1.2"}}
        for store, name in ("ax", "by", "az")
    ]
    found = searched(Table(items), ["StudyInstanceUID=1.2"], stores)
    assert [item["ImageSetId"]["S"] for item, _ in found] == list(names)


def test_an_entry_that_may_match_says_so() -> None:
    item: Item = {
        "DatastoreId": {"S": STORE},
        "ImageSetId": {"S": "x"},
        "StudyMoment": {"S": "0" * 14},
        "SliceThickness": {"M": {"Min": {"N": "1"}, "Max": {"N": "5"}}},
    }
    assert [match for _, match in searched(Table([item]), ["SliceThickness=3"])] == [Match.POSSIBLE]
    assert [match for _, match in searched(Table([item]), ["SliceThickness=2..9"])] == [Match.YES]
    assert [*searched(Table([item]), ["SliceThickness=6"])] == []


def test_a_search_of_many_data_stores_describes_the_table_once() -> None:
    table = mock.Mock(spec=TableReader)
    table.describe.return_value = TableDescription(INDEXES, {})
    table.query.return_value = iter(())
    table.whole.side_effect = list
    assert [*Search(table, ["a", "b", "c"], parse(["PatientID=P"], PROFILE, TODAY))] == []
    assert (table.describe.call_count, table.query.call_count) == (1, 3)
