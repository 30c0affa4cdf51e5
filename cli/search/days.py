"""The days and moments of a search's options: --from, --to and --arrived as conditions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cli.output import Misuse
from imaging_index.searching import names
from imaging_index.searching.grammar import AFTER_ALL, SearchError, parse, since
from imaging_index.searching.matching import Condition, Range
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from imaging_index.profile.profile import Profile

_DAY: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}|[0-9]{6}|[0-9]{8}|today|yesterday")
_TODAY: Final = re.compile(r"(?:^|[=.-])(?:today|yesterday)(?:$|[.-])")
_ATTRIBUTE: Final = re.compile(r"[:!<>=]")


def of_studies(first: str | None, last: str | None, profile: Profile, today: date) -> list[Condition]:
    """The condition on the study's date that --from and --to make; none without them.

    Raises:
        Misuse: one is not a day, or they are in the wrong order.
        SearchError: the profile does not select StudyDate.
    """
    if first is None and last is None:
        return []
    parse(["StudyDate=*"], profile, today)
    for option, day in (("--from", first), ("--to", last)):
        if day is not None:
            _check(option, day, profile, today)
    try:
        return parse([f"StudyDate={first or ''}-{last or ''}"], profile, today)
    except SearchError:
        raise Misuse("--from is after --to; write the earlier day as --from.") from None


def _check(option: str, day: str, profile: Profile, today: date) -> None:
    if not _is_day(day, profile, today):
        raise Misuse(
            f"Write {option} as a day that a calendar has, like 20240131 or 2024-01-31, as a month (202401), a year "
            "(2024), today or yesterday."
        )


def _is_day(day: str, profile: Profile, today: date) -> bool:
    try:
        parse([f"StudyDate={day}"], profile, today)
    except SearchError:
        return False
    return _DAY.fullmatch(day) is not None


def of_arrival(span: str | None, now: datetime) -> list[Condition]:
    """The condition on the arrival in the index that --arrived makes; none without it.

    Args:
        span: how long ago at most, like `90m`, `12h` or `7d`, or since which day or moment.
        now: the moment, with the time zone that a moment without an offset is of.

    Raises:
        Misuse: it is neither.
    """
    if span is None:
        return []
    try:
        low = since(span, now)
    except SearchError:
        raise Misuse(
            "Write --arrived as a span like 90m, 12h or 7d, or as the day or moment since when, like 2024-01-31, today "
            "or 2024-01-31T18:00."
        ) from None
    return [Condition("FirstIndexedAt", "LO", Range(low, None), exact=True, asked=(Between(low, AFTER_ALL),))]


def names_today(conditions: Iterable[str], days: Iterable[str | None], profile: Profile) -> bool:
    """Whether a condition, or a day among the options, depends on what day it is."""
    if any(day in ("today", "yesterday") for day in days):
        return True
    texts = [text for text in conditions if _TODAY.search(text)]
    return any(names.find(_ATTRIBUTE.split(text)[0].strip(), profile).vr in ("DA", "DT", "own") for text in texts)
