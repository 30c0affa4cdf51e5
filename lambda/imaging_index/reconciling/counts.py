"""What a pass has found and done, by kind and storage tier."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Difference(StrEnum):
    """How the table differs from HealthImaging. The values are names of metrics."""

    # No entry, or an entry of an older version.
    MISSING = "Missing"
    STALE = "Stale"
    # The entry is of the version, but was made under an older profile revision or entry format.
    OUTDATED = "Outdated"
    # The entry disagrees on whether the image set is primary. It is corrected in place, without a hint.
    PRIMARY = "Primary"
    # An entry of an image set that HealthImaging has deleted.
    GHOST = "Ghost"
    # Pages that no entry can name; and an entry with other than the number of pages that it names.
    LEFTOVER = "Leftover"
    DAMAGED = "Damaged"
    # A kept document of an older version than its entry's, or of an image set that is deleted.
    ORPHAN = "Orphan"
    # A tombstone of an image set that is live. Nothing lifts one but an operator.
    FALSE_TOMBSTONE = "FalseTombstone"

    @property
    def reads_document(self) -> bool:
        """Whether mending it reads the image set's metadata document, which moves the image set to the dear tier."""
        return self in (Difference.MISSING, Difference.STALE, Difference.OUTDATED, Difference.DAMAGED)


class Tier(StrEnum):
    """An image set's storage tier (AWS HealthImaging API Reference, "ImageSetsMetadataSummary")."""

    FREQUENT = "FREQUENT_ACCESS"
    ARCHIVE = "ARCHIVE_INSTANT_ACCESS"
    UNKNOWN = "unknown"


_MOST_NAMED: Final = 100


class Tally(msgspec.Struct):
    """How many image sets, and what reading their documents adds to HealthImaging's bill for storage."""

    count: int = 0
    dollars: float = 0.0

    def add(self, count: int, dollars: float) -> None:
        """So many more, for so much together."""
        self.count += count
        self.dollars += dollars


class Counts(msgspec.Struct):
    """What a pass has found and done.

    Attributes:
        differences: what differs. In a plan nothing was done about it.
        kept: the share of `differences` that are mended from a kept document, without a call of GetImageSetMetadata.
        refused: the share of `differences` for which no hint was sent, since it would exceed the budget.
        compared: image sets that HealthImaging listed.
        again: differences that the pass before must have seen as well.
        alive: image sets that were absent from the lists, of which GetImageSet said that they are live.
        unsure: of which GetImageSet said 404. They count as deleted when the next full pass hears the same.
        undated: image sets that were listed without `updatedAt`.
        hints: messages that were sent.
        searches: calls of SearchImageSets.
        asked: calls of GetImageSet.
        read_units: read units of the table.
        false_tombstones: the image sets with a false tombstone, a hundred at most: an operator needs their ids.
    """

    differences: dict[Difference, dict[Tier, Tally]] = {}
    kept: int = 0
    refused: Tally = msgspec.field(default_factory=Tally)
    compared: int = 0
    again: int = 0
    alive: int = 0
    unsure: int = 0
    undated: int = 0
    hints: int = 0
    searches: int = 0
    asked: int = 0
    read_units: float = 0.0
    false_tombstones: list[str] = []

    def found(self, difference: Difference, tier: Tier, count: int = 1, dollars: float = 0.0) -> None:
        """Count differences, which cost so much together."""
        self.differences.setdefault(difference, {}).setdefault(tier, Tally()).add(count, dollars)

    def add(self, other: Counts) -> None:
        """Count what was counted apart."""
        for difference, tiers in other.differences.items():
            for tier, tally in tiers.items():
                self.found(difference, tier, tally.count, tally.dollars)
        self.refused.add(other.refused.count, other.refused.dollars)
        self.false_tombstones = [*self.false_tombstones, *other.false_tombstones][:_MOST_NAMED]
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def of(self, difference: Difference) -> int:
        """How many of one kind there are, in all tiers."""
        return sum(tally.count for tally in self.differences.get(difference, {}).values())

    @property
    def documents(self) -> int:
        """How many metadata documents HealthImaging is asked for to mend everything that was found."""
        return sum(self.of(difference) for difference in Difference if difference.reads_document) - self.kept

    @property
    def dollars(self) -> float:
        """What reading these documents adds to HealthImaging's bill for storage."""
        return sum(tally.dollars for tiers in self.differences.values() for tally in tiers.values())


_NO_NUMBERS: Final = ("differences", "refused", "false_tombstones")
_NUMBERS: Final = tuple(name for name in Counts.__struct_fields__ if name not in _NO_NUMBERS)
