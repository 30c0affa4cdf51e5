"""Days, times and moments as people write them: the first and the last stored value that each can mean.

A day is written 20240131, 2024-01-31, 202401, 2024-01, 2024, today or yesterday. A time of day has as many digits as
are known, with or without colons. A DT may have an offset.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import vrs
from imaging_index.searching.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The end of an open range: DynamoDB compares text by its bytes in UTF-8.
AFTER_ALL: Final = "\U0010ffff"

_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{2}|[0-9]{8}|[0-9]{6}|[0-9]{4}|today|yesterday"
_CLOCK: Final = r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
_DATED: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
_DIGITS: Final = r"[0-9]{4}(?:[0-9]{2}){0,5}(?:\.[0-9]{1,6})?"
_MOMENT: Final = rf"(?:{_DATED}|{_DIGITS})(?:[+-][0-9]{{4}})?|today|yesterday"
_OWN: Final = rf"(?:{_DATED})Z?|{_DAY}"
_SPAN: Final = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

# What one end of a range can be, by VR; `own` are the moments of the index.
_WRITTEN: Final = {"DA": rf"{_DAY}|[0-9]{{4}}\.[0-9]{{2}}\.[0-9]{{2}}", "TM": _CLOCK, "DT": _MOMENT, "own": _OWN}
# A range with a hyphen, whose ends may be left out.
_RANGES: Final = {vr: re.compile(rf"({end})?-({end})?") for vr, end in _WRITTEN.items()}
_FORMS: Final = {
    "DA": "as a day (20240131 or 2024-01-31), a month (202401), a year (2024), today or yesterday, or as a range "
    "(20240101-20240131, 20240101- or -20240131)",
    "TM": "as 120000, 1200 or 12:00, or as a range like 0800-1200",
    "DT": "as 20240131120000, a day (2024-01-31), or as a range like 20240131-20240201",
    "own": "in UTC, as 2024-01-31 or 2024-01-31T12:00, or as a range like 2024-01-30..2024-01-31",
}


def ends(vr: str, value: str) -> tuple[str, str] | None:
    """The ends of a range with a hyphen as they are written, or None for what is not such a range."""
    # What ends in -NNNN has an offset if there is such a one, and is a range of years if not.
    years = vr == "DT" and re.fullmatch(r"[0-9]{4}-[0-9]{4}", value) and value[5:] > "1200"
    if not years and re.fullmatch(_WRITTEN[vr], value):
        return None
    match = _RANGES[vr].fullmatch(value)
    return (match[1] or "", match[2] or "") if match else None


def span(vr: str, name: str, value: str, today: date) -> tuple[str, str] | tuple[int, int]:
    """The first and the last value, as `matching.keys` has them, that a text can mean.

    Args:
        vr: DA, TM or DT, or `own` for the moments of the index.
        name: of the attribute, for the error.
        value: what is written, of one end of a range.
        today: the caller's local day.

    Raises:
        SearchError: it is no such text.
    """
    value = value.strip()
    if vr != "TM" and _SPAN.fullmatch(value):
        raise SearchError(f"{name} takes no span: write the first day and two dots, like {name}=2024-01-24..")
    if not re.fullmatch(_WRITTEN[vr], value):
        raise SearchError(f"Write {name} {_FORMS[vr]}.")
    try:
        return _SPANS[vr](_dated(value, today))
    except vrs.Unusable:
        what = {"DA": "day that no calendar has", "TM": "time that no clock shows"}.get(
            vr, "day or time that does not exist"
        )
        raise SearchError(f"{name} names a {what}; write it {_FORMS[vr]}.") from None


def since(text: str, now: datetime) -> str:
    """The moment that a span before now, a day or a moment begins at, in the form of an entry's FirstIndexedAt.

    Args:
        text: `90m`, `12h`, `7d`, a day, `today`, `yesterday`, or a moment like `2024-01-31T12:00`. What has no offset
            is of now's time zone.
        now: with its time zone.

    Raises:
        SearchError: it is no such text.
    """
    text = text.strip()
    try:
        if match := _SPAN.fullmatch(text):
            moment = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            moment = datetime.fromisoformat(_dated(text, now.date()))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SearchError(
            "Write a span like 90m, 12h or 7d, a day like 2024-01-31, today or yesterday, or a moment like "
            "2024-01-31T12:00."
        ) from None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _dated(written: str, today: date) -> str:
    """A text whose day is the one of the calendar that a word for it means."""
    if written not in ("today", "yesterday"):
        return written
    return (today - timedelta(days=written == "yesterday")).isoformat()


def _days(written: str) -> tuple[str, str]:
    digits = re.sub(r"[-.]", "", written)
    vrs.moment(digits)
    return f"{digits}0101"[:8] if len(digits) == 4 else digits.ljust(8, "0"), digits.ljust(8, "9")


def _clocks(written: str) -> tuple[str, str]:
    whole, dot, fraction = written.replace(":", "").partition(".")
    # The last microsecond that a time of day with some digits left out can mean (PS3.4, section C.2.2.2.5).
    last = f"{whole}{'5959'[len(whole) - 2 :]}.{fraction.ljust(6, '0') if dot else '9' * 6}"
    return vrs.time(f"{whole}{dot}{fraction}") or "", vrs.time(last) or ""


def _instants(written: str) -> tuple[int, int]:
    plain = re.sub("[T:]", "", re.sub(r"^([0-9]{4})-([0-9]{2})-([0-9]{2})", r"\1\2\3", written))
    return vrs.instant(vrs.moment(plain) or "", None), vrs.end_of(plain)


def _texts(written: str) -> tuple[str, str]:
    """The bounds of the moments of the index, texts like `2024-01-31T12:00:00.000000Z`, that a text begins."""
    digits = re.sub("[-:TZ]", "", written)
    vrs.moment(digits)
    day = re.sub(r"^([0-9]{4})([0-9]{2})?([0-9]{2})?$", _dashed, written)
    first = day.removesuffix("Z")
    return first, first + AFTER_ALL


def _dashed(match: re.Match[str]) -> str:
    return "-".join(filter(None, match.groups()))


_SPANS: Final[Mapping[str, Callable[[str], tuple[str, str] | tuple[int, int]]]] = {
    "DA": _days,
    "TM": _clocks,
    "DT": _instants,
    "own": _texts,
}
