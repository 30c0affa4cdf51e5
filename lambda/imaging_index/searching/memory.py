"""How a program that searches uses Python's memory."""

from __future__ import annotations

import gc
from typing import Final

# Containers made since the last look for garbage, before the next: those of some thousand entries.
_THRESHOLD: Final = 200_000


def collect_less_garbage() -> None:
    """Have Python look for garbage seldom, for the rest of the process.

    An entry is some fifty objects that never refer to each other in a circle. Python would look through all objects
    for circles after every dozen entries, which takes more CPU than the search.
    """
    gc.freeze()
    gc.set_threshold(_THRESHOLD)
