"""A long list of hints beside the live events: how fast it drains, and how long live ones wait.

The real sender and the real handler in virtual time, over services in memory. What is assumed, besides what
`proof/simulation/functions.py` says of quotas, retries and the durations of calls:

- 100,000 live events a day: one burst of 1,500 in a minute each hour, two of 3,000 in half a minute, the rest evenly;
- a fair queue hands out the messages without a group first (Amazon SQS Developer Guide, "Amazon SQS fair queues");
  without fairness, those that became visible first;
- GetQueueAttributes tells what was so ten seconds ago;
- others who call GetImageSetMetadata are served first.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import greenlet  # type: ignore[import-untyped]

from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.queue.sender import Sender
from proof.simulation import environments
from proof.simulation.endless import FIRST_HINT, Documents, Forgetful, Kept
from proof.simulation.environments import DATASTORE, QUEUE
from proof.simulation.functions import (
    BATCH,
    FUNCTIONS,
    METADATA_A_SECOND,
    OTHER_CALL_SECONDS,
    QUOTAS,
    Bucket,
    Functions,
    Message,
    possible,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.simulation.memory import Answer

_TOLD_LATE: Final = 10.0  # seconds
_AT_ONCE: Final = 200
_HOUR: Final = 3600
# Live events of a great burst, which lasts half a minute, and when it begins.
_GREAT: Final = 3_000
_GREAT_AT: Final = 9_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a list of hints came to.

    Attributes:
        hints: how many there were.
        live: how many live events came meanwhile.
        seconds: until all were settled.
        share: of the calls of GetImageSetMetadata that were possible, those that were made, while there were hints.
        lags: how long live events waited, sorted, without those of the great bursts.
        burst_lag: the longest wait of the others. Half of their burst is more than any quota lets through.
        put_off: how often a message was put off.
        parked: how many were given up.
        calls: how many calls of GetImageSetMetadata got through.
    """

    hints: int
    live: int
    seconds: float
    share: float
    lags: list[float]
    burst_lag: float
    put_off: int
    parked: int
    calls: int

    def lag(self, share: float) -> float:
        """How long so large a share of the live events waited at most."""
        return self.lags[min(int(len(self.lags) * share), len(self.lags) - 1)]

    def __str__(self) -> str:
        return (
            f"{self.hints:,} hints and {self.live:,} live events in {self.seconds / _HOUR:.2f} h: {self.share:.1%} of "
            f"what is possible, live lag {self.lag(0.5):.2f} s (p50), {self.lag(0.99):.2f} s (p99), "
            f"{self.burst_lag:.1f} s at most in great bursts, {self.put_off} put off, {self.parked} parked"
        )


def run(
    hints: int,
    call_seconds: float,
    *,
    fair: bool = True,
    others: float = 0.0,
    kept: bool = False,
    functions: int = FUNCTIONS,
    seed: int = 0,
) -> Report:
    """Send so many hints, of image sets whose documents are kept or not.

    A call of HealthImaging takes `call_seconds`; others make `others` calls a second; `functions` run at a time.
    """
    world = _World(call_seconds, fair=fair, others=others, kept=kept, functions=functions, seed=seed)
    with environments.plugged(world, most_tries={}, observed=False, documents=kept, most=functions):
        return world.run(hints)


@dataclass(slots=True)
class _Message(Message):
    live: bool = False


@dataclass(slots=True)
class _Queue:
    """The messages that can be received, and those that are put off until a time."""

    fair: bool
    live: deque[_Message] = field(default_factory=deque)
    group: deque[_Message] = field(default_factory=deque)
    later: list[tuple[float, int, _Message]] = field(default_factory=list)

    def add(self, message: _Message) -> None:
        """A message can be received."""
        (self.live if message.live or not self.fair else self.group).append(message)

    def put_off(self, message: _Message, until: float) -> None:
        """A message comes again."""
        heapq.heappush(self.later, (until, message.number, message))

    def come_due(self, now: float) -> None:
        """What was put off until now can be received again."""
        while self.later and self.later[0][0] <= now:
            self.add(heapq.heappop(self.later)[2])

    def take(self, most: int) -> list[_Message]:
        """So many messages, live ones first if the queue is fair."""
        taken: list[_Message] = []
        while len(taken) < most and (self.live or self.group):
            taken.append((self.live or self.group).popleft())
        return taken

    @property
    def visible(self) -> int:
        """How many can be received."""
        return len(self.live) + len(self.group)


class _World(Functions[_Message]):
    """The sender, the live events, and the queue."""

    def __init__(
        self, call_seconds: float, *, fair: bool, others: float, kept: bool, functions: int, seed: int
    ) -> None:
        services = {"medical-imaging": Documents(), "dynamodb": Forgetful(), "s3": Kept()}
        super().__init__(call_seconds, seed, services, functions)
        self._kept = kept
        self._functions = functions
        self._most = possible(call_seconds, functions)
        self._others = others
        self._queue = _Queue(fair)
        _, burst = QUOTAS["get_image_set_metadata"]
        self.buckets["get_image_set_metadata"] = Bucket(METADATA_A_SECOND - others, burst)
        self._held = 0
        self._told: deque[tuple[float, int, int]] = deque()
        self._lags: list[float] = []
        self._burst_lags: list[float] = []
        self._left = self._put_off = 0
        self._sending_ended = self._calls_then = 0.0
        self._all_sent = False
        self._poll_at: float | None = None

    def run(self, hints: int) -> Report:
        """All of it."""
        self._left = hints
        sender = greenlet.greenlet(self._send)
        self.after(0.0, lambda: self._go_on(sender, hints))
        arrivals = self._arrivals()
        self.after(next(arrivals), lambda: self._arrive(arrivals))
        while (self._left or self._held or self._queue.live or self._queue.later) and self.go_on():
            pass
        seconds = self._sending_ended
        share = self._calls_then / seconds / min(self._most, METADATA_A_SECOND - self._others)
        if self._others:
            # Of the whole quota: what others took is used as well.
            share = (self._calls_then / seconds + self._others) / METADATA_A_SECOND
        live = len(self._lags) + len(self._burst_lags)
        longest = max(self._burst_lags, default=0.0)
        return Report(hints, live, self.now, share, sorted(self._lags), longest, self._put_off, self.parked, self.calls)

    # --- who sends

    def _arrivals(self) -> Iterator[float]:
        """The pauses between live events."""
        evenly = (100_000 - 24 * 1_500 - 2 * 3_000) / 86_400
        while True:
            rate = evenly
            rate += 25.0 * (100 <= self.now % _HOUR < 160)
            rate += _GREAT / 30 * (_GREAT_AT <= self.now % (12 * _HOUR) < _GREAT_AT + 30)
            yield min(self.random.expovariate(rate), 1.0)

    def _arrive(self, arrivals: Iterator[float]) -> None:
        if self._all_sent and not self._left:
            return
        pause = next(arrivals)
        if pause < 1.0:
            self._enqueue(_created(self.number()), live=True)
        self.after(pause, lambda: self._arrive(arrivals))

    def _enqueue(self, body: str, *, live: bool) -> None:
        number = self.number()
        self._queue.add(_Message(number, body, environments.moment(), live=live))
        self.poll()

    def _send(self, hints: int) -> None:
        """The real sender, as a pass uses it."""
        client: Any = _Sqs(self)
        sender = Sender(client, QUEUE, now=self._time, sleep=self.sleep, at_once=self._functions * BATCH)
        for start in range(0, hints, _AT_ONCE):
            left = [_hint(number) for number in range(start, min(start + _AT_ONCE, hints))]
            while left:
                left = left[sender.send(left, self._time() + timedelta(seconds=30), beside_quota=self._kept) :]
        self._all_sent = True

    def _go_on(self, sender: Any, *arguments: Any) -> None:
        pause = sender.switch(*arguments)
        if not sender.dead:
            self.after(pause, lambda: self._go_on(sender))

    def _time(self) -> datetime:
        return datetime.fromtimestamp(environments.moment(), UTC)

    def tell(self) -> tuple[int, int]:
        """How many messages could be received ten seconds ago, and how many were hidden."""
        now = (self.now, self._queue.visible, self._held + len(self._queue.later))
        self._told.append(now)
        while len(self._told) > 1 and self._told[1][0] <= self.now - _TOLD_LATE:
            self._told.popleft()
        return self._told[0][1:]

    def take_in(self, bodies: list[str]) -> None:
        """SQS has got messages of the group."""

        def arrive() -> None:
            for body in bodies:
                self._enqueue(body, live=False)

        self.after(0.0, arrive)

    # --- Lambda

    def poll(self) -> None:
        """Give idle functions what can be received."""
        self._queue.come_due(self.now)
        while self.idle and self._queue.visible:
            batch = self._queue.take(BATCH)
            self._held += len(batch)
            self.invoke(batch)
        if self._queue.later and self.idle:
            at = self._queue.later[0][0]
            if self._poll_at is None or at < self._poll_at or self._poll_at <= self.now:
                self._poll_at = at
                self.after(at - self.now, self.poll)

    def put_off(self, message: _Message, until: float) -> None:
        """A message comes again."""
        self._held -= 1
        self._put_off += 1
        self._queue.put_off(message, until)

    def settled(self, message: _Message) -> None:
        """A message is through."""
        self._held -= 1
        if message.live:
            ago = environments.moment() - message.sent
            (self._burst_lags if self._in_a_great_burst(self.now - ago) else self._lags).append(ago)
            return
        self._left -= 1
        if not self._left:
            self._sending_ended, self._calls_then = self.now, self.calls

    def _in_a_great_burst(self, sent: float) -> bool:
        """Whether a message was sent in one, or while the functions still worked at it."""
        through = _GREAT / (self._most - self._others)
        return _GREAT_AT <= sent % (12 * _HOUR) < _GREAT_AT + through + 5


class _Sqs:
    """SQS as the sender calls it."""

    def __init__(self, world: _World) -> None:
        self._world = world

    def get_queue_attributes(self, **_: Any) -> Answer:
        """GetQueueAttributes."""
        self._world.sleep(OTHER_CALL_SECONDS)
        visible, hidden = self._world.tell()
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, (str(visible), str(hidden)), strict=True))}

    def send_message_batch(self, *, Entries: list[Any], **_: Any) -> Answer:  # noqa: N803  boto3's own spelling
        """SendMessageBatch."""
        self._world.sleep(OTHER_CALL_SECONDS)
        self._world.take_in([each["MessageBody"] for each in Entries])
        return {}


def _hint(number: int) -> Hint:
    return Hint(Kind.CREATED, Cause.RECONCILE, DATASTORE, f"{number + FIRST_HINT:032d}", 1, True, replayed=True)


def _created(number: int) -> str:
    detail = {"datastoreId": DATASTORE, "imagesetId": f"{number:032d}", "imageSetVersion": "1", "isPrimary": True}
    return json.dumps({"source": "aws.medical-imaging", "detail-type": Kind.CREATED.value, "detail": detail})
