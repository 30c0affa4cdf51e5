"""How fast a flood of hints drains: the real handler, as many functions as there may be, under HealthImaging's quota.

In virtual time, over services in memory. What is assumed:

- all hints are there at once, Created events of as many image sets, so that each needs one GetImageSetMetadata;
- the quotas are the service's own (AWS HealthImaging endpoints and quotas): 50 GetImageSetMetadata a second in bursts
  of 100, 25 GetImageSet in bursts of 50; a call over them is refused as fast as any other call answers;
- a refused call is tried again as botocore's standard mode does: four times in all, after up to 1, 2 and 4 seconds, and
  only while the client has some of its 500 tokens, of which a repetition takes 5 and a success gives back 1 or those 5;
- Lambda gives an idle function the ten messages that were visible first, at once, while there are any;
- a call of DynamoDB or SQS takes 5 ms, one of HealthImaging as long as is said.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import greenlet  # type: ignore[import-untyped]

from imaging_index.queue.hint import Kind
from proof.harness.pipeline import context, record
from proof.simulation import environments, memory
from proof.simulation.environments import DATASTORE, NEW, QUEUE, TABLE, Environment
from proof.simulation.happenings import document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proof.simulation.memory import Answer

METADATA_A_SECOND: Final = 50.0
QUOTAS: Final = {"get_image_set": (25.0, 50.0), "get_image_set_metadata": (METADATA_A_SECOND, 100.0)}
_FUNCTIONS: Final = 8
_BATCH: Final = 10
_OTHER_CALL_SECONDS: Final = 0.005
_ATTEMPTS: Final = 4
_RETRY_TOKENS: Final = 500
_A_RETRY: Final = 5
_FUNCTION_SECONDS: Final = 60.0
_VISIBILITY: Final = 360.0
# Of each hint: GetImageSetMetadata, and four calls of DynamoDB.
_OTHER_CALLS: Final = 4


@dataclass(frozen=True, slots=True)
class Report:
    """What a flood came to.

    Attributes:
        hints: how many there were.
        seconds: until the last one was settled.
        share: hints settled a second while most of them waited (until nine tenths were through), as a share of what is
            possible: the quota, or what the functions can do when calls take long.
        deliveries: how often hints were delivered.
        parked: how many were given up.
    """

    hints: int
    seconds: float
    share: float
    deliveries: int
    parked: int


def possible(call_seconds: float) -> float:
    """How many hints a second the quota and the functions allow when a call of HealthImaging takes so long."""
    return min(METADATA_A_SECOND, _FUNCTIONS / (call_seconds + _OTHER_CALLS * _OTHER_CALL_SECONDS))


def run(hints: int, call_seconds: float, seed: int = 0) -> Report:
    """Let so many hints drain."""
    world = _World(call_seconds, seed)
    with environments.plugged(world, most_tries={}, observed=False):
        return world.run(hints)


@dataclass(slots=True)
class _Message:
    number: int
    body: str
    sent: float
    received: int = 0


class Bucket:
    """A rate, with bursts."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0

    def take(self, now: float) -> bool:
        """Whether one more is let through."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Retries:
    """The retry quota of one client in botocore's standard mode (botocore.retries.standard)."""

    def __init__(self) -> None:
        self._tokens = _RETRY_TOKENS

    def take(self) -> bool:
        """Whether a refused call may be repeated."""
        if self._tokens < _A_RETRY:
            return False
        self._tokens -= _A_RETRY
        return True

    def succeeded(self, *, repeated: bool) -> None:
        """A call got through."""
        self._tokens = min(_RETRY_TOKENS, self._tokens + (_A_RETRY if repeated else 1))


class _World:
    """One flood. It is the `Wire` of the environments."""

    def __init__(self, call_seconds: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self._call_seconds = call_seconds
        self._service = memory.HealthImaging(DATASTORE)
        self._services = {"medical-imaging": self._service, "dynamodb": memory.Table(TABLE)}
        self._buckets = {name: Bucket(*quota) for name, quota in QUOTAS.items()}
        self._numbers = itertools.count()
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []
        self._waiting: list[tuple[float, int, _Message]] = []  # when each is visible
        self._idle: list[Environment] = list(environments.environments()[NEW][:_FUNCTIONS])
        self._retries = {id(each): Retries() for each in self._idle}
        self._client: dict[Any, Retries] = {}  # by the greenlet of an invocation
        self._put_off: dict[str, float] = {}
        self._settled: list[float] = []
        self._deliveries = self._parked = 0

    def run(self, hints: int) -> Report:
        """All of it."""
        for number in range(hints):
            image_set = f"{number:032d}"
            self._service.create(image_set, document(image_set, 0))
            detail = {"datastoreId": DATASTORE, "imagesetId": image_set, "imageSetVersion": "1", "isPrimary": True}
            event = {"source": "aws.medical-imaging", "detail-type": Kind.CREATED.value, "detail": detail}
            message = _Message(number, json.dumps(event), environments.moment())
            heapq.heappush(self._waiting, (0.0, number, message))
        self._poll()
        while self._ahead:
            when, _, what = heapq.heappop(self._ahead)
            self.now = max(self.now, when)
            what()
        nearly = self._settled[len(self._settled) * 9 // 10 - 1]
        share = hints * 0.9 / nearly / possible(self._call_seconds)
        return Report(hints, self.now, share, self._deliveries, self._parked)

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._ahead, (self.now + seconds, next(self._numbers), what))

    def _poll(self) -> None:
        """Give idle functions what is visible."""
        while self._idle and self._waiting and self._waiting[0][0] <= self.now:
            batch: dict[str, _Message] = {}
            while self._waiting and self._waiting[0][0] <= self.now and len(batch) < _BATCH:
                _, _, message = heapq.heappop(self._waiting)
                message.received += 1
                batch[f"{message.number}-{message.received}"] = message
            self._deliveries += len(batch)
            self._invoke(self._idle.pop(), batch)
        if self._idle and self._waiting:
            self._after(self._waiting[0][0] - self.now, self._poll)

    def _invoke(self, environment: Environment, batch: Mapping[str, _Message]) -> None:
        records = [
            record(
                {
                    "MessageId": handle,
                    "ReceiptHandle": handle,
                    "Body": message.body,
                    "Attributes": {
                        "SentTimestamp": str(round(message.sent * 1000)),
                        "ApproximateReceiveCount": str(message.received),
                    },
                }
            )
            for handle, message in batch.items()
        ]
        deadline = self.now + _FUNCTION_SECONDS
        given = context(lambda: round((deadline - self.now) * 1000))
        run = greenlet.greenlet(environment.bare)
        self._client[run] = self._retries[id(environment)]
        self._resume(run, environment, batch, {"Records": records}, given)

    def _resume(self, run: Any, environment: Environment, batch: Mapping[str, _Message], *arguments: Any) -> None:
        answer = run.switch(*arguments)
        if not run.dead:
            self._after(answer, lambda: self._resume(run, environment, batch))
            return
        del self._client[run]
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for handle, message in batch.items():
            if handle in failed:
                visible = self._put_off.pop(handle, self.now + _VISIBILITY)
                heapq.heappush(self._waiting, (visible, message.number, message))
            else:
                self._settled.append(self.now)
        self._idle.append(environment)
        self._poll()

    def sleep(self, seconds: float) -> None:
        """A pause in the function, or the time that a call takes."""
        greenlet.getcurrent().parent.switch(seconds)

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """One call of AWS, with what the SDK does about refusals."""
        bucket, retries = self._buckets.get(operation), self._client[greenlet.getcurrent()]
        for attempt in range(_ATTEMPTS):
            self.sleep(self._call_seconds if service == "medical-imaging" else _OTHER_CALL_SECONDS)
            if bucket is None:
                break
            if bucket.take(self.now):
                retries.succeeded(repeated=attempt > 0)
                break
            if attempt + 1 == _ATTEMPTS or not retries.take():
                raise memory.refusal(operation, "ThrottlingException", 429)
            self.sleep(self.random.random() * 2**attempt)
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
        assert arguments["QueueUrl"] != QUEUE
        self._parked += 1
        return {"MessageId": "parked"}
