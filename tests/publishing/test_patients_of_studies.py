"""Whether the event of a stable study says that the study is of another patient now, and what its marker remembers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imaging_index.profile.privacy import Policy
from imaging_index.publishing import patients
from imaging_index.table.watching import StudyMarker
from proof.publishing.function import DATASTORE, EPOCH, function
from proof.publishing.given import STUDY, UID, check, index, invoke, message

if TYPE_CHECKING:
    from proof.publishing.world import World


def announced(world: World, number: int) -> Any:
    """Have the study announced after a while. Returns what the event says of its patient."""
    world.now += 1_000
    before = len(world.happened)
    assert invoke(message(check(number, changed=world.now - 500))) == []
    (event,) = world.happened[before:]
    return event.detail.get("patientChanged")


def of(patient: str) -> Any:
    return {"PatientID": {"S": patient}}


def gone(world: World, number: int) -> None:
    """Delete an image set, of which a tombstone is left."""
    del world.image_sets[f"{number:032d}"]
    world.table.write(f"{DATASTORE}/{number:032d}", "entry", {"Generation": {"S": "~"}})


def test_a_corrected_patient_shows_though_the_image_sets_are_new_and_only_once(world: World) -> None:
    index(world, 1, **of("4711"))
    assert announced(world, 1) is False, "a study that is new is not of another patient"
    index(world, 2, **of("4711"))
    assert announced(world, 2) is False
    # The copy with the right patient, then without the old ones.
    index(world, 3, **of("4712"))
    assert announced(world, 3) is True
    assert world.happened[-1].detail["conflicts"] == {"PatientID": 2}
    gone(world, 1)
    gone(world, 2)
    assert announced(world, 3) is True
    assert world.happened[-1].detail["conflicts"] == {}
    index(world, 4, **of("4712"))
    assert announced(world, 4) is False


def test_a_study_that_was_deleted_and_comes_back_under_another_patient_shows(world: World) -> None:
    index(world, 1, **of("4711"))
    assert announced(world, 1) is False
    gone(world, 1)
    index(world, 2, **of("4712"))
    assert announced(world, 2) is True


def test_a_double_of_an_event_says_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    index(world, 1, **of("4711"))
    assert announced(world, 1) is False
    index(world, 2, **of("4712"))
    with monkeypatch.context() as killed:
        killed.setattr(function()._table, "note_study_announced", lambda *_: None)
        assert announced(world, 2) is True
    assert announced(world, 2) is True
    assert world.happened[-1].detail["key"] == world.happened[-2].detail["key"]


def test_a_marker_has_neither_a_patient_id_nor_what_it_could_be_guessed_from(world: World) -> None:
    index(world, 1, **of("4711"))
    announced(world, 1)
    marker = world.table.items[f"study/{STUDY}", "stable"]
    assert "4711" not in json.dumps(marker)
    assert UID not in json.dumps(marker)
    entries = [of("4711")]
    # Nobody can try all numbers without the study's UID, or see that two studies are of one patient.
    assert marker["Patients"]["S"] == patients.digest(Policy.KEEP, UID, entries)
    assert marker["Patients"]["S"] != patients.digest(Policy.KEEP, "1.2.840.2", entries)


@pytest.mark.parametrize("policy", [None, Policy.DROP])
def test_without_patient_ids_in_the_index_an_event_does_not_say(
    world: World, policy: Policy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function()._studies(), "_patient_policy", policy)
    index(world, 1)
    assert announced(world, 1) is None
    index(world, 2)
    assert announced(world, 2) is None


def test_what_was_noted_under_another_policy_is_not_compared() -> None:
    kept = patients.digest(Policy.KEEP, UID, [of("4711")])
    hashed = patients.digest(Policy.HASH, UID, [of("aabb")])
    marker = StudyMarker(EPOCH, "", "content", kept)
    assert patients.changed(marker, kept) is False
    assert patients.changed(marker, hashed) is None
    assert patients.changed(StudyMarker(EPOCH, "", "content", None), kept) is None
    assert patients.changed(None, kept) is False
