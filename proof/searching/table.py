"""A table in memory whose indexes answer as DynamoDB's do."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from imaging_index.entry.item import Item
from imaging_index.profile.profile import Index
from imaging_index.table.layout import Between, Key
from imaging_index.table.reading import Page, TableDescription
from local.capacity import READ_UNIT, item_size


class Table:
    """Some entries, and indexes over them."""

    def __init__(self, items: Sequence[Item], indexes: Mapping[str, Index], page: int = 1_000) -> None:
        self.items = items
        self.indexes = dict(indexes)
        self.calls: list[str] = []
        self._page = page
        self._held: dict[str, list[Item]] = {}
        self._by_key = {item["ImageSet"]["S"]: item for item in items}

    def describe(self) -> TableDescription:
        count = len(self.items)
        return TableDescription(self.indexes, {}, dict.fromkeys(self.indexes, (count, 1000 * count)))

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
        assert {*keys.partition} <= conditions.keys()
        found = [item for item in self._of(index) if all(_holds(each, item[name]) for name, each in conditions.items())]
        if backwards:
            found.reverse()
        if start is not None:
            assert {*keys.partition, *keys.sort, "ImageSet", "Part"} == start.keys()
            behind = _place(keys, start)
            found = [
                item for item in found if (_place(keys, item) < behind if backwards else _place(keys, item) > behind)
            ]
        size = min(most or self._page, self._page)
        held = found[:size]
        last = {name: held[-1][name] for name in (*keys.partition, *keys.sort, "ImageSet", "Part")} if held else None
        units = math.ceil(sum(map(item_size, held)) / READ_UNIT) / 2
        # DynamoDB looks no further than the page: behind a full one there may be nothing.
        return Page([self._projected(keys, item) for item in held], units, last if len(held) == size else None)

    def entries(self, keys: Sequence[Key]) -> Page:
        assert 0 < len(keys) <= 100
        self.calls.append("")
        return Page([self._by_key[str(key)] for key in keys if str(key) in self._by_key], 0.5 * len(keys), None)

    def forget(self, image_set: str) -> None:
        """Delete an entry, which the indexes still have for a while."""
        self._by_key = {key: item for key, item in self._by_key.items() if item["ImageSetId"]["S"] != image_set}

    def _of(self, name: str) -> list[Item]:
        if name not in self._held:
            index = self.indexes[name]
            held = [item for item in self.items if all(key in item for key in (*index.partition, *index.sort))]
            self._held[name] = sorted(held, key=lambda item: _place(index, item))
        return self._held[name]

    def _projected(self, index: Index, item: Item) -> Item:
        if index.holds is None:
            return item
        names = {*index.holds, *index.partition, *index.sort, "ImageSet", "Part"}
        return {name: value for name, value in item.items() if name in names}


def _place(index: Index, item: Item) -> tuple[Any, ...]:
    return (*(item[name]["S"].encode() for name in index.sort), item["ImageSet"]["S"])


def _holds(condition: str | Between, value: Mapping[str, Any]) -> bool:
    text = value["S"]
    if isinstance(condition, str):
        return bool(condition == text)
    return bool(condition.low.encode() <= text.encode() <= condition.high.encode())
