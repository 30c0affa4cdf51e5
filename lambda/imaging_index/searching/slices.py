"""Cuts a range of study moments into slices, which can be read side by side and follow one another without a gap."""

from __future__ import annotations

from datetime import date
from typing import Final

from imaging_index.searching.planner import day_number

_DAY: Final = 24 * 60 * 60
# Moments are to the second. A cut is not: it is the beginning of one, so that no moment is on both of its sides.
_DIGITS: Final = len("YYYYMMDDHHMMS")
# No slice is shorter, in seconds: this is what a cut can express.
SHORTEST: Final = 10


def seconds(moment: str) -> int:
    """A moment (YYYYMMDDHHMMSS, or the beginning of one) as seconds from a fixed one, roughly if it is no real one."""
    hour, minute, second = (int(moment[at : at + 2].ljust(2, "0")) for at in (8, 10, 12))
    return day_number(moment) * _DAY + hour * 60 * 60 + minute * 60 + second


def cut(near: str, far: str, length: int) -> str | None:
    """Where to cut the range from `near` to `far`, so that the part at `near` is about so many seconds long.

    Args:
        near: a moment, or the beginning of one: an end of the range.
        far: its other end, as text: it may be later or earlier, and need not be a moment.
        length: of the part, in seconds.

    Returns:
        The beginning of a moment, which is between the ends; None if the range is not longer than that.
    """
    begin = seconds(near)
    days, of_day = divmod(begin + (length if near < far else -length), _DAY)
    if not date.min.toordinal() <= days <= date.max.toordinal():
        return None
    hours, minutes = divmod(of_day // 60, 60)
    day = date.fromordinal(days).isoformat().replace("-", "")
    found = f"{day}{hours:02}{minutes:02}{of_day % 60:02}"[:_DIGITS]
    return found if min(near, far) < found < max(near, far) else None
