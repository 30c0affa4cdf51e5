"""Chooses the index that answers a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import dictionary
from imaging_index.dicom.person_names import name_key
from imaging_index.profile.derived import BY_NAME, PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.searching.conditions import AFTER_ALL, BEFORE_ALL, FIRST_DAY, SearchError, beginning
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imaging_index.profile.profile import Index


@dataclass(frozen=True, slots=True)
class Plan:
    """The index to ask, and the condition on each of its key attributes in their order."""

    index: str
    conditions: Mapping[str, str | Between]


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
        return name_key(condition)
    begun = condition.low.removeprefix(BEFORE_ALL)
    key = name_key(begun)
    # Behind a separator the word is complete: `doe^*` finds Doe and Doe^Peter, and not Doering.
    return Between(key, f"{key} {AFTER_ALL}") if key and begun[-1] in "^ ,.-" else beginning(key)


def _on_moment(condition: str | Between) -> str | Between:
    """A condition on StudyDate as one on the study's moment."""
    if isinstance(condition, str):
        return beginning(condition)
    # To the last moment of the last day.
    return Between(max(condition.low, FIRST_DAY), condition.high + AFTER_ALL)


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
