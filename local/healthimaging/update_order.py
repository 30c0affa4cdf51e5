"""A data store's image sets in the order of their latest change, so that a page of a search costs a page."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

Place = tuple[float, str]  # updatedAt, image set id


class UpdateOrder:
    """The ids of image sets by `updatedAt` and, where that is the same, by id."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._times: dict[str, float] = {}

    def enter(self, identifier: str, updated_at: float) -> None:
        """Add an image set, or move it to its new time."""
        self.leave(identifier)
        # A change is nearly always the latest: nothing has to make room for it.
        insort(self._places, (updated_at, identifier))
        self._times[identifier] = updated_at

    def move(self, identifier: str, updated_at: float) -> None:
        """Move an image set to its new time, if it was entered."""
        if identifier in self._times:
            self.enter(identifier, updated_at)

    def leave(self, identifier: str) -> None:
        """Remove an image set, if it was entered."""
        if identifier in self._times:
            del self._places[bisect_left(self._places, (self._times.pop(identifier), identifier))]

    def walk(self, low: float, high: float, after: Place | None, *, descending: bool) -> Iterator[str]:
        """The ids with a time from `low` to `high`, both included, that follow the place `after`.

        Raises:
            TypeError: `after` is no place of this order.
        """
        begin, end = bisect_left(self._places, (low, "")), bisect_right(self._places, (high, "~"))
        if after is not None and descending:
            end = min(end, bisect_left(self._places, after))
        elif after is not None:
            begin = max(begin, bisect_right(self._places, after))
        places = range(end - 1, begin - 1, -1) if descending else range(begin, end)
        return (self._places[place][1] for place in places)
