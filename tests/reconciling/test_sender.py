"""The sender keeps to a share of the quota, and yields when hints are put off or the queue is deep."""

from datetime import timedelta
from typing import Any

import pytest

from imaging_index.faults import Overload, Unknown
from imaging_index.queue.hint import Cause, Hint, Kind, parse
from imaging_index.queue.sender import GROUP, Sender
from proof.harness.reconciling import Clock

HINTS = [
    Hint(Kind.CREATED, Cause.RECONCILE, "d" * 32, f"{number:032d}", 1, True, replayed=True) for number in range(5_000)
]


class Queue:
    """A queue that says of itself what the test wants; functions take `a_second` messages of it."""

    def __init__(self, clock: Clock, a_second: float, hidden: int = 0) -> None:
        self._clock = clock
        self._a_second = a_second
        self.hidden = hidden
        self.sent: list[dict[str, Any]] = []
        self.deepest = 0
        self.failing: list[dict[str, Any]] = []

    @property
    def _waiting(self) -> int:
        handled = (self._clock.seconds - 3_600) * self._a_second
        return max(len(self.sent) - round(handled), 0)

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        depth = self._waiting
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, (str(depth), str(self.hidden)), strict=True))}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "queue"
        assert len(Entries) <= 10
        if self.failing:
            return {"Failed": [{"Id": Entries[0]["Id"], **self.failing.pop(0)}]}
        self.sent += Entries
        self.deepest = max(self.deepest, self._waiting + self.hidden)
        return {}


def sending(queue: Any, clock: Clock, hints: list[Hint] = HINTS, seconds: float = 100) -> int:
    sender = Sender(queue, "queue", now=clock.now, sleep=clock.sleep)
    return sender.send(hints, clock.now() + timedelta(seconds=seconds))


def test_it_sends_at_most_96_percent_of_the_quota() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000)
    sent = sending(queue, clock)
    assert sent == len(queue.sent)
    assert 0.9 * 48 * 100 <= sent <= 48 * 102


def test_a_slow_index_never_has_more_than_three_hundred_messages_waiting() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=5)
    assert 500 <= sending(queue, clock) <= 900
    assert queue.deepest <= 300


def test_it_is_slower_while_more_messages_are_put_off_and_recovers_after() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000)
    sender = Sender(queue, "queue", now=clock.now, sleep=clock.sleep)  # type: ignore[arg-type]

    def sent(hidden: int, seconds: float) -> int:
        queue.hidden = hidden
        return sender.send(HINTS, clock.now() + timedelta(seconds=seconds))

    sent(81, 1)
    # More than what waits for room.
    assert sent(250, 20) < 0.5 * 48 * 20
    assert sent(20, 100) > 0.6 * 48 * 100


def test_what_no_room_was_found_for_in_time_is_not_counted_as_sent() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=0)
    assert sending(queue, clock, HINTS[:1000]) == 300
    assert clock.seconds == pytest.approx(3_700, abs=1)


def test_messages_are_of_one_group_and_bear_version_and_primary() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000)
    sending(queue, clock, HINTS[:25])
    assert [parse(each["MessageBody"]) for each in queue.sent] == HINTS[:25]
    assert {each["MessageGroupId"] for each in queue.sent} == {GROUP}
    assert parse(queue.sent[0]["MessageBody"]).is_told_by_healthimaging


def test_a_message_that_sqs_could_not_take_is_sent_again_alone() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000)
    queue.failing = [{"SenderFault": False}]
    assert sending(queue, clock, HINTS[:3]) == 3
    assert [parse(each["MessageBody"]) for each in queue.sent] == HINTS[:1]


def test_a_message_that_sqs_refuses_or_cannot_take_at_all_is_not_counted_as_sent() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000)
    queue.failing = [{"SenderFault": True}]
    with pytest.raises(Unknown):
        sending(queue, clock, HINTS[:3])
    queue.failing = [{"SenderFault": False}] * 5
    with pytest.raises(Overload):
        sending(queue, clock, HINTS[:3])


def test_beside_the_quota_it_keeps_the_functions_busy_and_never_more_than_3000_waiting() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=150, hidden=80)
    sender = Sender(queue, "queue", now=clock.now, sleep=clock.sleep)  # type: ignore[arg-type]
    sent = sender.send(HINTS * 6, clock.now() + timedelta(seconds=100), beside_quota=True)
    # As many as are handled, and those that wait.
    assert sent >= 150 * 100
    assert queue.deepest <= 3_000


def test_beside_the_quota_it_is_not_slower_for_more_messages_than_usual() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000, hidden=5)
    sender = Sender(queue, "queue", now=clock.now, sleep=clock.sleep)  # type: ignore[arg-type]
    sender.send(HINTS * 2, clock.now() + timedelta(seconds=200))
    queue.hidden = 80
    assert sender.send(HINTS, clock.now() + timedelta(seconds=10), beside_quota=True) >= 300 * 9


def test_beside_the_quota_it_sends_less_when_messages_are_put_off() -> None:
    clock = Clock()
    queue = Queue(clock, a_second=1_000, hidden=81)
    sender = Sender(queue, "queue", now=clock.now, sleep=clock.sleep)  # type: ignore[arg-type]
    sender.send(HINTS, clock.now() + timedelta(seconds=1), beside_quota=True)
    queue.hidden = 250
    assert sender.send(HINTS * 6, clock.now() + timedelta(seconds=100), beside_quota=True) < 0.5 * 300 * 100
