"""Functions that run beside each other in virtual time, under HealthImaging's quota.

The real handler over services in memory. What is assumed:

- the quotas are the service's own (AWS HealthImaging endpoints and quotas): 50 GetImageSetMetadata a second in bursts
  of 100, 25 GetImageSet in bursts of 50; a call over them is refused as fast as any other call answers;
- a refused call is tried again as botocore's standard mode does: four times in all, after up to 1, 2 and 4 seconds, and
  only while the client has some of its 500 tokens, of which a repetition takes 5 and a success gives back 1 or those 5;
- a call of DynamoDB or SQS takes 5 ms, one of S3 30 ms, one of HealthImaging as long as is said.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import greenlet  # type: ignore[import-untyped]

from proof.harness.pipeline import context, record
from proof.simulation import environments, memory
from proof.simulation.environments import NEW, QUEUE, Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proof.simulation.memory import Answer

METADATA_A_SECOND: Final = 50.0
QUOTAS: Final = {"get_image_set": (25.0, 50.0), "get_image_set_metadata": (METADATA_A_SECOND, 100.0)}
# Messages that a function gets at most.
BATCH: Final = 10
OTHER_CALL_SECONDS: Final = 0.005
_S3_SECONDS: Final = 0.03
FUNCTIONS: Final = 8
_ATTEMPTS: Final = 4
_RETRY_TOKENS: Final = 500
_A_RETRY: Final = 5
_FUNCTION_SECONDS: Final = 60.0
_VISIBILITY: Final = 360.0
# Of each hint: GetImageSetMetadata, and four calls of DynamoDB.
_OTHER_CALLS: Final = 4


def possible(call_seconds: float, functions: int = FUNCTIONS) -> float:
    """How many hints a second the quota and the functions allow when a call of HealthImaging takes so long."""
    return min(METADATA_A_SECOND, functions / (call_seconds + _OTHER_CALLS * OTHER_CALL_SECONDS))


@dataclass(slots=True)
class Message:
    """A message of the queue."""

    number: int
    body: str
    sent: float
    received: int = 0


_Received = TypeVar("_Received", bound=Message)


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


class _Retries:
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


class Functions(Generic[_Received]):
    """The functions, and the time. It is the `Wire` of the environments.

    Attributes:
        random: the only chance there is.
        now: the time in seconds, from 0.
        idle: the functions that have nothing to do.
        buckets: the quotas, by the calls that they are of.
        calls: how many calls got through a quota.
        parked: how many hints were given up.
    """

    def __init__(self, call_seconds: float, seed: int, services: Mapping[str, Any], functions: int = FUNCTIONS) -> None:
        """So many functions over some `services`, by their names; a call of HealthImaging takes `call_seconds`."""
        self.random = random.Random(seed)
        self.now = 0.0
        self.idle: list[Environment] = list(environments.environments(functions)[NEW])
        self.buckets = {name: Bucket(*quota) for name, quota in QUOTAS.items()}
        self.calls = self.parked = 0
        self._takes = {"medical-imaging": call_seconds, "s3": _S3_SECONDS}
        self._services = services
        self._numbers = itertools.count()
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []
        self._retries = {id(each): _Retries() for each in self.idle}
        self._client: dict[Any, _Retries] = {}  # by the greenlet of an invocation
        self._hidden_until: dict[str, float] = {}

    # --- the time

    def number(self) -> int:
        """A number that was not given before."""
        return next(self._numbers)

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._ahead, (self.now + seconds, self.number(), what))

    def go_on(self) -> bool:
        """Do what is next. Returns whether there was anything."""
        if not self._ahead:
            return False
        when, _, what = heapq.heappop(self._ahead)
        self.now = max(self.now, when)
        what()
        return True

    # --- the functions

    def poll(self) -> None:
        """Give idle functions what can be received."""
        raise NotImplementedError

    def put_off(self, message: _Received, until: float) -> None:
        """A function failed with a message, which can be received again from then on."""
        raise NotImplementedError

    def settled(self, message: _Received) -> None:
        """A function is through with a message."""
        raise NotImplementedError

    def invoke(self, messages: list[_Received]) -> None:
        """Have an idle function handle some messages."""
        batch = {}
        for message in messages:
            message.received += 1
            batch[f"{message.number}-{message.received}"] = message
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
        environment = self.idle.pop()
        deadline = self.now + _FUNCTION_SECONDS
        given = context(lambda: round((deadline - self.now) * 1000))
        run = greenlet.greenlet(environment.bare)
        self._client[run] = self._retries[id(environment)]
        self._resume(run, environment, batch, {"Records": records}, given)

    def _resume(self, run: Any, environment: Environment, batch: Mapping[str, _Received], *arguments: Any) -> None:
        answer = run.switch(*arguments)
        if not run.dead:
            self.after(answer, lambda: self._resume(run, environment, batch))
            return
        del self._client[run]
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for handle, message in batch.items():
            if handle in failed:
                self.put_off(message, self._hidden_until.pop(handle, self.now + _VISIBILITY))
            else:
                self.settled(message)
        self.idle.append(environment)
        self.poll()

    # --- the wire

    def sleep(self, seconds: float) -> None:
        """A pause, or the time that a call takes."""
        greenlet.getcurrent().parent.switch(seconds)

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """One call of AWS, with what the SDK does about refusals."""
        bucket, retries = self.buckets.get(operation), self._client[greenlet.getcurrent()]
        for attempt in range(_ATTEMPTS):
            self.sleep(self._takes.get(service, OTHER_CALL_SECONDS))
            if bucket is None:
                break
            if bucket.take(self.now):
                retries.succeeded(repeated=attempt > 0)
                self.calls += 1
                break
            if attempt + 1 == _ATTEMPTS or not retries.take():
                refused = memory.refusal(operation, "ThrottlingException", 429)
                refused.response["ResponseMetadata"]["RetryAttempts"] = attempt
                raise refused
            self.sleep(self.random.random() * 2**attempt)
        if service == "sqs":
            return self._of_sqs(operation, arguments)
        answer: Answer = getattr(self._services[service], operation)(**arguments)
        return answer | {"ResponseMetadata": {"RetryAttempts": attempt}}

    def _of_sqs(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        if operation == "change_message_visibility":
            self._hidden_until[arguments["ReceiptHandle"]] = self.now + arguments["VisibilityTimeout"]
            return {}
        if operation == "delete_message":
            return {}
        assert arguments["QueueUrl"] != QUEUE
        self.parked += 1
        return {"MessageId": "parked"}
