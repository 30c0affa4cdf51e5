"""The breaker: while AWS throttles or refuses, the next messages are handed back without a call.

It lives in one execution environment, of which there are a few. Powertools' circuit breaker keeps its state in
DynamoDB, one of the two services that this one is about, and would ask it before every call.
"""

import random
import time
from typing import Final

from imaging_index.faults import Configuration, Fault, HandedBack, Overload, Permanent, Unknown

# For how many seconds it opens first; twice as long each time that the next try fails as well.
_FIRST_OPEN: Final[dict[type[Fault], float]] = {Overload: 1, Configuration: 10}
_LONGEST_OPEN: Final = 300.0


class Breaker:
    """Open for a while after a fault that would meet every message. Then one message tries, and decides."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._failures = 0
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether messages are handed back now."""
        return self._fault is not None and time.monotonic() < self._until

    def check(self) -> None:
        """Let a message pass.

        Raises:
            HandedBack: the breaker is open.
        """
        if self._fault and self.is_open:
            raise HandedBack(f"after {self._fault.name}", cause=self._fault)

    def note(self, fault: Fault | None) -> None:
        """Learn how a message ended for which AWS was called. None is success."""
        if isinstance(fault, HandedBack | Permanent | Unknown):
            return  # AWS was not asked, or did not answer
        first = _FIRST_OPEN.get(type(fault)) if fault else None
        if first is None:
            # Any other answer shows that AWS answers.
            self._fault, self._failures = None, 0
            return
        self._fault = fault
        self._failures += 1
        longest = min(first * 2.0 ** min(self._failures - 1, 20), _LONGEST_OPEN)
        self._until = time.monotonic() + longest * random.uniform(0.5, 1)
