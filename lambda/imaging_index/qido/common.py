"""The elements that some entries have together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import dictionary
from imaging_index.dicom.dictionary import Level as Place
from imaging_index.entry.item import plain_value
from imaging_index.profile.derived import SEVERAL
from imaging_index.qido import required
from imaging_index.qido.elements import MISSING_IN, Elements, add, element, empty, values_of
from imaging_index.searching.rows import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging_index.entry.item import AttributeValue, Item
    from imaging_index.profile.attributes import Attribute
    from imaging_index.qido.wanted import Wanted

# DICOM JSON is UTF-8 (PS3.18, section F.2).
_OF_ANY: Final = element("SpecificCharacterSet", ["ISO_IR 192"])


class Common:
    """Makes the elements of some attributes: of required ones also without a value."""

    def __init__(self, selected: Sequence[Attribute], wanted: Wanted) -> None:
        """Make elements.

        Args:
            selected: the attributes.
            wanted: what the answer's objects have.
        """
        self.names = frozenset(each.name for each in selected)
        self._attributes = [(each, f"{each.name}{SEVERAL}", _tag_of_one_text(each)) for each in selected]
        self._empty: Elements = dict(_OF_ANY)
        # By the tag of a sequence.
        self._empty_in_items: dict[str, Elements] = {}
        by_name = {each.name: each for each in selected}
        for each in required.of(wanted.level, relational=wanted.relational):
            if each.type in ("U", "R") and each.keyword in by_name:
                *path, keyword = each.keyword.split(".")
                sequence = dictionary.lookup(path[0]) if path else None
                place = self._empty_in_items.setdefault(sequence.tag, {}) if sequence else self._empty
                place |= empty(keyword, by_name[each.keyword].vr)

    def elements(self, entries: Sequence[Item]) -> Elements:
        """The elements of some entries: of each attribute the first value.

        An attribute of the instances is there if all of them have the same value, as far as the entries say.
        """
        found = dict(self._empty)
        for attribute, several, tag in self._attributes:
            if attribute.level is Place.INSTANCE:
                add(found, attribute, _shared(entries, attribute))
                continue
            stored = _first(entries, attribute.name, several)
            if tag and stored and stored.get("S"):
                # What most values are, which is not worth more calls.
                found[tag] = {"vr": attribute.vr, "Value": [stored["S"]]}
            elif stored:
                add(found, attribute, values_of(attribute, plain_value(stored)))
        for tag, nothing in self._empty_in_items.items():
            for item in found[tag]["Value"] if tag in found else ():
                item.update(nothing | item)
        return found


def _tag_of_one_text(attribute: Attribute) -> str | None:
    """The tag of an attribute whose value, if it is a text, is one as DICOM JSON has it; None for others."""
    known = None if attribute.vr == "PN" else dictionary.lookup(attribute.name)
    return known.tag if known else None


def _first(entries: Sequence[Item], name: str, several: str) -> AttributeValue | None:
    for item in entries:
        if (stored := item.get(several) or item.get(name)) is not None:
            return stored
    return None


def _shared(entries: Sequence[Item], attribute: Attribute) -> list[Any]:
    """The values that all instances of some entries have."""
    values = [*_of_instances(entries, attribute)]
    return values[0] if all(each == values[0] for each in values) else []


def _of_instances(entries: Sequence[Item], attribute: Attribute) -> Iterator[list[Any]]:
    for item in entries:
        lacking = attribute.name in (value_of(item, MISSING_IN) or ())
        yield [] if lacking else values_of(attribute, value_of(item, attribute.name))
