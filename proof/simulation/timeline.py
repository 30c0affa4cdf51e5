"""Virtual time, chance, and the history of one seed."""

import heapq
import itertools
from collections.abc import Callable
from random import Random
from typing import Final, NoReturn

_MOST_STEPS: Final = 20_000


class Violation(BaseException):
    """Something that must never be. No handler of the function takes it for a failure of its own."""


class Timeline:
    """What happens when; the same seed gives the same course.

    Attributes:
        random: all chance there is.
        now: the time in seconds since the beginning.
        actor: who acts at the moment, for the history.
        history: a line for everything that was noted, when it is recorded.
        marred: what went wrong that need not be mended before reconcile has passed.
    """

    def __init__(self, seed: int, *, recorded: bool) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.actor = ""
        self.history: list[str] = []
        self.recorded = recorded
        self.marred: set[str] = set()
        self._numbers = itertools.count()
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []
        self._steps = 0

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen in a while."""
        heapq.heappush(self._ahead, (self.now + seconds, next(self._numbers), what))

    def spell(self, longest: float) -> float:
        """A duration up to `longest` seconds, of any order of magnitude."""
        return longest * 10 ** (-4 * self.random.random())

    def likely(self, share: float) -> bool:
        """Whether something happens that happens so often, 0 to 1."""
        return self.random.random() < share

    def run(self) -> None:
        """Live on until nothing is ahead.

        Raises:
            Violation: it goes on for ever.
        """
        while self._ahead:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                self.violated("it does not settle")
            when, _, what = heapq.heappop(self._ahead)
            self.now = max(self.now, when)
            what()

    def note(self, text: str) -> None:
        """A line of the history."""
        if self.recorded:
            self.history.append(f"{self.now:12.3f}  {self.actor:7}  {text}")

    def violated(self, what: str) -> NoReturn:
        """A promise was broken."""
        self.note(f"VIOLATION: {what}")
        raise Violation(what)
