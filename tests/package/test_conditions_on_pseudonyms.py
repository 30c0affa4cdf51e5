"""Conditions on hashed, mapped, shifted and capped attributes: as they are stored, or in the clear with the key."""

from datetime import date

import pytest

from imaging_index.profile import toml_file
from imaging_index.profile.privacy import Policy, Privacy
from imaging_index.searching.errors import SearchError
from imaging_index.searching.grammar import parse
from imaging_index.searching.matching import Condition, Match

TODAY = date(2024, 1, 31)
KEY = Privacy(b"key")
PROFILE = toml_file.parse("""
revision = 1
attributes = ["PatientID", "PatientAge", "PatientAgeYears", "StudyInstanceUID", "StudyDate",
              "ReferencedSeriesSequence.SeriesInstanceUID"]
[privacy]
PatientID = "hash"
PatientAge = "cap"
StudyDate = "shift"
StudyInstanceUID = "uid"
SeriesInstanceUID = "uid"
SOPInstanceUID = "uid"
"ReferencedSeriesSequence.SeriesInstanceUID" = "uid"
""")


def condition(text: str, privacy: Privacy | None = None) -> Condition:
    (made,) = parse([text], PROFILE, TODAY, privacy=privacy)
    return made


def uid(value: str) -> str:
    return str(KEY.apply(Policy.UID, value))


def test_whoever_has_the_key_asks_for_a_hashed_value_in_the_clear() -> None:
    token = KEY.apply(Policy.HASH, "4711")
    made = condition("PatientID= 4711 ", KEY)
    assert made.match({"PatientID": {"S": token}}) is Match.YES
    assert made.asked == (token,)
    assert condition(f"PatientID={token}", KEY).asked == (token,)
    assert condition("PatientID!=4711", KEY).match({"PatientID": {"S": token}}) is Match.NO


@pytest.mark.parametrize("value", ["47*", "4?11", "1..2"])
def test_in_the_clear_too_only_a_whole_value_has_a_token(value: str) -> None:
    if value == "1..2":  # which is a value like any other
        assert condition(f"PatientID={value}", KEY).asked == (KEY.apply(Policy.HASH, value),)
        return
    with pytest.raises(SearchError, match="write one whole value"):
        condition(f"PatientID={value}", KEY)


def test_a_mapped_uid_is_asked_as_it_is_stored_or_with_the_key_in_the_clear() -> None:
    stored = {"StudyInstanceUID": {"S": uid("1.2.3")}}
    assert condition(f"StudyInstanceUID={uid('1.2.3')}").match(stored) is Match.YES
    assert condition("StudyInstanceUID=1.2.4,1.2.3", KEY).match(stored) is Match.YES
    assert condition("StudyInstanceUID=1.2.4,1.2.3", KEY).asked == (uid("1.2.4"), uid("1.2.3"))
    assert condition("StudyInstanceUID=*").match(stored) is Match.YES
    assert condition("StudyInstanceUID=").match(stored) is Match.NO
    assert condition("StudyInstanceUID=1.2.840.10008.1").asked == ("1.2.840.10008.1",)
    listed = {"ReferencedSeriesSequence.SeriesInstanceUID": {"L": [{"S": uid("1.2.9")}, {"S": uid("1.2.8")}]}}
    assert condition("ReferencedSeriesSequence.SeriesInstanceUID=1.2.8", KEY).match(listed) is Match.YES


@pytest.mark.parametrize(
    "text", ["StudyInstanceUID=1.2.3", "StudyInstanceUID=2.25.7,1.2.3", "StudyInstanceUID=2.25.1*"]
)
def test_a_uid_in_the_clear_is_refused_without_the_key_instead_of_finding_nothing(text: str) -> None:
    with pytest.raises(SearchError, match="StudyInstanceUID is stored as another UID") as refused:
        condition(text)
    assert "1.2.3" not in str(refused.value)


def test_a_shifted_day_is_asked_as_it_is_stored_and_never_in_the_clear() -> None:
    assert condition("StudyDate=2019").match({"StudyDate": {"S": "20190401"}}) is Match.YES
    for text in ("StudyDate=2019", "StudyDate>=20190101"):
        with pytest.raises(SearchError, match="StudyDate is shifted by other days for each patient"):
            condition(text, KEY)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("PatientAge=091Y", "090Y"),
        ("PatientAge=080Y..100Y", "090Y"),
        ("PatientAgeYears=95", "90"),
        ("PatientAgeYears>=91.5", "90"),
        ("PatientAgeYears=80.5..95.5", "90"),
    ],
)
def test_an_age_that_no_entry_has_is_refused_instead_of_finding_nothing(text: str, instead: str) -> None:
    with pytest.raises(SearchError, match=f"has 90 years for all ages over 89: write {instead}"):
        condition(text)


def test_an_age_that_entries_have_is_asked_as_usual() -> None:
    assert condition("PatientAge=090Y").match({"PatientAge": {"S": "090Y"}}) is Match.YES
    assert condition("PatientAge=500D..090Y").match({"PatientAge": {"S": "089Y"}}) is Match.YES
    assert condition("PatientAgeYears=80..90").match({"PatientAgeYears": {"N": "90"}}) is Match.YES
    assert condition("PatientAgeYears<=45.95").match({"PatientAgeYears": {"N": "45.9"}}) is Match.YES


@pytest.mark.parametrize("moment", ["IndexedAt", "FirstIndexedAt", "EventTime"])
def test_when_an_entry_was_written_cannot_be_asked(moment: str) -> None:
    with pytest.raises(SearchError, match=f"No entry has {moment}, since the profile shifts dates"):
        condition(f"{moment}=2024-01-31")
