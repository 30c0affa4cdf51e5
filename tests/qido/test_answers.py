"""The objects of studies and series have the attributes of PS3.18, Tables 10.6.3-3 and 10.6.3-4, and no false value."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec import structs

from imaging_index.profile import toml_file
from imaging_index.qido.answers import Object, Objects, Wanted, needed
from imaging_index.searching.judging import holds
from imaging_index.searching.question import Level
from imaging_index.searching.rows import NEEDED, Row
from proof.harness.image_sets import PROFILE, PROFILE_FILE
from tests.qido.stored import (
    INSTANCE,
    ROOT,
    STORE,
    Stored,
    answers,
    image_set,
    keywords,
    plain,
    read,
    rows,
    wanted,
)

IMAGE_SET = f"{1:032}"
# The private elements of an answer of studies, and those that are of its image sets in particular.
BLOCK = {
    "00990010": {"vr": "LO", "Value": ["IMAGING INDEX"]},
    "00991001": {"vr": "LO", "Value": [STORE]},
    "00991002": {"vr": "LO", "Value": [IMAGE_SET]},
    "00991004": {"vr": "CS", "Value": ["YES"]},
    "00991007": {"vr": "IS", "Value": [0]},
}
OF_IMAGE_SETS = {
    "00991003": {"vr": "IS", "Value": [1]},
    "0099100A": {"vr": "DT", "Value": ["20260101000000.000000+0000"]},
}
COMMON: Object = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}, "00080201": {"vr": "SH", "Value": ["+0100"]}}
STUDY: Object = COMMON | {
    "00080020": {"vr": "DA", "Value": ["20240131"]},
    "00080030": {"vr": "TM", "Value": ["083015.5"]},
    "00080050": {"vr": "SH", "Value": ["A1"]},
    "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    "00080061": {"vr": "CS", "Value": ["CT"]},
    "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Smith^Ann"}]},
    "00081030": {"vr": "LO", "Value": ["Thorax"]},
    "00081190": {"vr": "UR", "Value": [f"{ROOT}/datastore/{STORE}/studies/1.2"]},
    "00100010": {
        "vr": "PN",
        "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "山田^花子", "Phonetic": "やまだ^はなこ"}],
    },
    "00100020": {"vr": "LO", "Value": ["P1"]},
    "00100030": {"vr": "DA", "Value": ["19700131"]},
    "00100040": {"vr": "CS", "Value": ["F"]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
    "00200010": {"vr": "SH", "Value": ["S1"]},
    "00201206": {"vr": "IS", "Value": [1]},
    "00201208": {"vr": "IS", "Value": [2]},
}
SERIES: Object = COMMON | {
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "0008103E": {"vr": "LO", "Value": ["Lung"]},
    "00081190": {"vr": "UR", "Value": [f"{ROOT}/datastore/{STORE}/studies/1.2/series/1.2.1"]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.1"]},
    "00200011": {"vr": "IS", "Value": [3]},
    "00201209": {"vr": "IS", "Value": [2]},
    "00400244": {"vr": "DA", "Value": ["20240131"]},
    "00400245": {"vr": "TM", "Value": ["083000"]},
    "00400275": {
        "vr": "SQ",
        "Value": [{"00400009": {"vr": "SH", "Value": ["SPS1"]}, "00401001": {"vr": "SH", "Value": ["RP1"]}}],
    },
}
# In the Table, and there without a value too; the first three are computed.
REQUIRED_OF_STUDY = {
    *("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientID"),
    *("PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID"),
}
NOTHING_BUT = {"StudyInstanceUID": "1.2"}


def without(*names: str, text: str = "") -> Any:
    """The shipped profile without some attributes, and with some more lines. Its indexes hold all."""
    lines = re.sub(r"holds = \[.*?\]", 'holds = "all"', PROFILE_FILE.read_text("utf-8"), flags=re.DOTALL)
    for name in names:
        lines = lines.replace(f'"{name}", ', "")
    return toml_file.parse(lines + text)


def only(*conditions: str, what: Wanted | None = None, stored: Stored | None = None, valid: bool = True) -> Any:
    """The one object of an answer."""
    (found,) = answers(stored or Stored(image_set(1, {}, {})), what or wanted(), *conditions)
    assert not valid or read(found)
    return found


def test_a_study_has_every_attribute_of_its_table() -> None:
    assert only() == STUDY | BLOCK
    assert [*only()] == sorted(only())


def test_a_series_has_every_attribute_of_its_table_and_says_which_study_it_is_of() -> None:
    assert only(what=wanted(Level.SERIES)) == SERIES | BLOCK | OF_IMAGE_SETS


def test_a_series_asked_for_without_its_study_has_all_of_both_tables() -> None:
    assert only(what=wanted(Level.SERIES, relational=True)) == STUDY | SERIES | BLOCK | OF_IMAGE_SETS


def test_a_series_asked_for_without_its_study_counts_the_whole_study() -> None:
    stored = Stored(
        image_set(1, {}, {}),
        image_set(2, series={"SeriesInstanceUID": "1.2.2", "Modality": "SR"}),
        image_set(3, series={"SeriesInstanceUID": "1.2.2", "Modality": "OT"}, primary=False),
    )
    found = read(only("Modality=CT", what=wanted(Level.SERIES, relational=True), stored=stored))
    assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 3)
    assert (found.NumberOfSeriesRelatedInstances, [*found.ModalitiesInStudy]) == (2, ["CT", "SR"])


def test_a_required_attribute_without_a_value_is_empty_and_others_are_left_out() -> None:
    nothing = image_set(
        patient=dict.fromkeys(("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")),
        study=dict.fromkeys(
            ("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName")
        ),
        series=dict.fromkeys(("Modality", "SeriesNumber", "SeriesDescription", "RequestAttributesSequence")),
    )
    study = only(stored=Stored(nothing))
    empty = {tag for tag, each in study.items() if "Value" not in each}
    assert {read(study)[tag].keyword for tag in empty} == REQUIRED_OF_STUDY - {
        *("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "StudyInstanceUID")
    }
    assert not {"StudyDescription", "ModalitiesInStudy"} & keywords(study)
    series = only(what=wanted(Level.SERIES), stored=Stored(nothing))
    assert series["00080060"] == {"vr": "CS"}
    assert series["00200011"] == {"vr": "IS"}
    assert not {"SeriesDescription", "RequestAttributesSequence"} & keywords(series)


def test_modalities_of_a_study_are_all_or_left_out_never_empty() -> None:
    some = Stored(image_set(1, series={"Modality": None}), image_set(2, series={"SeriesInstanceUID": "1.2.2"}))
    assert only(stored=some)["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert "00080061" not in only(stored=Stored(image_set(series={"Modality": None})))


def test_midnight_and_no_time_are_not_the_same() -> None:
    assert only(stored=Stored(image_set(study={"StudyTime": "000000"})))["00080030"]["Value"] == ["000000"]
    assert only(stored=Stored(image_set(study={"StudyTime": None})))["00080030"] == {"vr": "TM"}
    undated = only(stored=Stored(image_set(study={"StudyTime": None, "StudyDate": None})))
    assert (undated["00080020"], undated["00080030"]) == ({"vr": "DA"}, {"vr": "TM"})


def test_items_of_a_sequence_have_their_required_attributes_too() -> None:
    requests = [{"RequestedProcedureID": "RP1"}, {"ScheduledProcedureStepID": "SPS2", "RequestedProcedureID": "RP2"}]
    stored = Stored(image_set(series={"RequestAttributesSequence": requests}))
    first, second = only(what=wanted(Level.SERIES), stored=stored)["00400275"]["Value"]
    assert first == {"00400009": {"vr": "SH"}, "00401001": {"vr": "SH", "Value": ["RP1"]}}
    assert second["00400009"]["Value"] == ["SPS2"]


def test_of_the_instances_a_study_or_series_has_only_what_all_of_them_have() -> None:
    differing = Stored(image_set(1, {}, {"PerformedProcedureStepStartTime": "0900", "TimezoneOffsetFromUTC": "+0200"}))
    found = keywords(only(what=wanted(Level.SERIES), stored=differing))
    assert "PerformedProcedureStepStartDate" in found
    assert not {"PerformedProcedureStepStartTime", "TimezoneOffsetFromUTC"} & found
    lacking = Stored(image_set(1, {}, {"PerformedProcedureStepStartDate": None, "TimezoneOffsetFromUTC": None}))
    found = keywords(only(what=wanted(Level.SERIES), stored=lacking))
    assert not {"PerformedProcedureStepStartDate", "TimezoneOffsetFromUTC"} & found
    two = Stored(image_set(1), image_set(2, {"TimezoneOffsetFromUTC": "+0200"}, series={"SeriesInstanceUID": "1.2.2"}))
    assert "TimezoneOffsetFromUTC" not in keywords(only(stored=two))
    assert "TimezoneOffsetFromUTC" in keywords(only(stored=Stored(image_set(1), image_set(2))))


def test_what_was_not_read_as_a_whole_is_not_counted() -> None:
    row = Row(level=Level.STUDY, entries=(image_set().entry,), whole=None)
    found = plain(Objects(wanted(), PROFILE).of_row(row))
    assert {tag: each for tag, each in STUDY.items() if tag not in ("00080061", "00201206", "00201208")} == {
        tag: found[tag] for tag in found if tag < "0099"
    }
    series = structs.replace(row, level=Level.SERIES)
    assert "00201209" not in Objects(wanted(Level.SERIES), PROFILE).of_row(series)


def test_what_the_profile_does_not_select_is_left_out() -> None:
    profile = without("PatientBirthDate", "PatientSex")
    (found,) = answers(Stored(image_set(profile=profile)), wanted(), profile=profile)
    assert not {"PatientBirthDate", "PatientSex"} & keywords(found)
    dropped = without(text='[privacy]\nReferringPhysicianName = "drop"\n')
    (found,) = answers(Stored(image_set(profile=dropped)), wanted(), profile=dropped)
    assert "ReferringPhysicianName" not in keywords(found)


def test_of_tokens_there_are_only_those_that_are_values_of_their_vr() -> None:
    hashed = ("PatientID", "AccessionNumber", "Modality", "StudyInstanceUID")
    nested = ("OtherPatientIDsSequence.PatientID", "RequestAttributesSequence.AccessionNumber")
    lines = [f'"{name}" = "hash"' for name in (*hashed, *nested)]
    profile = without(text="\n".join(["[privacy]", *lines]))
    (found,) = answers(Stored(image_set(profile=profile)), wanted(), profile=profile)
    assert len(read(found).PatientID) == 64
    assert not {"AccessionNumber", "ModalitiesInStudy", "StudyInstanceUID", "RetrieveURL"} & keywords(found)


def test_an_answer_without_a_root_has_no_address() -> None:
    assert "00081190" not in only(what=wanted(retrieve_root=""))


def test_what_is_asked_for_is_added_at_its_level_and_above() -> None:
    stored = Stored(image_set(patient={"PatientIdentityRemoved": "NO"}, series={"BodyPartExamined": "CHEST"}))
    names = ("IssuerOfPatientID", "BodyPartExamined", "SliceThickness", "PatientIdentityRemoved", "Nonsense")
    assert keywords(only(what=wanted(names=names), stored=stored)) - keywords(STUDY) == {
        "IssuerOfPatientID",
        "PatientIdentityRemoved",
    }
    assert keywords(only(what=wanted(Level.SERIES, names=names), stored=stored)) - keywords(SERIES) == {
        *("IssuerOfPatientID", "PatientIdentityRemoved", "BodyPartExamined")
    }


def test_everything_is_all_attributes_of_the_level_and_in_a_relational_answer_of_those_above() -> None:
    procedure = {"ProcedureCodeSequence": [{"CodeValue": "C1", "CodeMeaning": "Chest"}]}
    stored = Stored(image_set(study=procedure, series={"BodyPartExamined": "CHEST"}))
    of_study = {"IssuerOfPatientID", "ProcedureCodeSequence"}
    assert keywords(only(what=wanted(everything=True), stored=stored)) - keywords(STUDY) == of_study
    of_series = only(what=wanted(Level.SERIES, everything=True), stored=stored)
    assert keywords(of_series) - keywords(SERIES) == {"BodyPartExamined"}
    of_both = only(what=wanted(Level.SERIES, relational=True, everything=True), stored=stored)
    assert keywords(of_both) - keywords(SERIES) - keywords(STUDY) == of_study | {"BodyPartExamined"}
    assert "00991003" in only(what=wanted(everything=True), stored=stored)


@pytest.mark.parametrize("index", ["study", "patient", "name", "accession", "arrived", "date"])
def test_a_work_list_is_made_of_what_each_shipped_index_holds(index: str) -> None:
    names = needed(wanted(names=("IssuerOfPatientID",)), PROFILE)
    assert names is not None
    assert holds(PROFILE.indexes[index], names)


@pytest.mark.parametrize(
    "condition", ["StudyDate=20240131", "PatientID=P1", "PatientName=doe*", "StudyInstanceUID=1.2"]
)
def test_no_entry_is_looked_up_for_a_work_list(condition: str) -> None:
    stored = Stored(image_set(1), image_set(2, study={"StudyInstanceUID": "1.3", "StudyDate": None}))
    assert answers(stored, wanted(), condition)
    assert "" not in stored.calls


def test_a_time_zone_is_shown_if_it_is_there_and_looked_up_only_if_it_is_asked_for() -> None:
    by_patient, stored = "PatientID=P1", Stored(image_set(1), image_set(2, {}, dict.fromkeys(INSTANCE)))
    assert "TimezoneOffsetFromUTC" not in keywords(only(by_patient, stored=Stored(image_set(1))))
    asked = wanted(names=("TimezoneOffsetFromUTC",))
    assert only(by_patient, what=asked, stored=Stored(image_set(1)))["00080201"]["Value"] == ["+0100"]
    assert "TimezoneOffsetFromUTC" not in keywords(only(by_patient, what=asked, stored=stored))


def test_a_time_zone_is_not_believed_where_an_index_does_not_say_which_instances_lack_it() -> None:
    held = tuple(dict.fromkeys((*NEEDED, *(needed(wanted(), PROFILE) or ()), "TimezoneOffsetFromUTC")))
    of_patients = structs.replace(PROFILE.indexes["patient"], holds=held)
    indexes = {name: each for name, each in PROFILE.indexes.items() if name != "study"}
    profile = structs.replace(PROFILE, indexes={**indexes, "patient": of_patients})
    stored = Stored(image_set(1, {}, {"TimezoneOffsetFromUTC": None}), profile=profile)
    for what in (wanted(), wanted(names=("TimezoneOffsetFromUTC",))):
        (row,) = rows(stored, what, "PatientID=P1")
        assert "00080201" not in Objects(what, profile).of_row(row)
    assert "patient" in stored.calls


def test_of_several_values_where_dicom_allows_one_all_are_there_and_the_attribute_is_named() -> None:
    found = only(stored=Stored(image_set(study={"AccessionNumber": ["A1", "A2"]})))
    assert found["00080050"]["Value"] == ["A1", "A2"]
    assert found["00991009"]["Value"] == ["AccessionNumber"]


def test_a_study_without_a_uid_has_no_address() -> None:
    found = only(stored=Stored(image_set(study={"StudyInstanceUID": None})))
    assert found["0020000D"] == {"vr": "UI"}
    assert "00081190" not in found


def test_a_uid_that_is_no_uid_stays_one_part_of_an_address() -> None:
    found = only(stored=Stored(image_set(study={"StudyInstanceUID": "1.2/x?y"})), valid=False)
    assert found["00081190"]["Value"] == [f"{ROOT}/datastore/{STORE}/studies/1.2%2Fx%3Fy"]


def test_versions_are_left_out_if_one_is_not_known() -> None:
    held = {name: each for name, each in image_set(1).entry.items() if name != "ImageSetVersion"}
    row = Row(level=Level.SERIES, entries=(image_set(2).entry, held), whole=None)
    found = Objects(wanted(Level.SERIES), PROFILE).of_row(row)
    assert ("00991003" in found, "0099100A" in found) == (False, True)


def test_versions_and_arrivals_are_of_answers_of_studies_only_if_they_are_asked_for() -> None:
    stored = Stored(image_set(1, version=7), image_set(2, series={"SeriesInstanceUID": "1.2.2"}, version=3))
    assert not {"00991003", "0099100A"} & only(stored=stored).keys()
    found = only(what=wanted(names=("ImageSetVersion",)), stored=stored)
    assert dict(zip(found["00991002"]["Value"], found["00991003"]["Value"], strict=True)) == {
        IMAGE_SET: 7,
        f"{2:032}": 3,
    }
