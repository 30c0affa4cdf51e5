"""A table in memory whose indexes answer as DynamoDB's do."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

from imaging_index.entry.item import Item
from imaging_index.profile.profile import Index
from imaging_index.table.layout import Between, Key
from imaging_index.table.reading import Page, TableDescription
from local.capacity import READ_UNIT, item_size

_MEBIBYTE: Final = 1 << 20  # Amazon DynamoDB Developer Guide, "Paginating table query results"
# Entries of which an index's size is worked out.
_SAMPLE: Final = 200

Place = tuple[Any, ...]


class Table:
    """Some entries, and indexes over them.

    Attributes:
        calls: the index of each query, and "" for each lookup of entries.
    """

    def __init__(
        self, items: Sequence[Item], indexes: Mapping[str, Index], page: int | None = 1_000, times: float = 1
    ) -> None:
        """A table.

        Args:
            items: the entries.
            indexes: by their names.
            page: how many entries a page has at most; None for as many as DynamoDB puts into one.
            times: the table says that it is so many times as large as it is.
        """
        self.items = items
        self.indexes = dict(indexes)
        self.calls: list[str] = []
        self._page, self._times = page, times
        self._held: dict[str, dict[Place, tuple[list[Place], list[Item]]]] = {}
        self._extents: dict[str, tuple[int, int]] = {}
        self._by_key = {item["ImageSet"]["S"]: item for item in items}
        self._sizes: dict[str, dict[str, int]] = {}

    def describe(self) -> TableDescription:
        for name in self.indexes.keys() - self._extents.keys():
            self._extents[name] = self._extent(name)
        return TableDescription(self.indexes, {}, {name: self._extents[name] for name in self.indexes})

    def page(
        self,
        index: str,
        conditions: Mapping[str, str | Between],
        _key_types: Mapping[str, str],
        *,
        backwards: bool = False,
        start: Item | None = None,
        most: int | None = None,
    ) -> Page:
        assert most is None or most > 0
        self.calls.append(index)
        keys = self.indexes[index]
        asked = [conditions[name] for name in keys.partition]
        places, items = self._partitions(index).get(tuple(asked), ([], []))
        first, last = _range(keys, conditions, places)
        if start is not None:
            assert {*keys.partition, *keys.sort, "ImageSet", "Part"} == start.keys()
            behind = _place(keys, start)
            if backwards:
                last = min(last, bisect_left(places, behind))
            else:
                first = max(first, bisect_right(places, behind))
        size = min((each for each in (most, self._page) if each), default=last - first)
        found = items[max(first, last - size) : last][::-1] if backwards else items[first : min(first + size, last)]
        held = [self._projected(keys, item) for item in found]
        held, whole = (held, True) if self._page else _fitting(held)
        end = {name: held[-1][name] for name in (*keys.partition, *keys.sort, "ImageSet", "Part")} if held else None
        units = math.ceil(sum(map(self._size, held)) / READ_UNIT) / 2 or 0.5
        # DynamoDB looks no further than the page: behind a full one there may be nothing.
        limited = most or self._page
        return Page(held, units, end if not whole or (limited and len(held) == size) else None)

    def entries(self, keys: Sequence[Key]) -> Page:
        assert 0 < len(keys) <= 100
        self.calls.append("")
        return Page([self._by_key[str(key)] for key in keys if str(key) in self._by_key], 0.5 * len(keys), None)

    def forget(self, image_set: str) -> None:
        """Delete an entry, which the indexes still have for a while."""
        self._by_key = {key: item for key, item in self._by_key.items() if item["ImageSetId"]["S"] != image_set}

    def _partitions(self, name: str) -> dict[Place, tuple[list[Place], list[Item]]]:
        """What an index contains: the places and the entries of each partition, in their order."""
        if name not in self._held:
            index = self.indexes[name]
            grouped: dict[Place, list[tuple[Place, Item]]] = {}
            for item in self.items:
                if all(key in item for key in (*index.partition, *index.sort)):
                    partition = tuple(item[key]["S"] for key in index.partition)
                    grouped.setdefault(partition, []).append((_place(index, item), item))
            held: dict[Place, tuple[list[Place], list[Item]]] = {}
            for partition, placed in grouped.items():
                placed.sort(key=lambda each: each[0])
                held[partition] = ([place for place, _ in placed], [item for _, item in placed])
            # Whole at once: a search asks from several threads.
            self._held[name] = held
        return self._held[name]

    def _extent(self, name: str) -> tuple[int, int]:
        """How many entries an index has, and their bytes as far as a sample says."""
        index = self.indexes[name]
        keys = {*index.partition, *index.sort}
        contained = [item for item in self.items if item.keys() >= keys]
        sample = contained[:: max(len(contained) // _SAMPLE, 1)]
        bytes_ = sum(self._size(self._projected(index, item)) for item in sample)
        count = int(len(contained) * self._times)
        return count, bytes_ * count // max(len(sample), 1)

    def _size(self, held: Item) -> int:
        """The bytes of what an index holds of an entry: each attribute is measured once."""
        sizes = self._sizes.setdefault(held["ImageSet"]["S"], {})
        for name in held.keys() - sizes.keys():
            sizes[name] = item_size({name: held[name]})
        return sum(sizes[name] for name in held)

    def _projected(self, index: Index, item: Item) -> Item:
        if index.holds is None:
            return item
        names = {*index.holds, *index.partition, *index.sort, "ImageSet", "Part"}
        return {name: value for name, value in item.items() if name in names}


def _place(index: Index, item: Item) -> Place:
    return (*(item[name]["S"].encode() for name in index.sort), item["ImageSet"]["S"])


def _range(index: Index, conditions: Mapping[str, str | Between], places: Sequence[Place]) -> tuple[int, int]:
    """Where the entries begin and end that conditions on the first sort attributes leave."""
    sort = [conditions[name] for name in index.sort if name in conditions]
    assert {*conditions} == {*index.partition, *index.sort[: len(sort)]}
    assert not any(isinstance(each, Between) for each in sort[:-1])
    low = tuple((each.low if isinstance(each, Between) else each).encode() for each in sort)
    high = tuple((each.high if isinstance(each, Between) else each).encode() for each in sort)
    first = bisect_left(places, low, key=lambda place: place[: len(low)])
    return first, max(bisect_right(places, high, key=lambda place: place[: len(high)]), first)


def _fitting(items: list[Item]) -> tuple[list[Item], bool]:
    """As many entries as DynamoDB puts into a page, and whether that is all of them."""
    total = 0
    for number, item in enumerate(items):
        if total >= _MEBIBYTE:
            return items[:number], False
        total += item_size(item)
    return items, True
