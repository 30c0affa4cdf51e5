"""Values of HealthImaging's metadata, parsed and checked by VR (PS3.5, section 6.2).

Nothing here knows AWS. A parser takes one JSON value and returns the value in its stored form, None when it is empty,
or raises `Unusable`. It guesses nothing: what cannot be typed is left out by the caller and named there.
"""

import calendar
import re
from collections.abc import Callable
from datetime import date as date_of
from decimal import Decimal
from typing import Final

NUMBERS: Final = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
MOMENTS: Final = frozenset({"DA", "TM", "DT"})
# In these a backslash is a character like others; in all others it stands between values (PS3.5, section 6.2).
WITH_BACKSLASHES: Final = frozenset({"LT", "ST", "UR", "UT"})
TEXTS: Final = frozenset({"AE", "AS", "AT", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"})

# DynamoDB Developer Guide, "Supported data types", Number.
_DIGITS: Final = 38
_SMALLEST_EXPONENT: Final = -130
_LARGEST_EXPONENT: Final = 125
# A longer text of a number is not even looked at: to know its value takes long, and none is such.
LONGEST_NUMBER: Final = 400

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# The dotted date is the form of ACR-NEMA 300, which PS3.5 table 6.2-1 asks readers to accept.
_DATE: Final = re.compile(r"([0-9]{4})(?:([0-9]{2})([0-9]{2})|\.([0-9]{2})\.([0-9]{2}))")
# The same table: hours alone, or hours and minutes, are complete values; colons are ACR-NEMA's.
_TIME: Final = re.compile(
    r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]+))?)?|:([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?)?"
)
_MOMENT: Final = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]+))?)?)?)?)?)?([+-][0-9]{4})?"
)
_OFFSET: Final = re.compile(r"[+-][0-9]{2}[0-5][0-9]")
_AGE: Final = re.compile(r"([0-9]{1,3})([DWMY])")

_WITHOUT_DELIMITERS: Final = str.maketrans("", "", "^=\0")

_YEARS: Final = {"D": 1 / Decimal("365.25"), "W": 7 / Decimal("365.25"), "M": 1 / Decimal(12)}


class Unusable(ValueError):  # noqa: N818  the field's word for such a value
    """A value that is not of its VR. Carries no text: the value must not travel in an exception."""


def components(vr: str, value: object) -> list[object]:
    """The single values of one value: of a list its elements, of a text what stands between backslashes."""
    if not isinstance(value, list):
        return [*value.split("\\")] if isinstance(value, str) and vr not in WITH_BACKSLASHES else [value]
    if vr in WITH_BACKSLASHES:
        return value
    return [part for each in value for part in (each.split("\\") if isinstance(each, str) else (each,))]


def number(value: object) -> Decimal | None:
    """A DS, IS or binary number, exactly: at most 38 digits, as DynamoDB keeps them."""
    if value is None:
        return None
    if isinstance(value, str):
        value = _stripped(value)
        if not value:
            return None
        if value.isdecimal() and value.isascii() and len(value) < _DIGITS:
            # Most are, and this is far cheaper.
            return Decimal(int(value))
        if len(value) > LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            raise Unusable
        exact = Decimal(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        exact = Decimal(value)
    elif isinstance(value, float):
        exact = Decimal(repr(value))
    else:
        raise Unusable
    if not exact.is_finite():
        raise Unusable
    if not exact:
        return Decimal(0)
    exact = _plain(exact)
    if len(exact.as_tuple().digits) > _DIGITS or not _SMALLEST_EXPONENT <= exact.adjusted() <= _LARGEST_EXPONENT:
        raise Unusable
    return exact


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros, in the digits it has: `Decimal.normalize` would round to the context's 28."""
    sign, digits, _ = value.as_tuple()
    end = len(digits)
    while end > 1 and digits[end - 1] == 0:
        end -= 1
    return Decimal((sign, digits[:end], value.adjusted() + 1 - end))


def integer(value: object) -> Decimal | None:
    """An IS or binary integer; a whole number written with a point is one."""
    exact = number(value)
    if exact is not None and exact != exact.to_integral_value():
        raise Unusable
    return exact


def date(value: object) -> str | None:
    """A DA as `YYYYMMDD`: a day of the calendar, also from `YYYY.MM.DD`."""
    text = _stripped(value)
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if not match:
        raise Unusable
    year, month, day = match[1], match[2] or match[4], match[3] or match[5]
    _check_day(year, month, day)
    return year + month + day


def time(value: object) -> str | None:
    """A TM as `HHMMSS[.ffffff]`: padded with zeros, the fraction cut at 6 digits and without trailing zeros."""
    text = _stripped(value, left=False)
    if not text:
        return None
    match = _TIME.fullmatch(text)
    if not match:
        raise Unusable
    hour, minute, second = match[1], match[2] or match[5] or "00", match[3] or match[6] or "00"
    _check_clock(hour, minute, second)
    return hour + minute + second + _fraction(match[4] or match[7])


def moment(value: object) -> str | None:
    """A DT in the precision and with the offset it has; `instant` gives its place in time."""
    text = _stripped(value, left=False)
    if not text:
        return None
    match = _MOMENT.fullmatch(text)
    if not match:
        raise Unusable
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    _check_day(year, month or "01", day or "01")
    _check_clock(hour or "00", minute or "00", second or "00")
    if offset and not _is_offset(offset):
        raise Unusable
    return (
        "".join(part or "" for part in (year, month, day, hour, minute, second)) + _fraction(fraction) + (offset or "")
    )


def date_of_moment(value: object) -> str | None:
    """The day of a DT, as it is written, never shifted to UTC; None for a DT that has none."""
    digits = _clock_of(value)[:8]
    return digits if len(digits) == 8 else None


def time_of_moment(value: object) -> str | None:
    """The time of day of a DT as `time` has it, as it is written, never shifted to UTC; None for a DT without hours."""
    return time(_clock_of(value)[8:])


def _clock_of(value: object) -> str:
    """A DT without its offset."""
    return re.split("[+-]", moment(value) or "", maxsplit=1)[0]


def offset(value: object) -> str | None:
    """A TimezoneOffsetFromUTC (PS3.3, section C.12.1), written like the offset of a DT."""
    text = text_both_ends(value)
    if text and not _is_offset(text):
        raise Unusable
    return text


def _is_offset(text: str) -> bool:
    return _OFFSET.fullmatch(text) is not None and -1200 <= int(text) <= 1400


def instant(moment: str, offset: str | None) -> int:
    """Microseconds that order the DT which `moment` returned by time; one of less precision counts as its beginning.

    One without an offset of its own has `offset`, and without that one counts as UTC (PS3.5, table 6.2-1, DT).

    Raises:
        Unusable: it is none that `moment` returned.
    """
    match = _MOMENT.fullmatch(moment)
    if not match:
        raise Unusable
    year, month, day, hour, minute, second, fraction, own = match.groups()
    passed = date_of(int(year), int(month or 1), int(day or 1)).toordinal() * 86_400
    passed += int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    if zone := own or offset:
        ahead = int(zone[1:3]) * 3600 + int(zone[3:]) * 60
        passed -= -ahead if zone[0] == "-" else ahead
    return passed * 10**6 + int((fraction or "").ljust(6, "0"))


def end_of(value: object) -> int:
    """The last microsecond that a DT can mean, as `instant` counts: of one without a time the end of its day or year.

    Raises:
        Unusable: it is no DT.
    """
    match = _MOMENT.fullmatch(moment(value) or "")
    if not match:
        raise Unusable
    year, month, day, hour, minute, second, fraction, own = match.groups()
    last = calendar.monthrange(int(year), int(month or 12))[1]
    digits = f"{year}{month or 12}{day or last}{hour or 23}{minute or 59}{second or 59}"
    return instant(f"{digits}.{fraction.ljust(6, '0') if fraction else '9' * 6}{own or ''}", None)


def age(value: object) -> str | None:
    """An AS as `nnnD`, `nnnW`, `nnnM` or `nnnY`; fewer digits are padded, a missing unit is not guessed."""
    text = _stripped(value)
    if not text:
        return None
    match = _AGE.fullmatch(text)
    if not match:
        raise Unusable
    return match[1].zfill(3) + match[2]


def years(age: str) -> Decimal:
    """An AS, as `age` stores it, in years of 365.25 days to two decimals; years are whole."""
    number, unit = Decimal(age[:3]), age[3]
    return number if unit == "Y" else _hundredths(number * _YEARS[unit])


def years_between(first: str, last: str) -> Decimal | None:
    """The full years from one DA to another, as `date` stores them; None when the second is before the first."""
    passed = int(last[:4]) - int(first[:4]) - (last[4:] < first[4:])
    return Decimal(passed) if passed >= 0 else None


def _hundredths(value: Decimal) -> Decimal:
    return _plain(value.quantize(Decimal("0.01")))


def text_both_ends(value: object) -> str | None:
    """Text of which neither leading nor trailing blanks count: AE, CS, LO, SH, AT."""
    return _stripped(value) or None


def text_end(value: object) -> str | None:
    """Text whose leading blanks count: ST, LT, UT, UC, UR."""
    return _stripped(value, left=False) or None


def name(value: object) -> str | None:
    """A PN as written; one of delimiters and blanks alone is empty (PS3.5, section 6.2.1)."""
    text = _stripped(value, left=False)
    return text if text.translate(_WITHOUT_DELIMITERS).strip() else None


def _stripped(value: object, *, left: bool = True) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable
    # NUL pads UI (PS3.5 6.2), and in the wild every other text too.
    return value.strip(" \0\t\r\n") if left else value.rstrip(" \0\t\r\n")


def _check_day(year: str, month: str, day: str) -> None:
    y, m, d = int(year), int(month), int(day)
    if not (y >= 1 and 1 <= m <= 12 and 1 <= d <= calendar.monthrange(y, m)[1]):
        raise Unusable


def _check_clock(hour: str, minute: str, second: str) -> None:
    # 60 is a leap second (PS3.5, TM).
    if hour > "23" or minute > "59" or second > "60":
        raise Unusable


def _fraction(digits: str | None) -> str:
    kept = (digits or "")[:6].rstrip("0")
    return f".{kept}" if kept else ""


def parser(vr: str) -> Callable[[object], str | Decimal | None]:
    """The parser of a VR.

    Raises:
        KeyError: for a VR that holds no searchable value (SQ, OB, UN ...).
    """
    return _PARSERS[vr.split(" or ", 1)[0]]


_PARSERS: Final[dict[str, Callable[[object], str | Decimal | None]]] = {
    **dict.fromkeys(("DS", "FL", "FD"), number),
    **dict.fromkeys(("IS", "US", "SS", "UL", "SL", "UV", "SV"), integer),
    "DA": date,
    "TM": time,
    "DT": moment,
    "AS": age,
    **dict.fromkeys(("AE", "AT", "CS", "LO", "SH", "UI"), text_both_ends),
    **dict.fromkeys(("LT", "ST", "UC", "UR", "UT"), text_end),
    "PN": name,
}
