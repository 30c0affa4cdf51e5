"""An instance-level attribute, summed up over all instances of an image set as they come."""

import heapq
from collections.abc import Mapping
from typing import Final

from imaging_index.profile import MOST_LISTED, MOST_VALUES
from imaging_index.selection import Attribute
from imaging_index.stored import Item, folded, stored, stored_list
from imaging_index.values import Making, Text, Value

# When so many values differ, those that can no longer show in the entry are forgotten.
_MOST_HELD: Final = 512


class Summary:
    """Numbers, dates and times as their least and greatest; of anything else the distinct values."""

    def __init__(self, attribute: Attribute, making: Making) -> None:
        self._attribute = attribute
        self._making = making
        self._distinct: set[Value] = set()
        self._missing = 0
        # Whether more differ than are listed, of which some are forgotten.
        self._many = False

    def add(self, instances: Mapping[tuple[Text, ...], int]) -> None:
        """More instances: the JSON at the attribute's sources, and how many say that."""
        for several, times in instances.items():
            found = self._making.found(self._attribute, several)
            if all(value is None for value in found):
                self._missing += times
            else:
                self._distinct.update("" if value is None else value for value in found)
            if len(self._distinct) > _MOST_HELD:
                self._forget()

    def _forget(self) -> None:
        if self._attribute.ordered:
            self._many = True
            known = self._distinct - {""}
            self._distinct = {min(known), max(known)}
        else:
            # One more than is listed, to know that some were.
            self._distinct = set(heapq.nsmallest(MOST_VALUES + 1, self._distinct, key=str))

    def attributes(self) -> Item:
        """What the entry gets: nothing when no instance has a value."""
        attribute = self._attribute
        known = self._distinct - {""}
        if not known:
            return {}
        if not attribute.ordered:
            listed = sorted(self._distinct, key=str)
            names = folded(attribute, listed[:MOST_VALUES], self._making)
            return {attribute.name: stored_list(attribute.name, listed, self._making)} | names
        ordered = sorted(known)
        summary: Item = {"Min": stored(ordered[0]), "Max": stored(ordered[-1])}
        if not self._many and 2 <= len(ordered) <= MOST_LISTED:
            summary["Values"] = {"L": [stored(value) for value in ordered]}
        if self._missing:
            summary["Missing"] = {"N": str(self._missing)}
        return {attribute.name: {"M": summary}}
