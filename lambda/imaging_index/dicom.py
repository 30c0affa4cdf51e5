"""DICOM values as they stand in HealthImaging's metadata: parsed by VR (PS3.5, section 6.2), and folded for search.

Nothing here knows AWS. A parser takes one JSON value and returns the value in its stored form, None when it is empty,
or raises `Unusable`. It guesses nothing: what cannot be typed is left out by the caller and named there.
"""

import calendar
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Final

NUMBERS: Final = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
MOMENTS: Final = frozenset({"DA", "TM", "DT"})
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
_AGE: Final = re.compile(r"([0-9]{1,3})([DWMY])")


_YEARS: Final = {"D": 1 / Decimal("365.25"), "W": 7 / Decimal("365.25"), "M": 1 / Decimal(12)}


class Unusable(ValueError):  # noqa: N818  the field's word for such a value
    """A value that is not of its VR. Carries no text: the value must not travel in an exception."""


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
    """A DT in the precision and with the offset it has; text order is time order among those of one offset."""
    text = _stripped(value, left=False)
    if not text:
        return None
    match = _MOMENT.fullmatch(text)
    if not match:
        raise Unusable
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    _check_day(year, month or "01", day or "01")
    _check_clock(hour or "00", minute or "00", second or "00")
    if offset and not (-1200 <= int(offset) <= 1400 and offset[3:] <= "59"):
        raise Unusable
    return (
        "".join(part or "" for part in (year, month, day, hour, minute, second)) + _fraction(fraction) + (offset or "")
    )


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
    """Text whose leading blanks count: PN, ST, LT, UT, UC, UR."""
    return _stripped(value, left=False) or None


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
    **dict.fromkeys(("LT", "PN", "ST", "UC", "UR", "UT"), text_end),
}


_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})
_SEPARATORS: Final = re.compile(r"[\^=,.\-\s]+")


def fold(text: str) -> str:
    """Text as search compares it: case and width folded, accents dropped from Latin and Greek letters only.

    Kana and Cyrillic keep their marks, since there a mark makes another letter.
    """
    if text.isascii():
        return text.lower()
    folded: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold()):
        if not unicodedata.combining(character):
            base = character
        elif unicodedata.name(base, "").startswith(("LATIN", "GREEK")) if base else False:
            continue
        folded.append(character)
    return unicodedata.normalize("NFC", "".join(folded)).translate(_LETTERS)


def name_words(name: str) -> list[str]:
    """The folded words of a PN (PS3.5 6.2.1), of all its groups, in their order."""
    return [word for word in _SEPARATORS.split(fold(name)) if word]


def name_folded(names: list[str]) -> str:
    """One or more PN as search compares them: each folded word behind a blank, so that ` hom` finds a word's start."""
    return "".join(f" {word}" for name in names for word in name_words(name))


def name_key(name: str) -> str:
    """The folded words of a PN's first group that is not empty, the family name first, at most 256 bytes of UTF-8."""
    groups = (" ".join(name_words(group)) for group in name.split("="))
    return cut(next(filter(None, groups), ""), 256)


def cut(text: str, size: int) -> str:
    """At most `size` bytes of `text` in UTF-8, never half a character."""
    encoded = text.encode("utf-8")
    return text if len(encoded) <= size else encoded[:size].decode("utf-8", "ignore")
