"""Pages of the table that were read of late, for the next page of an answer: a search reads more than it shows."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Sequence
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, overload

from imaging_index.table.layout import Between
from imaging_index.table.reading import ImageSet, Page, TableDescription, TableReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.entry.item import Item
    from imaging_index.table.layout import Key

# For so long a client that goes on is shown what was in the table then.
_SECONDS: Final = 60
# Entries of all pages: 40 MB at most.
_MOST_ENTRIES: Final = 25_000

_Query = tuple[str, tuple[tuple[str, str | Between], ...], bool]


class _Kept(NamedTuple):
    start: Item | None
    page: Page
    read: float


class Recent:
    """The pages that were read of late. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pages: OrderedDict[_Query, deque[_Kept]] = OrderedDict()
        self._entries = 0

    def keep(self, query: _Query, start: Item | None, page: Page) -> None:
        """Remember a page."""
        with self._lock:
            self._pages.setdefault(query, deque()).appendleft(_Kept(start, page, time.monotonic()))
            self._pages.move_to_end(query)
            self._entries += _size(page)
            while self._entries > _MOST_ENTRIES:
                oldest = next(iter(self._pages))
                self._entries -= _size(self._pages[oldest].pop().page)
                if not self._pages[oldest]:
                    del self._pages[oldest]

    def of(self, query: _Query) -> list[_Kept]:
        """The pages of a query, the newest first."""
        now = time.monotonic()
        with self._lock:
            found = [*self._pages.get(query, ())]
        return [kept for kept in found if now - kept.read < _SECONDS]


def _size(page: Page) -> int:
    return max(len(page.items), 1)


class RecentReader(TableReader):
    """Reads a table for one request, and remembers the pages. Units are counted where DynamoDB is asked."""

    def __init__(self, table: TableReader, recent: Recent, *, reuses: bool) -> None:
        """Read `table`; with `reuses` what `recent` has is not read again."""
        self._table, self._recent, self._reuses = table, recent, reuses
        self._description: TableDescription | None = None

    def describe(self) -> TableDescription:
        """The table's description, as of the request's first question."""
        if self._description is None:
            self._description = self._table.describe()
        return self._description

    def page(
        self,
        index: str,
        conditions: Mapping[str, str | Between],
        key_types: Mapping[str, str],
        *,
        backwards: bool = False,
        start: Item | None = None,
        most: int | None = None,
    ) -> Page:
        """The next entries that an index holds, as `TableReader.page` returns them, or the first of them."""
        query = (index, tuple(conditions.items()), backwards)
        for kept in self._recent.of(query) if self._reuses else ():
            rest = _rest(kept, start, self.describe().indexes[index].sort, backwards=backwards)
            if rest is not None and (most is None or len(rest) <= most):
                return Page(rest, 0.0, kept.page.next)
        page = self._table.page(index, conditions, key_types, backwards=backwards, start=start, most=most)
        self._recent.keep(query, start, page)
        return page

    def entries(self, keys: Sequence[Key]) -> Page:
        """Whole entries, always of now."""
        return self._table.entries(keys)

    def read(self, key: Key) -> ImageSet | None:
        """The entry with its instances, always of now."""
        return self._table.read(key)


class _Behind(Sequence[Any]):
    """The items of a page behind the first ones of it; each is parsed when it is asked for."""

    def __init__(self, items: Sequence[Any], first: int) -> None:
        self._items, self._first = items, first

    def __len__(self) -> int:
        return len(self._items) - self._first

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError
        return self._items[self._first + index % len(self)]


def _rest(kept: _Kept, start: Item | None, sort: Sequence[str], *, backwards: bool) -> Sequence[Any] | None:
    """The items of a page behind a start; None if it is not known that these are the next ones."""
    items = kept.page.items
    if start == kept.start:
        return items
    if start is None or not items:
        return None
    # Both ways an item is found by its place, counted from the end of the index.
    places = range(len(items))
    wanted = _place(start, sort)
    first, last = _place(items[0], sort), _place(items[-1], sort)
    if backwards:
        if not last < wanted <= first:
            return None
        behind = len(items) - bisect_left([*reversed(places)], wanted, key=lambda at: _place(items[at], sort))
    else:
        if not first <= wanted < last:
            return None
        behind = bisect_right(places, wanted, key=lambda at: _place(items[at], sort))
    # Where an index has several entries at one place, nothing says in which order they come.
    return _Behind(items, behind) if items[behind - 1]["ImageSet"] == start["ImageSet"] else None


def _place(item: Item, sort: Sequence[str]) -> tuple[Any, ...]:
    """What an index sorts by: text by its bytes in UTF-8 (DynamoDB Developer Guide, "Query"), and the table's key."""
    return (*(_key(item[name]) for name in sort), _key(item["ImageSet"]))


def _key(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else str(content).encode()
