"""Sums up the attributes of one sequence together, item by item, over all instances.

Two values of one item stay in one row, so that a code is found with its own scheme and not with another's.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from imaging_index.entry.conversion import Conversion, Text, Whole
from imaging_index.entry.item import Item, fitting, folded, stored
from imaging_index.entry.summary import MOST_HELD
from imaging_index.profile.attributes import Attribute, Source
from imaging_index.profile.schema import MOST_VALUES


class Siblings:
    """The distinct rows of their values, each attribute a column of them; `sources` has one for each sequence."""

    def __init__(self, attributes: Sequence[Attribute], conversion: Conversion) -> None:
        self._attributes = attributes
        self._conversion = conversion
        self._flaws = conversion.flaws
        # In the order of the first attribute's.
        sequences: dict[tuple[str, ...], Source] = {}
        for attribute in attributes:
            for source in attribute.sources:
                sequences.setdefault(source.path[:-1], source)
        self._sequences = [*sequences]
        self.sources = [*sequences.values()]
        self._distinct: set[Whole] = set()
        self._missing = [0] * len(attributes)

    def add(self, instances: Mapping[tuple[Text, ...], int]) -> None:
        """More instances: the JSON at the sources, and how many say that."""
        for texts, times in instances.items():
            rows = self._conversion.rows(self._attributes, self._sequences, texts)
            self._distinct.update(rows)
            if len(self._distinct) > MOST_HELD:
                # One more than is listed, to know that some were.
                self._distinct = set(heapq.nsmallest(MOST_VALUES + 1, self._distinct, key=_order))
            for place in range(len(self._attributes)):
                if all(row[place] == "" for row in rows):
                    self._missing[place] += times

    @property
    def missing(self) -> dict[str, int]:
        """How many instances have no value of an attribute, when some have."""
        return {
            attribute.name: times
            for place, (attribute, times) in enumerate(zip(self._attributes, self._missing, strict=True))
            if times and any(row[place] != "" for row in self._distinct)
        }

    def attributes(self) -> Item:
        """What the entry gets: of an attribute that no item has, nothing."""
        rows = sorted(self._distinct, key=_order)
        columns = {
            attribute: [row[place] for row in rows]
            for place, attribute in enumerate(self._attributes)
            if any(row[place] != "" for row in rows)
        }
        kept = min(map(fitting, columns.values()), default=0)
        item: Item = {}
        for attribute, column in columns.items():
            if kept < len(rows):
                self._flaws.truncated.add(attribute.name)
            item[attribute.name] = {"L": [stored(value) for value in column[:kept]]}
            item |= folded(attribute, column[:kept], self._flaws)
        return item


def _order(row: Whole) -> list[tuple[bool, Any]]:
    """What sorts rows, value by value, an empty one first."""
    return [(value != "", value) for value in row]
