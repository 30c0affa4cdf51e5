"""Sums up an instance-level attribute over all instances of an image set."""

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from imaging_index.dicom import vrs
from imaging_index.document.texts import decoded, one
from imaging_index.entry.conversion import Conversion, Text, Whole
from imaging_index.entry.item import AttributeValue, Item, folded, size, stored, stored_list
from imaging_index.profile.attributes import Attribute
from imaging_index.profile.schema import LONGEST_LIST, MOST_LISTED, MOST_VALUES

# When so many values differ, those that can no longer show in the entry are forgotten.
MOST_HELD: Final = 512


class _Moment(NamedTuple):
    """A DT as it is ordered and as it is written."""

    instant: int
    text: str


class Summary:
    """Numbers, dates and times as their least and greatest; of anything else the distinct values.

    `sources` are the attribute's, and behind them the one of what its DT are ordered by.
    """

    def __init__(self, attribute: Attribute, conversion: Conversion) -> None:
        self.sources = (*attribute.sources, *conversion.profile.zone(attribute))
        self._attribute = attribute
        self._ordered = attribute.form.arrangement == "range"
        self._conversion = conversion
        self._flaws = conversion.flaws
        # Texts; of what is ordered, for each value its components.
        self._distinct: set[Any] = set()
        self._missing = 0
        # Whether more differ than are listed, of which some are forgotten.
        self._many = False

    def add(self, instances: Mapping[tuple[Text, ...], int]) -> None:
        """More instances: the JSON at the sources, and how many say that."""
        for texts, times in instances.items():
            said: Sequence[Any] = ()
            if any(texts):
                said = self._moments(texts) if self._attribute.by_instant else self._said(texts)
            self._distinct.update(said)
            self._missing += 0 if said else times
            if len(self._distinct) > MOST_HELD:
                self._forget()

    def _said(self, texts: Sequence[Text]) -> Sequence[Any]:
        """What an instance says; nothing when it has no value."""
        attribute = self._attribute
        if attribute.whole:
            wholes = self._conversion.wholes(attribute, texts)
            return wholes if self._ordered else self._joined(wholes)
        found = self._conversion.found(attribute, texts)
        if all(value is None for value in found):
            return ()
        if self._ordered:
            return [(value,) for value in found if value is not None]
        return ["" if value is None else value for value in found]

    def _joined(self, wholes: Iterable[Whole]) -> list[str]:
        """Whole texts as DICOM writes them, behind backslashes (PS3.5, section 6.4)."""
        texts = []
        for whole in wholes:
            try:
                texts.append(self._conversion.bounded(self._attribute, "\\".join(map(str, whole))))
            except vrs.Unusable:
                self._flaws.invalid.add(self._attribute.name)
        return texts

    def _moments(self, texts: Sequence[Text]) -> Sequence[Any]:
        """What an instance says of a DT, each with its instant."""
        sources = len(self._attribute.sources)
        zones = [one("SH", vrs.offset, decoded(text)) for text in texts[sources:] if isinstance(text, bytes)]
        offset = next(iter(zones), None)
        return [
            tuple(_Moment(vrs.instant(text, offset), text) if text else "" for text in whole)
            for whole in self._said(texts[:sources])
        ]

    def _forget(self) -> None:
        if self._ordered:
            self._many = True
            self._distinct = set(_bounds(self._distinct))
        else:
            # One more than is listed, to know that some were.
            self._distinct = set(heapq.nsmallest(MOST_VALUES + 1, self._distinct, key=str))

    @property
    def missing(self) -> dict[str, int]:
        """How many instances have no value, when some have and that is not told in the summary itself."""
        some = self._missing and self._distinct and not self._ordered
        return {self._attribute.name: self._missing} if some else {}

    def attributes(self) -> Item:
        """What the entry gets: nothing when no instance has a value."""
        attribute = self._attribute
        if not self._distinct:
            return {}
        if self._ordered:
            return {attribute.name: {"M": self._range()}}
        listed = sorted(self._distinct, key=str)
        item = stored_list(attribute.name, listed, self._flaws)
        names = (name for text in listed[:MOST_VALUES] for name in vrs.components(attribute.vr, text))
        return {attribute.name: item} | folded(attribute, names, self._flaws)

    def _range(self) -> Item:
        low, high = _bounds(self._distinct)
        summary: Item = {"Min": self._form(low), "Max": self._form(high)}
        if not self._many and 2 <= len(self._distinct) <= MOST_LISTED:
            forms = [self._form(whole) for whole in sorted(self._distinct, key=_order)]
            # One text may stand for several instants, where the time zones of instances differ.
            values = [form for place, form in enumerate(forms) if form not in forms[:place]]
            if len(values) > 1 and sum(map(size, values)) <= LONGEST_LIST:
                summary["Values"] = {"L": values}
        if self._missing:
            summary["Missing"] = {"N": str(self._missing)}
        return summary

    def _form(self, whole: Whole | tuple[_Moment | str, ...]) -> AttributeValue:
        parts = [stored(part.text if isinstance(part, _Moment) else part) for part in whole]
        return {"L": parts} if self._attribute.whole else parts[0]


def _bounds(wholes: Iterable[Whole]) -> tuple[Whole, Whole]:
    """The least and the greatest of each component, over the values that have it."""
    columns = [
        [part for part in column if part != ""] or [""] for column in itertools.zip_longest(*wholes, fillvalue="")
    ]
    return tuple(map(min, columns)), tuple(map(max, columns))


def _order(whole: Whole) -> list[tuple[bool, Any]]:
    """What sorts values, component by component, an empty one first."""
    return [(part != "", part) for part in whole]
