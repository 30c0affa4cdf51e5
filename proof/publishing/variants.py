"""Code that looks right and is wrong, to see that a simulation shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class Variant:
    """A way to get it wrong: what plants it, and how often it shows in a report of the simulation."""

    name: str
    planted: Callable[[], AbstractContextManager[Any]]
    shows: Callable[[Any], int]
