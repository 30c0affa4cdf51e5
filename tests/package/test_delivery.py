"""When a message comes again, and when it is given up."""

import random

import pytest

from imaging_index import delivery, errors
from imaging_index.errors import Configuration, Fault, HandedBack, NotReady, Overload, Permanent, Poison, Unknown


@pytest.mark.parametrize(("fault", "last"), [(Permanent, 1), (Poison, 3), (NotReady, 50)])
def test_what_will_not_succeed_is_parked_after_its_tries(fault: type[Fault], last: int) -> None:
    parked = [tries for tries in range(1, 100) if delivery.to_be_parked(fault("any"), tries)]
    assert parked == list(range(last, 100))


@pytest.mark.parametrize("fault", [Overload, Configuration, Unknown, HandedBack])
def test_what_passes_when_aws_does_is_never_parked(fault: type[Fault]) -> None:
    assert not any(delivery.to_be_parked(fault("any"), tries) for tries in (1, 50, 1000, 10**6))


@pytest.mark.parametrize(
    ("fault", "longest"),
    [
        (Poison, [5, 10, 20, 40]),
        (NotReady, [30, 60, 120, 240]),
        (Overload, [5, 10, 20, 40]),
        (Configuration, [30, 60, 120, 240]),
        (Unknown, [5, 10, 20, 40]),
        (HandedBack, [1, 2, 4, 8, 10, 10]),
    ],
)
def test_a_pause_doubles_from_try_to_try_with_jitter_down_to_its_half(
    fault: type[Fault], longest: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    assert [delivery.pause(fault("any"), tries + 1) for tries in range(len(longest))] == longest
    monkeypatch.setattr(random, "uniform", lambda low, _: low)
    assert [delivery.pause(fault("any"), tries + 1) for tries in range(len(longest))] == [
        max(1, round(pause / 2)) for pause in longest
    ]


@pytest.mark.parametrize("fault", [Poison, NotReady, Overload, Configuration, Unknown])
def test_no_pause_is_longer_than_half_an_hour_however_often_a_message_came(fault: type[Fault]) -> None:
    assert {900 <= delivery.pause(fault("any"), tries) <= 1800 for tries in (20, 50, 1000, 10**6)} == {True}


def test_every_class_of_failure_has_a_pause_within_the_queue_s_bounds() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Fault)]
    assert len(classes) >= 8
    assert all(1 <= delivery.pause(each("any"), tries) <= 43_200 for each in classes for tries in (1, 2, 1000))
