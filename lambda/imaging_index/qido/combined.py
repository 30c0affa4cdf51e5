"""A range of dates with a range of times, as the one range of moments that they are (PS3.4, section C.2.2.2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import SEVERAL
from imaging_index.searching.matching import Condition, Match, Present, Range, singles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from imaging_index.entry.item import Item

_DATE: Final = "Date"
_TIME: Final = "Time"


class Moments(Range, frozen=True, kw_only=True):
    """A range of days, with the time that it begins at on its first day and ends at on its last one.

    Attributes:
        time: the name of the attribute of the time.
        begins: as stored; None with the day.
        ends: as stored; None with the day.
    """

    time: str
    begins: str | None
    ends: str | None


class Combined(Condition, frozen=True):
    """A condition on a date whose test is `Moments`. To an index, it is one on the days."""

    def match(self, item: Item) -> Match:
        """How surely an entry, in DynamoDB's form, matches."""
        if not isinstance(self.test, Moments):
            return super().match(item)
        days, times = _values(item, self.attribute, "DA"), _values(item, self.test.time, "TM")
        return Match.YES if any(_holds(self.test, str(day), str(time)) for day in days for time in times) else Match.NO


def combine(conditions: Sequence[Condition], separate: frozenset[str]) -> tuple[Condition, ...]:
    """The conditions, with each range of a date and the range of the time that belongs to it as one of moments.

    By the standard, both alone would ask for these hours of each of the days, unless client and server have agreed on
    this; of DICOMweb's servers nobody knows one that has not.

    Args:
        conditions: any; of one attribute several are left as they are.
        separate: the attributes of which an entry does not keep the date and the time of one another together.
    """
    by_name = {each.attribute: each for each in conditions}
    made: dict[str, Condition] = {}
    for name, date in by_name.items():
        time = by_name.get(f"{name.removesuffix(_DATE)}{_TIME}") if name.endswith(_DATE) else None
        if time is None or (date.vr, time.vr) != ("DA", "TM") or {name, time.attribute} & separate:
            continue
        days, hours = date.test, time.test
        if not (isinstance(days, Range) and isinstance(hours, Range)):
            continue
        test = Moments(days.low, days.high, time=time.attribute, begins=hours.low, ends=hours.high)
        made[name] = Combined(name, "DA", test, exact=True, asked=date.asked)
        # Has an index that lacks the time not decide.
        made[time.attribute] = msgspec.structs.replace(time, test=Present(), asked=())
    return tuple(made.get(each.attribute, each) for each in conditions)


def _values(item: Item, name: str, vr: str) -> list[str | Decimal]:
    stored = [item[each] for each in (name, f"{name}{SEVERAL}") if each in item]
    return [value for each in stored for value in singles(vr, each)]


def _holds(test: Moments, day: str, time: str) -> bool:
    if not test.holds(day):
        return False
    early = day == test.low and test.begins is not None and time < test.begins
    late = day == test.high and test.ends is not None and time > test.ends
    return not early and not late
