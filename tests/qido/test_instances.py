"""The objects of instances have the attributes of PS3.18, Table 10.6.3-5, and each instance's own values."""

from __future__ import annotations

from typing import Any, cast

import pytest
from msgspec import structs

from imaging_index.profile import toml_file
from imaging_index.qido.answers import Object, of_instances
from imaging_index.qido.service import Options, Service
from imaging_index.searching.question import Level
from imaging_index.table.layout import Key
from proof.harness.image_sets import PROFILE, PROFILE_FILE
from tests.qido.asking import get, objects
from tests.qido.stored import (
    INSTANCE,
    ROOT,
    STORE,
    Stored,
    answers,
    image_set,
    keywords,
    of_document,
    plain,
    read,
    rows,
    wanted,
)

PATH = f"{ROOT}/datastore/{STORE}/studies/1.2/series/1.2.1"
ONE: Object = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
    "00080018": {"vr": "UI", "Value": ["1.2.1.1"]},
    "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    "00080201": {"vr": "SH", "Value": ["+0100"]},
    "00081190": {"vr": "UR", "Value": [f"{PATH}/instances/1.2.1.1"]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.1"]},
    "00200013": {"vr": "IS", "Value": [1]},
    "00280008": {"vr": "IS", "Value": [2]},
    "00280010": {"vr": "US", "Value": [512]},
    "00280011": {"vr": "US", "Value": [256]},
    "00280100": {"vr": "US", "Value": [16]},
    "00990010": {"vr": "LO", "Value": ["IMAGING INDEX"]},
    "00991001": {"vr": "LO", "Value": [STORE]},
    "00991002": {"vr": "LO", "Value": [f"{1:032}"]},
    "00991003": {"vr": "IS", "Value": [1]},
    "00991004": {"vr": "CS", "Value": ["YES"]},
    "0099100A": {"vr": "DT", "Value": ["20260101000000.000000+0000"]},
}
OF_SERIES = {
    *("Modality", "SeriesDescription", "SeriesNumber", "PerformedProcedureStepStartDate"),
    *("PerformedProcedureStepStartTime", "RequestAttributesSequence"),
}
OF_STUDY = {
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "PatientName"),
    *("PatientID", "PatientBirthDate", "PatientSex", "StudyID"),
}
BARE = dict.fromkeys(INSTANCE)


def instances(stored: Stored, *, profile: Any = PROFILE, **more: Any) -> Any:
    found = answers(stored, wanted(Level.IMAGE_SET, **more), profile=profile)
    assert all(map(read, found))
    return found


def keeping(text: str) -> Any:
    """The shipped profile, whose pages keep more."""
    return toml_file.parse(f"{PROFILE_FILE.read_text('utf-8')}\n[instances]\n{text}")


def test_an_instance_has_every_attribute_of_its_table() -> None:
    assert instances(Stored(image_set())) == [ONE]


def test_an_instance_asked_for_without_its_series_has_the_attributes_of_the_levels_above() -> None:
    (found,) = instances(Stored(image_set()), relational=True)
    assert keywords(found) - keywords(ONE) == OF_SERIES | OF_STUDY
    # The study was not read as a whole.
    assert not {"ModalitiesInStudy", "NumberOfStudyRelatedInstances"} & keywords(found)


def test_an_instance_of_a_whole_study_counts_the_levels_above() -> None:
    stored = Stored(
        image_set(1, {}, {}),
        image_set(2, series={"SeriesInstanceUID": "1.2.2", "Modality": "SR"}),
        image_set(3, {}, {}, {}, primary=False),
        image_set(4, {"SOPInstanceUID": "1.2.1.9"}),
    )
    what = wanted(Level.IMAGE_SET, relational=True)
    (series,) = rows(stored, wanted(Level.SERIES, relational=True), "Modality=CT")
    row = structs.replace(series, level=Level.IMAGE_SET)
    for _, made in of_instances(row, what, PROFILE, cast("Any", stored)):
        found = read(plain(made))
        assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 4)
        assert (found.NumberOfSeriesRelatedInstances, [*found.ModalitiesInStudy]) == (3, ["CT", "SR"])


def test_of_all_instances_the_service_counts_the_levels_above() -> None:
    stored = cast("Any", Stored(image_set(1, {}, {}), image_set(2, series={"SeriesInstanceUID": "1.2.2"})))
    service = Service(stored, PROFILE, lambda: (STORE,), Options(retrieve_root=ROOT))
    found = map(read, objects(get(service, "/instances?StudyInstanceUID=1.2")))
    counts = [
        (each.NumberOfStudyRelatedSeries, each.NumberOfStudyRelatedInstances, each.NumberOfSeriesRelatedInstances)
        for each in found
    ]
    assert sorted(counts) == [(2, 3, 1), (2, 3, 2), (2, 3, 2)]


def test_instances_come_by_their_number_with_their_own_values_and_columns_to_match_on() -> None:
    stored = Stored(
        image_set(1, {"InstanceNumber": "10"}, {"InstanceNumber": "9", "Rows": 64}, {"InstanceNumber": None})
    )
    what = wanted(Level.IMAGE_SET)
    (row,) = rows(stored, what)
    found = [*of_instances(row, what, PROFILE, cast("Any", stored))]
    assert [each["00280010"]["Value"] for _, each in found] == [[64], [512], [512]]
    assert [columns.get("InstanceNumber") for columns, _ in found] == [9, 10, None]
    assert [each["00200013"].get("Value") for _, each in found] == [[9], [10], None]
    assert [columns["SOPInstanceUID"] for columns, _ in found] == [each["00080018"]["Value"][0] for _, each in found]


def test_what_an_instance_lacks_is_left_out_but_its_number_and_class() -> None:
    (found,) = instances(Stored(image_set(1, BARE)))
    assert keywords(found) == keywords(ONE) - {
        *("Rows", "Columns", "BitsAllocated", "NumberOfFrames", "TimezoneOffsetFromUTC")
    }
    assert (found["00080016"], found["00200013"]) == ({"vr": "UI"}, {"vr": "IS"})


def test_of_what_pages_do_not_have_an_instance_has_only_what_all_instances_have() -> None:
    stored = Stored(image_set(1, {"KVP": "120", "SliceThickness": "1"}, {"KVP": "120", "SliceThickness": "2"}))
    for found in instances(stored, names=("KVP", "SliceThickness")):
        assert keywords(found) - keywords(ONE) == {"KVP"}


def test_what_the_profile_keeps_with_instances_is_each_ones_own() -> None:
    profile = keeping('keep = ["SliceThickness", "ImageType", "AnatomicRegionSequence.CodeMeaning"]\n')
    one = {"ImageType": ["ORIGINAL", "PRIMARY"], "AnatomicRegionSequence": [{"CodeMeaning": "Lung"}]}
    stored = Stored(image_set(1, one, {"SliceThickness": None, "InstanceNumber": "2"}, profile=profile))
    names = ("SliceThickness", "ImageType", "AnatomicRegionSequence.CodeMeaning")
    first, second = map(read, instances(stored, profile=profile, names=names))
    assert (first.SliceThickness, [*first.ImageType]) == (2.5, ["ORIGINAL", "PRIMARY"])
    assert first.AnatomicRegionSequence[0].CodeMeaning == "Lung"
    assert not {"SliceThickness", "ImageType", "AnatomicRegionSequence"} & {each.keyword for each in second}
    assert keywords(instances(stored, profile=profile)[0]) == keywords(ONE)


def test_geometry_is_shown_where_it_is_the_same_in_all_frames() -> None:
    profile = keeping("geometry = true\n")
    one = {"ImagePositionPatient": ["1", "2", "3.5"], "NumberOfFrames": None}
    stored = Stored(image_set(1, one, profile=profile))
    (found,) = instances(stored, profile=profile, names=("ImagePositionPatient",))
    assert [*read(found).ImagePositionPatient] == [1, 2, 3.5]
    frames = [{"PlanePositionSequence": [{"ImagePositionPatient": ["1", "2", each]}]} for each in ("3", "4")]
    several = Stored(image_set(1, {"PerFrameFunctionalGroupsSequence": frames}, profile=profile))
    (found,) = instances(several, profile=profile, names=("ImagePositionPatient",))
    assert "ImagePositionPatient" not in keywords(found)


def test_everything_has_all_attributes_of_instances_too() -> None:
    (found,) = instances(Stored(image_set(1, {"KVP": "120"})), everything=True)
    assert keywords(found) - keywords(ONE) == {
        *("KVP", "SliceThickness", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime")
    }


def test_of_a_second_series_in_an_image_set_nothing_but_the_uid_is_known() -> None:
    def series(uid: str, modality: str) -> Any:
        return {
            "DICOM": {"SeriesInstanceUID": uid, "Modality": modality},
            "Instances": {f"{uid}.1": {"DICOM": {"SOPInstanceUID": f"{uid}.1"}}},
        }

    document = {
        "Patient": {"DICOM": {}},
        "Study": {
            "DICOM": {"StudyInstanceUID": "1.2"},
            "Series": {"1.2.1": series("1.2.1", "CT"), "1.2.2": series("1.2.2", "SR")},
        },
    }
    first, second = instances(Stored(of_document(document, Key(STORE, f"{1:032}"))), relational=True)
    assert (first["0020000E"]["Value"], first["00080060"]) == (["1.2.1"], {"vr": "CS", "Value": ["CT"]})
    assert (second["0020000E"]["Value"], "00080060" in second) == (["1.2.2"], False)
    assert second["00081190"]["Value"][0].endswith("/series/1.2.2/instances/1.2.2.1")


def test_an_image_set_that_was_deleted_meanwhile_has_no_instances() -> None:
    stored, what = Stored(image_set()), wanted(Level.IMAGE_SET)
    (row,) = rows(stored, what)
    assert not [*of_instances(row, what, PROFILE, cast("Any", Stored()))]


def test_a_profile_without_instances_has_none_to_answer_with() -> None:
    profile = toml_file.parse(
        f"{PROFILE_FILE.read_text('utf-8')}".replace("revision = 2", "revision = 2\ninstances = false")
    )
    assert not instances(Stored(image_set(profile=profile)), profile=profile)


@pytest.mark.parametrize("policy", ["drop", "hash"])
def test_a_uid_that_is_not_stored_is_in_no_object_and_no_address(policy: str) -> None:
    profile = toml_file.parse(f'{PROFILE_FILE.read_text("utf-8")}\n[privacy]\nSOPInstanceUID = "{policy}"\n')
    (found,) = instances(Stored(image_set(profile=profile)), profile=profile)
    assert not {"SOPInstanceUID", "RetrieveURL"} & keywords(found)
