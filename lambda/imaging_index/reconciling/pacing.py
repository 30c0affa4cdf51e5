"""The time, and how fast AWS is called."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

# After a refusal for too many calls, and each second without one.
_SLOWER: Final = 0.5
_FASTER: Final = 1.05
_SLOWEST: Final = 0.05  # of the rate that was asked for


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The time now, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Come back after a while."""


class MachineClock:
    """The machine's time."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Come back after a while."""
        time.sleep(seconds)


class Pace:
    """Calls of one kind, at a rate that yields when AWS refuses them."""

    def __init__(self, a_second: float, clock: Clock) -> None:
        """At most so many `a_second`."""
        self._highest = self._rate = a_second
        self._clock = clock
        self._next: datetime | None = None

    def wait(self, calls: int) -> None:
        """Come back when so many calls may be made."""
        now = self._clock.now()
        if self._next and self._next > now:
            self._clock.sleep((self._next - now).total_seconds())
            now = self._next
        self._next = now + timedelta(seconds=calls / self._rate)
        self._rate = min(self._rate * _FASTER ** (calls / self._rate), self._highest)

    def slower(self) -> None:
        """AWS has refused."""
        self._rate = max(self._rate * _SLOWER, self._highest * _SLOWEST)
