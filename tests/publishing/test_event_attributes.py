"""The attributes that a profile gives to events, and the mistakes in its list."""

import json
from pathlib import Path

import pytest

from imaging_index.dicom.confidentiality import identifies
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile, ProfileError

ROOT = Path(__file__).parents[2]
SELECTED = ["PatientID", "PatientName", "StudyInstanceUID", "Modality", "SOPClassUID", "Rows", "PatientAgeYears"]
NAMED = '[named.BValue]\nvr = "FD"\nfrom = ["DiffusionBValue", {creator = "A", element = "0019xx0C", vr = "IS"}]\n'


def profile(events: str = "", privacy: str = "", more: str = "", selected: list[str] = SELECTED) -> Profile:
    return toml_file.parse(f"revision = 1\nattributes = {json.dumps(selected)}\n{events}\n[privacy]\n{privacy}\n{more}")


def mistakes(events: str, privacy: str = "", more: str = "") -> list[str]:
    with pytest.raises(ProfileError) as refused:
        profile(events, privacy, more)
    return str(refused.value).splitlines()


def test_without_a_list_events_have_those_of_the_usual_attributes_that_the_profile_selects() -> None:
    assert profile().events == ("Modality", "SOPClassUID")
    assert profile(privacy='Modality = "drop"').events == ("SOPClassUID",)


def test_the_shipped_profiles_give_events_the_usual_attributes_and_keep_their_locks() -> None:
    usual = ("Modality", "BodyPartExamined", "Manufacturer", "SOPClassUID")
    for name in ("radiology", "minimal", "research"):
        shipped = toml_file.load(ROOT / "profiles" / f"{name}.toml")
        assert shipped.events == tuple(each for each in usual if shipped.find(each))
        assert json.loads((ROOT / "profiles" / f"{name}.lock").read_text("utf-8"))["hash"] == shipped.hash
    assert toml_file.load(ROOT / "profiles" / "radiology.toml").events == usual


def test_the_list_leaves_the_profiles_hash_alone_since_it_changes_no_entry() -> None:
    assert profile('[events]\nattributes = ["Rows"]').hash == profile().hash
    assert profile('[events]\nattributes = ["Rows"]').events == ("Rows",)
    assert profile("[events]\nattributes = []").events == ()


@pytest.mark.parametrize("name", ["PatientID", "PatientName", "StudyInstanceUID", "PatientAgeYears", "BValue"])
def test_what_may_identify_a_person_is_refused_unless_it_is_said_twice(name: str) -> None:
    (line,) = mistakes(f'[events]\nattributes = ["Modality",\n"{name}"]', more=NAMED)
    assert line.startswith(f"line 5: [events] has '{name}', which may identify a person")
    assert "name it in `identifying` as well" in line
    said = profile(f'[events]\nattributes = ["Modality", "{name}"]\nidentifying = ["{name}"]', more=NAMED)
    assert said.events == ("Modality", name)


def test_a_token_of_what_identifies_must_be_said_twice_as_well() -> None:
    (line,) = mistakes('[events]\nattributes = ["PatientID"]', 'PatientID = "hash"')
    assert "may identify a person" in line


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("events = 1", "line 3: Events are a table: [events] with attributes ="),
        ("[events]\nattribute = []", "line 4: [events] has an unknown field 'attribute'. Allowed fields: attributes,"),
        ('[events]\nattributes = "Modality"', "line 4: [events] needs a list of names: attributes = [...]."),
        ("[events]\nidentifying = [1]", "line 4: [events] needs a list of names: identifying = [...]."),
        ('[events]\nattributes = ["Rows", "Rows"]', "line 4: [events] has 'Rows' twice in `attributes`; take one"),
        ('[events]\nattributes = ["KVP"]', "line 4: [events] has 'KVP', which is not selected; add it to"),
        ('[events]\nattributes = ["Modalitie"]', "line 4: [events] has 'Modalitie', which no entry has. Did you mean"),
        ('[events]\nattributes = ["Xyzzyxyzzy"]', "line 4: [events] has 'Xyzzyxyzzy', which no entry has; take it"),
        ('[events]\nidentifying = ["PatientID"]', "line 4: [events] has 'PatientID' in `identifying` only; name it"),
    ],
)
def test_a_mistake_in_the_list_is_named_with_its_line(events: str, expected: str) -> None:
    (line,) = mistakes(events)
    assert line.startswith(expected)


def test_a_list_whose_names_alone_fill_an_event_is_refused() -> None:
    names = [f"{'Sequence' * 8}{number}"[-60:] for number in range(400)]
    named = "".join(f'[named.{name}]\nfrom = ["KVP"]\n' for name in names)
    lines = mistakes(f"[events]\nattributes = {json.dumps(names)}", more=named)
    assert any("has names of" in line and "an event has room for 20000; take some out." in line for line in lines)


def test_events_cannot_have_what_privacy_drops() -> None:
    (line,) = mistakes('[events]\nattributes = ["Modality"]', 'Modality = "drop"')
    assert line == "line 4: [events] has 'Modality', which [privacy] drops; take it out of the list."


def test_a_value_in_a_sequence_may_identify_whatever_it_is() -> None:
    selected = [*SELECTED, "SegmentSequence.SegmentNumber"]
    with pytest.raises(ProfileError, match="may identify a person"):
        profile('[events]\nattributes = ["SegmentSequence.SegmentNumber"]', selected=selected)


@pytest.mark.parametrize(
    ("keyword", "vr", "expected"),
    [
        ("Modality", "CS", False),
        ("SliceThickness", "DS", False),
        ("Manufacturer", "LO", False),
        ("SOPClassUID", "UI", False),
        # PS3.15, table E.1-1
        ("PatientSex", "CS", True),
        ("PatientWeight", "DS", True),
        ("PregnancyStatus", "US", True),
        ("DeviceSerialNumber", "LO", True),
        ("AcquisitionDate", "DA", True),
        ("FrameOfReferenceUID", "UI", True),
        ("OperatorsName", "PN", True),
        ("ProtocolName", "LO", True),
        ("VisitStatusID", "CS", True),
        ("NoKeyword", "CS", True),
    ],
)
def test_codes_and_numbers_of_series_and_instances_identify_nobody(keyword: str, vr: str, expected: bool) -> None:
    assert identifies(keyword, vr) is expected


@pytest.mark.parametrize(
    ("selected", "privacy", "index", "expected"),
    [
        (SELECTED, "", "StudyInstanceUID", None),
        (SELECTED, 'StudyInstanceUID = "drop"', "PatientID", "[privacy] does not keep StudyInstanceUID"),
        (SELECTED, 'StudyInstanceUID = "hash"', "StudyInstanceUID", "[privacy] does not keep StudyInstanceUID"),
        (["PatientID"], "", "PatientID", "The profile does not select StudyInstanceUID."),
        (SELECTED, "", "PatientID", "No index finds the image sets of a study."),
    ],
)
def test_a_profile_says_why_no_study_can_be_announced(
    selected: list[str], privacy: str, index: str, expected: str | None
) -> None:
    made = profile(
        privacy=privacy, more=f'[indexes.one]\npartition = ["{index}"]\nsort = ["ImageSetId"]', selected=selected
    )
    why = made.why_no_stable_studies
    assert why is None if expected is None else why and why.startswith(expected)
