"""How many hints a second are sent into the queue: fewer when functions put them off, and then slowly more.

It follows the number of hidden messages, which SQS may say ten seconds late: those that functions hold, and those that
were put off. Messages that are only held are as many as come in the time that one takes.
"""

from typing import Final

# Hidden messages are too many when they are twice as many as usual, and when the functions cannot hold so many; never
# when they could hold twice as many.
_TIMES_USUAL: Final = 2.0
_NEVER_TOO_MANY: Final = 0.5
_USUAL_OVER: Final = 100.0  # seconds
# When they are too many, so much of the rate is kept. What that comes to is seen so many seconds later. The rate is cut
# again when they are so many times as many by then, or before.
_SLOWER: Final = 0.65
_SEEN_AFTER: Final = 30.0
_AGAIN: Final = 2.0
_AGAIN_BEFORE: Final = 3.0
_SLOWEST: Final = 2.0
# More messages a second, each second: soon to most of what the rate was, then slowly, and faster from second to second.
# A burst of live events is over after a minute; others who take of the quota may stay. At the highest rate it must be a
# burst: beside others the rate would not have come so far.
_FASTER_AT_FIRST: Final = 0.6
_MOST_OF_IT: Final = 0.9
_MOST_OF_HIGHEST: Final = 0.97
_FASTER: Final = 0.005
_FASTER_YET: Final = 0.00002


class Pace:
    """The rate, in hints a second.

    Attributes:
        rate: the rate now.
    """

    def __init__(self, highest: float, at_once: int) -> None:
        """Begin with the `highest` rate, for functions that hold `at_once` messages at a time."""
        self.rate = self._soon = self._highest = highest
        self._at_once = at_once
        self._seconds_hidden = at_once / highest / _TIMES_USUAL  # of a message, usually
        self._cut_at: int | None = None  # so many hidden messages, while they are too many
        self._waits = self._calm = 0.0

    def look(self, seconds: float, hidden: int, *, busy: bool) -> None:
        """Choose the rate, so many `seconds` after the last look, with so many `hidden` messages.

        The functions may be `busy` all the time when that keeps nobody from anything: then only messages that were
        certainly put off count.
        """
        self._waits = max(self._waits - seconds, 0.0)
        if hidden > self._most(busy=busy):
            self._calm = 0.0
            self._slow_down(hidden)
        else:
            self._cut_at = None
            if not self._waits:
                faster = _FASTER_AT_FIRST if self.rate < self._soon else _FASTER + _FASTER_YET * self._calm
                self.rate = min(self.rate + faster * seconds, self._highest)
                self._calm += seconds
        if not self._waits and not busy:
            # What is usual changes with the live messages, which count as well.
            seconds_hidden = min(hidden, self._at_once) / self.rate
            self._seconds_hidden += (seconds_hidden - self._seconds_hidden) * seconds / _USUAL_OVER

    def _most(self, *, busy: bool) -> float:
        """How many hidden messages are not too many."""
        if busy:
            return self._at_once
        usual = self._seconds_hidden * self.rate
        return min(max(usual * _TIMES_USUAL, self._at_once * _NEVER_TOO_MANY), self._at_once)

    def _slow_down(self, hidden: int) -> None:
        """Cut the rate when messages begin to be too many, or when they became still more."""
        if self._cut_at is None:
            if self._waits:
                return
            self._soon = self.rate * (_MOST_OF_IT if self.rate < self._highest else _MOST_OF_HIGHEST)
        elif hidden < self._cut_at * (_AGAIN_BEFORE if self._waits else _AGAIN):
            return
        self.rate = max(self.rate * _SLOWER, _SLOWEST)
        self._waits, self._cut_at = _SEEN_AFTER, hidden
