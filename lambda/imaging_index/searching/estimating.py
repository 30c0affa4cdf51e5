"""Estimates what it takes to read everything that a plan asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from imaging_index.profile.derived import STUDY_MOMENT
from imaging_index.searching.planner import DATED, UNDATED, day_number
from imaging_index.searching.report import Estimate
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from imaging_index.profile.profile import Index
    from imaging_index.searching.planner import Plan, Query
    from imaging_index.searching.stream import Source
    from imaging_index.table.reading import TableDescription

# Of an index that DynamoDB has not measured: all of an entry, its keys, and a line of a work list.
_BYTES: Final = {"all": 1_400, "keys": 200, "some": 600}
# The part of real image sets that has no usable study date.
_PART_UNDATED: Final = 0.16
_PAGE: Final = 1 << 20  # Amazon DynamoDB Developer Guide, "Paginating table query results"
_READ_UNIT: Final = 8_192  # of eventually consistent reads (Developer Guide, "Read/write capacity mode")
# A page's answer from DynamoDB is taken to need this long; an entry's CPU is measured (docs/performance.md).
SECONDS_A_PAGE: Final = 0.05
SECONDS_AN_ENTRY: Final = 40e-6


def estimate(source: Source, table: TableDescription, plan: Plan) -> Estimate:
    """What it takes to read all entries of a plan's queries.

    The part of a range of dates is taken from the first and the last study's date in the data stores, which are read.
    """
    index = table.indexes[plan.index]
    count, size = table.sizes.get(plan.index, (0, 0))
    entries = plan.entries
    if plan.by_moment and not plan.bounded and count:
        entries = count * _part(source, plan)
    total = entries * (size / count if count else _BYTES[_extent(index)])
    pages = max(math.ceil(total / _PAGE), len(plan.queries))
    return Estimate(
        entries=math.ceil(entries),
        units=max(total / _READ_UNIT, 0.5 * len(plan.queries)),
        seconds=pages * SECONDS_A_PAGE + entries * SECONDS_AN_ENTRY,
    )


def _extent(index: Index) -> str:
    return "all" if index.holds is None else "some" if index.holds else "keys"


def _part(source: Source, plan: Plan) -> float:
    """The part of all dated entries that is in a plan's range of dates, as if they were spread evenly."""
    asked = plan.queries[0].get(STUDY_MOMENT.name)
    if not isinstance(asked, Between):
        return 1.0
    if asked == UNDATED:
        return _PART_UNDATED
    ends = [end for query in plan.queries for end in _ends(source, plan, query)]
    if not ends:
        return 1.0
    first, last = min(ends), max(ends)
    overlap = day_number(min(asked.high, last)) - day_number(max(asked.low, first)) + 1
    return min(max(overlap, 0) / (day_number(last) - day_number(first) + 1), 1.0)


def _ends(source: Source, plan: Plan, query: Query) -> list[str]:
    """The first and the last moment of a data store's dated studies."""
    moments = []
    for backwards in (False, True):
        everything: Query = query | {STUDY_MOMENT.name: DATED}
        page = source.table.page(plan.index, everything, source.key_types, backwards=backwards, most=1)
        source.report.add(page)
        moments += [item[STUDY_MOMENT.name]["S"] for item in page.items]
    return moments
