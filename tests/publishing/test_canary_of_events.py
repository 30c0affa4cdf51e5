"""No patient data leaves through events: the marker is in every value of a document but those of the default list."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.profile import toml_file
from imaging_index.profile.event_attributes import DEFAULT
from imaging_index.profile.profile import Profile
from proof.harness import canary
from proof.publishing import world as worlds
from proof.publishing.function import DATASTORE, EPOCH, function, plugged
from proof.publishing.world import Faults, Snapshot, World

PROFILES = Path(__file__).parents[2] / "profiles"
TEXTS = {"PatientName": "Doe^Jane", "PatientID": "7", "PatientBirthDate": "19700101", "PatientSex": "F"}
STUDY = {"StudyInstanceUID": "1.2.3", "StudyDescription": "", "AccessionNumber": "9", "StudyDate": "20200101"}
SERIES = {
    "SeriesInstanceUID": "1.2.4",
    "SeriesDescription": "",
    "Modality": "CT",
    "BodyPartExamined": "CHEST",
    "Manufacturer": "ACME",
    "InstitutionName": "",
    "RequestAttributesSequence": [{"RequestedProcedureID": "", "AccessionNumber": ""}],
}
INSTANCE = {"SOPInstanceUID": "1.2.5", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ImageType": ["ORIGINAL"]}
RUNS = 150


def content(image_set: str, version: int, profile: Profile) -> entry.Content:
    """The entry of a document in which every text but the default list's is the marker."""
    marked: Any = [canary.marked(part) for part in (TEXTS, STUDY, SERIES, INSTANCE)]
    patient, study, series, instance = marked
    for part, given in ((series, SERIES), (instance, INSTANCE)):
        part |= {name: given[name] for name in DEFAULT if name in given}
    series["SeriesDescription"] += str(version)
    whole = {
        "SchemaVersion": "1.1",
        "DatastoreID": DATASTORE,
        "ImageSetID": image_set,
        "Patient": {"DICOM": patient},
        "Study": {
            "DICOM": study,
            "Series": {
                series["SeriesInstanceUID"]: {
                    "DICOM": series,
                    "Instances": {instance["SOPInstanceUID"]: {"DICOM": instance, "ImageFrames": [{"ID": "f" * 32}]}},
                }
            },
        },
    }
    return entry.build(Reader(profile), [gzip.compress(json.dumps(whole).encode())])


def item(image_set: str, version: int, profile: Profile) -> dict[str, Any]:
    made = content(image_set, version, profile)
    return made.attributes | {
        "Generation": {"S": f"{version:010d}.000001.0003.0000"},
        "Attempt": {"S": f"{version:016x}"},
        "ImageSetVersion": {"N": str(version)},
        "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        "Cause": {"S": "event"},
    }


@pytest.mark.parametrize("name", ["radiology", "minimal"])
def test_nothing_of_a_patient_is_in_an_event_a_marker_a_message_or_a_dead_letter_whatever_fails(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = toml_file.load(PROFILES / f"{name}.toml")
    module = function()
    monkeypatch.setattr(module._publisher, "_attributes", profile.events)
    monkeypatch.setattr(worlds, "refusal", quoting)
    for attribute in ("namespace", "service"):
        monkeypatch.setattr(module.observability.metrics, attribute, "test")
    entries = {(key, version): item(key, version, profile) for key in ("1" * 32, "2" * 32) for version in (1, 2)}
    uid = entries["1" * 32, 1].get("StudyInstanceUID", {}).get("S")
    assert canary.found(entries), "the marker is in the entries"
    assert canary.found(uid)
    kinds: set[str] = set()
    for seed in range(RUNS):
        world = lived(seed, entries, uid)
        kinds |= {each.kind for each in world.happened}
        assert leaks(world) == []
    assert kinds == {"Image Set Indexed", "Image Set Reindexed", "Image Set Removed", "Study Stable"}
    assert canary.found(capsys.readouterr().out) is None


def test_a_leak_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = toml_file.load(PROFILES / "minimal.toml")
    monkeypatch.setattr(function()._publisher, "_attributes", ("PatientID",))
    each = item("1" * 32, 1, profile)
    assert leaks(lived(1, {("1" * 32, 1): each}, each["StudyInstanceUID"]["S"], observed=False))


def lived(seed: int, entries: dict[tuple[str, int], dict[str, Any]], uid: str, *, observed: bool = True) -> World:
    """A world in which the entries were written, and one of two image sets was deleted after its study was stable."""
    world = World(seed, Faults(kills=0.05, refusals=0.1, most=6), search_lag=0, index_lag=0.1, observed=observed)
    for (key, version), each in entries.items():
        world.image_sets.setdefault(key, []).append(Snapshot(uid, version, EPOCH + version))
        world.after(version, partial(world.table.write, f"{DATASTORE}/{key}", "entry", each))
    last = max(key for key, _ in entries)
    world.after(400, partial(world.table.write, f"{DATASTORE}/{last}", "entry", {"Generation": {"S": "~"}}))
    world.after(400, partial(world.image_sets.__delitem__, last))
    with plugged(world):
        world.run(2_000)
    return world


def leaks(world: World) -> list[str]:
    """Every place of the marker in what left the function."""
    markers = {key: each for key, each in world.table.items.items() if key[1] != "entry"}
    assert markers
    left = [json.dumps([each.detail for each in world.happened]), *world.sent, *world.parked, str(markers)]
    return [place for text in left if (place := canary.found(text))]


def quoting(operation: str, code: str, status: int = 400) -> ClientError:
    """A refusal whose text quotes the marker."""
    message = f"{code}: {canary.MARKER}"
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
