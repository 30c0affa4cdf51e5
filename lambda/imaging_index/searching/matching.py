"""Whether an entry matches a condition: yes, no, or possibly, by PS3.4, section C.2.2.2.

A condition compares single values. An attribute with several of them matches when one does (section C.2.2.2.1). What an
entry holds of its instances may be only the least and the greatest value, or a list that was cut: whatever is between
them, or was cut away, is possible.
"""

from __future__ import annotations

import fnmatch
import re
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import msgspec

from imaging_index.dicom import vrs
from imaging_index.dicom.person_names import name_words
from imaging_index.profile.derived import FOLDED, SEVERAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imaging_index.entry.item import AttributeValue, Item
    from imaging_index.table.layout import Between

# What a value is compared as: text, folded or as it is; a number; of a DT microseconds.
Key = Any


class Match(IntEnum):
    """How surely an entry matches."""

    NO = 0
    POSSIBLE = 1
    YES = 2


class Equal(msgspec.Struct, frozen=True):
    """Single value matching (C.2.2.2.1), and list of UID matching (C.2.2.2.2): the value is one of some."""

    keys: frozenset[Key]

    def holds(self, key: Key) -> bool:
        """Whether a value is one of them."""
        return key in self.keys

    def between(self, low: Key, high: Key) -> bool:
        """Whether one of them is between the least and the greatest of some values."""
        return any(low < key < high for key in self.keys)


class Range(msgspec.Struct, frozen=True):
    """Range matching (C.2.2.2.5), with both ends; None is an open end."""

    low: Key | None
    high: Key | None

    def holds(self, key: Key) -> bool:
        """Whether a value is in the range."""
        return (self.low is None or self.low <= key) and (self.high is None or key <= self.high)

    def between(self, low: Key, high: Key) -> bool:
        """Whether the range is between the least and the greatest of some values, and has neither of them."""
        return self.low is not None and self.high is not None and low < self.low and self.high < high


class Ages(Range, frozen=True):
    """A range of AS in years; the standard has none."""

    def holds(self, key: Key) -> bool:
        """Whether an age is in the range."""
        return super().holds(vrs.years(key))

    def between(self, _: Key, __: Key) -> bool:
        """Never: no entry has the least and the greatest of some ages."""
        return False


class Like(msgspec.Struct, frozen=True):
    """Wild card matching (C.2.2.2.4): `*` is any text, `?` one character, and nothing escapes them."""

    pattern: re.Pattern[str]

    @classmethod
    def of(cls, key: str) -> Like:
        """The test of a pattern, which is folded as the values are."""
        # fnmatch's expressions take linear time, unlike `.*` for each star; it has one more sign, `[`.
        return cls(re.compile(fnmatch.translate(key.replace("[", "[[]"))))

    def holds(self, key: Key) -> bool:
        """Whether a value is like the pattern."""
        return self.pattern.match(key) is not None

    def between(self, _: Key, __: Key) -> bool:
        """Never: no number and no moment has a pattern."""
        return False


class Words(msgspec.Struct, frozen=True):
    """Fuzzy semantic matching of names (C.2.2.2.1.1): each word is the beginning of a word of the name."""

    words: tuple[str, ...]

    def holds(self, folded: str) -> bool:
        """Whether a name, folded with a blank before each word, has them all."""
        return all(f" {word}" in folded for word in self.words)


class Present(msgspec.Struct, frozen=True):
    """The attribute has a value."""


class Empty(msgspec.Struct, frozen=True):
    """Empty value matching (C.2.2.2.7): the attribute has none, and none that could not be stored."""


Test = Equal | Range | Like | Words | Present | Empty


class Condition(msgspec.Struct, frozen=True):
    """A test of an attribute.

    `negated` asks that no value passes, so that an entry without a value matches. `every` asks that all instances have
    a value that passes. `asked` is what an index by the attribute may be asked for the values that pass, any of it;
    nothing if an index cannot find them. `whole` says that an entry keeps the attribute's whole values, of which one
    must pass all conditions on it.
    """

    attribute: str
    vr: str
    test: Test
    exact: bool = False
    negated: bool = False
    every: bool = False
    asked: tuple[str | Between, ...] = ()
    whole: bool = False

    @property
    def of_one_value(self) -> bool:
        """Whether it asks for one whole value or item, in which others must hold as well."""
        joint = self.whole or "." in self.attribute
        return joint and not self.negated and not self.every and isinstance(self.test, Equal | Range | Like)

    def match(self, item: Item) -> Match:
        """How surely an entry, in DynamoDB's form, matches."""
        match = self._every(item) if self.every else self._any(item)
        return Match(Match.YES - match) if self.negated else match

    def _any(self, item: Item) -> Match:
        stored, several = item.get(self.attribute), item.get(f"{self.attribute}{SEVERAL}")
        match self.test:
            case Present():
                return _yes(stored is not None or several is not None)
            case Empty():
                return _yes(
                    stored is None and several is None and not _named(item, "InvalidAttributes", self.attribute)
                )
            case Words():
                folded = item.get(f"{self.attribute}{FOLDED}")
                found = _yes(folded is not None and self.test.holds(folded["S"]))
            case _:
                found = Match.NO if stored is None else self._of(stored)
                if several is not None:
                    found = max(found, self._of(several))
        if found is Match.NO and _named(item, "TruncatedAttributes", self.attribute):
            return Match.POSSIBLE
        return found

    def _of(self, stored: AttributeValue) -> Match:
        ((kind, content),) = stored.items()
        if kind == "S" and content and "\\" not in content:  # one value, as most are
            return _yes(any(map(self._passes, keys(self.vr, content, exact=self.exact))))
        if kind != "M":
            return _yes(self._holds(singles(self.vr, stored)))
        if self.attribute == "MissingIn":
            return _yes(self._holds(content))
        if "Values" in content:
            return _yes(self._holds(singles(self.vr, content["Values"])))
        if self._holds(singles(self.vr, content["Min"])) or self._holds(singles(self.vr, content["Max"])):
            return Match.YES
        bounds = zip(self._keys(content["Min"]), self._keys(content["Max"]), strict=False)
        inside = any(self._between(low, high) for low, high in bounds)
        return Match.POSSIBLE if inside else Match.NO

    def _every(self, item: Item) -> Match:
        stored = item.get(self.attribute, {}).get("M")
        if stored is None or "Missing" in stored:
            return Match.NO
        if isinstance(self.test, Present):
            return Match.YES
        ends = (*self._keys(stored["Min"]), *self._keys(stored["Max"]))
        if not all(map(self._passes, ends)):
            return Match.NO
        if isinstance(self.test, Range) or stored["Min"] == stored["Max"]:
            return Match.YES
        values = stored.get("Values")
        return Match.POSSIBLE if values is None else _yes(all(map(self._passes, self._keys(values))))

    def _keys(self, stored: AttributeValue) -> list[Key]:
        return [key for value in singles(self.vr, stored) for key in keys(self.vr, value, exact=self.exact)]

    def _holds(self, values: Iterable[str | Decimal]) -> bool:
        return any(self._passes(key) for value in values for key in keys(self.vr, value, exact=self.exact))

    def _passes(self, key: Key) -> bool:
        return isinstance(self.test, Equal | Range | Like) and self.test.holds(key)

    def _between(self, low: Key, high: Key) -> bool:
        return isinstance(self.test, Equal | Range | Like) and self.test.between(low, high)


def of_study(condition: Condition, modalities: Iterable[str]) -> bool:
    """Whether a study matches a condition on its ModalitiesInStudy; `modalities` are those of all its series."""
    values = [{"S": each} for each in modalities]
    return condition.match({condition.attribute: {"L": values}} if values else {}) is Match.YES


def match_all(conditions: Sequence[Condition], item: Item) -> Match:
    """How surely an entry matches all conditions.

    Those on attributes of one sequence must hold in one and the same item of it (C.2.2.2.6), and those on one attribute
    in one and the same of its whole values (C.2.2.2.8).
    """
    groups: dict[str, list[Condition]] = {}
    for condition in conditions:
        groups.setdefault(condition.attribute.rpartition(".")[0] or condition.attribute, []).append(condition)
    return min((_together(group, item) for group in groups.values()), default=Match.YES)


def _together(conditions: Sequence[Condition], item: Item) -> Match:
    alone = min(condition.match(item) for condition in conditions)
    joint = [each for each in conditions if each.of_one_value]
    if len(joint) < 2 or alone is Match.NO:
        return alone
    columns = [_column(item.get(each.attribute, {})) for each in joint]
    if None in columns or len({len(column or ()) for column in columns}) > 1:
        # Of numbers that differ from instance to instance, nothing says whether one instance has both.
        return Match.POSSIBLE
    for row in zip(*(column or () for column in columns), strict=True):
        if all(each.match({each.attribute: value}) is Match.YES for each, value in zip(joint, row, strict=True)):
            return alone
    cut = any(_named(item, "TruncatedAttributes", each.attribute) for each in joint)
    return Match.POSSIBLE if cut else Match.NO


def _column(stored: AttributeValue) -> list[AttributeValue] | None:
    """The whole values of an attribute, or None when an entry does not hold them all."""
    match stored:
        case {"L": list(values)} | {"M": {"Values": {"L": list(values)}}}:
            return values
        case {"M": {"Min": low, "Max": high}}:
            return [low] if low == high else None
        case _:
            return [stored]


def keys(vr: str, value: str | Decimal, *, exact: bool) -> tuple[Key, ...]:
    """What a stored value of a VR is compared as; a person's name as the whole and as each of its groups.

    Text is compared without case unless `exact`; names always are, and without accents (PS3.4, section C.2.2.2.1).
    """
    if isinstance(value, Decimal):
        return (value,)
    match vr:
        case "PN":
            return tuple(sorted({name_of(part) for part in (value, *value.split("="))} - {""}))
        case "DT":
            return (vrs.instant(value, None),)
    return (value if exact or vr in ("UI", "DA", "AS") else value.casefold(),)


def name_of(text: str) -> str:
    """A person's name as it is compared: its folded words, with a blank behind each."""
    return "".join(f"{word} " for word in name_words(text))


def singles(vr: str, stored: AttributeValue) -> Iterator[str | Decimal]:
    """The single values of a stored attribute; of a whole text also the whole. Gaps in rows are left out."""
    ((kind, content),) = stored.items()
    if kind == "L":
        for each in content:
            yield from singles(vr, each)
    elif kind == "N":
        yield Decimal(content)
    elif kind == "BOOL":
        yield "true" if content else "false"
    elif content:
        yield content
        parts = vrs.components(vr, content)
        if len(parts) > 1:
            yield from (part for part in parts if isinstance(part, str) and part)


def _named(item: Item, where: str, attribute: str) -> bool:
    return where in item and {"S": attribute} in item[where]["L"]


def _yes(matches: bool) -> Match:
    return Match.YES if matches else Match.NO
