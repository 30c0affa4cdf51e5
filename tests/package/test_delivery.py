"""When a message comes again, and when it is given up."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from imaging_index import faults
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
from imaging_index.queue import delivery
from imaging_index.queue.delivery import Delivery

DAY = timedelta(days=1)


def received(tries: int, age: timedelta) -> Delivery:
    return Delivery("{}", "receipt", tries, datetime.now(UTC) - age)


@pytest.mark.parametrize(("fault", "last"), [(Permanent, 1), (Poison, 3), (NotReady, 50)])
def test_what_will_not_succeed_is_parked_after_its_tries(fault: type[Fault], last: int) -> None:
    parked = [tries for tries in range(1, 100) if delivery.to_be_parked(fault("any"), received(tries, DAY))]
    assert parked == list(range(last, 100))


def test_a_malformed_event_is_parked_at_once_though_sqs_s_clock_is_ahead() -> None:
    assert delivery.to_be_parked(Permanent("any"), received(1, -timedelta(seconds=5)))


def test_hand_backs_and_kills_do_not_use_up_the_tries_of_what_is_not_ready() -> None:
    assert not delivery.to_be_parked(NotReady("any"), received(900, timedelta(hours=9)))
    pauses = sum(min(30 * 2**tries, 1800) / 2 for tries in range(49))
    assert timedelta(seconds=pauses) > timedelta(hours=10)


def test_hand_backs_do_not_use_up_the_tries_of_what_is_poison() -> None:
    assert not delivery.to_be_parked(Poison("any"), received(900, timedelta(seconds=179)))
    assert delivery.to_be_parked(Poison("any"), received(3, timedelta(seconds=181)))
    assert sum(delivery.pause(Poison("any"), tries, timedelta(0)) for tries in (1, 2)) >= 180


def test_what_is_throttled_waits_a_minute_at_most_or_a_tenth_of_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    ages = (timedelta(0), timedelta(minutes=10), timedelta(minutes=30), timedelta(days=2))
    assert [delivery.pause(Overload("any"), 900, age) for age in ages] == [60, 60, 180, 1800]
    assert [delivery.pause(Overload("any"), tries, ages[3]) for tries in (1, 2, 3)] == [5, 10, 20]


def test_the_age_is_counted_from_when_the_message_was_sent() -> None:
    now = datetime.now(UTC)
    attributes = {
        "ApproximateReceiveCount": "2",
        "SentTimestamp": str(int((now - timedelta(hours=3)).timestamp() * 1000)),
        "ApproximateFirstReceiveTimestamp": str(round((now - timedelta(hours=1)).timestamp() * 1000)),
    }
    age = Delivery.of({"body": "{}", "receiptHandle": "receipt", "attributes": attributes}).age
    assert timedelta(hours=3) <= age < timedelta(hours=3, minutes=1)


@pytest.mark.parametrize("fault", [Overload, Configuration, Unknown, HandedBack, Yielded])
def test_what_passes_when_aws_does_is_not_parked_for_its_tries(fault: type[Fault]) -> None:
    ages = (timedelta(0), timedelta(days=12))
    for tries in (1, 50, 1000, 10**6):
        assert not any(delivery.to_be_parked(fault("any"), received(tries, age)) for age in ages)


@pytest.mark.parametrize("fault", [Overload, Configuration, Unknown, HandedBack, Yielded, NotReady, Poison])
def test_what_waits_until_sqs_would_forget_it_is_parked(fault: type[Fault]) -> None:
    assert delivery.to_be_parked(fault("any"), received(2, timedelta(days=13)))


@pytest.mark.parametrize("cause", [Overload, Configuration])
def test_what_was_handed_back_waits_as_long_as_what_it_was_handed_back_for(
    cause: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    for tries, age in itertools.product((1, 2, 8, 100), (timedelta(0), timedelta(hours=2))):
        handed_back = HandedBack("any", cause=cause("any"))
        assert delivery.pause(handed_back, tries, age) == delivery.pause(cause("any"), tries, age)


@pytest.mark.parametrize("fault", [Overload, Configuration, Unknown, Yielded])
def test_a_message_refused_for_a_fortnight_outlives_the_queue_s_thousand_receipts(
    fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    age = timedelta(0)
    for tries in range(1, 1000):
        age += timedelta(seconds=delivery.pause(fault("any"), tries, age))
    assert age > timedelta(days=13)


@pytest.mark.parametrize(
    ("fault", "longest"),
    [
        (Poison, [120, 240, 480, 960]),
        (NotReady, [30, 60, 120, 240]),
        (Overload, [5, 10, 20, 40]),
        (Configuration, [30, 60, 120, 240]),
        (Unknown, [5, 10, 20, 40]),
        (HandedBack, [2, 2, 2, 2]),
        (Yielded, [90, 90, 90, 90]),
    ],
)
def test_a_pause_doubles_from_try_to_try_with_jitter_down_to_its_half(
    fault: type[Fault], longest: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    assert [delivery.pause(fault("any"), tries + 1, timedelta(0)) for tries in range(len(longest))] == longest
    monkeypatch.setattr(random, "uniform", lambda low, _: low)
    assert [delivery.pause(fault("any"), tries + 1, timedelta(0)) for tries in range(len(longest))] == [
        round(pause / 2) for pause in longest
    ]


@pytest.mark.parametrize("fault", [Poison, NotReady, Overload, Configuration, Unknown, Yielded])
def test_no_pause_is_longer_than_half_an_hour_however_often_a_message_came(fault: type[Fault]) -> None:
    assert {900 <= delivery.pause(fault("any"), tries, DAY) <= 1800 for tries in (20, 50, 1000, 10**6)} == {True}


def test_every_class_of_failure_has_a_pause_within_the_queue_s_bounds() -> None:
    classes = [each for each in vars(faults).values() if isinstance(each, type) and issubclass(each, Fault)]
    assert len(classes) >= 8
    assert all(1 <= delivery.pause(each("any"), tries, DAY) <= 43_200 for each in classes for tries in (1, 2, 1000))
