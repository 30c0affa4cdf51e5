"""Reads the queries of a plan side by side, as one stream in the index's order that can be left and gone on with."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.profile.derived import STUDY_MOMENT
from imaging_index.searching import slices
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Index
    from imaging_index.searching.planner import Query
    from imaging_index.searching.report import Report
    from imaging_index.table.reading import Page, TableReader

# Where a query is: the key of the last entry that was taken from it; None before the first, `END` after the last.
Position = dict[str, str] | None
END: Final[dict[str, str]] = {}

# The entries of a chunk at most.
CHUNK: Final = 1_000
# A search that goes on reads larger pages. In the end it reads some ahead of their turn.
_LARGER: Final = 4
LARGEST: Final = 10_000
_AHEAD: Final = 4


class Allowance:
    """How many entries may still be read; `left` is None for any number."""

    def __init__(self, entries: int | None) -> None:
        self.left = entries

    def take(self, wanted: int) -> int:
        """Take as many of so many as are left. Returns their number."""
        taken = wanted if self.left is None else min(wanted, max(self.left, 0))
        self.give(-taken)
        return taken

    def give(self, entries: int) -> None:
        """Give back what was taken and not read."""
        if self.left is not None:
            self.left += entries


class Source(msgspec.Struct, frozen=True):
    """What streams read from, and the report that says what they read."""

    table: TableReader
    key_types: dict[str, str]
    executor: Executor
    report: Report


class Chunk(msgspec.Struct, frozen=True):
    """Entries that follow one another.

    Attributes:
        items: the entries.
        queries: for each, the number of the query that it came from.
        whole: no other entry of these queries belongs to them: of an index by the study's moment they are all of one
            day, of others they are everything.
    """

    items: list[Item]
    queries: list[int]
    whole: bool


class _Part(msgspec.Struct):
    """A part of a query, the call that reads its next page, how many entries that may have, and this page."""

    query: Query
    start: Item | None = None
    pending: Future[Page] | None = None
    allowed: int = 0
    page: Page | None = None


class _Reading:
    """One query: the parts that are left of it, in their order.

    `loose` counts the entries that are in a chunk and were not taken yet.
    """

    def __init__(self, query: Query, position: Position, start: Item | None) -> None:
        self.query, self.position = query, position
        self.parts = deque(() if position == END else (_Part(query, start),))
        # How many parts to read at a time; how long a slice is, in seconds; the most entries that a page had.
        self.ahead, self.length, self.most = 1, slices.SHORTEST, 0
        # The rest of a page; its entries are parsed when their turn comes.
        self.items: Iterator[Item] = iter(())
        self.left = 0
        self.head: Item | None = None
        self.place: tuple[Any, ...] | None = None
        self.loose = 0
        self.last: Item | None = None

    @property
    def done(self) -> bool:
        """Whether all pages were read."""
        return not self.parts


class Stream:
    """The entries of some queries of one index. `taken` counts those that were used."""

    def __init__(
        self,
        source: Source,
        name: str,
        index: Index,
        queries: Sequence[Query],
        positions: Sequence[Position],
        allowance: Allowance,
        *,
        backwards: bool,
        first_page: int,
        chunk: int = CHUNK,
        entries: int | None = None,
    ) -> None:
        """Read on from some positions.

        Args:
            source: the table.
            name: the index's.
            index: its keys.
            queries: on its key attributes.
            positions: of the queries, as `positions` had them.
            allowance: of entries to read; one of each query is read in any case.
            backwards: from the end of the index.
            first_page: how many entries to read of each query at first.
            chunk: how many entries to give at a time; of an index by the study's moment, those of a day together.
            entries: how many entries to give at most; None for all.
        """
        self._source, self._name, self._index = source, name, index
        self._allowance, self._backwards, self._page, self._chunk = allowance, backwards, first_page, chunk
        self._entries_left = entries
        self._readings = [
            _Reading(query, position, self._start(query, position) if position else None)
            for query, position in zip(queries, positions, strict=True)
        ]
        self.taken = 0
        self._by_day = index.sort[:1] == (STUDY_MOMENT.name,)
        # All queries are in one day, but for those that have nothing more in it: the one that is farthest knows it.
        days = [position[STUDY_MOMENT.name][:8] for position in positions if position] if self._by_day else []
        self._broken = any(position is not None for position in positions)
        self._broken_day = (min if backwards else max)(days) if days else None

    @property
    def positions(self) -> list[Position]:
        """Where each query is: behind the last of its entries that was taken."""
        return [
            END if reading.done and not reading.left and not reading.loose else self._position(reading)
            for reading in self._readings
        ]

    def _position(self, reading: _Reading) -> Position:
        if reading.last is None:
            return reading.position
        return {name: _content(reading.last[name]) for name in (*self._index.sort, "ImageSet")}

    def take(self, item: Item, query: int) -> None:
        """An entry of a chunk was used: from now on, positions are behind it."""
        self._readings[query].last = item
        self._readings[query].loose -= 1
        self.taken += 1

    def chunks(self) -> Iterator[Chunk]:
        """The entries, until they or the allowance end."""
        items: list[Item] = []
        queries: list[int] = []
        for item, query in self._entries():
            if self._by_day and items and _day(item) != _day(items[0]):
                yield Chunk(items, queries, _day(items[0]) != self._broken_day)
                items, queries = [], []
            items.append(item)
            queries.append(query)
            if len(items) == self._chunk:
                self._broken, self._broken_day = True, _day(item) if self._by_day else None
                yield Chunk(items, queries, whole=False)
                items, queries = [], []
        if items:
            everything = all(reading.done and not reading.left for reading in self._readings)
            unbroken = _day(items[0]) != self._broken_day if self._by_day else not self._broken
            yield Chunk(items, queries, everything and unbroken)

    def _entries(self) -> Iterator[tuple[Item, int]]:
        for reading in self._readings:
            if reading.parts:
                self._ask(reading.parts[0], at_least=1)
        while self._entries_left != 0:
            if not all(reading.left or reading.done or self._fill(reading) for reading in self._readings):
                return
            heads = [query for query, reading in enumerate(self._readings) if reading.left]
            if not heads:
                return
            query = heads[0] if len(heads) == 1 else (max if self._backwards else min)(heads, key=self._place)
            reading = self._readings[query]
            item = _head(reading)
            reading.head = reading.place = None
            reading.left -= 1
            reading.loose += 1
            if self._entries_left is not None:
                self._entries_left -= 1
            yield item, query

    def _fill(self, reading: _Reading) -> bool:
        """Have the next entry of a query at hand if there is one. Returns False if nothing more may be read."""
        while not reading.left and reading.parts:
            part = reading.parts[0]
            self._ask(part)
            if part.pending is None and part.page is None:
                # What is read ahead may need less than it was allowed.
                for other in self._parts_ahead():
                    self._receive(other)
                self._ask(part)
            page = self._receive(part)
            if page is None:
                return False
            part.page = None
            reading.items, reading.left = iter(page.items), len(page.items)
            part.start = page.next
            if page.next is None:
                reading.parts.popleft()
            self._page = min(self._page * _LARGER, LARGEST)
            if self._page == LARGEST:
                self._read_ahead(reading, page)
        return True

    def _ask(self, part: _Part, *, wanted: int | None = None, at_least: int = 0) -> None:
        if part.pending is not None or part.page is not None:
            return
        part.allowed = self._allowance.take(wanted or self._page)
        most = max(part.allowed, at_least)
        if most:
            part.pending = self._source.executor.submit(
                self._source.table.page,
                self._name,
                part.query,
                self._source.key_types,
                backwards=self._backwards,
                start=part.start,
                most=most,
            )

    def _receive(self, part: _Part) -> Page | None:
        """The page that was asked for, if one was."""
        if part.pending is not None:
            part.page = part.pending.result()
            part.pending = None
            self._allowance.give(part.allowed - len(part.page.items))
            self._source.report.add(part.page)
        return part.page

    def _parts_ahead(self) -> Iterator[_Part]:
        return (part for reading in self._readings for part in reading.parts if part.pending is not None)

    def _read_ahead(self, reading: _Reading, page: Page) -> None:
        """Ask for the next pages of a query: one, or of a range of moments several, each of a slice of what is left."""
        reading.ahead = min(reading.ahead + 1, max(_AHEAD // len(self._readings), 1))
        if self._by_day and isinstance(reading.query.get(STUDY_MOMENT.name), Between):
            self._set_length(reading, page)
            for number in range(reading.ahead):
                if number < len(reading.parts):
                    self._cut(reading, number)
        for number, part in enumerate(islice(reading.parts, reading.ahead)):
            # A page has as many entries as fit into 1 MiB, which is far less than what may be asked for.
            self._ask(part, wanted=min(reading.most * 2, self._page) if number else None)

    def _set_length(self, reading: _Reading, page: Page) -> None:
        """Make slices a little shorter than the time that a full page covers, and longer where entries are few."""
        reading.most = max(reading.most, len(page.items))
        if page.next is not None and page.items:
            first, last = (slices.seconds(item[STUDY_MOMENT.name]["S"]) for item in (page.items[0], page.items[-1]))
            reading.length = max(abs(last - first) * 7 // 8, slices.SHORTEST)
        elif len(page.items) * _LARGER < reading.most:
            reading.length *= _LARGER

    def _cut(self, reading: _Reading, number: int) -> None:
        """Cut a slice off a part of a query that is not being read, if the rest is no shorter than the slice."""
        part = reading.parts[number]
        asked: Any = part.query[STUDY_MOMENT.name]
        near, far = (asked.high, asked.low) if self._backwards else (asked.low, asked.high)
        if part.start is not None:
            near = part.start[STUDY_MOMENT.name]["S"]
        between = slices.cut(near, far, reading.length)
        if part.pending or part.page or between is None or slices.cut(near, far, reading.length * 2) is None:
            return
        later, earlier = Between(between, asked.high), Between(asked.low, between)
        first, rest = (later, earlier) if self._backwards else (earlier, later)
        reading.parts[number] = _Part(part.query | {STUDY_MOMENT.name: first}, part.start)
        reading.parts.insert(number + 1, _Part(part.query | {STUDY_MOMENT.name: rest}))

    def leave(self) -> None:
        """Wait for what was asked for ahead, so that the report counts it."""
        for part in self._parts_ahead():
            self._receive(part)

    def _place(self, query: int) -> tuple[Any, ...]:
        """Where the next entry of a query is in the index's order."""
        reading = self._readings[query]
        if reading.place is None:
            item = _head(reading)
            reading.place = (*(_typed(item[name]) for name in self._index.sort), item["ImageSet"]["S"])
        return reading.place

    def _start(self, query: Query, position: dict[str, str]) -> Item:
        """A position as DynamoDB has it: the key attributes of the index and of the table."""
        types = self._source.key_types
        partition = {name: {types.get(name, "S"): query[name]} for name in self._index.partition}
        sort = {name: {types.get(name, "S"): position[name]} for name in self._index.sort}
        return {**partition, **sort, "ImageSet": {"S": position["ImageSet"]}, "Part": {"S": "entry"}}


def _head(reading: _Reading) -> Item:
    """The next entry of a query that has one."""
    if reading.head is None:
        reading.head = next(reading.items)
    return reading.head


def _day(item: Item) -> str:
    return str(item[STUDY_MOMENT.name]["S"][:8])


def _content(value: dict[str, Any]) -> str:
    ((_, content),) = value.items()
    return str(content)


def _typed(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content
