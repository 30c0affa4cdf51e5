"""Import jobs whose image sets are indexed late, merged or deleted: what is announced of them.

A number is a job, whose image sets others change as well. It must be announced once, when the index holds all that its
manifest lists, and never before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from imaging_index.publishing import jobs
from imaging_index.table import generation
from imaging_index.table.watching import Watched
from proof.publishing.function import ACCOUNT, DATASTORE, EPOCH, plugged
from proof.publishing.variants import Variant
from proof.publishing.world import Announced, Faults, Snapshot, World

if TYPE_CHECKING:
    from imaging_index.entry.item import Item
    from imaging_index.publishing.studies import Checked

OTHERS: Final = ("of another account", "of another data store", "of another job", "not JSON", "missing")


@dataclass
class Report:
    """What some jobs came to. `doubled` were announced again under the same key, where something failed."""

    tried: int = 0
    announced: int = 0
    doubled: int = 0
    waiting: int = 0
    parked: int = 0
    early: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def harms(self) -> list[str]:
        """What must not be."""
        return self.early + self.lost + self.wrong


def run(first: int, count: int) -> Report:
    """Live through some numbers."""
    report = Report()
    for number in range(first, first + count):
        _Story(number, report).run()
    return report


class _Story:
    """What becomes of one job."""

    def __init__(self, number: int, report: Report) -> None:
        self.number, self.report = number, report
        self.world = World(number, Faults(most=0) if number % 3 == 0 else Faults())
        self.job = f"{number:032x}"
        self.listed: dict[str, int] = {}
        self.versioned = number % 7 != 1
        self.other = OTHERS[number // 20 % len(OTHERS)] if number % 20 == 5 else ""

    def run(self) -> None:
        world, random = self.world, self.world.random
        count = random.choice((0, 1, 1, 3, 3, 3, 12, 12, 150))
        for number in range(count):
            world.after(random.uniform(0, 60), partial(self._write, f"{number:032d}", listed=True))
        world.after(60 + random.uniform(0, 5), self._complete)
        # Later changes: merged into by another job, or deleted, before or after the job is announced.
        for number in range(count):
            if world.likely(0.2):
                then = partial(self._write, f"{number:032d}", listed=False, deleted=world.likely(0.5))
                world.after(random.uniform(60, 300), then)
        with plugged(world):
            world.run()
        self._judge()

    def _write(self, key: str, *, listed: bool, deleted: bool = False) -> None:
        """A change of an image set, of which the index hears soon, twice, or in an hour and a half."""
        world = self.world
        before = world.image_sets.setdefault(key, [])
        if before and before[-1].deleted:
            return
        version = before[-1].version if before else 0
        # A job may find an image set that is there already, and indexed.
        if listed and world.likely(0.3):
            self._index(key, Snapshot("1.2", version + 1, world.now))
            version += 1
        state = Snapshot("1.2", version if deleted else version + 1, world.now, deleted)
        before.append(state)
        if listed:
            self.listed[key] = state.version
        delay = 5_400.0 if world.likely(0.03) else world.random.choice((0.3, 30.0, 300.0)) * world.random.random()
        for _ in range(2 if world.likely(0.1) else 1):
            world.after(delay, partial(self._index, key, state))
            delay += world.random.uniform(0, 20)

    def _index(self, key: str, state: Snapshot) -> None:
        world, partition = self.world, f"{DATASTORE}/{key}"
        of = generation.TOMBSTONE if state.deleted else generation.make(state.version, 1, 1)
        there = world.table.items.get((partition, "entry"))
        if there is None or there["Generation"]["S"] < of:
            now = datetime.fromtimestamp(world.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            item: Item = {"Generation": {"S": of}, "IndexedAt": {"S": now}}
            if not state.deleted:
                item["ImageSetVersion"] = {"N": str(state.version)}
            world.table.write(partition, "entry", item)

    def _complete(self) -> None:
        """The job's manifest and event, the one late now and then, and the other twice."""
        world = self.world
        image_sets = [
            {"imageSetId": key, "isPrimary": True, "numberOfMatchedSOPInstances": 2}
            | ({"imageSetVersion": version} if self.versioned else {})
            for key, version in self.listed.items()
        ]
        summary = {
            "jobId": "f" * 32 if self.other == "of another job" else self.job,
            "datastoreId": DATASTORE,
            "numberOfFilesWithCustomerError": 1,
            "numberOfFilesWithServerError": 1,
            "imageSetsSummary": image_sets,
        }
        folder = f"{DATASTORE}-DicomImport-{self.job}/"
        text = "{" if self.other == "not JSON" else json.dumps({"jobSummary": summary})
        name = f"bucket/output/{folder}job-output-manifest.json"
        if self.other != "missing":
            world.after(world.random.choice((0, 0, 50)), lambda: world.objects.__setitem__(name, text.encode()))
        detail = {
            "datastoreId": "e" * 32 if self.other == "of another data store" else DATASTORE,
            "jobId": self.job,
            "jobStatus": "COMPLETED",
            "outputS3Uri": f"s3://bucket/output/{folder if self.number % 2 else ''}",
        }
        event = {
            "source": "aws.medical-imaging",
            "detail-type": "Import Job Completed",
            "account": "1" * 12 if self.other == "of another account" else ACCOUNT,
            "time": datetime.fromtimestamp(int(world.now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "detail": detail,
        }
        for _ in range(2 if world.likely(0.1) else 1):
            world.send(json.dumps(event))

    def _judge(self) -> None:
        report, events = self.report, [each for each in self.world.happened if each.kind == "Import Job Indexed"]
        report.tried += 1
        report.announced += len(events)
        report.parked += len(self.world.parked)
        name = f"number {self.number}"
        if self.other:
            report.wrong += [f"{name}: announced, though {self.other}"] if events else []
            return
        if not events:
            report.lost.append(f"{name}: a job of {len(self.listed)} image sets was not announced")
        report.doubled += len(events[1:])
        if events[1:] and not self.world.marred and not self._side_by_side(events):
            report.wrong.append(f"{name}: announced {len(events)} times, though nothing failed")
        for each in events:
            if each.detail["key"] != f"{DATASTORE}/{self.job}":
                report.wrong.append(f"{name}: another key")
            if (each.detail["imageSetCount"], each.detail["refusedFileCount"]) != (len(self.listed), 2):
                report.wrong.append(f"{name}: wrong counts")
            missing = [key for key, version in self.listed.items() if not self._is_there(key, version, each.at)]
            if missing:
                report.early.append(f"{name}: {len(missing)} image sets missing at {each.at - EPOCH:.0f} s")

    @staticmethod
    def _side_by_side(events: list[Announced]) -> bool:
        """Whether all checks began before the first one was through, as of a message that SQS delivers twice."""
        return all(each.by.began <= events[0].by.ended for each in events)

    def _is_there(self, key: str, version: int, at: float) -> bool:
        written = self.world.table.history.get(f"{DATASTORE}/{key}", [])
        return any(moment <= at and of >= generation.make(version, 0, 0) for moment, of in written)


def _any_version(self: jobs.JobWatch, key: object, entry: object, version: object) -> bool:
    del self, key, version
    return bool(entry)


def _first_three(self: Watched, keys: Any, names: Any) -> Any:
    return _parts_of(self, keys, names) | {key: {"Generation": {"S": "~"}} for key in keys[3:]}


_parts_of = Watched.parts_of


def _noted_before(self: jobs.JobWatch, job: Any) -> Checked:
    """The marker is written before the event."""
    put = self._bus.put_one

    def note_and_put(event: Any) -> None:
        _note(self._table, job.datastore_id, job.id, 0)
        put(event)

    with mock.patch.object(self._bus, "put_one", note_and_put):
        return _check(self, job)


_note, _check = Watched.note_job_announced, jobs.JobWatch.check

VARIANTS: Final = (
    Variant(
        "an entry of any version counts",
        lambda: mock.patch.object(jobs.JobWatch, "_is_indexed", _any_version),
        lambda report: len(report.early),
    ),
    Variant(
        "some image sets stand for all",
        lambda: mock.patch.object(Watched, "parts_of", _first_three),
        lambda report: len(report.early),
    ),
    Variant(
        "no marker of what was announced",
        lambda: mock.patch.object(Watched, "is_job_announced", return_value=False),
        lambda report: len(report.wrong),
    ),
    Variant(
        "the marker written before the event",
        lambda: mock.patch.object(jobs.JobWatch, "check", _noted_before),
        lambda report: len(report.lost),
    ),
)
