"""Finds entries: conditions -> what an index holds for them -> the entries that match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.profile.derived import STUDY_MOMENT
from imaging_index.searching.matching import Match, match_all
from imaging_index.searching.planner import plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.planner import Plan
    from imaging_index.table.reading import TableReader

# Entries of a data store that a search reads at most when it reads a range of them or all: about $0.002 each time.
BUDGET: Final = 100_000


class Search:
    """One search. Iterate over it for the entries that match, each with how surely it does."""

    def __init__(
        self,
        table: TableReader,
        datastores: Sequence[str],
        conditions: Sequence[Condition],
        index: str | None = None,
        budget: int | None = BUDGET,
    ) -> None:
        """Search some data stores for entries that match all conditions.

        Args:
            table: the stack's.
            datastores: their ids.
            conditions: all must hold in one entry.
            index: the index to read; None for the one that reads the least.
            budget: how many entries of a data store to read at most, if the search reads a range of it or all; None for
                as many as there are.

        Raises:
            SearchError: the index cannot answer, or there is none that can.
        """
        self._table, self._datastores, self._conditions, self._budget = table, datastores, conditions, budget
        description = table.describe()
        self._key_types, self._indexes = description.key_types, description.indexes
        self.plans = [plan(description.indexes, conditions, datastore, index) for datastore in datastores]
        # How many entries were read, and whether the budget ended the search; then the study moment until which all
        # entries were read, if the index is by it.
        self.read = 0
        self.ended_early = False
        self.read_back_to: str | None = None

    def __iter__(self) -> Iterator[tuple[Item, Match]]:
        for each in self.plans:
            items = self._items(each)
            if self._indexes[each.index].holds is not None:
                items = self._table.whole(items)
            for item in items:
                if item["DatastoreId"]["S"] not in self._datastores:
                    continue
                match = match_all(self._conditions, item)
                if match is not Match.NO:
                    yield item, match
            if "DatastoreId" not in each.queries[0]:
                return  # an index that spans all data stores

    def _items(self, each: Plan) -> Iterator[Item]:
        read = 0
        for query in each.queries:
            for item in self._table.query(each.index, query, self._key_types, newest_first=each.newest_first):
                if not each.bounded and read == self._budget:
                    self._end(each, item)
                    return
                read += 1
                self.read += 1
                yield item

    def _end(self, each: Plan, item: Item) -> None:
        self.ended_early = True
        if self._indexes[each.index].sort[:1] == (STUDY_MOMENT.name,):
            self.read_back_to = max(self.read_back_to or "", item[STUDY_MOMENT.name]["S"])
