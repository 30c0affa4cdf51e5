"""Search by the declared indexes: conditions -> the index that answers them -> entries.

A condition is written `Keyword=value`; the value may end in `*` (what begins so) and, for StudyDate, be a range
`from-to` with either end left out, as DICOM has it (PS3.4, section C.2.2.2.5). A whole value may be written in any way
that its VR allows: `PatientAge=45Y` finds what is stored as `045Y`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import dictionary, vrs
from imaging_index.profile.derived import BY_NAME, PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Index
    from imaging_index.table.reading import TableReader

_DATE: Final = re.compile(r"[0-9]{8}|[0-9]{0,8}\*")
_RANGE: Final = re.compile(r"([0-9]{8})?-([0-9]{8})?")
_DIGIT: Final = re.compile(r"[0-9]")
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
# What stands between several values, which no entry has as one: a comma too where it is no character (PS3.18, section
# 8.3.4.1). A backslash is one in text of one value (PS3.5, section 6.2).
_BETWEEN_VALUES: Final = {**dict.fromkeys(("LT", "ST", "UR", "UT"), ""), "UI": "\\,"}
_EXAMPLES: Final = {"AS": "045Y", "DA": "20240131", "DT": "20240131120000", "TM": "120000"}
# Moments as entries have them, with 0 for every digit: ours, and those of events, in seconds or milliseconds.
_ISO: Final = ("0000-00-00T00:00:00.000000Z", "0000-00-00T00:00:00.000Z", "0000-00-00T00:00:00Z")
_MOMENTS: Final = {"FirstIndexedAt": _ISO, "IndexedAt": _ISO, "EventTime": _ISO, STUDY_MOMENT.name: ("0" * 14,)}
# The ends of an open range: DynamoDB takes no empty text, and compares text by its bytes in UTF-8.
_BEFORE_ALL: Final = "\x01"
_AFTER_ALL: Final = "\U0010ffff"
# The moment of a study without a date is of zeros, and is in no range (PS3.4, section C.2.2.2.5).
_FIRST_DAY: Final = "00010101"


class SearchError(ValueError):
    """Conditions that cannot be searched for. The text says which ones can."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The index to ask, and the condition on each of its key attributes in their order."""

    index: str
    conditions: Mapping[str, str | Between]


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
            raise SearchError(_no_number(name)) from None
        raise SearchError(f"This is no value of {name}; write it like {name}={_EXAMPLES[vr]}.") from None
    if stored is None:
        raise SearchError(f"Blanks are no value of {name}; write a condition as Keyword=value, like PatientID=1234.")
    return stored if isinstance(stored, str) else f"{stored:f}"


def _no_number(name: str) -> str:
    return f"{name} is a number: write it whole, like {name}=3, and without a *."


def _condition(name: str, value: str) -> str | Between:
    if name == "StudyDate" and not all(map(_is_day, re.findall(r"[0-9]{8}", value))):
        raise SearchError("StudyDate names a day that no calendar has; write year, month and day, as in 20240131.")
    if name == "StudyDate" and (dates := _RANGE.fullmatch(value)):
        first, last = dates[1] or _FIRST_DAY, dates[2] or _AFTER_ALL
        if first > last:
            raise SearchError("The range of StudyDate ends before it begins; write the earlier date first.")
        return Between(first, last)
    if name == "StudyDate" and not _DATE.fullmatch(value):
        raise SearchError(
            "Write StudyDate as 20240131, as a range 20240101-20240131, 20240101- or -20240131, or as 202401*."
        )
    if name == "PatientName" and not vrs.name_key(value.rstrip("*")) and value != "*":
        raise SearchError("Write PatientName with at least one letter, the family name first, like PatientName=doe*.")
    if name in _MOMENTS and not _is_moment(name, value):
        day = "20240131*" if name == STUDY_MOMENT.name else "2024-01-31*"
        raise SearchError(f"A range is understood for StudyDate only. Write {name}={day} for a day, or a whole moment.")
    return _beginning(value[:-1]) if value.endswith("*") else value


def _is_day(digits: str) -> bool:
    try:
        return vrs.date(digits) is not None
    except vrs.Unusable:
        return False


def _is_moment(name: str, value: str) -> bool:
    """Whether the value has the form of the moments that entries have, or of the beginning of one before a `*`."""
    form = _DIGIT.sub("0", value.removesuffix("*"))
    return any(whole.startswith(form) if value.endswith("*") else whole == form for whole in _MOMENTS[name])


def _beginning(value: str) -> Between:
    return Between(value or _BEFORE_ALL, value + _AFTER_ALL)


def plan(indexes: Mapping[str, Index], conditions: Mapping[str, str | Between], index: str | None = None) -> Plan:
    """The index that answers all of `conditions`; of several, the one with the most partition attributes.

    `conditions` include the data store, as DatastoreId. `index` names one to use.

    Raises:
        SearchError: when none can.
    """
    if index is None and not conditions.keys() - {"DatastoreId"}:
        raise SearchError(f"Give a condition, or name an index to list. {_offer(indexes)}")
    if index is not None and index not in indexes:
        raise SearchError(f"There is no index '{index}'. {_offer(indexes)}")
    plans = [
        found
        for name, each in indexes.items()
        if index in (None, name) and (found := _plan(name, each, conditions)) is not None
    ]
    if not plans:
        asked = indexes if index is None else {index: indexes[index]}
        raise SearchError(f"{_why_none(asked, conditions)} {_offer(indexes)}")
    return max(plans, key=lambda found: len(indexes[found.index].partition))


def _plan(name: str, index: Index, conditions: Mapping[str, str | Between]) -> Plan | None:
    left = dict(conditions)
    used: dict[str, str | Between] = {}
    for key in index.partition:
        value = _take(key, left)
        if not isinstance(value, str):
            return None
        used[key] = value
    for key in index.sort:
        value = _take(key, left)
        if value is None:
            break
        used[key] = value
        if isinstance(value, Between):
            break
    # The data store is no condition of the user's on an index that spans all of them; `search` filters by it.
    return None if left.keys() - {"DatastoreId"} else Plan(name, used)


def _take(key: str, conditions: dict[str, str | Between]) -> str | Between | None:
    """The condition on a key attribute, taken out of `conditions`."""
    if key in conditions:
        return conditions.pop(key)
    compared = _compared(key)
    return _ON_DERIVED[key](conditions.pop(compared)) if compared in conditions else None


def _compared(key: str) -> str:
    """The attribute to write a condition on for a key: itself, or what a derived one is compared for."""
    derived = BY_NAME.get(key)
    return (derived and derived.compared) or key


def _on_name_key(condition: str | Between) -> str | Between:
    """A condition on PatientName as one on its key."""
    if isinstance(condition, str):
        return vrs.name_key(condition)
    begun = condition.low.removeprefix(_BEFORE_ALL)
    key = vrs.name_key(begun)
    # Behind a separator the word is complete: `doe^*` finds Doe and Doe^Peter, and not Doering.
    return Between(key, f"{key} {_AFTER_ALL}") if key and begun[-1] in "^ ,.-" else _beginning(key)


def _on_moment(condition: str | Between) -> str | Between:
    """A condition on StudyDate as one on the study's moment."""
    if isinstance(condition, str):
        return _beginning(condition)
    # To the last moment of the last day.
    return Between(max(condition.low, _FIRST_DAY), condition.high + _AFTER_ALL)


_ON_DERIVED: Final[Mapping[str, Callable[[str | Between], str | Between]]] = {
    STUDY_MOMENT.name: _on_moment,
    PATIENT_NAME_KEY.name: _on_name_key,
}


def _why_none(asked: Mapping[str, Index], conditions: Mapping[str, str | Between]) -> str:
    """What keeps each of the indexes that were asked from answering the conditions."""
    sort = {_compared(key) for index in asked.values() for key in index.sort}
    known = {_compared(key) for index in asked.values() for key in (*index.partition, *index.sort)}
    for name, condition in conditions.items():
        if _compared(name) not in known | {"DatastoreId"}:
            where = "in no index" if len(asked) > 1 else f"not in the index {', '.join(asked)}"
            return f"'{name}' is {where}.{_meant(name, known)}"
        if isinstance(condition, Between) and _compared(name) not in sort:
            return f"{name} needs a whole value: a * or a range is understood for {', '.join(sorted(sort))}."
    return "No index answers this."


def _meant(name: str, known: Iterable[str]) -> str:
    near = dictionary.nearest(name, known)
    return f" Did you mean '{near}'?" if near else ""


def _offer(indexes: Mapping[str, Index]) -> str:
    forms = []
    for name, index in sorted(indexes.items()):
        keys = [_compared(key) for key in index.partition if key != "DatastoreId"]
        more = [_compared(key) for key in index.sort if key != "ImageSetId"]
        forms.append(f"{name} ({', '.join(keys)}{' + ' if keys and more else ''}{', '.join(more)})")
    return "Search by the attributes of one index: " + "; ".join(forms) + "."


def search(
    table: TableReader, datastores: Sequence[str], conditions: Mapping[str, str | Between], index: str | None = None
) -> Iterator[Item]:
    """The entries of `datastores` that match all `conditions`, in the order of the index.

    Raises:
        SearchError: when no index, or not `index`, answers them, or a number is compared with something else.
    """
    description = table.describe()
    for name, condition in conditions.items():
        if description.key_types.get(name) == "N" and not _is_number(condition):
            raise SearchError(_no_number(name))
    for datastore in datastores:
        found = plan(description.indexes, {"DatastoreId": datastore, **conditions}, index)
        for item in table.query(found.index, found.conditions, description.key_types):
            if item["DatastoreId"]["S"] in datastores:
                yield item
        if "DatastoreId" not in found.conditions:
            return  # an index that spans all data stores


def _is_number(condition: str | Between) -> bool:
    try:
        return isinstance(condition, str) and vrs.number(condition) is not None
    except vrs.Unusable:
        return False
