"""What a search is asked: conditions, the level of its rows, their order and how many."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from imaging_index.searching.matching import Condition

# Entries that a search reads at most unless it is told otherwise: about $0.002 each time.
BUDGET: Final = 100_000
LIMIT: Final = 100
_OF_PRIMARY: Final = ("IsPrimary", "NonPrimary")


class Level(StrEnum):
    """What a row of the answer stands for."""

    IMAGE_SET = "image-set"
    SERIES = "series"
    STUDY = "study"
    PATIENT = "patient"


class Order(StrEnum):
    """What the rows are sorted by: the study's date and time, newest first; the arrival, newest first; the name."""

    DATE = "date"
    ARRIVED = "arrived"
    NAME = "name"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One search.

    Attributes:
        datastores: the ids of the data stores to search.
        conditions: all must hold together in one image set; those on ModalitiesInStudy are on its study.
        level: what a row is.
        order: of the rows.
        reverse: the order backwards.
        limit: how many rows at most; None for all.
        cursor: where an earlier answer to the same question ended.
        budget: how many entries to read at most; None for as many as there are.
        all_copies: image sets that are not primary count like the others.
        index: the name of the index to read; None for the one that reads the least.
    """

    datastores: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    level: Level = Level.STUDY
    order: Order = Order.DATE
    reverse: bool = False
    limit: int | None = LIMIT
    cursor: str | None = None
    budget: int | None = BUDGET
    all_copies: bool = False
    index: str | None = None

    @property
    def takes_all(self) -> bool:
        """Whether image sets that are not primary count like the others: a condition may ask which are."""
        return self.all_copies or any(each.attribute in _OF_PRIMARY for each in self.conditions)
