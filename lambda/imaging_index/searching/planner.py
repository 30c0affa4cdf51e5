"""Chooses the index that a search reads, and what of it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import BY_NAME, PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.searching.grammar import AFTER_ALL, SearchError
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging_index.profile.profile import Index
    from imaging_index.searching.matching import Condition

# Of the shipped indexes by a value, those with the fewest entries for one first.
_FEWEST_FIRST: Final = ("study", "series", "accession", "patient")


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
        if index in (None, name) and (found := _plan(name, each, conditions, datastore)) is not None
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
    partitions: list[list[str]] = []
    for key in index.partition:
        values = [datastore] if key == "DatastoreId" else list(_asked(key, conditions))
        if not values or not all(isinstance(value, str) for value in values):
            return None
        partitions.append([str(value) for value in values])
    sort: dict[str, str | Between] = {}
    for key in index.sort:
        values_of_sort = _asked(key, conditions)
        if len(values_of_sort) != 1:
            break
        sort[key] = values_of_sort[0]
        if isinstance(values_of_sort[0], Between):
            break
    queries = tuple({**dict(zip(index.partition, values, strict=True)), **sort} for values in product(*partitions))
    bounded = any(key != "DatastoreId" for key in index.partition)
    return Plan(name, queries, bounded, newest_first=not bounded and index.sort[:1] != (PATIENT_NAME_KEY.name,))


def _asked(key: str, conditions: Sequence[Condition]) -> tuple[str | Between, ...]:
    """What a key attribute may be asked for some conditions: any of several values, or nothing."""
    compared = _compared(key)
    for condition in conditions:
        if condition.attribute in (key, compared) and condition.asked and not condition.every:
            if key == STUDY_MOMENT.name and condition.attribute == compared:
                return tuple(map(_of_moments, condition.asked))
            if key != PATIENT_NAME_KEY.name or condition.attribute == compared:
                return condition.asked
    return ()


def _compared(key: str) -> str:
    """The attribute to write a condition on for a key: itself, or what a derived one is compared for."""
    derived = BY_NAME.get(key)
    return (derived and derived.compared) or key


def _of_moments(days: str | Between) -> Between:
    """The study's moments in some days, to the last one of the last day."""
    low, high = (days, days) if isinstance(days, str) else (days.low, days.high)
    return Between(max(low, "00010101"), high + AFTER_ALL)
