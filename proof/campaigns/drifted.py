"""Lose most of the events and some deletions in a local cloud, and have one pass put that right: every call is counted.

The stack's real template is deployed, the real command compares, and the real function indexes, with HealthImaging's
throttles on. What the plan says must be what happens.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import urllib3
from typer.testing import CliRunner

from bench.pipeline import write_files
from cli.main import application
from imaging_index.table.layout import Key
from imaging_index.table.reading import TableReader
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import delete, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import boto3

    from local.cloud import LocalCloud

LOST: Final = 0.7
DELETIONS: Final = 7


@dataclass
class Report:
    """What a run came to: image sets, those that were missing, hints a second until the queue was empty, and harms."""

    image_sets: int = 0
    missing: int = 0
    searches: int = 0
    seconds: float = 0.0
    harms: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Image sets indexed a second."""
        return self.missing / self.seconds

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note a harm if they differ."""
        if found != wanted:
            self.harms.append(f"{what}: {found}, and not {wanted}")


class Stage:
    """A deployed stack, a data store, and the local HealthImaging's own counts."""

    def __init__(self, cloud: LocalCloud, account: str, aws: boto3.Session, outputs: Mapping[str, str]) -> None:
        self._url = f"{cloud.endpoint}/_healthimaging/"
        self._account = account
        self._outputs = outputs
        self.client = aws.client("medical-imaging")
        self.datastore = make_datastore(self.client, "hospital")
        self.table = TableReader(aws.client("dynamodb"), outputs["TableName"])
        self._sqs = aws.client("sqs")

    def settings(self, **changes: object) -> None:
        """Change how the local HealthImaging behaves, for all accounts."""
        urllib3.request("PUT", f"{self._url}settings", json=changes)

    @contextlib.contextmanager
    def losing(self, share: float = 1.0) -> Iterator[None]:
        """Lose such a share of HealthImaging's events meanwhile, and let it take more calls than its quotas do."""
        self.settings(faults={"lost": share}, throttles=False)
        try:
            yield
        finally:
            self.settings(faults={"lost": 0.0}, throttles=True)

    def counted(self, what: str = "calls") -> Counter[str]:
        """What HealthImaging has counted of this account."""
        answer = urllib3.request("GET", f"{self._url}statistics").json()
        return Counter(answer["accounts"][self._account][what])

    def image_sets(self) -> dict[str, int]:
        """The versions of all image sets that HealthImaging has."""
        self.settings(throttles=False)
        pages = self.client.get_paginator("search_image_sets").paginate(datastoreId=self.datastore)
        found = {each["imageSetId"]: each["version"] for page in pages for each in page["imageSetsMetadataSummaries"]}
        self.settings(throttles=True)
        return found

    def entries(self) -> dict[str, int]:
        """The versions of all entries."""
        types = self.table.describe().key_types
        found = self.table.query("date", {"DatastoreId": self.datastore}, types)
        return {each["ImageSetId"]["S"]: int(each["ImageSetVersion"]["N"]) for each in found}

    def is_buried(self, image_set: str) -> bool:
        """Whether the image set has a tombstone."""
        head = self.table.head(Key(self.datastore, image_set))
        return head is not None and head.tombstone

    def drain(self) -> None:
        """Wait until the queue is empty, for as long as it gets shorter."""
        waiting = self._waiting()
        while waiting:
            waiting = self._after(waiting)

    def _after(self, waiting: int) -> int:
        """How many messages there are when they have become fewer."""
        wait_for(lambda: self._waiting() < waiting)
        return self._waiting()

    def _waiting(self) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._outputs["QueueUrl"], AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))


def command(*options: str) -> Any:
    """What `imaging-index reconcile --json` prints."""
    ended = CliRunner().invoke(application, ["reconcile", "--json", *options])
    if ended.exit_code != 0:
        raise AssertionError(f"reconcile {' '.join(options)}: {ended.output}")
    return json.loads(ended.stdout)


def found(printed: Any) -> dict[str, int]:
    """How many image sets differ, by kind."""
    counts: Counter[str] = Counter()
    for each in printed["datastores"]:
        for one in each["passes"]:
            for kind, tiers in one["counts"]["differences"].items():
                counts[kind] += sum(tally["count"] for tally in tiers.values())
    return dict(counts)


def drift(stage: Stage, folder: Path, count: int) -> set[str]:
    """Import image sets while events are lost, and delete some that have an entry. Returns those deleted."""
    write_files(folder, count, private=False)
    with stage.losing(LOST):
        import_folder(stage.client, stage.datastore, folder)
    stage.drain()
    gone = set(sorted(stage.entries())[:DELETIONS])
    with stage.losing():
        for each in gone:
            delete(stage.client, Key(stage.datastore, each))
    return gone


def run(stage: Stage, folder: Path, count: int) -> Report:
    """Drift apart, and reconcile."""
    gone = drift(stage, folder, count)
    there, known = stage.image_sets(), stage.entries()
    report = Report(count, len(there.keys() - known.keys()))
    wanted = {"Missing": report.missing, "Ghost": len(gone)}
    plan = command("--plan")
    report.expect("the plan", found(plan), wanted)

    calls, accessed, begun = stage.counted(), stage.counted("accessed"), time.monotonic()
    done = command("--apply", "--most-dollars", "1")
    stage.drain()
    report.seconds = time.monotonic() - begun
    made = stage.counted() - calls
    (one,), (planned,) = done["datastores"][0]["passes"], plan["datastores"][0]["passes"]
    report.searches = made["SearchImageSets"]
    report.expect("the pass", found(done), wanted)
    report.expect("documents read", made["GetImageSetMetadata"], plan["datastores"][0]["takes"]["documents"])
    report.expect("documents of image sets that are right", made["GetImageSetMetadata"] - report.missing, 0)
    # The pass asks for each ghost, and the function asks again before it buries it.
    report.expect("states asked for", made["GetImageSet"], one["counts"]["asked"] + len(gone))
    report.expect("ghosts asked for", one["counts"]["asked"], len(gone))
    report.expect("searches", made["SearchImageSets"], one["counts"]["searches"])
    report.expect("searches planned", planned["counts"]["searches"], one["counts"]["searches"])
    report.expect("hints", one["counts"]["hints"], sum(wanted.values()))
    report.expect(
        "image sets moved by storage tier", stage.counted("accessed") - accessed, {"FREQUENT_ACCESS": report.missing}
    )

    report.expect("entries that agree", stage.entries(), there)
    report.expect("ghosts that are buried", {each for each in gone if stage.is_buried(each)}, gone)
    calls = stage.counted()
    report.expect("a second pass", found(command("--full", "--apply", "--most-dollars", "1")), {})
    stage.drain()
    made = stage.counted() - calls
    report.expect("reads of a second pass", made["GetImageSetMetadata"] + made["GetImageSet"], 0)
    return report
