"""The conditions of a search, as they are written.

A condition is written `Keyword=value`; the value may end in `*` (what begins so) and, for StudyDate, be a range
`from-to` with either end left out, as DICOM has it (PS3.4, section C.2.2.2.5). A whole value may be written in any way
that its VR allows: `PatientAge=45Y` finds what is stored as `045Y`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import dictionary, vrs
from imaging_index.dicom.person_names import name_key
from imaging_index.profile.derived import STUDY_MOMENT
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Iterable

_DATE: Final = re.compile(r"[0-9]{8}|[0-9]{0,8}\*")
_RANGE: Final = re.compile(r"([0-9]{8})?-([0-9]{8})?")
_DIGIT: Final = re.compile(r"[0-9]")
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
# What separates several values, which no entry has as one: a comma too where it is no character (PS3.18, section
# 8.3.4.1). A backslash is one in text of one value (PS3.5, section 6.2).
_BETWEEN_VALUES: Final = {**dict.fromkeys(("LT", "ST", "UR", "UT"), ""), "UI": "\\,"}
_EXAMPLES: Final = {"AS": "045Y", "DA": "20240131", "DT": "20240131120000", "TM": "120000"}
# Moments as entries have them, with 0 for every digit: ours, and those of events, in seconds or milliseconds.
_ISO: Final = ("0000-00-00T00:00:00.000000Z", "0000-00-00T00:00:00.000Z", "0000-00-00T00:00:00Z")
_MOMENTS: Final = {"FirstIndexedAt": _ISO, "IndexedAt": _ISO, "EventTime": _ISO, STUDY_MOMENT.name: ("0" * 14,)}
# The ends of an open range: DynamoDB takes no empty text, and compares text by its bytes in UTF-8.
BEFORE_ALL: Final = "\x01"
AFTER_ALL: Final = "\U0010ffff"
# The moment of a study without a date is of zeros, and is in no range (PS3.4, section C.2.2.2.5).
FIRST_DAY: Final = "00010101"


class SearchError(ValueError):
    """Conditions that cannot be searched for. The text says which ones can."""


def parse(texts: Iterable[str]) -> dict[str, str | Between]:
    """The conditions written in `texts`, by the attribute that they compare.

    Raises:
        SearchError: when one is not written as a condition.
    """
    conditions: dict[str, str | Between] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or not value:
            raise SearchError("Write a condition as Keyword=value, like PatientID=1234 or StudyDate=20240101-20240131.")
        if name in conditions:
            raise SearchError(f"There are two conditions on {name}; search for one of them.")
        conditions[name] = _condition(name, _as_stored(name, value))
        if "*" in value[:-1] or "?" in value:
            raise SearchError(f"A * is understood at the end of {name} only, for what begins so, and ? nowhere.")
    return conditions


def _as_stored(name: str, value: str) -> str:
    """A whole value as entries have it, by the VR of its keyword; anything else is left as it is.

    Names and study dates are compared in forms of ours, and what a profile hashes by its tokens.
    """
    element = dictionary.lookup(name)
    if element is None or name == "PatientName" or value.endswith("*") or _TOKEN.fullmatch(value):
        return value
    vr = element.vr.split(" or ", 1)[0]
    if any(separator in value for separator in _BETWEEN_VALUES.get(vr, "\\")):
        raise SearchError(f"There are several values of {name}; search for one at a time.")
    try:
        stored = vrs.parser(vr)(value)
    except KeyError:
        return value  # of a VR that is in no index
    except vrs.Unusable:
        if name == "StudyDate":
            return value
        if vr in vrs.NUMBERS:
            raise SearchError(number_needed(name)) from None
        raise SearchError(f"This is no value of {name}; write it like {name}={_EXAMPLES[vr]}.") from None
    if stored is None:
        raise SearchError(f"Blanks are no value of {name}; write a condition as Keyword=value, like PatientID=1234.")
    return stored if isinstance(stored, str) else f"{stored:f}"


def number_needed(name: str) -> str:
    return f"{name} is a number: write it whole, like {name}=3, and without a *."


def _condition(name: str, value: str) -> str | Between:
    if name == "StudyDate" and not all(map(_is_day, re.findall(r"[0-9]{8}", value))):
        raise SearchError("StudyDate names a day that no calendar has; write year, month and day, as in 20240131.")
    if name == "StudyDate" and (dates := _RANGE.fullmatch(value)):
        first, last = dates[1] or FIRST_DAY, dates[2] or AFTER_ALL
        if first > last:
            raise SearchError("The range of StudyDate ends before it begins; write the earlier date first.")
        return Between(first, last)
    if name == "StudyDate" and not _DATE.fullmatch(value):
        raise SearchError(
            "Write StudyDate as a day (20240131), a range (20240101-20240131, 20240101- or -20240131) or a beginning "
            "(202401*)."
        )
    if name == "PatientName" and not name_key(value.rstrip("*")) and value != "*":
        raise SearchError("Write PatientName with at least one letter, the family name first, like PatientName=doe*.")
    if name in _MOMENTS and not _is_moment(name, value):
        day = "20240131*" if name == STUDY_MOMENT.name else "2024-01-31*"
        raise SearchError(f"A range is understood for StudyDate only. Write {name}={day} for a day, or a whole moment.")
    return beginning(value[:-1]) if value.endswith("*") else value


def _is_day(digits: str) -> bool:
    try:
        return vrs.date(digits) is not None
    except vrs.Unusable:
        return False


def _is_moment(name: str, value: str) -> bool:
    """Whether the value has the form of the moments that entries have, or of the beginning of one before a `*`."""
    form = _DIGIT.sub("0", value.removesuffix("*"))
    return any(whole.startswith(form) if value.endswith("*") else whole == form for whole in _MOMENTS[name])


def beginning(value: str) -> Between:
    return Between(value or BEFORE_ALL, value + AFTER_ALL)
