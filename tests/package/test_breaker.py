"""When the breaker is open, for how long, and what closes it."""

import random
from types import SimpleNamespace

import pytest

from imaging_index.faults import (
    Configuration,
    Fault,
    HandedBack,
    NotReady,
    Overload,
    Permanent,
    Poison,
    Unknown,
    Yielded,
)
from imaging_index.queue import breaker
from imaging_index.queue.breaker import Breaker


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def go(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(breaker, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    return clock


def is_open(tested: Breaker) -> bool:
    try:
        tested.check()
    except HandedBack:
        return True
    return False


def open_for(tested: Breaker, clock: Clock) -> float:
    """For how many seconds more messages are handed back, to a quarter of one."""
    begun = clock.now
    while is_open(tested):
        clock.go(0.25)
    return clock.now - begun


def test_a_new_breaker_lets_messages_pass(clock: Clock) -> None:  # noqa: ARG001
    assert not is_open(Breaker())


@pytest.mark.parametrize(("fault", "seconds"), [(Overload, 1), (Configuration, 10)])
def test_it_opens_twice_as_long_at_each_failure_up_to_five_minutes(
    fault: type[Fault], seconds: float, clock: Clock
) -> None:
    tested = Breaker()
    times = []
    for _ in range(12):
        tested.note(fault("any"))
        times.append(open_for(tested, clock))
    assert times == [min(seconds * 2**failure, 300) for failure in range(12)]


def test_jitter_takes_away_up_to_half(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, _: low)
    tested = Breaker()
    tested.note(Configuration("any"))
    assert open_for(tested, clock) == 5


def test_it_says_what_it_was_opened_by(clock: Clock) -> None:  # noqa: ARG001
    tested = Breaker()
    cause = Overload("GetImageSet: ThrottlingException")
    tested.note(cause)
    with pytest.raises(HandedBack) as met:
        tested.check()
    assert met.value.cause is cause
    assert met.value.reason == "after Overload"


@pytest.mark.parametrize("fault", [HandedBack, Yielded, Permanent])
def test_what_did_not_ask_aws_neither_closes_it_nor_opens_it_for_longer(fault: type[Fault], clock: Clock) -> None:
    tested = Breaker()
    tested.note(Configuration("any"))
    clock.go(5)
    for _ in range(100):
        tested.note(fault("any"))
    assert open_for(tested, clock) == 5
    tested.note(fault("any"))
    tested.note(Configuration("any"))
    assert open_for(tested, clock) == 20


def test_the_next_message_after_its_time_decides_and_those_behind_it_wait_when_it_fails(clock: Clock) -> None:
    tested = Breaker()
    tested.note(Overload("any"))
    clock.go(1)
    assert not is_open(tested)
    tested.note(Overload("any"))
    assert is_open(tested)
    clock.go(2)
    assert not is_open(tested)
    tested.note(None)
    tested.note(Overload("any"))
    assert open_for(tested, clock) == 1


def test_no_answer_at_all_leaves_it_as_it_is(clock: Clock) -> None:  # noqa: ARG001
    tested = Breaker()
    tested.note(Unknown("any"))
    assert not is_open(tested)
    tested.note(Configuration("any"))
    tested.note(Unknown("any"))
    assert is_open(tested)


@pytest.mark.parametrize("answer", [None, NotReady, Poison])
def test_any_other_answer_closes_it(answer: type[Fault] | None, clock: Clock) -> None:  # noqa: ARG001
    tested = Breaker()
    tested.note(Configuration("any"))
    tested.note(answer("any") if answer else None)
    assert not is_open(tested)


def test_ten_thousand_failures_are_counted_without_harm(clock: Clock) -> None:
    tested = Breaker()
    for _ in range(10_000):
        tested.note(Overload("any"))
    assert open_for(tested, clock) == 300
