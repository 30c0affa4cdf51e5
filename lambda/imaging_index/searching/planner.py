"""Chooses the index that a search reads, and what of it."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import BY_NAME, PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.profile.schema import OWN_KEYS, SOMETIMES
from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Empty, Present
from imaging_index.searching.moments import AFTER_ALL
from imaging_index.searching.question import Order
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imaging_index.profile.profile import Index
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.question import Question
    from imaging_index.table.reading import TableDescription

# The study's moments of a usable date, and those of none, whose digits are zeros.
NO_DATE: Final = "0" * 8
DATED: Final = Between("00010101", AFTER_ALL)
UNDATED: Final = Between("0", f"{NO_DATE}{AFTER_ALL}")

# The keys that every entry has: a name need not have a letter, and an image set need not have a patient's name.
_ALWAYS: Final = OWN_KEYS.keys() - SOMETIMES - {PATIENT_NAME_KEY.name}
_VRS: Final = {STUDY_MOMENT.name: "DA", PATIENT_NAME_KEY.name: "PN"}
# How many entries there are for one value of a partition attribute, as a rule; of others a tenth of all.
_USUALLY: Final = {
    "StudyInstanceUID": 5,
    "SeriesInstanceUID": 1,
    "AccessionNumber": 5,
    "PatientID": 25,
    "ImageSetId": 1,
}
# For a table of which DynamoDB has not counted the entries yet.
_UNCOUNTED: Final = 1_000_000
# The part of all entries that has a name or a moment of arrival; of dates, a day is a part of so many years.
_PART: Final = 1 / 1000
_YEARS: Final = 10
# The values of sort attributes that are asked one by one; of more, all of a partition is read.
_MOST_RANGES: Final = 10
# Of indexes that take as much reading, the earlier one is taken.
_IN_ORDER: Final = ("study", "series", "accession", "patient", "name", "date", "arrived")
_ORDERED: Final = {
    STUDY_MOMENT.name: Order.DATE,
    "FirstIndexedAt": Order.ARRIVED,
    PATIENT_NAME_KEY.name: Order.NAME,
}

Query = dict[str, str | Between]


class Plan(msgspec.Struct, frozen=True):
    """The index to read, and the conditions on its key attributes in their order: a query for each.

    Attributes:
        index: its name.
        queries: any number; each has a value of all partition attributes.
        entries: how many entries that is, roughly.
        bounded: the queries ask for a study, a patient or the like, of which there are few entries. Others read a range
            of a data store, or all of it.
        ordered: what the index sorts by, if that is an order of rows.
    """

    index: str
    queries: tuple[Query, ...]
    entries: float
    bounded: bool
    ordered: Order | None

    @property
    def by_moment(self) -> bool:
        """Whether the entries come in the order of the studies' moments."""
        return self.ordered is Order.DATE

    def undated(self) -> tuple[Query, ...]:
        """The same queries for the entries without a usable study date."""
        return tuple(query | {STUDY_MOMENT.name: UNDATED} for query in self.queries)


def plan(table: TableDescription, question: Question, index: str | None = None) -> Plan:
    """What to read for a question; every entry that is read is to be matched with all conditions.

    Args:
        table: its indexes.
        question: what is asked.
        index: the index that an earlier part of the search read, to go on in; None for any.

    Raises:
        SearchError: there is no such index, or it needs a value that no condition gives.
    """
    if index is not None and index not in table.indexes:
        raise SearchError("The index that this cursor is of is no longer there. Repeat the search without the cursor.")
    name = index or question.index
    if name is not None and name not in table.indexes:
        raise SearchError(f"There is no index '{name}'. The table has {', '.join(sorted(table.indexes))}.")
    plans = [
        found
        for each, keys in table.indexes.items()
        if name in (None, each)
        and (found := _plan(each, keys, table, question)) is not None
        and (name is not None or has_all(keys, found.queries[0]))
    ]
    if not plans:
        if name is None:
            raise SearchError("The table has no index of a whole data store. Name an index, and give its attributes.")
        needed = ", ".join(_compared(key) for key in table.indexes[name].partition if key != "DatastoreId")
        raise SearchError(f"The index {name} needs a whole value of {needed}.")
    return min(plans, key=lambda found: _rank(found, table.indexes[found.index], question))


def _rank(found: Plan, index: Index, question: Question) -> tuple[float, bool, bool, int, str]:
    """What takes the least reading comes first; then what needs no sorting, and what holds all of an entry."""
    place = _IN_ORDER.index(found.index) if found.index in _IN_ORDER else len(_IN_ORDER)
    return found.entries, found.ordered is not question.order, index.holds is not None, place, found.index


def _plan(name: str, index: Index, table: TableDescription, question: Question) -> Plan | None:
    conditions = question.conditions
    # Sorted, since a cursor counts the queries.
    datastores = tuple(sorted(set(question.datastores)))
    partitions = [datastores if key == "DatastoreId" else _asked(key, conditions) for key in index.partition]
    if not all(values and all(isinstance(value, str) for value in values) for values in partitions):
        return None
    sorts: list[Query] = [{}]
    for key in index.sort:
        values = _asked(key, conditions)
        if not values or len(sorts) * len(values) > _MOST_RANGES:
            break
        sorts = [sort | {key: value} for sort in sorts for value in values]
        if not all(isinstance(value, str) for value in values):
            break
    queries = tuple(
        {**dict(zip(index.partition, values, strict=True)), **sort} for values in product(*partitions) for sort in sorts
    )
    given = [key for key in index.partition if key != "DatastoreId"]
    ordered = _ORDERED.get(index.sort[0]) if index.sort and len(sorts[0]) < 2 else None
    part = 1.0
    for key, condition in sorts[0].items():
        part *= _part(key, condition)
    entries = len(queries) * max(_of_a_query(given, len(datastores), table) * part, 1)
    return Plan(name, queries, entries, bool(given), ordered)


def _of_a_query(given: Sequence[str], datastores: int, table: TableDescription) -> float:
    """The entries for one value of each partition attribute."""
    everything = max((count for count, _ in table.sizes.values()), default=0) or _UNCOUNTED
    if not given:
        return everything / max(datastores, 1)
    return min(*(_USUALLY.get(key, everything / 10) for key in given), everything)


def _part(key: str, asked: str | Between) -> float:
    """The part of a partition's entries that a condition on a sort attribute leaves."""
    if key != STUDY_MOMENT.name or isinstance(asked, str):
        return _PART
    today = date.today()  # noqa: DTZ011  # a day more or less does not matter
    begin = f"{today - timedelta(days=365 * _YEARS):%Y%m%d}"
    low, high = max(asked.low[:8], begin), min(asked.high[:8], f"{today:%Y%m%d}")
    days = (day_number(high) - day_number(low)) + 1
    return min(max(days, 1) / (365 * _YEARS), 1.0)


def day_number(moment: str) -> int:
    """The day of a moment, counted from the year 1; of what is the beginning of one, or no date, a day near it."""
    digits = "".join(each for each in moment[:8] if each.isdecimal()).ljust(8, "0")
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    year, month = max(year, 1), min(max(month, 1), 12)
    return date(year, month, min(max(day, 1), monthrange(year, month)[1])).toordinal()


def has_all(index: Index, given: Iterable[str]) -> bool:
    """Whether an index has all entries that have the attributes `given`: it lacks those without one of its own."""
    return {*index.partition, *index.sort} <= {*_ALWAYS, *given}


def _asked(key: str, conditions: Sequence[Condition]) -> tuple[str | Between, ...]:
    """What a key attribute may be asked for some conditions: any of several values, or nothing."""
    for condition in conditions:
        if condition.negated or condition.every:
            continue
        if condition.attribute == key and condition.asked:
            return condition.asked
        # What is hashed has another VR here: nothing is derived from it.
        if condition.attribute == _compared(key) and condition.vr == _VRS.get(key):
            if key == STUDY_MOMENT.name and isinstance(condition.test, Empty | Present):
                return (UNDATED if isinstance(condition.test, Empty) else DATED,)
            if condition.asked:
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
