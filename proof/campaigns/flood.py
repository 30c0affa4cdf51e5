"""A flood of forged hints, while image sets come, change and go.

The real handler works through the queue in batches of ten, one execution environment after the other, in virtual time
and against services in memory. A number is a wave: so many forged hints arrive at once, and the live ones among them.
What is not ready waits and comes back, for all of its fifty tries. In the end the index must be what HealthImaging
says, hold nothing else but tombstones, and have told nothing of the forgeries; no live hint may have needed a second
delivery.
"""

from __future__ import annotations

import contextlib
import heapq
import io
import itertools
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imaging_index.faults import NotReady, Permanent, Poison
from imaging_index.queue.hint import Kind
from imaging_index.table import generation
from imaging_index.table.layout import Key
from proof.harness import canary
from proof.harness.forgeries import AWS_SOURCE, INTRUDER, lies, malformed
from proof.harness.pipeline import context, record
from proof.simulation import environments, memory, simulation
from proof.simulation.environments import DATASTORE, DEAD_LETTERS, NEW, QUEUE, TABLE
from proof.simulation.happenings import document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proof.simulation.memory import Answer

_IMAGE_SETS: Final = 20  # at the beginning
_FORGED_TO_ONE: Final = 50  # live hint, when they arrive; as many live ones follow
_CHANGES: Final = 0.1  # between two batches
_BATCH: Final = 10
_CALL_SECONDS: Final = 0.01
_VISIBILITY: Final = 360.0
_MOST_TRIES: Final = {Permanent: 1, Poison: 3, NotReady: 50}
_LOOKED_THROUGH_AT: Final = 2**22  # characters of log

# What the forgeries are about, and how many of a hundred: what is not ready comes fifty times.
_TRUE, _DELETED, _ELSEWHERE, _NEVER, _NONSENSE = _SUBJECTS = ("true", "deleted", "elsewhere", "never", "nonsense")
_SHARES: Final = (50, 10, 15, 1, 24)


@dataclass
class Report:
    """What a wave came to: forged and live hints, how often hints were delivered, and how often AWS was asked."""

    forged: int = 0
    live: int = 0
    deliveries: int = 0
    calls: int = 0
    harms: list[str] = field(default_factory=list)


def run(number: int, forged: int) -> Report:
    """Live through one wave of so many forged hints, or until the first harm."""
    return _World(number).run(forged)


@dataclass(slots=True)
class _Message:
    number: int
    body: str
    sent: float
    live: bool
    received: int = 0


class _World:
    """One wave. It is the `Wire` of the environments."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)
        self.now = 0.0
        self.report = Report()
        self._service = memory.HealthImaging(DATASTORE)
        self._table = memory.Table(TABLE)
        self._services = {"medical-imaging": self._service, "dynamodb": self._table}
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, _Message]] = []  # when each is visible
        self._received: dict[str, _Message] = {}  # by receipt handle
        self._put_off: dict[str, float] = {}
        self._contents = 0
        self._slots = itertools.cycle(environments.environments()[NEW])

    def run(self, forged: int) -> Report:
        """All of it."""
        self._log = io.StringIO()
        with (
            environments.plugged(self, most_tries=_MOST_TRIES, observed=True),
            simulation.into(self._log),
            contextlib.redirect_stderr(self._log),
        ):
            for _ in range(_IMAGE_SETS):
                self._admit()
            for number in range(forged):
                self._arrive(self._forgery(), live=False)
                if number % _FORGED_TO_ONE == 0:
                    self._change()
            changes = forged // _FORGED_TO_ONE
            while self._waiting and not self.report.harms:
                if changes and self.random.random() < _CHANGES:
                    self._change()
                    changes -= 1
                self._deliver()
            self._look_through()
            self._check()
        return self.report

    # --- what is true

    def _change(self) -> None:
        self.random.choice((self._admit, self._update, self._delete))()

    def _admit(self) -> None:
        image_set = f"{len(self._service.image_sets) + 1:032d}"
        self._service.create(image_set, self._content(image_set))
        self._tell(Kind.CREATED, image_set)

    def _update(self) -> None:
        image_set = self._any(deleted=False)
        self._service.begin_update(image_set)
        self._service.finish_update(image_set, self._content(image_set))
        self._tell(Kind.UPDATED, image_set)

    def _delete(self) -> None:
        image_set = self._any(deleted=False)
        self._service.begin_delete(image_set)
        self._service.finish_delete(image_set)
        self._tell(Kind.DELETED, image_set)
        self._admit()

    def _content(self, image_set: str) -> bytes:
        self._contents += 1
        return document(image_set, self._contents)

    def _any(self, *, deleted: bool) -> str:
        every = self._service.image_sets
        found = [each for each, image_set in every.items() if (image_set.state == "DELETED") == deleted]
        return self.random.choice(found or [*every])

    def _tell(self, kind: Kind, image_set: str) -> None:
        detail = {
            "datastoreId": DATASTORE,
            "imagesetId": image_set,
            "imageSetVersion": str(self._service.image_sets[image_set].version),
            "isPrimary": True,
        }
        self._arrive(json.dumps({"source": AWS_SOURCE, "detail-type": kind.value, "detail": detail}), live=True)

    # --- what is not

    def _forgery(self) -> str:
        (subject,) = self.random.choices(_SUBJECTS, _SHARES)
        keys = {
            _TRUE: lambda: Key(DATASTORE, self._any(deleted=False)),
            _DELETED: lambda: Key(DATASTORE, self._any(deleted=True)),
            _ELSEWHERE: lambda: Key("f" * 32, "e" * 32),
            _NEVER: lambda: Key(DATASTORE, f"{self.random.randrange(10**9):0>32d}"[::-1]),
            _NONSENSE: lambda: Key(DATASTORE, self._any(deleted=False)),
        }
        key = keys[subject]()
        # But for the largest: a message of its size only takes the log's and the parser's time.
        return self.random.choice(malformed(key)[:-1] if subject == _NONSENSE else lies(key))

    # --- Lambda

    def _arrive(self, body: str, *, live: bool) -> None:
        message = _Message(next(self._numbers), body, environments.moment(), live)
        self.report.live += live
        self.report.forged += not live
        heapq.heappush(self._waiting, (self.now, message.number, message))

    def _deliver(self) -> None:
        """Invoke the function with the messages that were visible first."""
        self.now = max(self.now, self._waiting[0][0])
        records: list[Any] = []
        batch: dict[str, _Message] = {}
        while self._waiting and self._waiting[0][0] <= self.now and len(batch) < _BATCH:
            _, _, message = heapq.heappop(self._waiting)
            message.received += 1
            handle = f"{message.number}-{message.received}"
            batch[handle] = message
            attributes = {
                "SentTimestamp": str(round(message.sent * 1000)),
                "ApproximateReceiveCount": str(message.received),
            }
            received = {"MessageId": handle, "ReceiptHandle": handle, "Body": message.body, "Attributes": attributes}
            records.append(record(received))
        self._received = batch
        self.report.deliveries += len(batch)
        answer = next(self._slots).handler({"Records": records}, context())
        for failed in answer["batchItemFailures"]:
            message = batch[failed["itemIdentifier"]]
            if message.live:
                self._harm(f"a live hint came back: {message.body}")
            visible = self._put_off.pop(failed["itemIdentifier"], self.now + _VISIBILITY)
            heapq.heappush(self._waiting, (visible, message.number, message))
        if self._log.tell() > _LOOKED_THROUGH_AT:
            self._look_through()

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """One call of AWS."""
        self.now += _CALL_SECONDS
        self.report.calls += 1
        if service == "sqs":
            return self._of_sqs(operation, arguments)
        answer: Answer = getattr(self._services[service], operation)(**arguments)
        return answer

    def _of_sqs(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        if operation == "change_message_visibility":
            self._put_off[arguments["ReceiptHandle"]] = self.now + arguments["VisibilityTimeout"]
            return {}
        if operation == "delete_message":
            return {}
        if arguments["QueueUrl"] != DEAD_LETTERS:
            self._harm(f"the function sent a message to {QUEUE}")
        if any(message.live and message.body == arguments["MessageBody"] for message in self._received.values()):
            self._harm(f"a live hint was parked: {arguments['MessageBody']}")
        told = str(arguments["MessageAttributes"])
        if INTRUDER in told or canary.found(told):
            self._harm("a dead letter's attributes quote its body")
        return {"MessageId": "parked"}

    def sleep(self, seconds: float) -> None:
        """A pause in the function."""
        self.now += seconds

    # --- what must hold

    def _harm(self, what: str) -> None:
        self.report.harms.append(what)

    def _look_through(self) -> None:
        written = self._log.getvalue()
        self._log.seek(0)
        self._log.truncate()
        if INTRUDER in written:
            self._harm("the log or the metrics quote a forged hint")
        if place := canary.found(written):
            self._harm(f"a value of a document is in the log or in the metrics: {place}")

    def _check(self) -> None:
        """The index is what HealthImaging says, and nothing else."""
        every = {f"{DATASTORE}/{image_set}" for image_set in self._service.image_sets}
        for key in self._table.partitions.keys() - every:
            # HealthImaging has said for a quarter of an hour that there is none, and a hint that it was deleted.
            if [item["Generation"]["S"] for item in self._table.partitions[key].values()] != [generation.TOMBSTONE]:
                self._harm(f"{key} is made up")
        for name, image_set in self._service.image_sets.items():
            entry = self._table.partitions.get(f"{DATASTORE}/{name}", {}).get("entry")
            if entry is None:
                self._harm(f"{name} is not in the index")
            elif image_set.state == "DELETED":
                if entry["Generation"]["S"] != generation.TOMBSTONE:
                    self._harm(f"{name} is deleted, and still in the index")
            elif entry.get("ImageSetVersion") != {"N": str(image_set.version)}:
                self._harm(f"{name} is not at version {image_set.version}")
            elif not environments.reading().read(Key(DATASTORE, name)):
                self._harm(f"{name} cannot be read")
