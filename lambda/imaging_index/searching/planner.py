"""Chooses the index that a search reads, and what of it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import BY_NAME, PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.profile.schema import OWN_KEYS, SOMETIMES
from imaging_index.searching.grammar import AFTER_ALL, SearchError
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging_index.profile.profile import Index
    from imaging_index.searching.matching import Condition

# Of the shipped indexes by a value, those with the fewest entries for one first.
_FEWEST_FIRST: Final = ("study", "series", "accession", "patient")
# The keys that every entry has: a name need not have a letter, and an image set need not have a patient's name.
_ALWAYS: Final = OWN_KEYS.keys() - SOMETIMES - {PATIENT_NAME_KEY.name}
_VRS: Final = {STUDY_MOMENT.name: "DA", PATIENT_NAME_KEY.name: "PN"}


class Plan(msgspec.Struct, frozen=True):
    """The index to read, and the conditions on its key attributes in their order: a query for each.

    `bounded` says that the queries ask for a study, a patient or the like, of which there are few entries. Others read
    a range of a data store or all of it; if that is ordered by time, the newest entries come first.
    """

    index: str
    queries: tuple[Mapping[str, str | Between], ...]
    bounded: bool
    newest_first: bool


def plan(
    indexes: Mapping[str, Index], conditions: Sequence[Condition], datastore: str, index: str | None = None
) -> Plan:
    """What to read for some conditions in a data store; every entry that is read is to be matched with all of them.

    Args:
        indexes: of the table, by name.
        conditions: all must hold.
        datastore: the id of the data store.
        index: the one to read; None for the one that reads the least.

    Raises:
        SearchError: there is no such index, or it needs a value that no condition gives.
    """
    if index is not None and index not in indexes:
        raise SearchError(f"There is no index '{index}'. The table has {', '.join(sorted(indexes))}.")
    plans = {
        name: found
        for name, each in indexes.items()
        if index in (None, name)
        and (found := _plan(name, each, conditions, datastore)) is not None
        and (index is not None or _has_all(each, found))
    }
    if not plans:
        if index is None:
            raise SearchError("The table has no index of a whole data store. Name an index, and give its attributes.")
        needed = ", ".join(_compared(key) for key in indexes[index].partition if key != "DatastoreId")
        raise SearchError(f"The index {index} needs a whole value of {needed}.")
    best = max(plans, key=lambda name: _rank(name, indexes[name], plans[name]))
    return plans[best]


def _rank(name: str, index: Index, found: Plan) -> tuple[int, int, int, bool]:
    given = sum(key != "DatastoreId" for key in index.partition)
    order = _FEWEST_FIRST.index(name) if name in _FEWEST_FIRST else len(_FEWEST_FIRST)
    asked = len(found.queries[0]) - len(index.partition)
    by_moment = index.sort[:1] == (STUDY_MOMENT.name,)
    return given, -order if given else 0, asked, by_moment


def _plan(name: str, index: Index, conditions: Sequence[Condition], datastore: str) -> Plan | None:
    partitions = [(datastore,) if key == "DatastoreId" else _asked(key, conditions) for key in index.partition]
    if not all(values and all(isinstance(value, str) for value in values) for values in partitions):
        return None
    sort: dict[str, str | Between] = {}
    for key in index.sort:
        values = _asked(key, conditions)
        if len(values) != 1:
            break
        sort[key] = values[0]
        if isinstance(values[0], Between):
            break
    queries = tuple({**dict(zip(index.partition, values, strict=True)), **sort} for values in product(*partitions))
    bounded = any(key != "DatastoreId" for key in index.partition)
    return Plan(name, queries, bounded, newest_first=not bounded and index.sort[:1] != (PATIENT_NAME_KEY.name,))


def _has_all(index: Index, found: Plan) -> bool:
    """Whether no entry that matches is missing in an index, which has those alone that have all of its attributes."""
    return {*index.partition, *index.sort} <= _ALWAYS | found.queries[0].keys()


def _asked(key: str, conditions: Sequence[Condition]) -> tuple[str | Between, ...]:
    """What a key attribute may be asked for some conditions: any of several values, or nothing."""
    for condition in conditions:
        if condition.negated or condition.every or not condition.asked:
            continue
        if condition.attribute == key:
            return condition.asked
        # What is hashed has another VR here: nothing is derived from it.
        if condition.attribute == _compared(key) and condition.vr == _VRS[key]:
            return tuple(map(_of_moments, condition.asked)) if key == STUDY_MOMENT.name else condition.asked
    return ()


def _compared(key: str) -> str:
    """The attribute to write a condition on for a key: itself, or what a derived one is compared for."""
    derived = BY_NAME.get(key)
    return (derived and derived.compared) or key


def _of_moments(days: str | Between) -> Between:
    """The study's moments in some days, to the last one of the last day."""
    low, high = (days, days) if isinstance(days, str) else (days.low, days.high)
    return Between(max(low, "00010101"), high + AFTER_ALL)
