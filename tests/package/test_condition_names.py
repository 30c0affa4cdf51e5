"""The attribute that a condition is on: as it may be written, the index's own, and what is meant by what is none."""

import re
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from imaging_index.profile.schema import OWN_NAMES
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.matching import Condition, Match, match_all, of_study

NO, YES = Match.NO, Match.YES
# The condition is refused.
REFUSED: Final = None
TODAY: Final = date(2024, 1, 31)
RADIOLOGY: Final = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")


def condition(text: str, profile: Profile = RADIOLOGY) -> Condition:
    (parsed,) = parse([text], profile, TODAY)
    return parsed


OWN: Final[dict[str, Any]] = {
    "ImageSetVersion": {"N": "2"},
    "InstanceCount": {"N": "40"},
    "FirstIndexedAt": {"S": "2024-01-30T23:59:59.999999Z"},
    "EventTime": {"S": "2024-01-30T12:00:00Z"},
    "IsPrimary": {"BOOL": True},
    "Generation": {"S": "0000000002.000001.0003.0000"},
    "ProfileHash": {"S": "0a1b"},
    "SeriesInstanceUIDs": {"L": [{"S": "1.2"}, {"S": "1.3"}]},
    "InvalidAttributes": {"L": [{"S": "StudyDate"}]},
    "TruncatedAttributes": {"L": [{"S": "ProtocolName"}]},
    "MissingIn": {"M": {"ContrastBolusAgent": {"N": "1"}}},
    "Cause": {"S": "event"},
    "StudyMoment": {"S": "20240130120000"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ImageSetVersion=2", YES),
        ("ImageSetVersion=..1", NO),
        ("InstanceCount=40..", YES),
        ("InstanceCount<=39", NO),
        ("instancecount=40", YES),
        ("FirstIndexedAt=2024-01-30", YES),
        ("FirstIndexedAt=20240130", YES),
        ("FirstIndexedAt=2024-01", YES),
        ("FirstIndexedAt=yesterday", YES),
        ("FirstIndexedAt=today", NO),
        ("FirstIndexedAt=2024-01-29..2024-01-30", YES),
        ("FirstIndexedAt=2024-01-29-2024-01-30", YES),
        ("FirstIndexedAt=20240101-20240129", NO),
        ("FirstIndexedAt=-2024-01-30", YES),
        ("FirstIndexedAt>=2024-01-31", NO),
        ("FirstIndexedAt=2024-01-30T23:59..", YES),
        ("FirstIndexedAt=2024-01-30T23:59:59Z", YES),
        ("FirstIndexedAt=2024-01-30T1*", NO),
        ("FirstIndexedAt!=2024-01-30", NO),
        ("EventTime=2024-01-30T12", REFUSED),
        ("EventTime=2024-01-30T12:00", YES),
        ("EventTime>=2024-01-30T12:01", NO),
        ("IndexedAt=", YES),
        ("IndexedAt=2024-02-30", REFUSED),
        ("IndexedAt=7d", REFUSED),
        ("IsPrimary=true", YES),
        ("IsPrimary=Yes", YES),
        ("IsPrimary=no", NO),
        ("IsPrimary!=false", YES),
        ("IsPrimary=*", YES),
        ("IsPrimary=", NO),
        ("IsPrimary=maybe", REFUSED),
        ("IsPrimary>=true", REFUSED),
        ("Generation=0000000002.*", YES),
        ("ProfileHash=0a1b", YES),
        ("ProfileHash=0A1B", NO),
        ("SeriesInstanceUIDs=1.3", YES),
        ("SeriesInstanceUIDs=1.4", NO),
        ("InvalidAttributes=studydate", YES),
        ("InvalidAttributes=PatientID", NO),
        ("TruncatedAttributes=Protocol*", YES),
        ("MissingIn=ContrastBolusAgent", YES),
        ("MissingIn=ConvolutionKernel", NO),
        ("MissingIn=*", YES),
        ("Cause=reconcile", NO),
        ("StudyMoment=20240130*", YES),
        ("FrameCount:every=1", REFUSED),
        ("ImageSet=a/b", REFUSED),
        ("Part=entry", REFUSED),
    ],
)
def test_what_an_entry_has_of_its_own_can_be_asked(text: str, expected: Match | None) -> None:
    if expected is REFUSED:
        with pytest.raises(SearchError):
            condition(text)
    else:
        assert condition(text).match(OWN) is expected


def test_whether_an_image_set_is_primary_may_be_unknown() -> None:
    assert [condition(f"IsPrimary={value}").match({}) for value in ("true", "false", "", "*")] == [NO, NO, YES, NO]


def test_every_name_of_the_index_itself_is_a_condition_or_has_a_sentence() -> None:
    for name in OWN_NAMES - {"ImageSet", "Part"}:
        assert condition(f"{name}=").attribute == name
    for name in ("ImageSet", "Part"):
        with pytest.raises(SearchError, match=f"{name} is the table's own key; write ImageSetId="):
            condition(f"{name}=1")


@pytest.mark.parametrize(
    ("text", "modalities", "expected"),
    [
        ("ModalitiesInStudy=CT,MR", ["SR", "MR"], True),
        ("ModalitiesInStudy=ct", ["CT"], True),
        ("(0008,0061)=CT", ["MR"], False),
        ("ModalitiesInStudy!=CT,MR", ["SR", "MR"], False),
        ("ModalitiesInStudy!=CT,MR", ["SR"], True),
        ("ModalitiesInStudy!=CT", [], True),
        ("ModalitiesInStudy=M?", ["MR"], True),
        ("ModalitiesInStudy=*", ["MR"], True),
        ("ModalitiesInStudy=*", [], False),
        ("ModalitiesInStudy=", [], True),
    ],
)
def test_the_modalities_of_a_study_are_those_of_all_its_series(
    text: str, modalities: list[str], expected: bool
) -> None:
    found = condition(text)
    assert (found.attribute, found.vr, found.asked) == ("ModalitiesInStudy", "CS", ())
    assert of_study(found, modalities) is expected
    (exactly,) = parse([text], RADIOLOGY, TODAY, exact=True)
    assert exactly.asked == ()


def test_a_study_may_be_asked_for_several_modalities_together() -> None:
    both = parse(["ModalitiesInStudy=CT", "ModalitiesInStudy=PT"], RADIOLOGY, TODAY)
    assert all(of_study(each, ["PT", "CT"]) for each in both)


def test_the_modalities_of_a_study_need_modality() -> None:
    for profile in ("attributes = ['StudyDate']", "attributes = ['Modality']\n[privacy]\nModality = 'hash'"):
        with pytest.raises(SearchError, match="ModalitiesInStudy needs Modality, which no entry has"):
            condition("ModalitiesInStudy=CT", toml_file.parse(f"revision = 1\n{profile}\n"))


def test_two_conditions_on_a_list_of_the_study_hold_in_any_of_its_values() -> None:
    both = parse(["SoftwareVersions=A", "SoftwareVersions=B"], RADIOLOGY, TODAY)
    assert match_all(both, {"SoftwareVersions": {"L": [{"S": "B"}, {"S": "A"}]}}) is YES
    assert match_all(both, {"SoftwareVersions": {"L": [{"S": "B"}]}}) is NO


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("SeriesModality", "Modality"),
        ("BodyPart", "BodyPartExamined"),
        ("bodypart", "BodyPartExamined"),
        ("Thickness", "SliceThickness"),
        ("StudyUID", "StudyInstanceUID"),
        ("SeriesUID", "SeriesInstanceUID"),
        ("DOB", "PatientBirthDate"),
        ("BirthDate", "PatientBirthDate"),
        ("Sex", "PatientSex"),
        ("Gender", "PatientSex"),
        ("MRN", "PatientID"),
        ("Accession", "AccessionNumber"),
        ("Accession_Number", "AccessionNumber"),
        ("Name", "PatientName"),
        ("Scanner", "Manufacturer"),
        ("Vendor", "Manufacturer"),
        ("Model", "ManufacturerModelName"),
        ("Hospital", "InstitutionName"),
        ("Physician", "ReferringPhysicianName"),
        ("ReferringPhysician", "ReferringPhysicianName"),
        ("Description", "StudyDescription"),
        ("FieldStrength", "MagneticFieldStrength"),
        ("Tesla", "MagneticFieldStrength"),
        ("ProcedureCode", "ProcedureCodeSequence.CodeValue"),
        ("ProcedureCodeSequence", "ProcedureCodeSequence.CodeValue"),
        ("SegmentLabel", "SegmentSequence.SegmentLabel"),
        ("RequestedProcedureID", "RequestAttributesSequence.RequestedProcedureID"),
        ("NumberOfImages", "InstanceCount"),
        ("Arrived", "FirstIndexedAt"),
        ("Primary", "IsPrimary"),
        ("Datastore", "DatastoreId"),
        ("Modalities", "ModalitiesInStudy"),
        ("Modallity", "Modality"),
        ("PatientNmae", "PatientName"),
        ("SliceTickness", "SliceThickness"),
        ("StudyDates", "StudyDate"),
    ],
)
def test_what_is_no_attribute_is_answered_with_the_one_that_is_meant(word: str, meant: str) -> None:
    with pytest.raises(SearchError, match=rf"The profile does not select {word}.* Did you mean {re.escape(meant)}\?"):
        condition(f"{word}=1")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("EchoNumbers", "does not select EchoNumbers, so no entry has it. Add it to the profile, and index again."),
        ("NumberOfFrames", "Add it to the profile, and index again, or ask for FrameCount."),
        ("PatientAgeYears", "does not select PatientAgeYears, so no entry has it."),
        ("PixelPadding", "PixelPadding is not a DICOM keyword. Did you mean PixelPaddingValue, which the profile"),
        ("Qqqqq", "Qqqqq is not a DICOM keyword; imaging-index profile show lists what can be searched."),
        ("99999999", "99999999 is not a DICOM keyword;"),
        ("SOPInstanceUID", "is of a single instance, and is in no index: ask for the study with imaging-index show"),
        ("NumberOfStudyRelatedInstances", "is counted for each row of the answer, and cannot be a condition;"),
        ("numberofstudyrelatedseries", "NumberOfStudyRelatedSeries is counted for each row of the answer"),
    ],
)
def test_what_no_entry_has_is_answered_with_what_to_do(word: str, sentence: str) -> None:
    with pytest.raises(SearchError) as met:
        condition(f"{word}=1")
    assert sentence in str(met.value)


def test_an_instance_is_searched_where_the_profile_selects_it() -> None:
    profile = toml_file.parse('revision = 1\nattributes = ["SOPInstanceUID"]\n')
    assert condition("SOPInstanceUID=1.2", profile).attribute == "SOPInstanceUID"


def test_an_attribute_may_be_written_in_any_way_that_dicom_has() -> None:
    path = "RequestAttributesSequence.RequestedProcedureID"
    for written in (
        path,
        path.lower(),
        "00400275.00401001",
        "(0040,0275).(0040,1001)",
        "00400275.RequestedProcedureID",
    ):
        assert condition(f"{written}=1").attribute == path
    named = toml_file.parse('revision = 1\nattributes = ["KVP"]\n[named.My_Value]\nfrom = ["KVP"]\n')
    assert condition("my_value=1", named).attribute == "My_Value"
    assert condition(" 0008,0060 = CT").match({"Modality": {"S": "CT"}}) is YES
