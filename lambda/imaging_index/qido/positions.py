"""Where clients that page through answers are: the cursor from which an offset is reached."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final, NamedTuple

# A client that pages asks for its next page within seconds.
_SECONDS: Final = 600
# A cursor has some hundred characters, and seldom some ten thousand.
_MOST_CHARACTERS: Final = 4_000_000
_EACH: Final = 200


class Position(NamedTuple):
    """A place in an answer: how many objects come before it, and the cursor that goes on there.

    The cursor is empty at the beginning, and None at the end.
    """

    objects: int
    cursor: str | None


BEGINNING: Final = Position(0, "")

# The positions of one search by the offsets that they are remembered for, and when it was made.
_Known = dict[int, tuple[float, Position]]


class Positions:
    """The positions of the searches of late, by the digest of what was asked. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, _Known] = OrderedDict()
        self._characters = 0

    def nearest(self, digest: str, offset: int) -> Position:
        """The last known position that is not behind an offset."""
        now = time.monotonic()
        with self._lock:
            known = [
                (at, position)
                for at, (made, position) in self._kept.get(digest, {}).items()
                if at <= offset and now - made < _SECONDS
            ]
        return max(known, default=(0, BEGINNING))[1]

    def keep(self, digest: str, offset: int, position: Position) -> None:
        """Remember the position of an offset. The beginning is always read anew."""
        if not offset:
            return
        with self._lock:
            known = self._taken(digest)
            known[offset] = (time.monotonic(), position)
            self._kept[digest] = known
            self._characters += _size(known)
            while self._characters > _MOST_CHARACTERS:
                self._taken(next(iter(self._kept)))

    def forget(self, digest: str) -> None:
        """Forget the positions of a search."""
        with self._lock:
            self._taken(digest)

    def _taken(self, digest: str) -> _Known:
        known = self._kept.pop(digest, {})
        self._characters -= _size(known)
        return known


def _size(known: _Known) -> int:
    return sum(_EACH + len(position.cursor or "") for _, position in known.values())
