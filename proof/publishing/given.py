"""What the function that announces is given in tests: records, messages, entries and manifests, in a quiet world."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from imaging_index.publishing.agreement import digest
from proof.harness.pipeline import record
from proof.publishing.function import ACCOUNT, DATASTORE, EPOCH
from proof.publishing.function import world as plugged_in
from proof.publishing.world import Faults, Snapshot, World

if TYPE_CHECKING:
    import pytest

UID: Final = "1.2.840.1"
STUDY: Final = digest(DATASTORE, UID)
FIRST: Final = "0000000001.000001.0001.0000"


def quiet() -> World:
    """A world in which nothing fails, is late or goes on by itself."""
    made = World(1, Faults(most=0), stream_delay=0, search_lag=0, index_lag=0)
    made.after = lambda *_: None  # type: ignore[method-assign]
    return made


def invoke(*records: Any) -> list[str]:
    """What the function answers to some records or messages: which must come again."""
    there = plugged_in()
    assert isinstance(there, World)
    answer = there.invoke(list(records))
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def inserted(number: int, *, uid: str | None = UID, at: float = EPOCH) -> dict[str, Any]:
    """The record of a new entry."""
    key = f"{DATASTORE}/{number:032d}"
    item = {"Generation": {"S": FIRST}, "ImageSetVersion": {"N": "1"}}
    item |= {"StudyInstanceUID": {"S": uid}} if uid else {}
    keys = {"ImageSet": {"S": key}, "Part": {"S": "entry"}}
    return {
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": keys,
            "NewImage": keys | item,
            "SequenceNumber": str(number),
            "ApproximateCreationDateTime": at,
        },
    }


def message(body: object, *, received: int = 1, age: float = 0) -> Any:
    """A record with a message of the function's queue."""
    text = body if isinstance(body, str) else json.dumps(body)
    attributes = {
        "SentTimestamp": str(round((EPOCH - age) * 1000)),
        "ApproximateReceiveCount": str(received),
    }
    return record({"MessageId": "m", "ReceiptHandle": "r", "Body": text, "Attributes": attributes})


def check(number: int = 1, changed: float = EPOCH) -> dict[str, Any]:
    """A message about the study, whose witness is an image set by its number."""
    return {"study": STUDY, "datastoreId": DATASTORE, "imageSetId": f"{number:032d}", "changed": changed}


def job(**more: Any) -> dict[str, Any]:
    """HealthImaging's event of a completed import job."""
    detail = {"datastoreId": DATASTORE, "jobId": "a" * 32, "outputS3Uri": "s3://bucket/out/"} | more.pop("detail", {})
    time = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"detail-type": "Import Job Completed", "account": ACCOUNT, "time": time, "detail": detail} | more


def index(world: World, number: int, **more: Any) -> None:
    """Write an entry that HealthImaging has as well."""
    world.image_sets[f"{number:032d}"] = [Snapshot(UID, 1, EPOCH)]
    item = {
        "Generation": {"S": FIRST},
        "ImageSetVersion": {"N": "1"},
        "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        "StudyInstanceUID": {"S": UID},
    }
    world.table.write(f"{DATASTORE}/{number:032d}", "entry", item | more)


def failing(world: World, monkeypatch: pytest.MonkeyPatch, operation: str, error: Exception) -> None:
    """Have one operation fail from now on."""
    call = world.call

    def fails(named: str, arguments: Any) -> Any:
        if named == operation:
            raise error
        return call(named, arguments)

    monkeypatch.setattr(world, "call", fails)


def manifest(world: World, text: str | None = None, *, versions: dict[int, int] | None = None, **more: Any) -> None:
    """Put the job's manifest there: of image sets and their versions by number, or `text` instead."""
    image_sets = [
        {"imageSetId": f"{number:032d}", "imageSetVersion": version, "numberOfMatchedSOPInstances": 7}
        for number, version in (versions or {}).items()
    ]
    summary = {"jobId": "a" * 32, "datastoreId": DATASTORE, "imageSetsSummary": image_sets} | more
    content = json.dumps({"jobSummary": summary}) if text is None else text
    world.objects["bucket/out/job-output-manifest.json"] = content.encode()
