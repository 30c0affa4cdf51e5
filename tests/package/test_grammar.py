"""Conditions as they are written: which attribute, which test, and what is refused with which sentence."""

import itertools
import re
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from imaging_index.searching.grammar import SearchError, each_of, listed, parse, since
from imaging_index.searching.matching import Condition, Match

NO, YES = Match.NO, Match.YES
# The condition is refused.
REFUSED: Final = None
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
RADIOLOGY: Final = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")
IMAGES: Final = toml_file.parse('revision = 1\nattributes = ["SliceThickness"]\n')


def condition(text: str, profile: Profile = RADIOLOGY, *, exact: bool = False) -> Condition:
    (parsed,) = parse([text], profile, TODAY, exact=exact)
    return parsed


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
        ("OfDT=2024-13-01", "OfDT names a day or time that does not exist; write it as 20240131120000"),
        ("OfDT=then", "Write OfDT as 20240131120000"),
        ("OfAS=old", "This is not a valid value of OfAS; write it like OfAS=045Y, or a range like OfAS=018Y..065Y."),
        ("OfAS>=eighteen", "This is not a valid value of OfAS"),
        ("OfAS=60Y..18Y", "The range of OfAS ends before it begins"),
        ("OfUS=1,2", "OfUS is a number: write OfUS=3, or a range like OfUS=1..5."),
        ("OfUS=12-34", "OfUS is a number"),
        ("OfUS>1234", "A range includes its ends: write OfUS>=value, in quotes."),
        ("OfUS<1234", "A range includes its ends: write OfUS<=value, in quotes."),
        ("OfUS>=", "Write a value behind OfUS>=, and quotes around the condition."),
        (
            "OfLO>=1234",
            "OfLO has no ranges, which are for numbers, dates, times and ages: write a whole value, or its beginning, "
            "like OfLO=A*.",
        ),
        ("OfLO=1234..1240", "OfLO has no ranges"),
        ("OfUI=1..1234", "OfUI has no ranges, which are for numbers, dates, times and ages: write a whole value."),
        ("OfPN>=1234", "OfPN has no ranges"),
        ("OfLO=~chest", "The ~ is for names of persons; write a part of OfLO as OfLO=*part*."),
        ("OfPN=doe^john,roe^jane", "OfPN takes one name at a time: write doe^john, or OfPN=@FILE"),
        ("OfDA=7d", "OfDA takes no span: write the first day and two dots, like OfDA=2024-01-24.."),
        ("OfDA=31.01.2024", "Write OfDA as a day (20240131 or 2024-01-31)"),
        ("OfTM=2460", "OfTM names a time that no clock shows; write it as 120000"),
        ("OfUS:every!=1234", "OfUS!=... already asks that no instance has the value; write it without :every."),
        ("OfLO like chest", "Write a condition as OfLO=value"),
        ("OfLO~chest", "Write a condition as OfLO=value"),
        ("OfPN=^^", "Write OfPN with at least one letter"),
        ("OfPN=~", "Write at least one word behind the ~"),
        ("OfLO:every=A", "OfLO:every is for numbers and dates of the instances"),
        ("OfLO=" + "*a" * 65, "Write at most 64 stars"),
        ("OfUI=" + ",".join(f"1.{number}" for number in range(101)), "Give at most 100 values of OfUI at a time, or"),
        ("OfLO", "Write a condition as OfLO=value, or OfLO=* for any value. Put quotes around one with < or >"),
        ("CT", "Write a condition as Keyword=value"),
        ("=A", "Write a condition as Keyword=value"),
        ("Modality=CT", "The profile does not select Modality, so no entry has it."),
        ("Modalty=CT", "Modalty is not a DICOM keyword. Did you mean Modality, which the profile does not select?"),
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
    value = re.split("[=<>]+", written)[-1]
    assert len(value) < 4 or value == written or value not in str(met.value)


def test_two_conditions_on_an_attribute_of_one_value_are_one_too_many() -> None:
    profile = toml_file.parse('revision = 1\nattributes = ["Modality", "ImageType"]\n')
    with pytest.raises(SearchError, match="two conditions on Modality"):
        parse(["Modality=CT", "Modality=MR"], profile, TODAY)
    with pytest.raises(SearchError, match="two conditions on Modality"):
        parse(["Modality=CT", "Modality!=MR", "Modality=US"], profile, TODAY)
    assert len(parse(["Modality!=CT", "Modality!=MR"], profile, TODAY)) == 2
    assert len(parse(["Modality=CT", "Modality!=MR"], profile, TODAY)) == 2
    assert len(parse(["Modality!=MR", "Modality=CT"], profile, TODAY)) == 2
    assert len(parse(["ImageType=ORIGINAL", "ImageType=AXIAL"], profile, TODAY)) == 2


@pytest.mark.parametrize("vr", VRS)
@given(st.text("qxz789^,.-:~*? ", min_size=6), st.sampled_from(["=", "!=", ">=", "<=", ">", ":every="]))
def test_no_error_has_the_value(vr: str, value: str, operator: str) -> None:
    sentence = ""
    try:
        parse([f"Of{vr}{operator}{value}"], PROFILE, TODAY)
    except SearchError as error:
        sentence = str(error)
    assert value.strip() not in sentence or len(value.strip()) < 4


def test_two_open_ranges_of_one_attribute_are_one_range() -> None:
    for vr, low, high in (("DA", "20240101", "2024-01-31"), ("US", "1", "5"), ("TM", "08", "12"), ("AS", "1Y", "9Y")):
        both = [f"Of{vr}<={high}", "OfLO=A", f"Of{vr}>={low}"]
        assert parse(both, PROFILE, TODAY) == parse([f"Of{vr}={low}..{high}", "OfLO=A"], PROFILE, TODAY)
    with pytest.raises(SearchError, match="ends before it begins"):
        parse(["OfUS>=5", "OfUS<=1"], PROFILE, TODAY)
    with pytest.raises(SearchError, match="two conditions on OfUS"):
        parse(["OfUS>=1", "OfUS>=2"], PROFILE, TODAY)
    assert len(parse(["SliceThickness>=1", "SliceThickness:every<=5"], IMAGES, TODAY)) == 2


def test_a_condition_of_every_instance_may_be_on_any_value_and_on_none() -> None:
    (some,) = parse(["SliceThickness:every=*"], IMAGES, TODAY)
    (none,) = parse(["SliceThickness:every="], IMAGES, TODAY)
    varied = {"M": {"Min": {"N": "1"}, "Max": {"N": "5"}}}
    missing = {"M": varied["M"] | {"Missing": {"N": "1"}}}
    assert [some.match({"SliceThickness": each}) for each in (varied, missing)] == [YES, NO]
    assert [some.match({}), none.match({}), none.match({"SliceThickness": varied})] == [NO, YES, NO]
    with pytest.raises(SearchError, match=r"SliceThickness!=\.\.\. already asks that no instance has the value"):
        parse(["SliceThickness:every!=1"], IMAGES, TODAY)


def test_a_hashed_attribute_is_searched_by_its_token_only() -> None:
    profile = toml_file.parse('revision = 1\nattributes = ["PatientID"]\n[privacy]\nPatientID = "hash"\n')
    token = "0a" * 32
    (condition,) = parse([f"PatientID={token}"], profile, TODAY)
    assert condition.match({"PatientID": {"S": token}}) is YES
    for wrong in ("PatientID=123", "PatientID=1*", "PatientID=1..2", "PatientID>=1", "PatientID=~1"):
        with pytest.raises(SearchError, match="PatientID is stored as a token"):
            parse([wrong], profile, TODAY)


def test_a_hashed_attribute_may_be_asked_for_any_token_and_for_none() -> None:
    profile = toml_file.parse('revision = 1\nattributes = ["PatientID"]\n[privacy]\nPatientID = "hash"\n')
    some, none = (condition(text, profile) for text in ("PatientID=*", "PatientID="))
    item = {"PatientID": {"S": "0a" * 32}}
    assert [some.match(item), some.match({}), none.match(item), none.match({})] == [YES, NO, NO, YES]


def test_what_an_index_may_be_asked_is_the_stored_form() -> None:
    texts = ["OfUS=007", "OfUI=1.2,1.3", "OfAS=45Y", "OfDA=2024.01.31"]
    asked = itertools.chain.from_iterable(condition.asked for condition in parse(texts, PROFILE, TODAY))
    assert [*asked] == ["7", "1.2", "1.3", "045Y", "20240131"]
    (exactly,) = parse(["OfLO= Ab "], PROFILE, TODAY, exact=True)
    assert exactly.asked == ("Ab",)
    # An index cannot be asked for text in any case.
    assert all(
        not each.asked
        for each in parse(["OfLO=Ab", "OfST=Ab*", "OfLT=A*b", "OfSH=*b", "OfTM=12", "OfPN=a"], PROFILE, TODAY)
    )


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


@given(st.text("aAbBß1", max_size=4), st.text("aAbBß1", min_size=1, max_size=4))
def test_an_index_by_a_key_finds_what_a_comparison_of_every_entry_finds(value: str, written: str) -> None:
    found = condition(f"PatientID={written}")
    assert (found.match({"PatientID": {"S": value}}) is YES) == (value in found.asked)


def test_a_list_of_keys_is_no_text_with_a_comma() -> None:
    with pytest.raises(SearchError, match="PatientID takes one value at a time: write PatientID=@FILE with one a line"):
        condition("PatientID=1,2")
    assert condition("PatientID=1,2", exact=True).asked == ("1,2",)
    assert condition("StudyDescription=Head, neck").match({"StudyDescription": {"S": "HEAD, NECK"}}) is YES


def test_exact_text_is_what_is_written() -> None:
    for text in ("StudyID=1..5", "StudyDescription=~1", "PatientID=1,2"):
        keyword, _, value = text.partition("=")
        assert condition(text, exact=True).match({keyword: {"S": value}}) is YES
    assert condition("PatientName=john doe", exact=True).match({"PatientName": {"S": "Doe^John"}}) is NO
    for exact, expected in ((False, YES), (True, NO)):
        (found,) = parse(["OfDT=20240131"], PROFILE, TODAY, exact=exact)
        assert found.match({"OfDT": {"S": "20240131120000"}}) is expected


def test_any_attribute_that_is_a_partition_key_is_such_a_key() -> None:
    profile = toml_file.parse(
        'revision = 1\nattributes = ["StationName", "Modality"]\n'
        '[indexes.station]\npartition = ["DatastoreId", "StationName"]\nsort = ["ImageSetId"]\n'
    )
    assert condition("StationName=Ct1", profile).asked == ("Ct1", "CT1", "ct1")
    assert condition("Modality=Ct", profile).asked == ()


@pytest.mark.parametrize("keyword", ["PatientName", "ReferringPhysicianName"])
def test_an_index_by_a_name_as_it_is_written_is_not_asked_for_folded_words(keyword: str) -> None:
    profile = toml_file.parse(
        f'revision = 1\nattributes = ["{keyword}"]\n'
        f'[indexes.name]\npartition = ["DatastoreId", "{keyword}"]\nsort = ["ImageSetId"]\n'
    )
    for text in ("Doe^John", "doe^*"):
        assert condition(f"{keyword}={text}", profile).asked == ()
        assert bool(condition(f"{keyword}={text}").asked) is (keyword == "PatientName")


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
