"""How many entries the rows of answers have, which decides how many are read for the next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.searching.search import A_ROW

if TYPE_CHECKING:
    from imaging_index.searching.question import Level

# Rows that say how many entries others have.
_TELLING: Final = 20
# What is read for a row besides its own entries: rows need not have as many as others.
_AND_MORE: Final = 1.2


class Sizes:
    """How many entries a study and a series have, as far as answers showed. Any number of threads may use it."""

    def __init__(self) -> None:
        self._known: dict[Level, float] = {}

    def of(self, level: Level) -> float:
        """How many entries to read for a row."""
        return self._known.get(level, A_ROW)

    def note(self, level: Level, entries: int, rows: int) -> None:
        """Note how many entries some rows had, if these are many enough to say something of others."""
        if rows >= _TELLING:
            self._known[level] = entries / rows * _AND_MORE
