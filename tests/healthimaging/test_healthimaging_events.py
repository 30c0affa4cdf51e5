"""The events: their payloads in both spellings, and the faults of their delivery."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.healthimaging.events import Bus, data_store_event
from local.healthimaging.settings import Faults, Settings
from local.healthimaging.store import DataStore, ImageSet

if TYPE_CHECKING:
    from tests.healthimaging.conftest import World

Dicom = Callable[..., Path]


@pytest.fixture
def data_store() -> DataStore:
    arn = f"arn:aws:medical-imaging:eu-west-1:111122223333:datastore/{'d' * 32}"
    return DataStore("d" * 32, "store", arn, "111122223333", "eu-west-1", "ACTIVE", 0, 0, "HTJ2K")


def image_set(data_store: DataStore, version: int = 1) -> ImageSet:
    made = data_store.new_image_set(is_primary=True)
    for _ in range(version):
        made.lock("UPDATING")
        made.finish("UPDATED", b"document")
    return made


def emitted(data_store: DataStore, faults: Faults, count: int = 200, version: int = 3) -> list[dict[str, Any]]:
    """The details of what comes of `count` image sets, each telling once of its version."""
    events: list[dict[str, Any]] = []
    bus = Bus(lambda _, event: events.append(event), Settings(faults=faults))
    for _ in range(count):
        bus.image_set(data_store, image_set(data_store, version))
    return [event["detail"] for event in events]


def test_an_image_set_event_has_the_envelope_and_the_seven_fields(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a"))
    identifier = world.image_sets()[0]["imageSetId"]
    (event,) = [one for one in world.events if one["detail-type"] == "Image Set Created"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event.pop("id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("time"))
    arn = f"arn:aws:medical-imaging:eu-west-1:{world.account}:datastore/{world.store}/imageset/{identifier}"
    assert event == {
        "version": "0",
        "detail-type": "Image Set Created",
        "source": "aws.medical-imaging",
        "account": world.account,
        "region": "eu-west-1",
        "resources": [arn],
        "detail": {
            "imagingVersion": "1.0",
            "isPrimary": True,
            "imageSetVersion": "1",
            "datastoreId": world.store,
            "imagesetId": identifier,
            "imageSetState": "ACTIVE",
            "imageSetWorkflowStatus": "CREATED",
        },
    }


def test_the_spelling_of_2024_has_neither_version_nor_primary_flag(
    world: "World", dicom: Dicom, settings: Callable[..., Any]
) -> None:
    settings(spelling="2024")
    world.load(dicom("a"))
    (event,) = [one for one in world.events if one["detail-type"] == "Image Set Created"]
    assert event["detail"] == {
        "imagingVersion": "1.0",
        "datastoreId": world.store,
        "imageSetId": world.image_sets()[0]["imageSetId"],
        "imageSetState": "ACTIVE",
        "imageSetWorkflowStatus": "CREATED",
    }


def test_data_store_and_job_events_carry_the_data_stores_arn(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a"))
    arn = world.datastore(world.store)["datastoreArn"]
    others = [event for event in world.events if not event["detail-type"].startswith("Image Set")]
    assert [event["resources"] for event in others] == [[arn]] * len(others)
    assert others[1]["detail"] == {
        "imagingVersion": "1.0",
        "datastoreId": world.store,
        "datastoreName": world.store,
        "datastoreStatus": "ACTIVE",
    }
    done = others[-1]["detail"]
    assert set(done) == {
        "imagingVersion", "datastoreId", "jobId", "jobName", "jobStatus", "inputS3Uri", "outputS3Uri",
    }  # fmt: skip
    assert done["outputS3Uri"].endswith(f"/{world.store}-DicomImport-{done['jobId']}/")


def test_no_event_holds_a_dicom_value(world: "World", dicom: Dicom) -> None:
    world.load(dicom("a", PatientName="Canary^Bird", PatientID="CANARY", StudyInstanceUID="1.2.33333"))
    world.client.delete_image_set(datastoreId=world.store, imageSetId=world.image_sets()[0]["imageSetId"])
    world.until(lambda: "Image Set Deleted" in world.kinds())
    assert not re.search("canary|1.2.33333", str(world.events), re.IGNORECASE)


def test_a_data_store_that_failed_has_its_event(data_store: DataStore) -> None:
    data_store.status = "CREATE_FAILED"
    assert data_store_event(data_store)["detail-type"] == "Data Store Creation Failed"


def test_without_faults_every_event_comes_once_and_right(data_store: DataStore) -> None:
    details = emitted(data_store, Faults())
    assert len(details) == 200
    assert {detail["imageSetVersion"] for detail in details} == {"3"}


def test_lost_events_do_not_come(data_store: DataStore) -> None:
    assert 60 < len(emitted(data_store, Faults(lost=0.5))) < 140
    assert emitted(data_store, Faults(lost=1)) == []


def test_doubled_events_come_twice(data_store: DataStore) -> None:
    counts = Counter(detail["imagesetId"] for detail in emitted(data_store, Faults(doubled=0.5)))
    assert set(counts.values()) == {1, 2}


def test_a_wrong_version_is_never_the_right_one(data_store: DataStore) -> None:
    assert {detail["imageSetVersion"] for detail in emitted(data_store, Faults(wrong_version=1))} == {"2", "4"}
    assert {detail["imageSetVersion"] for detail in emitted(data_store, Faults(wrong_version=1), version=1)} == {"2"}


def test_a_false_deleted_follows_the_event_of_a_live_image_set(data_store: DataStore) -> None:
    details = emitted(data_store, Faults(false_deleted=1), count=1)
    assert [detail["imageSetState"] for detail in details] == ["ACTIVE", "DELETED"]


def test_the_same_seed_gives_the_same_faults_and_another_does_not(data_store: DataStore) -> None:
    def versions(seed: int) -> list[str]:
        faults = Faults(lost=0.2, doubled=0.2, wrong_version=0.2, false_deleted=0.2, seed=seed)
        return [detail["imageSetVersion"] + detail["imageSetState"] for detail in emitted(data_store, faults)]

    assert versions(1) == versions(1)
    assert versions(1) != versions(2)


def test_a_delayed_event_comes_after_later_ones(data_store: DataStore) -> None:
    came: list[str] = []

    async def run() -> None:
        both = asyncio.Event()

        def emit(_: str, event: dict[str, Any]) -> None:
            came.append(event["detail"]["imageSetVersion"])
            if len(came) == 2:
                both.set()

        bus = Bus(emit, Settings(faults=Faults(delayed=1, delay_seconds=0.01)))
        bus.image_set(data_store, image_set(data_store, 1))
        bus.configure(Settings())
        bus.image_set(data_store, image_set(data_store, 2))
        await asyncio.wait_for(both.wait(), 20)

    asyncio.run(run())
    assert came == ["2", "1"]


def test_settings_keep_what_is_not_changed(settings: Callable[..., Any]) -> None:
    settings(faults={"lost": 0.25})
    changed = settings(faults={"seed": 7})
    assert changed["faults"] == {
        "lost": 0.25,
        "doubled": 0.0,
        "delayed": 0.0,
        "delaySeconds": 1.0,
        "wrongVersion": 0.0,
        "falseDeleted": 0.0,
        "seed": 7,
    }
    assert changed["throttles"] is False
