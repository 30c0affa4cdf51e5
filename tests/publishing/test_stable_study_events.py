"""What the event of a stable study says, in the shape of docs/events.schema.json; and who agrees with whom."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from imaging_index.healthimaging import Found
from imaging_index.publishing import agreement
from imaging_index.table.layout import Key

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text("utf-8"))
STORE, UID = "d" * 32, "1.2.840.1"
STUDY = agreement.digest(STORE, UID)


def found(number: int, version: int = 1, *, primary: bool | None = True, at: float = 0) -> Found:
    return Found(f"{number:032d}", version, primary, at)


def entry(version: int = 1, **more: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "Generation": {"S": f"{version:010d}.000001.0003.0000"},
        "ImageSetVersion": {"N": str(version)},
        "IndexedAt": {"S": "2026-01-01T00:00:00.500000Z"},
        "InstanceCount": {"N": "30"},
        "StudyInstanceUID": {"S": UID},
    }
    return item | {name: {"S": value} for name, value in more.items()}


def key(number: int) -> Key:
    return Key(STORE, f"{number:032d}")


def detail(entries: dict[Key, Any], listed: list[Found]) -> Any:
    """The detail of the event, after a look at the schema."""
    made = agreement.stable(STUDY, STORE, entries, listed, 10, patient_changed=True)
    said = json.loads(made.detail)
    event = {"source": "imaging-index", "detail-type": made.kind, "detail": said}
    jsonschema.Draft4Validator(SCHEMA).validate(event)
    return said


def test_it_lists_image_sets_with_version_and_primary_and_counts_what_a_human_should_see() -> None:
    entries = {
        key(2): entry(2, Cause="reindex", Modality="MR", PatientID="7", PatientName="Doe^Jane"),
        key(1): entry(1, Modality="CT", PatientID="8", PatientName="Doe^Jane"),
        key(3): entry(1, Modality="CT"),
    }
    said = detail(entries, [found(3, primary=None), found(2, 2, primary=False), found(1)])
    assert said == {
        "datastoreId": STORE,
        "study": STUDY,
        "key": agreement.content([found(1), found(2, 2), found(3)]),
        "stableMinutes": 10,
        "patientChanged": True,
        "imageSetCount": 3,
        "nonPrimaryCount": 1,
        "instanceCount": 90,
        "causes": ["event", "reindex"],
        "modalities": ["CT", "MR"],
        "conflictCount": 1,
        "conflicts": {"PatientID": 2},
        "imageSets": [
            {"imageSetId": f"{1:032d}", "imageSetVersion": 1, "isPrimary": True},
            {"imageSetId": f"{2:032d}", "imageSetVersion": 2, "isPrimary": False},
            {"imageSetId": f"{3:032d}", "imageSetVersion": 1},
        ],
    }
    assert "Jane" not in json.dumps(said)
    assert UID not in json.dumps(said)


def test_of_a_large_study_it_lists_500_image_sets_and_says_how_to_find_the_others() -> None:
    numbers = range(5_000)
    said = detail({key(number): entry() for number in numbers}, [found(number) for number in numbers])
    assert (len(said["imageSets"]), said["imageSetsOmitted"], said["imageSetCount"]) == (500, 4_500, 5_000)
    assert "search for its StudyInstanceUID" in said["more"]
    assert len(json.dumps(said)) < 200_000


def test_the_key_stands_for_the_image_sets_and_their_versions_alone() -> None:
    same = agreement.content([found(1), found(2, at=9, primary=False)])
    assert same == agreement.content([found(2), found(1)])
    assert same != agreement.content([found(2), found(1, 2)])
    assert same != agreement.content([found(1)])


def test_a_study_of_another_data_store_is_another_study() -> None:
    assert agreement.digest("e" * 32, UID) != STUDY
    assert agreement.is_in(STUDY, key(1), entry())
    assert not agreement.is_in(STUDY, Key("e" * 32, "1" * 32), entry())
    assert not agreement.is_in(STUDY, key(1), entry(StudyInstanceUID="1.2"))
    assert not agreement.is_in(STUDY, key(1), {"Generation": {"S": "~"}})
    assert not agreement.is_in(STUDY, key(1), None)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([found(1, 2), found(2)], True),
        ([found(1, 2)], False),
        ([found(1, 2), found(2), found(3)], False),
        ([found(1), found(2)], False),
        ([found(1, 3), found(2)], False),
    ],
)
def test_entries_agree_with_the_same_image_sets_at_the_same_versions_only(listed: list[Found], expected: bool) -> None:
    assert agreement.agree({key(1): entry(2), key(2): entry(1)}, listed) is expected


def test_the_newest_is_an_entry_or_an_image_set() -> None:
    assert agreement.newest([entry()], [found(1, at=5)]) == 1_767_225_600.5
    assert agreement.newest([], [found(1, at=5), found(2, at=7)]) == 7
    assert agreement.newest([], []) == 0
