"""Lists image sets page by page, newest first, by a cursor of our own.

The next page begins at the `updatedAt` of the last image set, whatever HealthImaging's token means or how long it
lives: an image set that moves meanwhile moves to the new end, behind the cursor, where the next pass looks. The token
is used only while a page is all of one `updatedAt`. Lanes are disjoint ranges of time, which are listed side by side.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.reconciling.checkpoint import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.healthimaging import Listed, Listing

# A lane is not split into ranges shorter than this.
_SHORTEST: Final = timedelta(minutes=1)
# A checkpoint has room for so many ids of one `updatedAt`. More of them are listed twice after a kill: no harm.
_MOST_OF_AN_EDGE: Final = 2_000


class Turned(msgspec.Struct, frozen=True):
    """A page of a lane: the image sets that were not seen before, and the rest of the lane, None for no more."""

    image_sets: list[Listed]
    rest: Lane | None


def lane(low: datetime, high: datetime) -> Lane:
    """All image sets with `low` < updatedAt <= `high`."""
    return Lane(low, high, high)


def turned(lane: Lane, page: Listing) -> Turned:
    """The page that was asked for from `low` to `cursor` with the lane's token."""
    seen = set(lane.edge)
    within = [each for each in page.image_sets if each.updated is None or lane.low < each.updated <= lane.cursor]
    fresh = [each for each in within if not (each.updated == lane.cursor and each.image_set_id in seen)]
    if page.token is None:
        return Turned(fresh, None)
    lowest = min((each.updated for each in within if each.updated), default=lane.cursor)
    edge = [each.image_set_id for each in fresh if each.updated == lowest]
    if lowest < lane.cursor:
        return Turned(fresh, Lane(lane.low, lane.high, lowest, edge))
    edge = [*lane.edge, *edge][:_MOST_OF_AN_EDGE]
    return Turned(fresh, Lane(lane.low, lane.high, lane.cursor, edge, page.token, lane.refused))


def restarted(lane: Lane) -> Lane:
    """The lane after its token was refused: it goes on from its cursor."""
    return Lane(lane.low, lane.high, lane.cursor, lane.edge, refused=lane.refused + 1)


def split(lanes: Sequence[Lane], most: int) -> list[Lane]:
    """The same image sets in up to `most` lanes. Only a lane that has more than one page is split."""
    result = list(lanes)
    while len(result) < most:
        # One that was just split off is looked at first: it may be empty.
        long = [each for each in result if each.token is None and each.cursor < each.high]
        longest = max(long, key=lambda each: each.cursor - each.low, default=None)
        if longest is None or longest.cursor - longest.low < 2 * _SHORTEST:
            break
        middle = longest.low + (longest.cursor - longest.low) / 2
        place = result.index(longest)
        upper = Lane(middle, longest.cursor, longest.cursor, longest.edge)
        result[place : place + 1] = [upper, lane(longest.low, middle)]
    return result


def share(lanes: Sequence[Lane], low: datetime, high: datetime) -> float:
    """How much of the range is through, 0 to 1."""
    left = sum((each.cursor - each.low).total_seconds() for each in lanes)
    return 1 - left / max((high - low).total_seconds(), left, 1e-6)
