"""From conditions to the index that answers them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.dicom import dictionary
from imaging_index.dicom.person_names import name_key
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from imaging_index.searching.conditions import SearchError, parse
from imaging_index.searching.planner import Plan, plan
from imaging_index.searching.search import search
from imaging_index.table.layout import Between
from imaging_index.table.reading import TableDescription, TableReader

INDEXES = dict(toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml").indexes)
STORE = "d" * 32
LAST = "\U0010ffff"


def _plan(*texts: str, index: str | None = None) -> Plan:
    return plan(INDEXES, {"DatastoreId": STORE, **parse(texts)}, index)


@pytest.mark.parametrize(
    ("texts", "index", "conditions"),
    [
        (["StudyInstanceUID=1.2"], "study", {"StudyInstanceUID": "1.2"}),
        (["SeriesInstanceUID=1.2.3"], "series", {"SeriesInstanceUID": "1.2.3"}),
        (["AccessionNumber=A=1"], "accession", {"DatastoreId": STORE, "AccessionNumber": "A=1"}),
        (["PatientID=1"], "patient", {"DatastoreId": STORE, "PatientID": "1"}),
        (
            ["PatientID=1", "StudyDate=20240101"],
            "patient",
            {"DatastoreId": STORE, "PatientID": "1", "StudyMoment": Between("20240101", "20240101" + LAST)},
        ),
        (["StudyDate=20240101"], "date", {"DatastoreId": STORE, "StudyMoment": Between("20240101", "20240101" + LAST)}),
        (["PatientName=Müller^Jan"], "name", {"DatastoreId": STORE, "PatientNameKey": "muller jan"}),
        (["PatientName=Doe^*"], "name", {"DatastoreId": STORE, "PatientNameKey": Between("doe", "doe " + LAST)}),
        (["PatientName=Mü*"], "name", {"DatastoreId": STORE, "PatientNameKey": Between("mu", "mu" + LAST)}),
        (
            ["FirstIndexedAt=2024-01*"],
            "arrived",
            {"DatastoreId": STORE, "FirstIndexedAt": Between("2024-01", "2024-01" + LAST)},
        ),
        (["NonPrimary=1"], "nonprimary", {"DatastoreId": STORE, "NonPrimary": "1"}),
        (
            ["NonPrimary=1", "FirstIndexedAt=2024-01*"],
            "nonprimary",
            {"DatastoreId": STORE, "NonPrimary": "1", "FirstIndexedAt": Between("2024-01", "2024-01" + LAST)},
        ),
        (["ImageSetId=x", "StudyInstanceUID=1.2"], "study", {"StudyInstanceUID": "1.2", "ImageSetId": "x"}),
    ],
)
def test_conditions_are_answered_by_the_index_that_holds_them(
    texts: list[str], index: str, conditions: dict[str, str | Between]
) -> None:
    found = _plan(*texts)
    assert found == Plan(index, conditions)
    assert list(found.conditions) == list(conditions)


def _finds(condition: str, moment: str) -> bool:
    found = _plan(condition).conditions["StudyMoment"]
    assert isinstance(found, Between)
    return found.low <= moment <= found.high


@pytest.mark.parametrize(
    ("condition", "within", "without"),
    [
        ("StudyDate=20240101", ["20240101000000", "20240101235960"], ["20231231235959", "20240102000000"]),
        ("StudyDate=20240101-20240131", ["20240101000000", "20240131235959"], ["20231231235959", "20240201000000"]),
        ("StudyDate=20240101-", ["20240101000000", "99991231235959"], ["20231231235959"]),
        (
            "StudyDate=-20240131",
            ["00010101000000", "20240131235959"],
            ["00000000000000", "00000000120000", "20240201000000"],
        ),
        ("StudyDate=-", ["00010101000000", "99991231235959"], ["00000000000000"]),
        ("StudyDate=*", ["00010101000000", "99991231235959"], ["00000000000000"]),
        ("StudyDate=202401*", ["20240101000000", "20240131235959"], ["20231231235959", "20240201000000"]),
    ],
)
def test_a_range_of_dates_holds_its_ends_and_no_study_without_a_date(
    condition: str, within: list[str], without: list[str]
) -> None:
    assert all(_finds(condition, moment) for moment in within)
    assert not any(_finds(condition, moment) for moment in without)


@pytest.mark.parametrize(
    "date", ["2024-01-01", "20240101-2024", "yesterday", "2024", "2024*01", "２０２４０１０１", "2024.02.30"]
)
def test_a_date_that_is_written_otherwise_is_told_how_to_write_it(date: str) -> None:
    with pytest.raises(SearchError, match="Write StudyDate as a day"):
        parse([f"StudyDate={date}"])


@pytest.mark.parametrize("date", ["20049999", "20230229", "20240101-20240231", "00000000-", "-20241301", "20240100"])
def test_a_day_that_no_calendar_has_is_no_date(date: str) -> None:
    with pytest.raises(SearchError, match="StudyDate names a day that no calendar has"):
        parse([f"StudyDate={date}"])


@pytest.mark.parametrize("name", ["FirstIndexedAt", "IndexedAt", "EventTime"])
@pytest.mark.parametrize(
    "moment",
    ["20261122-", "20261122-20261123", "2026-11-22-", "-2026-11-22", "2026-11-22", "20261122*", "2026-11-22Z*"],
)
def test_a_range_or_another_form_of_a_moment_of_the_index_is_told_how_to_write_it(name: str, moment: str) -> None:
    with pytest.raises(SearchError) as met:
        parse([f"{name}={moment}"])
    assert f"Write {name}=2024-01-31* for a day" in str(met.value)
    assert parse([f"{name}=2024-01-31*"]) == {name: Between("2024-01-31", "2024-01-31" + LAST)}


def test_the_moment_of_a_study_has_no_hyphen_and_no_range() -> None:
    for wrong in ("20240131-", "2024-01-31*", "20240131"):
        with pytest.raises(SearchError, match=r"Write StudyMoment=20240131\* for a day"):
            parse([f"StudyMoment={wrong}"])
    assert parse(["StudyMoment=20240131120000"]) == {"StudyMoment": "20240131120000"}


@pytest.mark.parametrize("moment", ["2026-11-22T10:17:30.229794Z", "2026-11-22T10:17:30.229Z", "2026-11-22T10:17:30Z"])
def test_a_whole_moment_of_the_index_is_compared_as_it_is(moment: str) -> None:
    assert parse([f"EventTime={moment}"]) == {"EventTime": moment}


@pytest.mark.parametrize(
    ("condition", "stored"),
    [
        ("PatientID=123 ", "123"),
        ("PatientID=  123", "123"),
        ("PatientID=1 23", "1 23"),
        ("AccessionNumber=A1\0", "A1"),
        ("StudyInstanceUID=1.2.3 ", "1.2.3"),
        ("Modality= CT ", "CT"),
        ("PatientComments= as it stands ", " as it stands"),
        ("PatientComments=a\\b", "a\\b"),
        ("PatientAge=45Y", "045Y"),
        ("PatientBirthDate=2024.01.31", "20240131"),
        ("StudyDate=2024.01.31", "20240131"),
        ("StudyDate=20240131 ", "20240131"),
        ("StudyTime=12:30", "123000"),
        ("StudyTime=12", "120000"),
        ("SeriesNumber=007 ", "7"),
        ("SeriesNumber=+7", "7"),
        ("SliceThickness=1.50e2", "150"),
        ("Rows=512", "512"),
        ("PatientID=" + "0a" * 32, "0a" * 32),
        ("PatientBirthDate=" + "0a" * 32, "0a" * 32),
        ("BValue= 007 ", " 007 "),
        ("DatastoreId= d", " d"),
    ],
)
def test_a_whole_value_is_compared_in_the_form_that_is_stored(condition: str, stored: str) -> None:
    assert parse([condition]) == {condition.partition("=")[0]: stored}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PatientAge", "45 years", "This is no value of PatientAge; write it like PatientAge=045Y."),
        (
            "PatientBirthDate",
            "20240230",
            "This is no value of PatientBirthDate; write it like PatientBirthDate=20240131.",
        ),
        ("PatientBirthDate", "20240101-20240131", "This is no value of PatientBirthDate;"),
        ("SeriesTime", "noon", "This is no value of SeriesTime; write it like SeriesTime=120000."),
        ("AcquisitionDateTime", "2024-01-31", "This is no value of AcquisitionDateTime;"),
        ("SeriesNumber", "seven", "SeriesNumber is a number: write it whole, like SeriesNumber=3, and without a *."),
        ("InstanceNumber", "1.5", "InstanceNumber is a number: write it whole"),
        ("PatientID", "  ", "Blanks are no value of PatientID;"),
        ("StudyInstanceUID", "1.2.3\\1.2.4", "There are several values of StudyInstanceUID; search for one at a time."),
        ("StudyInstanceUID", "1.2.3,1.2.4", "There are several values of StudyInstanceUID; search for one at a time."),
        ("PatientID", "12345\\67890", "There are several values of PatientID; search for one at a time."),
    ],
)
def test_a_value_that_no_entry_can_have_is_told_so_without_it(name: str, value: str, told: str) -> None:
    with pytest.raises(SearchError) as met:
        parse([f"{name}={value}"])
    assert str(met.value).startswith(told)
    assert value.strip() == "" or value not in str(met.value)


def test_a_comma_is_a_character_of_an_id() -> None:
    assert parse(["PatientID=1,2"]) == {"PatientID": "1,2"}


def test_every_keyword_of_the_dictionary_can_be_asked_for_or_is_refused() -> None:
    for keyword in dictionary.keywords():
        for value in ("1", "1.2", "045Y", "A\\B", " "):
            with contextlib.suppress(SearchError):
                assert parse([f"{keyword}={value}"]).keys() == {keyword}


def test_a_range_that_ends_before_it_begins_is_told_so() -> None:
    with pytest.raises(SearchError, match="ends before it begins"):
        parse(["StudyDate=20240131-20240101"])


def test_any_name_begins_with_a_star() -> None:
    found = _plan("PatientName=*").conditions["PatientNameKey"]
    assert isinstance(found, Between)
    assert all(found.low <= name_key(name) <= found.high for name in ("Aaa", "山田", "zz", "\x1b$B"))


@pytest.mark.parametrize("name", ["^", "^^*", " ", "="])
def test_a_name_without_a_letter_is_told_how_to_write_it(name: str) -> None:
    with pytest.raises(SearchError, match="Write PatientName with at least one letter"):
        parse([f"PatientName={name}"])


@given(st.text(st.characters(codec="utf-8", categories=["L", "Nd", "Zs"]), min_size=1), st.text(max_size=4))
def test_a_value_is_found_by_each_of_its_beginnings(value: str, more: str) -> None:
    found = _plan("StudyInstanceUID=1", f"ImageSetId={value}*").conditions["ImageSetId"]
    assert isinstance(found, Between)
    assert found.low.encode() <= (value + more).encode("utf-8", "replace") <= found.high.encode()


@pytest.mark.parametrize("text", ["", "PatientID", "PatientID=", "=1", "="])
def test_a_text_that_is_no_condition_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(SearchError, match=r"Write a condition as Keyword=value, like PatientID=1234"):
        parse([text])


def test_two_conditions_on_one_attribute_are_one_too_many() -> None:
    with pytest.raises(SearchError, match="two conditions on PatientID"):
        parse(["PatientID=1", "PatientID=2"])


SORTED = "FirstIndexedAt, ImageSetId, PatientName, StudyDate"


@pytest.mark.parametrize(
    ("texts", "cause"),
    [
        (["Modality=CT"], "'Modality' is in no index."),
        (["PatientID=1*"], f"PatientID needs a whole value: a * or a range is understood for {SORTED}."),
        (["StudyInstanceUID=1.2", "PatientID=1"], "No index answers this."),
        (["PatientName=doe", "StudyDate=20240101"], "No index answers this."),
        (["PatientID=1", "StudyDate=20240101", "ImageSetId=x"], "No index answers this."),
        (["patientid=1"], "'patientid' is in no index. Did you mean 'PatientID'?"),
        (["PatientId=1", "StudyDate=20240101-"], "'PatientId' is in no index. Did you mean 'PatientID'?"),
    ],
)
def test_conditions_that_no_index_answers_are_told_why_and_what_can_be_searched(texts: list[str], cause: str) -> None:
    with pytest.raises(SearchError) as met:
        _plan(*texts)
    assert str(met.value) == (
        f"{cause} Search by the attributes of one index: accession (AccessionNumber); "
        "arrived (FirstIndexedAt); date (StudyDate); name (PatientName); nonprimary (NonPrimary + FirstIndexedAt); "
        "patient (PatientID + StudyDate); series (SeriesInstanceUID); study (StudyInstanceUID)."
    )


def test_a_named_index_is_the_one_to_be_asked() -> None:
    assert _plan(index="date") == Plan("date", {"DatastoreId": STORE})
    assert _plan("StudyDate=20240101", index="date").index == "date"
    with pytest.raises(SearchError, match="'PatientID' is not in the index date"):
        _plan("PatientID=1", index="date")
    with pytest.raises(SearchError, match="No index answers this"):
        _plan("StudyDate=20240101", index="patient")
    with pytest.raises(SearchError, match="There is no index 'dates'"):
        _plan(index="dates")


def test_nothing_to_search_by_is_told_what_can_be_searched() -> None:
    with pytest.raises(SearchError, match="Give a condition, or name an index to list"):
        _plan()


def test_of_several_indexes_the_one_with_the_most_partition_attributes_is_asked() -> None:
    indexes = {
        "one": Index(("DatastoreId",), ("PatientID", "ImageSetId")),
        "two": Index(("DatastoreId", "PatientID"), ("ImageSetId",)),
        "three": Index(("DatastoreId",), ("PatientID", "StudyMoment")),
    }
    conditions = {"DatastoreId": STORE, "PatientID": "1"}
    assert plan(indexes, conditions).index == "two"
    assert plan(indexes, conditions | {"StudyMoment": "2"}).index == "three"


def test_a_name_is_folded_for_an_index_that_it_partitions_as_well() -> None:
    indexes = {"same": Index(("DatastoreId", "PatientNameKey"), ("ImageSetId",))}
    conditions = {"DatastoreId": STORE, **parse(["PatientName=Müller^Jan"])}
    assert plan(indexes, conditions).conditions == {"DatastoreId": STORE, "PatientNameKey": "muller jan"}
    with pytest.raises(SearchError, match="PatientName needs a whole value"):
        plan(indexes, {"DatastoreId": STORE, **parse(["PatientName=Mü*"])})


class _Numbers:
    """A table with an index over a number."""

    def describe(self) -> TableDescription:
        index = Index(("SeriesNumber",), ("InstanceCount",))
        return TableDescription({"number": index}, {"SeriesNumber": "N", "InstanceCount": "N"})

    def query(self, index: str, conditions: Mapping[str, Any], key_types: Mapping[str, str]) -> Iterator[Any]:
        assert key_types == {"SeriesNumber": "N", "InstanceCount": "N"}
        assert (index, conditions) == ("number", {"SeriesNumber": "-3"})
        yield {"DatastoreId": {"S": STORE}}


@pytest.mark.parametrize("wrong", ["SeriesNumber=three", "SeriesNumber=3*", "SeriesNumber=1-3", "InstanceCount=1*"])
def test_a_number_is_compared_with_a_whole_number_only(wrong: str) -> None:
    table = cast("TableReader", _Numbers())
    assert len(list(search(table, [STORE], parse(["SeriesNumber=-03 "])))) == 1
    with pytest.raises(SearchError, match=r"(SeriesNumber|InstanceCount) is a number: write it whole"):
        list(search(table, [STORE], parse([wrong])))


class _Entries:
    """A table of two data stores, that answers every query with all it has."""

    def describe(self) -> TableDescription:
        return TableDescription(INDEXES, {})

    def query(self, index: str, conditions: Mapping[str, Any], key_types: Mapping[str, str]) -> Iterator[Any]:
        assert (index, key_types) == ("study", {})
        assert conditions == {"StudyInstanceUID": "1.2"}
        yield from ({"DatastoreId": {"S": store}, "ImageSetId": {"S": name}} for store, name in ("ax", "by", "az"))


@pytest.mark.parametrize(("stores", "names"), [(["a"], "xz"), (["b"], "y"), (["b", "a"], "xyz"), ([], "")])
def test_only_the_entries_of_the_data_stores_asked_for_are_found(stores: Sequence[str], names: str) -> None:
    found = search(cast("TableReader", _Entries()), stores, {"StudyInstanceUID": "1.2"})
    assert [item["ImageSetId"]["S"] for item in found] == list(names)


def test_a_search_of_many_data_stores_describes_the_table_once() -> None:
    table = mock.Mock(spec=TableReader)
    table.describe.return_value = TableDescription(INDEXES, {})
    table.query.return_value = iter(())
    assert list(search(table, ["a", "b", "c"], parse(["PatientID=P"]))) == []
    assert (table.describe.call_count, table.query.call_count) == (1, 3)
