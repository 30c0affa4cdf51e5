"""What reading costs, in words: dollars at list prices, and time."""

from __future__ import annotations

import math
from typing import Final

from infra.prices import Prices

# Behind the point: the price of half a unit has eight.
_DIGITS: Final = 10
_MINUTE: Final = 60
_HOUR: Final = 3600


def dollars(units: float) -> float:
    """What read request units cost at AWS's list prices, in dollars."""
    return round(units * Prices().read_unit, _DIGITS)


def price(units: float) -> str:
    """The same in words, with two digits that count."""
    amount = dollars(units)
    places = 2 if amount >= 1 or not amount else max(2, 1 - math.floor(math.log10(amount)))
    return f"${amount:,.{places}f}"


def duration(seconds: float) -> str:
    """Some seconds in words."""
    if seconds < 1:
        return "less than a second"
    if seconds < _MINUTE:
        return f"{math.ceil(seconds)} s"
    if seconds < _HOUR:
        return f"{math.ceil(seconds / _MINUTE)} min"
    return f"{seconds / _HOUR:.1f} h"


def units(number: float) -> str:
    """Some read request units in words."""
    return f"{number:,.1f} read units"
