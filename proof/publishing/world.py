"""A world for the function that announces: time, AWS in memory, and everything that may go wrong at a call.

The real handler runs in it. Its calls take time in which others happen, and it may be killed before or after any of
them. Everything is drawn from the world's seed.
"""
# ruff: noqa: N803  the arguments are botocore's

from __future__ import annotations

import heapq
import inspect
import io
import itertools
import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from proof.harness.pipeline import context, record
from proof.publishing.function import DATASTORE, EPOCH, function
from proof.publishing.table import Table
from proof.simulation.memory import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_VISIBILITY: Final = 60.0


class Killed(BaseException):
    """The function ends at once."""


@dataclass(slots=True, eq=False)
class Message:
    """A message in the watches' queue."""

    body: str
    sent: float
    visible: float
    received: int = 0


@dataclass
class Faults:
    """How likely each thing goes wrong at a call, and how many things at most.

    `kill_at` is one place to be killed at instead: each call has one before and one after it.
    """

    kills: float = 0.02
    refusals: float = 0.02
    entries: float = 0.05
    most: int = 8
    kill_at: int | None = None


@dataclass
class Invocation:
    """One invocation: when it began and ended, and as of when HealthImaging has answered a search in it."""

    began: float
    ended: float = math.inf
    as_of: float = math.inf


@dataclass
class Announced:
    """An event that EventBridge took, when, from which invocation, and as of when that had asked HealthImaging."""

    at: float
    kind: str
    detail: Any
    by: Invocation

    @property
    def as_of(self) -> float:
        """As of when HealthImaging has answered before; the time of the event if it was not asked."""
        return min(self.by.as_of, self.at)


@dataclass
class World:
    """Everything around the function, from one seed.

    `happened` has what it announced, in order, and `noted` the moment, study and content of each note of that.
    `crashes` counts the invocations that ended with an error of AWS's. `observed` says that the function's log and
    metrics are the real ones.
    """

    seed: int
    faults: Faults = field(default_factory=Faults)
    stream_delay: float = 1.0
    search_lag: float = 1.0
    index_lag: float = 1.0
    shards: int = 2
    observed: bool = False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.now = EPOCH
        self.happened: list[Announced] = []
        self.parked: list[str] = []
        self.sent: list[str] = []
        self.noted: list[tuple[float, str, str]] = []
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.marred = False
        self.counted = self.crashes = 0
        self.messages: list[Message] = []
        self.table = Table(self.random, lambda: self.now, self._changed, self.index_lag)
        self.image_sets: dict[str, list[Snapshot]] = {}
        self.objects: dict[str, bytes] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._streams: list[list[tuple[float, Any]]] = [[] for _ in range(self.shards)]
        self._busy = [False] * self.shards
        self._invocations: list[Invocation] = []
        self._visible: list[float] = [0.0] * self.shards

    # --- time

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something happen after a while."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._numbers), action))

    def run(self, seconds: float = math.inf) -> None:
        """Let everything happen that is to happen within a while."""
        while self._agenda and self._agenda[0][0] <= EPOCH + seconds:
            self._next()

    def pass_time(self, seconds: float) -> None:
        """Let a while pass within a call of the function, in which others go on."""
        until = self.now + seconds
        while self._agenda and self._agenda[0][0] <= until and len(self._invocations) < 4:
            self._next()
        self.now = max(self.now, until)

    def _next(self) -> None:
        moment, _, action = heapq.heappop(self._agenda)
        self.now = max(self.now, moment)
        action()

    def likely(self, share: float) -> bool:
        return self.random.random() < share

    # --- the stream

    def _changed(self, key: str, part: str, old: Any, new: Any) -> None:
        """A change of an item becomes a record of the stream, after its delay, in order within its shard."""
        if part == "stable" and new and "Announced" in new:
            self.noted.append((self.now, key.removeprefix("study/"), new["Announced"]["S"]))
        shard = sum(key.encode()) % self.shards
        name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        data: dict[str, Any] = {
            "Keys": {"ImageSet": {"S": key}, "Part": {"S": part}},
            "SequenceNumber": f"{next(self._numbers):021d}",
            "ApproximateCreationDateTime": float(math.floor(self.now)),
        }
        data |= {"OldImage": old} if old is not None else {}
        data |= {"NewImage": new} if new is not None else {}
        visible = max(self._visible[shard], self.now + self.random.uniform(0, self.stream_delay))
        self._visible[shard] = visible
        self._streams[shard].append((visible, {"eventName": name, "eventSource": "aws:dynamodb", "dynamodb": data}))
        self.after(visible - self.now, lambda: self._poll_stream(shard))

    def _poll_stream(self, shard: int) -> None:
        """The part of Lambda's event source mapping for a shard: a batch at a time, again from where it failed."""
        if self._busy[shard]:
            return
        stream = self._streams[shard]
        batch = [each for visible, each in stream if visible <= self.now][: self.random.choice((1, 3, 10, 100))]
        if not batch:
            return
        self._busy[shard] = True
        answer = self.invoke(batch)
        self._busy[shard] = False
        done = len(batch)
        if answer is None:
            done = 0
        elif answer["batchItemFailures"]:
            failed = min(each["itemIdentifier"] for each in answer["batchItemFailures"])
            done = [each["dynamodb"]["SequenceNumber"] for each in batch].index(failed)
        del stream[:done]
        if stream:
            self.after(self.random.uniform(0.1, 2), lambda: self._poll_stream(shard))

    # --- the queue

    def send(self, body: str, delay: float = 0) -> None:
        """A message for the function's queue; now and then SQS delivers it twice."""
        self.sent.append(body)
        for _ in range(2 if self.likely(0.03) else 1):
            message = Message(body, self.now, self.now + delay)
            self.messages.append(message)
            self.after(delay + self.random.uniform(0, 0.5), lambda message=message: self._poll_queue(message))  # type: ignore[misc]

    def _poll_queue(self, message: Message) -> None:
        if message not in self.messages:
            return
        if message.visible > self.now:
            self.after(message.visible - self.now + 0.01, lambda: self._poll_queue(message))
            return
        message.received += 1
        message.visible = self.now + _VISIBILITY
        handle = str(id(message))
        attributes = {
            "SentTimestamp": str(round(message.sent * 1000)),
            "ApproximateReceiveCount": str(message.received),
        }
        given = {"MessageId": handle, "ReceiptHandle": handle, "Body": message.body, "Attributes": attributes}
        answer = self.invoke([record(given)])
        if message not in self.messages:
            return  # another receipt has settled it
        if answer is not None and not answer["batchItemFailures"]:
            self.messages.remove(message)
        else:
            self.after(max(message.visible - self.now, 0) + 0.01, lambda: self._poll_queue(message))

    # --- the function

    def invoke(self, records: list[Any]) -> Any:
        """What an invocation answers; None if it was killed."""
        self._invocations.append(Invocation(self.now))
        handler = function().handler if self.observed else inspect.unwrap(function().handler)
        try:
            return handler({"Records": records}, context())
        except Killed:
            return None
        except ClientError:
            self.crashes += 1
            return None
        finally:
            self._invocations.pop().ended = self.now

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """One call of the function: it takes its time, and has its effect and an answer, or not."""
        self.calls[operation] += 1
        self.pass_time(self.random.choice((0.005, 0.02, 0.2, 3.0)) * self.random.random())
        self._perhaps_killed()
        if self._fails(self.faults.refusals):
            raise refusal(operation, *self.random.choice((("ThrottlingException", 429), ("InternalServerError", 500))))
        there = getattr(self, f"_{operation}", None) or getattr(self.table, operation)
        answer = there(**arguments)
        self._perhaps_killed()
        if self._fails(self.faults.refusals / 2):
            raise refusal(operation, "InternalServerError", 500)  # though it had its effect
        return answer

    def _perhaps_killed(self) -> None:
        place, self.counted = self.counted, self.counted + 1
        if place == self.faults.kill_at or self._fails(self.faults.kills):
            self.marred = True
            raise Killed

    def _fails(self, share: float) -> bool:
        if self.faults.most <= 0 or not self.likely(share):
            return False
        self.faults.most -= 1
        self.marred = True
        return True

    def _put_events(self, *, Entries: list[Any]) -> Any:
        results = []
        for entry in Entries:
            if self._fails(self.faults.entries):
                results.append({"ErrorCode": "ThrottlingException"})
                continue
            assert entry["Source"] == "imaging-index"
            detail = json.loads(entry["Detail"])
            self.happened.append(Announced(self.now, entry["DetailType"], detail, self._invocations[-1]))
            results.append({"EventId": str(next(self._numbers))})
        return {"FailedEntryCount": sum("ErrorCode" in each for each in results), "Entries": results}

    def _send_message(
        self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0, MessageAttributes: object = None
    ) -> Any:
        del MessageAttributes
        if QueueUrl == "queue":
            self.send(MessageBody, DelaySeconds)
        else:
            self.parked.append(MessageBody)
        return {}

    def _change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> Any:
        assert QueueUrl == "queue"
        for message in self.messages:
            if str(id(message)) == ReceiptHandle:
                message.visible = self.now + VisibilityTimeout
        return {}

    def _get_object(self, *, Bucket: str, Key: str) -> Any:
        content = self.objects.get(f"{Bucket}/{Key}")
        if content is None:
            raise refusal("GetObject", "NoSuchKey", 404)
        return {
            "Body": io.BytesIO(content),
        }

    # --- HealthImaging

    def truth(self, study: str, at: float | None = None) -> dict[str, Snapshot]:
        """The image sets of a study as of a moment, the latest unless given."""
        moment = self.now if at is None else at
        found = {}
        for image_set, history in self.image_sets.items():
            states = [each for each in history if each.updated_at <= moment]
            if states and states[-1].study == study and not states[-1].deleted:
                found[image_set] = states[-1]
        return found

    def _search_image_sets(self, *, datastoreId: str, searchCriteria: Any) -> Any:
        assert datastoreId == DATASTORE
        (condition,) = searchCriteria["filters"]
        as_of = self.now - self.random.uniform(0, self.search_lag)
        self._invocations[-1].as_of = as_of
        summaries = [
            {
                "imageSetId": image_set,
                "version": each.version,
                "isPrimary": True,
                "updatedAt": datetime.fromtimestamp(each.updated_at, UTC),
            }
            for image_set, each in self.truth(condition["values"][0]["DICOMStudyInstanceUID"], as_of).items()
        ]
        return {"imageSetsMetadataSummaries": summaries}

    def _get_image_set(self, *, datastoreId: str, imageSetId: str) -> Any:
        assert datastoreId == DATASTORE
        last = self.image_sets[imageSetId][-1]
        state = "DELETED" if last.deleted else "ACTIVE"
        return {"versionId": str(last.version), "imageSetState": state}


@dataclass(frozen=True)
class Snapshot:
    """An image set from `updated_at` on."""

    study: str
    version: int
    updated_at: float
    deleted: bool = False
    patient: str = "7"
