"""Finds rows: question -> what an index holds for it -> the entries that match -> the rows that they make up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from imaging_index.profile.derived import STUDY_MOMENT
from imaging_index.searching import cursor, estimating
from imaging_index.searching.cursor import Place
from imaging_index.searching.gathering import Gathering
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.planner import DATED, NO_DATE, UNDATED, plan
from imaging_index.searching.question import Order
from imaging_index.searching.ranking import SORTED_BY, descends, ranked
from imaging_index.searching.report import Ended, Estimate, Report
from imaging_index.searching.rows import value_of
from imaging_index.searching.stream import CHUNK, END, LARGEST, Allowance, Chunk, Source, Stream
from imaging_index.searching.wholes import Wholes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from imaging_index.entry.item import Item
    from imaging_index.searching.planner import Query
    from imaging_index.searching.question import Question
    from imaging_index.searching.rows import Row
    from imaging_index.searching.stream import Position
    from imaging_index.table.reading import Page, TableReader

_WORKERS: Final = 8
# Entries of a query that are read at first, and of those without a usable date to say how many match.
_FIRST_PAGE: Final = 100
# The entries of a row, where nothing says how many there are: of a study five, and some for their neighbours.
A_ROW: Final = 6
# Entries that are looked at together, if nothing is gained by more: few fit into a processor's cache.
_FEW: Final = 20
_PROBE: Final = 100
# A part of the budget is kept for the image sets without a usable date.
_PART_FOR_UNDATED: Final = 10


class Search:
    """One search. Iterate over it once for its rows; `report` is complete when they are.

    Attributes:
        plan: what is read.
        report: what the search says of itself.
    """

    def __init__(
        self,
        table: TableReader,
        question: Question,
        shown: Sequence[str] | None = None,
        *,
        whole: bool = True,
        counts_undated: bool = True,
        counts_copies: bool = True,
        a_row: float = A_ROW,
        executor: Executor | None = None,
    ) -> None:
        """Plan a search; nothing but the table's description is read yet.

        Args:
            table: the stack's.
            question: what is asked.
            shown: the attributes that the rows' entries must have as far as the image sets have them; None for all. An
                index may hold less of an entry, and the entry itself is read then.
            whole: read the whole studies and patients that the rows are of, for their counts.
            counts_undated: look for image sets without a usable study date that match otherwise, for the report.
            counts_copies: look for image sets that are not primary also where they have another date than their study.
                Without it a row may count too few of them.
            a_row: how many entries a row takes, as far as is known: the first page is of so many for each.
            executor: runs the calls that can be made side by side; None for one of its own, for the time of the search.

        Raises:
            SearchError: the index that the question names cannot answer, no index can, or the cursor is of another
                search.
        """
        self._question = question
        self.report = Report()
        self._described = description = table.describe()
        self._place = cursor.decode(question.cursor, question) if question.cursor else None
        self.plan = plan(description, question, self._place.index if self._place else None)
        self.report.index = self.plan.index
        self._index = description.indexes[self.plan.index]
        self._counts_undated, self._a_row = counts_undated, a_row
        self._ends_executor = executor is None
        self._executor = executor or ThreadPoolExecutor(_WORKERS)
        self._source = Source(table, description.key_types, self._executor, self.report)
        self._allowance = Allowance(question.budget)
        self._wholes = Wholes(self._source, description, self._allowance)
        self._unwanted = [each.attribute for each in question.conditions if each.negated and each.attribute != OF_STUDY]
        needed = None if shown is None else [*shown, SORTED_BY[question.order]]
        self._gathering = Gathering(
            *(self._source, self.plan, self._index, self._wholes, question, needed),
            whole=whole,
            counts_copies=counts_copies,
        )

    def estimate(self) -> Estimate:
        """What it takes to read everything that could match. It reads two entries of each data store for that."""
        return estimating.estimate(self._source, self._described, self.plan)

    def __iter__(self) -> Iterator[Row]:
        try:
            for row in self._streamed() if self._is_in_order else self._sorted():
                self.report.without_value += sum(map(self._lacks_what_it_must_not_be, row.entries))
                yield row
        finally:
            if self._ends_executor:
                self._executor.shutdown(cancel_futures=True)

    def _lacks_what_it_must_not_be(self, item: Item) -> bool:
        """Whether an entry that matches a `!=` has no value of its attribute."""
        return any(value_of(item, name) is None for name in self._unwanted)

    @property
    def _is_in_order(self) -> bool:
        """Whether rows come as the index has them. What is read for a study or a patient is little, and is sorted."""
        return not self.plan.bounded and self.plan.ordered is self._question.order

    def _phases(self) -> list[tuple[Query, ...]]:
        """The queries that are read one after the other: those without a usable date last."""
        queries = self.plan.queries
        if self.plan.bounded or not self.plan.by_moment or STUDY_MOMENT.name in queries[0]:
            return [queries]
        return [tuple(query | {STUDY_MOMENT.name: part} for query in queries) for part in (DATED, UNDATED)]

    def _streams(self, allowance: Allowance, entries: list[int] | None = None) -> Iterator[Stream]:
        phases = self._phases()
        for number, queries in enumerate(phases):
            positions: list[Position] = [None] * len(queries)
            if self._place:
                positions = self._place.positions[number]
            first = number == 0 and len(phases) > 1
            reserved = allowance.take((allowance.left or 0) // _PART_FOR_UNDATED) if first else 0
            yield Stream(
                self._source,
                self.plan.index,
                self._index,
                queries,
                positions,
                allowance,
                backwards=self._backwards,
                first_page=self._first_page(len(queries)),
                chunk=_FEW if self._is_in_order and not self.plan.by_moment else CHUNK,
                entries=entries[number] if entries else None,
            )
            allowance.give(reserved)

    def _first_page(self, queries: int) -> int:
        limit = self._question.limit
        if self.plan.bounded:
            return CHUNK  # all of it is read before there is a row
        if not self._is_in_order:
            # So is as much as may be read, which must not depend on how many rows are shown of it.
            most = LARGEST if self._question.budget is None else min(self._question.budget, LARGEST)
            return max(most // queries, _FIRST_PAGE)
        return _FIRST_PAGE if limit is None else max(int(limit * self._a_row) // queries, _FIRST_PAGE)

    @property
    def _backwards(self) -> bool:
        """Whether the index is read from its end: if it is by a time, the newest first, unless rows are the reverse."""
        if self._is_in_order:
            return descends(self._question)
        return self.plan.ordered in (Order.DATE, Order.ARRIVED)

    def _streamed(self) -> Iterator[Row]:
        left = self._question.limit
        self._gathering.begin(self._place.shown if self._place else ())
        positions = []
        for stream in self._streams(self._allowance):
            for row in self._taken(stream, left):
                yield row
                left = None if left is None else left - 1
            positions.append(stream.positions)
            self._note_end(stream)
        if not _ended(positions):
            self.report.ended = Ended.LIMIT if left == 0 else Ended.BUDGET
            self._continue(Place(*self._said, positions, self._gathering.shown()))
        self._note_undated(positions)

    def _sorted(self) -> Iterator[Row]:
        """Reads as much as it may, and sorts it. A cursor within that reads the same entries again."""
        place = self._place
        before, again = (place.shown, place.entries) if place else ([], None)
        self._gathering.begin(before)
        rows: list[Row] = []
        begins, positions, entries = [], [], []
        for stream in self._streams(Allowance(None) if again else self._allowance, again):
            begins.append(stream.positions)
            rows += self._taken(stream)
            positions.append(stream.positions)
            entries.append(stream.taken)
            self._note_end(stream)
        found = ranked(rows, self._question, place.after if place else None)
        limit = self._question.limit
        shown = found[:limit]
        yield from (row for _, row in shown)
        if len(shown) < len(found):
            self.report.ended = Ended.LIMIT
            self._continue(Place(*self._said, begins, before, entries, shown[-1][0]))
        elif not _ended(positions):
            self.report.ended = Ended.LIMIT if again else Ended.BUDGET
            self._continue(Place(*self._said, positions, self._gathering.shown()))
        self._note_undated(positions)

    def _taken(self, stream: Stream, most: int | None = None) -> Iterator[Row]:
        """The rows that begin with the entries of a stream, which is left behind the last of so many."""
        left = most
        if left == 0:
            return
        # What is read for a patient is looked at together, so that all studies of it are read at once.
        for chunk in _together(stream.chunks()) if self.plan.bounded else stream.chunks():
            for item, query, row in self._gathering.rows(chunk, left):
                stream.take(item, query)
                if row is not None:
                    yield row
                    left = None if left is None else left - 1
                if left == 0:
                    return

    @property
    def _said(self) -> tuple[str, str]:
        return cursor.digest_of(self._question), self.plan.index

    def _continue(self, place: Place) -> None:
        self.report.cursor = cursor.encode(place)

    def _note_end(self, stream: Stream) -> None:
        """Note how far back in time everything was read."""
        stream.leave()
        moments = (
            [position[STUDY_MOMENT.name] for position in stream.positions if position] if self.plan.by_moment else []
        )
        if moments and self._backwards and not min(moments).startswith(NO_DATE):
            self.report.read_back_to = min(moments)

    def _note_undated(self, positions: list[list[Position]]) -> None:
        """Count the image sets that match but for their date and are no rows, or note that there are more."""
        if not (self._counts_undated and self.plan.by_moment) or self._place:
            return
        of_undated = positions[1] if len(positions) > 1 else None
        if of_undated and any(position is not None for position in of_undated):
            self.report.more_undated = not _ended([of_undated])
        elif of_undated or self._gathering.leaves_out_undated:
            for page in self._executor.map(self._first_undated, self.plan.undated()):
                self.report.add(page)
                self._gathering.count_undated(page.items)
                self.report.more_undated |= page.next is not None

    def _first_undated(self, query: Query) -> Page:
        return self._source.table.page(self.plan.index, query, self._source.key_types, most=_PROBE)


def _together(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Chunks joined, as long as they are not larger than one may be."""
    joined = Chunk([], [], whole=True)
    for chunk in chunks:
        if joined.items and len(joined.items) + len(chunk.items) > CHUNK:
            yield joined
            joined = Chunk([], [], whole=True)
        joined = Chunk(joined.items + chunk.items, joined.queries + chunk.queries, joined.whole and chunk.whole)
    if joined.items:
        yield joined


def _ended(positions: list[list[Position]]) -> bool:
    return all(position == END for stream in positions for position in stream)
