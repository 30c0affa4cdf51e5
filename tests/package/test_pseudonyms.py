"""Policies that give a value in the place of another: UIDs, shifted dates, capped ages."""

import functools
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.profile import toml_file
from imaging_index.profile.privacy import Policy, Privacy, moved
from imaging_index.profile.profile import Profile
from proof.harness import built

UIDS = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,12})){1,6}", fullmatch=True)
DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
SHIFTED = """
attributes = ["StudyDate", "PatientBirthDate", "AcquisitionDate", "AcquisitionTime", "ContentDate",
              "DateOfLastCalibration", "FrameReferenceDateTime"]
instances = false
[privacy]
StudyDate = "shift"
PatientBirthDate = "shift"
AcquisitionDate = "shift"
ContentDate = "shift"
FrameReferenceDateTime = "shift"
DateOfLastCalibration = "shift"
"""
CAPPED = """
attributes = ["PatientID", "StudyDate", "PatientBirthDate", "PatientAge", "PatientAgeYears", "AcquisitionDate"]
[privacy]
PatientAge = "cap"
"""


def day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


@functools.cache
def profile(text: str) -> Profile:
    return toml_file.parse(f"revision = 1\n{text}")


def built_of(text: str, *instances: dict[str, Any], **levels: dict[str, Any]) -> dict[str, Any]:
    return plain(built.content(profile(text), *instances, **levels).attributes)


@given(UIDS)
def test_a_uid_becomes_a_valid_one_of_a_uuid_and_always_the_same(written: str) -> None:
    made = Privacy(b"key").apply(Policy.UID, written)
    assert made == Privacy(b"key").apply(Policy.UID, written)
    root, arc, number = made.split(".")
    assert (root, arc) == ("2", "25")
    assert len(made) <= 64
    assert number == str(int(number))
    assert uuid.UUID(int=int(number)).version == 8
    assert uuid.UUID(int=int(number)).variant == uuid.RFC_4122


@given(UIDS, UIDS)
def test_different_uids_become_different_ones_and_other_keys_other_ones(one: str, other: str) -> None:
    made = Privacy(b"key")
    assert (made.apply(Policy.UID, one) == made.apply(Policy.UID, other)) == (one == other)
    assert made.apply(Policy.UID, one) != Privacy(b"another").apply(Policy.UID, one)


@pytest.mark.parametrize("uid", ["1.2.840.10008", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.4.1.1"])
def test_a_uid_of_the_standard_stays(uid: str) -> None:
    assert Privacy(b"key").apply(Policy.UID, uid) == uid
    assert Privacy(b"key").apply(Policy.UID, uid.replace("10008", "100080")) != uid.replace("10008", "100080")


@given(st.text(min_size=1), st.text(), st.binary(min_size=1))
def test_a_shift_is_of_1_to_365_days(patient: str, issuer: str, key: bytes) -> None:
    assert 1 <= Privacy(key).days_of_patient("store", patient, issuer) <= 365


def test_every_shift_occurs_and_says_where_one_name_ends() -> None:
    days = {Privacy(b"key").days_of_patient("store", str(number), "") for number in range(6000)}
    assert days == set(range(1, 366))
    parts = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")]
    assert len({Privacy(b"key").days_of_patient("store", *each) for each in parts}) > 1
    assert Privacy(b"key").days_of_patient("one", "1", "") != Privacy(b"key").days_of_patient("other", "1", "")


@given(DAYS, st.integers(1, 365))
def test_a_day_is_moved_by_whole_days_and_time_and_offset_stay(of: date, days: int) -> None:
    written = of.isoformat().replace("-", "")
    back = (of - timedelta(days)).isoformat().replace("-", "")
    assert moved(written, days) == back
    assert moved(f"{written}101112.5+0100", days) == f"{back}101112.5+0100"


@given(DAYS, st.integers(0, 40_000), st.text("abc", min_size=1, max_size=3), st.text("abc", max_size=3))
def test_dates_of_a_patient_keep_their_distances_in_every_form(of: date, later: int, patient: str, issuer: str) -> None:
    first, last = (each.strftime("%Y%m%d").zfill(8) for each in (of, of + timedelta(later)))
    entry = built_of(
        SHIFTED,
        {"AcquisitionDate": first, "ContentDate": first, "FrameReferenceDateTime": f"{first}101112+0900"},
        {"AcquisitionDate": last, "AcquisitionDateTime": f"{last}1112", "FrameReferenceDateTime": f"{last}10"},
        {},
        patient={"PatientID": patient, "IssuerOfPatientID": issuer, "PatientBirthDate": first},
        study={"StudyDate": last},
        series={"DateOfLastCalibration": [first, last]},
    )
    shift = of - day(entry["PatientBirthDate"])
    assert 1 <= shift.days <= 365
    low, high = (moved(each, shift.days) for each in (first, last))
    assert entry["StudyDate"] == high
    assert entry["StudyMoment"] == f"{high}000000"
    assert (entry["AcquisitionDate"]["Min"], entry["AcquisitionDate"]["Max"]) == (low, high)
    assert entry["ContentDate"] == {"Min": low, "Max": low, "Missing": 2}
    assert entry["FrameReferenceDateTime"]["Min"] == f"{low}101112+0900"
    assert entry["DateOfLastCalibration"] == [low, high]
    assert Privacy(built.SECRET).days_of_patient("None", patient, issuer) == shift.days


def test_the_date_of_an_enhanced_object_is_read_from_its_date_and_time_and_shifted() -> None:
    text = f'{SHIFTED}AcquisitionDateTime = "shift"\n'
    entry = built_of(
        text, {"AcquisitionDateTime": "20200102030405"}, patient={"PatientID": "1"}, study={"StudyDate": "20200102"}
    )
    assert entry["AcquisitionDate"]["Min"] == entry["StudyDate"] != "20200102"
    assert entry["AcquisitionTime"]["Min"] == "030405"


def test_a_patient_without_an_id_is_shifted_by_the_study_and_one_without_either_has_no_dates() -> None:
    one = built_of(SHIFTED, study={"StudyDate": "20200102", "StudyInstanceUID": "1.2"})
    other = built_of(SHIFTED, study={"StudyDate": "20200102", "StudyInstanceUID": "1.3"})
    assert one["StudyDate"] != other["StudyDate"]
    neither = built_of(SHIFTED, study={"StudyDate": "20200102"})
    assert "StudyDate" not in neither
    assert neither["InvalidAttributes"] == ["StudyDate"]
    assert neither["StudyMoment"] == "0" * 14


@pytest.mark.parametrize("written", ["2020", "202001", "2020+0100", "000101", "00010101"])
def test_a_date_that_is_not_whole_or_has_no_day_before_is_left_out(written: str) -> None:
    entry = built_of(
        SHIFTED, {"FrameReferenceDateTime": written}, {"FrameReferenceDateTime": "20200301"}, patient={"PatientID": "1"}
    )
    if len(written) < 8 or "+" in written:
        assert entry["FrameReferenceDateTime"]["Missing"] == 1
        assert entry["FrameReferenceDateTime"]["Min"] == entry["FrameReferenceDateTime"]["Max"]
    else:
        assert "FrameReferenceDateTime" not in entry
    assert entry["InvalidAttributes"] == ["FrameReferenceDateTime"]


def test_of_several_dates_where_dicom_allows_one_nothing_is_stored() -> None:
    entry = built_of(SHIFTED, patient={"PatientID": "1"}, study={"StudyDate": ["20200102", "20200103"]})
    assert "StudyDate" not in entry
    assert "2020" not in str(entry)
    assert entry["InvalidAttributes"] == ["StudyDate"]


def test_uids_that_refer_to_each_other_still_do_at_every_depth_and_in_pages() -> None:
    text = (
        'attributes = ["StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID",'
        ' "ReferencedSeriesSequence.SeriesInstanceUID", "SourceImageSequence.ReferencedSOPInstanceUID"]\n'
        '[named.ReferencedSeries]\nunion = true\nfrom = ["ReferencedSeriesSequence.SeriesInstanceUID"]\n[privacy]\n'
        'StudyInstanceUID = "uid"\nSeriesInstanceUID = "uid"\nSOPInstanceUID = "uid"\nFrameOfReferenceUID = "uid"\n'
        'ReferencedSeries = "uid"\n"ReferencedSeriesSequence.SeriesInstanceUID" = "uid"\n'
        '"SourceImageSequence.ReferencedSOPInstanceUID" = "uid"\n'
    )
    made = built.build(
        text,
        {
            "SOPInstanceUID": "1.2.9",
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4",
            "ReferencedSeriesSequence": [{"SeriesInstanceUID": " 1.2.3 "}, {"SeriesInstanceUID": "1.2.4\0"}],
            "SourceImageSequence": [{"ReferencedSOPInstanceUID": "1.2.9"}],
        },
        study={"StudyInstanceUID": "1.2.2"},
        series={"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.840.10008.1.4.1.1"},
    )
    privacy = Privacy(built.SECRET)
    uid = {each: privacy.apply(Policy.UID, each) for each in ("1.2.2", "1.2.3", "1.2.4", "1.2.9")}
    (instance,) = made["instances"]
    assert made["StudyInstanceUID"] == uid["1.2.2"]
    assert made["SeriesInstanceUID"] == instance["SeriesInstanceUID"] == uid["1.2.3"]
    assert made["ReferencedSeries"] == sorted([uid["1.2.3"], uid["1.2.4"]])
    assert made["SourceImageSequence.ReferencedSOPInstanceUID"] == [instance["SOPInstanceUID"]] == [uid["1.2.9"]]
    assert made["FrameOfReferenceUID"] == "1.2.840.10008.1.4.1.1"
    assert made["SOPClassUID"] == ["1.2.840.10008.5.1.4.1.1.66.4"]


@pytest.mark.parametrize(
    ("written", "stored", "years"),
    [("089Y", "089Y", 89), ("090Y", "090Y", 90), ("117Y", "090Y", 90), ("018M", "018M", None), ("999W", "999W", None)],
)
def test_ages_over_89_are_one_and_all_others_stay(written: str, stored: str, years: int | None) -> None:
    entry = built_of(CAPPED, study={"PatientAge": written})
    assert entry["PatientAge"] == stored
    assert years is None or entry["PatientAgeYears"] == years


@pytest.mark.parametrize("study", [{"PatientAge": "095Y"}, {}])
@pytest.mark.parametrize("born", ["19240101", None])
def test_who_is_over_89_or_of_unknown_age_has_no_dates(study: dict[str, str], born: str | None) -> None:
    patient = {"PatientID": "1", **({"PatientBirthDate": born} if born else {})}
    entry = built_of(CAPPED, {"AcquisitionDate": "20200102"}, patient=patient, study={"StudyDate": "20200102", **study})
    assert not {"StudyDate", "PatientBirthDate", "AcquisitionDate"} & entry.keys()
    assert entry["StudyMoment"] == "0" * 14
    assert entry.get("PatientAgeYears", 90) == 90


def test_who_turns_90_between_the_study_and_its_last_image_has_no_dates() -> None:
    patient, study = {"PatientBirthDate": "19300110"}, {"StudyDate": "20200102"}
    assert built_of(CAPPED, {"AcquisitionDate": "20200109"}, patient=patient, study=study)["StudyDate"] == "20200102"
    assert "StudyDate" not in built_of(CAPPED, {"AcquisitionDate": "20200110"}, patient=patient, study=study)
    old = {**study, "PatientAge": "089Y"}
    assert built_of(CAPPED, {"AcquisitionDate": "20200102"}, study=old)["StudyDate"] == "20200102"
    assert "StudyDate" not in built_of(CAPPED, {"AcquisitionDate": "20200103"}, study=old)


def test_pages_have_uids_in_the_place_of_uids() -> None:
    profile = toml_file.parse(
        'revision = 1\nattributes = ["Modality"]\n[privacy]\nSOPInstanceUID = "uid"\nSeriesInstanceUID = "uid"'
    )
    made = built.content(profile, {"SOPInstanceUID": "1.2.77"})
    (row,) = unpack(made.pages)[0]
    assert row["SOPInstanceUID"] == Privacy(built.SECRET).apply(Policy.UID, "1.2.77")
    assert row["SeriesInstanceUID"] == Privacy(built.SECRET).apply(Policy.UID, "1.2")
