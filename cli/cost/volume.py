"""What a year brings: studies, image sets, and what happens to these."""

from dataclasses import dataclass
from typing import Final

# How many instances a page of an image set has at most.
INSTANCES_A_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Volume:
    """A year: what is new in it, and what existed before. Each series is an image set."""

    studies: int
    series: int
    instances: int
    updates: int = 0
    deletions: int = 0
    existing: int = 0

    @property
    def kept_on_average(self) -> float:
        """Image sets that exist, on average over the year."""
        return self.existing + (self.series - self.deletions) / 2
