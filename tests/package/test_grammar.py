"""Conditions as they are written: which attribute, which test, and what is refused with which sentence."""

import itertools
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pytest

from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from imaging_index.searching.grammar import SearchError, each_of, listed, parse, since
from imaging_index.searching.matching import Condition, Match

NO, YES = Match.NO, Match.YES
TODAY: Final = date(2024, 1, 31)
VRS: Final = ("AS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "US")
# An attribute of each VR, `OfAS` and so on: a private element may have any.
PROFILE: Final = toml_file.parse(
    'revision = 1\nattributes = ["StudyInstanceUID"]\n'
    + "".join(
        f'[named.Of{vr}]\nfrom = [{{ creator = "ACME", element = "0101xx{number:02X}", vr = "{vr}" }}]\n'
        for number, vr in enumerate(VRS)
    )
)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("OfUI=1.2*", "OfUI takes no * and no ?"),
        ("OfDA=2024*", "Write OfDA as a day"),
        ("OfUS=1*", "OfUS is a number: write OfUS=3, or a range like OfUS=1..5."),
        ("OfUS=three", "OfUS is a number"),
        ("OfUS=5..1", "The range of OfUS ends before it begins"),
        ("OfDA=20240131-20240101", "The range of OfDA ends before it begins"),
        ("OfDA=20240230", "OfDA names a day that no calendar has"),
        ("OfDA=yestereve", "Write OfDA as a day"),
        ("OfTM=2200-0600", "A range of times cannot go over midnight"),
        ("OfTM=noon", "Write OfTM as 120000"),
        ("OfDT=2024-13-01", "OfDT names a day that no calendar has; write it as 20240131120000"),
        ("OfDT=then", "Write OfDT as 20240131120000"),
        ("OfAS=old", "This is not a valid value of OfAS; write it like OfAS=045Y."),
        ("OfPN=^^", "Write OfPN with at least one letter"),
        ("OfPN=~", "Write at least one word behind the ~"),
        ("OfLO:every=A", "OfLO:every is for numbers and dates of the instances"),
        ("OfLO=" + "*a" * 65, "Write at most 64 stars"),
        ("OfUI=" + ",".join(f"1.{number}" for number in range(101)), "Give at most 100 values of OfUI"),
        ("OfLO", "Write a condition as OfLO=value, or OfLO=* for any value. Put quotes around one with < or >"),
        ("CT", "Write a condition as Keyword=value"),
        ("=A", "Write a condition as Keyword=value"),
        ("Modality=CT", "The profile does not select Modality, so no entry has it."),
        ("Modalty=CT", "Modalty is not a DICOM keyword. Did you mean Modality?"),
        ("OfLOW=A", "The profile does not select OfLOW. Did you mean OfLO?"),
        ("00080060=CT", "The profile does not select Modality"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_with_the_way_out_and_without_its_value(
    written: str, sentence: str
) -> None:
    with pytest.raises(SearchError) as met:
        parse([written], PROFILE, TODAY)
    assert sentence in str(met.value)
    value = written.partition("=")[2]
    assert len(value) < 4 or value not in str(met.value)


def test_two_conditions_on_an_attribute_of_one_value_are_one_too_many() -> None:
    profile = toml_file.parse('revision = 1\nattributes = ["Modality", "ImageType"]\n')
    with pytest.raises(SearchError, match="two conditions on Modality"):
        parse(["Modality=CT", "Modality=MR"], profile, TODAY)
    assert len(parse(["Modality!=CT", "Modality!=MR"], profile, TODAY)) == 2
    assert len(parse(["ImageType=ORIGINAL", "ImageType=AXIAL"], profile, TODAY)) == 2


def test_a_hashed_attribute_is_searched_by_its_token_only() -> None:
    profile = toml_file.parse('revision = 1\nattributes = ["PatientID"]\n[privacy]\nPatientID = "hash"\n')
    token = "0a" * 32
    (condition,) = parse([f"PatientID={token}"], profile, TODAY)
    assert condition.match({"PatientID": {"S": token}}) is YES
    for wrong in ("PatientID=123", "PatientID=1*", "PatientID=1..2", "PatientID>=1"):
        with pytest.raises(SearchError, match="PatientID is stored as a token"):
            parse([wrong], profile, TODAY)


def test_what_an_index_may_be_asked_is_the_stored_form() -> None:
    texts = ["OfUS=007", "OfUI=1.2,1.3", "OfAS=45Y", "OfDA=2024.01.31"]
    asked = itertools.chain.from_iterable(condition.asked for condition in parse(texts, PROFILE, TODAY))
    assert [*asked] == ["7", "1.2", "1.3", "045Y", "20240131"]
    (exactly,) = parse(["OfLO= Ab "], PROFILE, TODAY, exact=True)
    assert exactly.asked == ("Ab",)
    # An index cannot be asked for text in any case.
    assert all(
        not each.asked for each in parse(["OfLO=Ab", "OfST=Ab*", "OfLT=A*b", "OfSH=*b", "OfTM=12"], PROFILE, TODAY)
    )


RADIOLOGY: Final = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")


def condition(text: str, profile: Profile = RADIOLOGY, *, exact: bool = False) -> Condition:
    (parsed,) = parse([text], profile, TODAY, exact=exact)
    return parsed


@pytest.mark.parametrize("keyword", ["PatientID", "AccessionNumber"])
def test_a_key_of_an_index_is_the_text_as_written_in_capitals_and_in_small_letters(keyword: str) -> None:
    found = condition(f"{keyword}=aB1")
    assert found.asked == ("aB1", "AB1", "ab1")
    for value, matches in (("aB1", YES), ("AB1", YES), ("ab1", YES), ("Ab1", NO)):
        assert found.match({keyword: {"S": value}}) is matches
    assert condition(f"{keyword}=12").asked == ("12",)
    assert condition(f"{keyword}=aB1", exact=True).asked == ("aB1",)
    assert condition(f"{keyword}=aB1", exact=True).match({keyword: {"S": "AB1"}}) is NO
    assert condition(f"{keyword}!=aB1").match({keyword: {"S": "ab1"}}) is NO
    assert condition(f"{keyword}=ab*").match({keyword: {"S": "AB1"}}) is YES


def test_any_attribute_that_is_a_partition_key_is_such_a_key() -> None:
    profile = toml_file.parse(
        'revision = 1\nattributes = ["StationName", "Modality"]\n'
        '[indexes.station]\npartition = ["DatastoreId", "StationName"]\nsort = ["ImageSetId"]\n'
    )
    assert condition("StationName=Ct1", profile).asked == ("Ct1", "CT1", "ct1")
    assert condition("Modality=Ct", profile).asked == ()


NOW: Final = datetime(2024, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", "2024-01-31T09:00:00.000000Z"),
        ("12h", "2024-01-30T22:30:00.000000Z"),
        ("7d", "2024-01-24T10:30:00.000000Z"),
        ("today", "2024-01-30T22:00:00.000000Z"),
        ("yesterday", "2024-01-29T22:00:00.000000Z"),
        ("2024-01-31", "2024-01-30T22:00:00.000000Z"),
        ("20240131", "2024-01-30T22:00:00.000000Z"),
        ("2024-01-31T12:00", "2024-01-31T10:00:00.000000Z"),
        ("2024-01-31T12:00:00.5Z", "2024-01-31T12:00:00.500000Z"),
        ("0099-01-01T00:00Z", "0099-01-01T00:00:00.000000Z"),
    ],
)
def test_a_span_begins_at_a_moment_as_entries_have_it(text: str, moment: str) -> None:
    assert since(text, NOW) == moment
    (arrived,) = parse([f"FirstIndexedAt>={moment}"], RADIOLOGY, TODAY)
    assert arrived.match({"FirstIndexedAt": {"S": moment}}) is YES
    assert arrived.match({"FirstIndexedAt": {"S": "0000"}}) is NO


@pytest.mark.parametrize("text", ["", "7", "7w", "soon", "20240230", "999999d", "0001-01-01", "2024-01-31T25:00"])
def test_a_text_that_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(SearchError, match="Write a span like 90m, 12h or 7d"):
        since(text, NOW)


def test_values_may_come_from_a_file() -> None:
    assert listed("PatientID=@ids.txt") == ("PatientID=", "ids.txt")
    assert listed("(0010,0020)=@-") == ("(0010,0020)=", "-")
    assert each_of("PatientID=", ["1\n", "\n", " 2 \r\n", "1"]) == ["PatientID=1", "PatientID=2"]
    for other in ("PatientID=a@b", "PatientID=", "PatientID=@", "PatientID==@x", "@x", "StudyDescription=a=@x"):
        assert listed(other) is None
    for operator in ("!=", ">=", "<=", ":every="):
        with pytest.raises(SearchError, match="Values in a file are for the operator = alone"):
            listed(f"PatientID{operator}@ids.txt")


def test_a_file_has_some_values_and_at_most_10_000() -> None:
    assert len(each_of("PatientID=", map(str, range(10_000)))) == 10_000
    with pytest.raises(SearchError, match="The file has more than 10,000 values; split it"):
        each_of("PatientID=", map(str, range(10_001)))
    with pytest.raises(SearchError, match="The file has no values; write one a line"):
        each_of("PatientID=", ["\n"])
