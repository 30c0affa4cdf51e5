"""The table of derived attributes agrees with DICOM's dictionary, with the entries, and with search."""

import json
from datetime import date

import pytest

from imaging_index.dicom.dictionary import Level, lookup
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.profile.attributes import select
from imaging_index.profile.derived import BY_NAME, PARTS, Derived
from imaging_index.profile.profile import Index
from imaging_index.profile.toml_file import parse
from imaging_index.searching.grammar import parse as parse_conditions
from imaging_index.searching.planner import plan
from imaging_index.searching.question import Question
from imaging_index.table.reading import TableDescription

PROFILE = parse("""
revision = 1
attributes = ["PatientName", "StudyDate", "StudyTime", "PatientAgeYears", "VolumeGeometry", "SliceSpacing",
    "SliceCount", "SliceGaps", "Orientation", "VolumesByEcho", "VolumesByBValue", "VolumesByTime",
    "VolumesByAcquisition"]
""")
# A cardiac scan of two slices for each echo, b-value, phase and acquisition.
INSTANCES = {
    f"1.2.{number}": {
        "DICOM": {
            "ImagePositionPatient": ["0", "0", str(number % 2)],
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "EchoNumbers": [str(number // 2 % 2)],
            "DiffusionBValue": number // 4 % 2,
            "TriggerTime": str(number // 8 % 2),
            "AcquisitionNumber": str(number // 16),
        }
    }
    for number in range(32)
}
DOCUMENT = {
    "Patient": {"DICOM": {"PatientName": "Doe^John", "PatientBirthDate": "19800101"}},
    "Study": {
        "DICOM": {"StudyDate": "20240131", "StudyTime": "0835"},
        "Series": {"1.2": {"DICOM": {}, "Instances": INSTANCES}},
    },
}

ALL = pytest.mark.parametrize("derived", BY_NAME.values(), ids=BY_NAME)


@ALL
def test_what_is_derived_is_made_of_keywords_and_is_none_itself(derived: Derived) -> None:
    assert all(map(lookup, derived.made_of))
    assert lookup(derived.name) is None
    assert derived.compared in (None, *derived.made_of)


@ALL
def test_an_entry_holds_what_is_derived_in_its_form(derived: Derived) -> None:
    attributes = entry.build(Reader(PROFILE), [json.dumps(DOCUMENT).encode()]).attributes
    assert [*attributes[derived.name]] == [derived.form.type]


@ALL
def test_what_a_derived_attribute_is_made_of_is_read(derived: Derived) -> None:
    read = {keyword for level in Level for keyword in PROFILE.keywords(level)}
    assert read >= {*derived.made_of}


@pytest.mark.parametrize("derived", [each for each in BY_NAME.values() if each.compared], ids=lambda each: each.name)
def test_a_condition_on_what_is_compared_is_answered_by_the_index_of_what_is_derived(derived: Derived) -> None:
    table = TableDescription({"only": Index(("DatastoreId",), (derived.name, "ImageSetId"))}, {})
    wanted = parse_conditions([f"{derived.compared}=20240131"], PROFILE, date(2024, 1, 31))
    (query,) = plan(table, Question(datastores=("d" * 32,), conditions=tuple(wanted))).queries
    assert query.keys() == {"DatastoreId", derived.name}


@pytest.mark.parametrize(("part", "whole"), PARTS.items())
def test_a_part_is_read_from_the_whole_where_neither_part_is_there(part: str, whole: str) -> None:
    sources = [source for source in select(part).sources if source.part]
    assert [(source.path, source.part, source.unless) for source in sources] == [
        ((whole,), "DA" if part.endswith("Date") else "TM", tuple(PARTS))
    ]
