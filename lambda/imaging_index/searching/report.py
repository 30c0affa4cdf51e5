"""What a search says of itself besides its rows: what it read, how it ended, and what it did not show."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from imaging_index.table.reading import Page


class Ended(StrEnum):
    """Why a search ended: everything that could match was read, there are rows enough, or it read as much as it may."""

    ALL = "all"
    LIMIT = "limit"
    BUDGET = "budget"


class Report(msgspec.Struct):
    """What a search says of itself. It is complete when the rows are.

    Attributes:
        index: the name of the index that was read.
        entries: how many entries were read, queries of single studies and lookups of whole entries included.
        calls: how many calls of DynamoDB that took.
        units: the read request units that they took, as DynamoDB says.
        ended: why it ended.
        read_back_to: the study moment (YYYYMMDDHHMMSS) until which all entries were read, if the search ended early in
            the order of the studies' dates.
        cursor: continues the search; None when it has read everything.
        undated: how many image sets without a usable study date match everything else but are not among the rows.
        more_undated: there are further image sets without a usable study date, which were not read.
        non_primary: how many image sets match but were left out as not primary.
        without_value: how many image sets among the rows match a `!=` only because they have no value.
        matched: by the name of each condition's attribute, how many of the entries that were read match it.
        deleted: how many entries were in the index but no longer in the table.
    """

    index: str = ""
    entries: int = 0
    calls: int = 0
    units: float = 0.0
    ended: Ended = Ended.ALL
    read_back_to: str | None = None
    cursor: str | None = None
    undated: int = 0
    more_undated: bool = False
    non_primary: int = 0
    without_value: int = 0
    matched: dict[str, int] = {}
    deleted: int = 0

    def add(self, page: Page) -> None:
        """Count what a call read."""
        self.entries += len(page.items)
        self.calls += 1
        self.units += page.units


class Estimate(msgspec.Struct, frozen=True):
    """What it takes to read everything that could match: entries, read request units, seconds."""

    entries: int
    units: float
    seconds: float
