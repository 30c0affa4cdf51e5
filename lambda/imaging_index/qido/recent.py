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
    from imaging_index.profile.profile import Index
    from imaging_index.table.layout import Key

# For so long a client that goes on is shown what was in the table then.
_SECONDS: Final = 60
# Entries of all pages: 40 MB at most.
_MOST_ENTRIES: Final = 25_000
# A rest of a page that is smaller is not a page by itself.
_FEW: Final = 100

# An index, a direction, and what is asked of its key attributes but for a range of the last of them.
_Query = tuple[str, bool, tuple[tuple[str, str], ...]]


class _Kept(NamedTuple):
    """A page, the range that it is of, and behind what it begins."""

    within: Between | None
    start: Item | None
    page: Page
    read: float


class Recent:
    """The pages that were read of late. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pages: OrderedDict[_Query, deque[_Kept]] = OrderedDict()
        self._entries = 0

    def keep(self, query: _Query, within: Between | None, start: Item | None, page: Page) -> None:
        """Remember a page."""
        with self._lock:
            self._pages.setdefault(query, deque()).appendleft(_Kept(within, start, page, time.monotonic()))
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
        whole = tuple((name, asked) for name, asked in conditions.items() if isinstance(asked, str))
        within = next((asked for asked in conditions.values() if isinstance(asked, Between)), None)
        query = (index, backwards, whole)
        if self._reuses:
            keys = self.describe().indexes[index]
            for kept in self._recent.of(query):
                if found := _Reuse(kept, keys, len(whole), backwards=backwards).page(within, start, most):
                    if len(found.items) >= min(_FEW, most or _FEW) or found.next is None:
                        return found
                    # A search takes the size of a page for how close together entries are.
                    left = most and most - len(found.items)
                    more = self.page(index, conditions, key_types, backwards=backwards, start=found.next, most=left)
                    return Page([*found.items, *more.items], more.units, more.next)
        page = self._table.page(index, conditions, key_types, backwards=backwards, start=start, most=most)
        self._recent.keep(query, within, start, page)
        return page

    def entries(self, keys: Sequence[Key]) -> Page:
        """Whole entries, always of now."""
        return self._table.entries(keys)

    def read(self, key: Key) -> ImageSet | None:
        """The entry with its instances, always of now."""
        return self._table.read(key)


class _Some(Sequence[Any]):
    """Some items of a page that follow one another; each is parsed when it is asked for."""

    def __init__(self, items: Sequence[Any], places: range) -> None:
        self._items, self._places = items, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return _Some(self._items, self._places[index])
        return self._items[self._places[index]]


class _Reuse:
    """What of a page can be used again."""

    def __init__(self, kept: _Kept, index: Index, given: int, *, backwards: bool) -> None:
        """Look into `kept`, a page of an index of which so many key attributes have a value in the query."""
        self._kept, self._index, self._backwards = kept, index, backwards
        self._items = kept.page.items
        self._ranged = index.keys[given] if given < len(index.keys) else None

    def page(self, within: Between | None, start: Item | None, most: int | None) -> Page | None:
        """The page of a range, or the beginning of it; None if it is not known that these are the next items."""
        first = self._behind(start) if start is not None else self._beginning(within)
        if first is None:
            return None
        last = self._inside(within)
        ends = last < len(self._items) or (self._kept.page.next is None and self._is_to_the_end_of(within))
        places = range(first, max(first, last))[:most]
        if ends and len(places) == max(last - first, 0):
            return Page(_Some(self._items, places), 0.0, None)
        if not places:
            return None
        names = (*self._index.keys, "ImageSet", "Part")
        item = self._items[places[-1]]
        return Page(_Some(self._items, places), 0.0, {name: item[name] for name in names})

    def _behind(self, start: Item) -> int | None:
        """The place behind an item; None if it is not among these, nor the one before them."""
        if start == self._kept.start:
            return 0
        if not self._items:
            return None
        place = bisect_right(range(len(self._items)), self._order(start), key=lambda at: self._order(self._items[at]))
        # Where an index has several entries at one place, nothing says in which order they come.
        found = place > 0 and self._items[place - 1]["ImageSet"] == start["ImageSet"]
        return place if found else None

    def _order(self, item: Item) -> _Order:
        return _Order(tuple(_key(item[name]) for name in (*self._index.sort, "ImageSet")), self._backwards)

    def _beginning(self, within: Between | None) -> int | None:
        """The place of the first item of a range; None if others may be before these."""
        mine, asked = self._near(self._kept.within), self._near(within)
        if mine == asked:
            return 0 if self._kept.start is None else None
        if asked is None or self._ranged is None or not self._items:
            return None
        begin = self._end(asked)
        from_mine = self._kept.start is None and (mine is None or self._end(mine) < begin)
        if from_mine or self._value(0) < begin:
            return bisect_left(range(len(self._items)), begin, key=self._value)
        return None

    def _inside(self, within: Between | None) -> int:
        """How many of the items are in a range, or before it."""
        if within is None or self._ranged is None:
            return len(self._items)
        end = self._end(within.low if self._backwards else within.high)
        return bisect_right(range(len(self._items)), end, key=self._value)

    def _value(self, place: int) -> _Order:
        """What an item has of the attribute that a range is of."""
        return _Order(_key(self._items[place][self._ranged or ""]), self._backwards)

    def _is_to_the_end_of(self, within: Between | None) -> bool:
        mine, asked = self._far(self._kept.within), self._far(within)
        if mine is None or asked is None:
            return mine is None
        return mine <= asked if self._backwards else mine >= asked

    def _end(self, of_range: str) -> _Order:
        return _Order(of_range.encode(), self._backwards)

    def _near(self, within: Between | None) -> str | None:
        return None if within is None else within.high if self._backwards else within.low

    def _far(self, within: Between | None) -> str | None:
        return None if within is None else within.low if self._backwards else within.high


class _Order:
    """Sorts as an index does, from its beginning or from its end."""

    __slots__ = ("_backwards", "_value")

    def __init__(self, value: Any, backwards: bool) -> None:
        self._value, self._backwards = value, backwards

    def __lt__(self, other: _Order) -> bool:
        return bool(other._value < self._value if self._backwards else self._value < other._value)


def _key(value: Mapping[str, Any]) -> Any:
    """What an index sorts by: text by its bytes in UTF-8 (Amazon DynamoDB Developer Guide, "Query")."""
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else str(content).encode()
