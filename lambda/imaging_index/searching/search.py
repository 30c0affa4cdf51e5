"""Finds entries: conditions -> what an index holds for them -> the entries that match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.searching.matching import Match, match_all
from imaging_index.searching.planner import plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.planner import Plan
    from imaging_index.table.reading import TableReader

# Entries that a search reads at most when no condition narrows it down: about $0.003, and half a minute.
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
            budget: how many entries to read at most when a search reads all of a data store; None for all.

        Raises:
            SearchError: the index cannot answer, or there is none that can.
        """
        self._table, self._datastores, self._conditions, self._budget = table, datastores, conditions, budget
        description = table.describe()
        self._key_types = description.key_types
        self.plans = [plan(description.indexes, conditions, datastore, index) for datastore in datastores]
        # How many entries were read; and the study moment of the last one when the budget ended the search.
        self.read = 0
        self.read_back_to: str | None = None

    def __iter__(self) -> Iterator[tuple[Item, Match]]:
        for each in self.plans:
            for item in self._items(each):
                if item["DatastoreId"]["S"] not in self._datastores:
                    continue
                match = match_all(self._conditions, item)
                if match is not Match.NO:
                    yield item, match
            if "DatastoreId" not in each.queries[0]:
                return  # an index that spans all data stores

    def _items(self, each: Plan) -> Iterator[Item]:
        for query in each.queries:
            newest_first = not each.bounded
            for item in self._table.query(each.index, query, self._key_types, newest_first=newest_first):
                if not each.bounded and self._budget is not None and self.read >= self._budget:
                    self.read_back_to = item.get("StudyMoment", {}).get("S")
                    return
                self.read += 1
                yield item
