"""How the rate follows the hidden messages."""

import pytest

from imaging_index.queue.pace import Pace

HIGHEST = 48.0
AT_ONCE = 80


def looked(pace: Pace, hidden: int, seconds: int, *, busy: bool = False) -> float:
    """The rate after so many seconds with so many hidden messages."""
    for _ in range(seconds):
        pace.look(1.0, hidden, busy=busy)
    return pace.rate


@pytest.fixture
def pace() -> Pace:
    """A pace that has seen forty hidden messages at the highest rate for long."""
    one = Pace(HIGHEST, AT_ONCE)
    looked(one, 40, 1_000)
    return one


def test_it_begins_with_the_highest_rate_and_keeps_it_while_nothing_is_put_off(pace: Pace) -> None:
    assert Pace(HIGHEST, AT_ONCE).rate == pace.rate == HIGHEST


def test_twice_as_many_hidden_messages_as_usual_are_too_many(pace: Pace) -> None:
    assert looked(pace, 79, 1) == HIGHEST
    looked(pace, 25, 1_000)
    assert looked(pace, 49, 1) == HIGHEST
    assert looked(pace, 55, 1) < HIGHEST


def test_half_of_what_the_functions_can_hold_is_never_too_much(pace: Pace) -> None:
    looked(pace, 5, 1_000)
    assert looked(pace, 40, 1) == HIGHEST
    assert looked(pace, 41, 1) < HIGHEST


def test_more_than_the_functions_hold_are_too_many_though_they_are_always_busy(pace: Pace) -> None:
    assert looked(pace, 80, 1_000) == HIGHEST
    assert looked(pace, 81, 1) < HIGHEST


def test_messages_of_others_that_stay_become_usual(pace: Pace) -> None:
    cut = looked(pace, 200, 1)
    assert looked(pace, 70, 30) == cut
    # At this rate, twenty-six would be usual.
    assert looked(pace, 70, 10) == cut
    assert looked(pace, 70, 100) > cut


def test_a_cut_is_given_half_a_minute_and_no_second_follows_unless_they_become_more(pace: Pace) -> None:
    cut = looked(pace, 100, 1)
    assert cut == pytest.approx(HIGHEST * 0.65)
    assert looked(pace, 250, 29) == cut
    assert looked(pace, 199, 60) == cut
    assert looked(pace, 200, 1) == pytest.approx(cut * 0.65)


def test_three_times_as_many_as_at_the_cut_are_not_waited_for(pace: Pace) -> None:
    cut = looked(pace, 100, 1)
    assert looked(pace, 299, 1) == cut
    assert looked(pace, 300, 1) == pytest.approx(cut * 0.65)


def test_a_cut_is_given_half_a_minute_though_they_were_few_meanwhile(pace: Pace) -> None:
    cut = looked(pace, 100, 1)
    looked(pace, 10, 5)
    assert looked(pace, 100, 5) == cut


def test_it_never_stops(pace: Pace) -> None:
    assert min(looked(pace, 3**number * 100, 31) for number in range(20)) == 2.0


def test_after_a_burst_at_the_highest_rate_it_is_soon_nearly_there_again(pace: Pace) -> None:
    looked(pace, 100, 1)
    looked(pace, 300, 1)
    looked(pace, 30, 29)
    assert 0.97 * HIGHEST <= looked(pace, 30, 60) < 0.99 * HIGHEST
    assert looked(pace, 40, 240) == HIGHEST


def test_below_the_highest_rate_it_is_soon_at_most_of_what_it_was_and_then_slowly_at_all_of_it(pace: Pace) -> None:
    looked(pace, 100, 1)
    looked(pace, 30, 39)
    before = pace.rate
    assert before < 0.9 * HIGHEST
    looked(pace, 100, 1)
    looked(pace, 30, 29)
    # A minute later, and ten.
    assert 0.9 * before <= looked(pace, 30, 60) < 0.95 * before
    assert 0.96 * before < looked(pace, 30, 300)


def test_when_others_stay_it_settles_below_what_is_left_to_it() -> None:
    """Thirty messages a second are handled, the others are put off, and the queue says so ten seconds late."""
    pace = Pace(HIGHEST, AT_ONCE)
    told = [0] * 10
    put_off = sent = extra = 0.0
    rates = []
    for _ in range(3_600):
        pace.look(1.0, told.pop(0), busy=False)
        waiting = pace.rate + put_off / 67
        over = max(waiting - 30, 0.0)
        put_off += over - put_off / 67
        extra += over
        sent += pace.rate
        told.append(round(25 + put_off))
        rates.append(pace.rate)
    assert sum(rates[600:]) / 3_000 >= 0.92 * 30
    assert extra < 0.03 * sent


def test_when_the_functions_may_be_busy_only_what_they_cannot_hold_counts(pace: Pace) -> None:
    looked(pace, 10, 1_000)
    assert looked(pace, 80, 100, busy=True) == HIGHEST
    assert looked(pace, 81, 1, busy=True) < HIGHEST
