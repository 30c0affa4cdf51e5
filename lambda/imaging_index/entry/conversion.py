"""Converts values: the JSON at an attribute's sources -> its typed values, within its policy and DynamoDB's bounds."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from imaging_index.dicom import vrs
from imaging_index.dicom.dictionary import Level
from imaging_index.dicom.person_names import cut
from imaging_index.document.texts import NO_VALUE, decoded
from imaging_index.document.types import in_order
from imaging_index.faults import Poison
from imaging_index.profile.attributes import Attribute, Source
from imaging_index.profile.privacy import Policy, Privacy
from imaging_index.profile.profile import Profile
from imaging_index.profile.schema import LONGEST_TEXT, MOST_OF_AN_ATTRIBUTE, MOST_VALUES

# An attribute's JSON at one of its sources: a text; of very many frames for each macro some texts; or nothing.
Text = bytes | tuple[tuple[str, bytes], ...] | None
Value = str | Decimal

# All components of an attribute with a VM other than 1, an empty one as "".
Whole = tuple[Value, ...]

# DynamoDB Developer Guide, "Quotas": the size of all partition values of an index.
LONGEST_PARTITION: Final = 2048

# Of several values of an attribute that DICOM gives one, that many are held, twice what an entry lists and more.
_MOST_SEVERAL: Final = 512

# Enough digits for the quotient of any two numbers that DynamoDB keeps: without them a remainder is an error.
_EXACT: Final = Context(prec=300)

# What is typed of one document: of a thousand instances, what they say alike counts once.
MOST_TYPED: Final = 2_500_000


# Of several values of one of these, the first is stored under the keyword: indexes are by such texts.
_FIRST_OF_SEVERAL: Final = frozenset({"AE", "CS", "LO", "SH", "UC"})

_PARTS: Final = {"DA": vrs.date_of_moment, "TM": vrs.time_of_moment}

_Read = TypeVar("_Read")


class Flaws(msgspec.Struct):
    """What of a document could not be stored as it is, which its entry says: attributes left out, and those cut."""

    invalid: set[str] = msgspec.field(default_factory=set)
    truncated: set[str] = msgspec.field(default_factory=set)


class Conversion(msgspec.Struct):
    """The conversion of one document: its profile, the privacy of its values, and what could not be stored as it is.

    `several` has, by the name of each attribute that DICOM gives one value, the values of those that had several.
    """

    profile: Profile
    privacy: Privacy
    flaws: Flaws = msgspec.field(default_factory=Flaws)
    several: dict[str, dict[Value, None]] = msgspec.field(default_factory=dict)
    typed: int = 0

    def found(self, attribute: Attribute, texts: Sequence[Text]) -> list[Value | None]:
        """The typed values of the first source that has one, or of all of them; `texts` has the JSON of each source."""
        everything: list[Value | None] = []
        for source, text in zip(attribute.sources, texts, strict=True):
            if text is None:
                continue
            # How many values a private element may have, nothing here knows.
            read = self._each if attribute.multiple or source.creator else self._one
            values = self._at([attribute], source.path, text, partial(read, attribute, source))
            if any(value is not None for value in values):
                kept = [value for value in values if value is not None or source.gaps]
                if not attribute.union:
                    return kept
                everything += kept
        return [*dict.fromkeys(everything)]

    def wholes(self, attribute: Attribute, texts: Sequence[Text]) -> list[Whole]:
        """The whole values of the first source that has one: of an instance one, of its frames those that differ."""
        for source, text in zip(attribute.sources, texts, strict=True):
            read = partial(self._whole, attribute, source)
            if text is not None and (wholes := self._at([attribute], source.path, text, read)):
                return wholes
        return []

    def frames(self, attribute: Attribute, source: Source, text: Text) -> tuple[list[Whole | None], bool]:
        """The whole values at a source, one an instance or a frame; and whether these are all, in their order."""
        if isinstance(text, tuple):
            _, wanted, *further = source.path
            whole = in_order(wanted)
            name = whole if any(macro == whole for macro, _ in text) else wanted
            parts = [inside(further, items(decoded(part))) for macro, part in text if macro == name]
            raws, complete = [raw for part in parts for raw in part], name == whole
        else:
            value = decoded(text)
            raws, complete = [value] if len(source.path) == 1 else inside(source.path[1:], [value]), True
        wholes = (self._whole(attribute, source, raw) for raw in self._counted([attribute], raws))
        return [next(iter(found), None) for found in wholes], complete

    def rows(
        self, siblings: Sequence[Attribute], sequences: Iterable[tuple[str, ...]], texts: Sequence[Text]
    ) -> list[Whole]:
        """The values of some attributes in each item of the first sequence where one of them has one.

        `texts` has the JSON at each of the sequences, which are the paths of the sources without the last keyword.
        """
        for sequence, text in zip(sequences, texts, strict=True):
            if text is not None:
                columns = [
                    (each, [source for source in each.sources if source.path[:-1] == sequence]) for each in siblings
                ]
                if rows := self._at(siblings, sequence, text, partial(self._rows, columns)):
                    return rows
        return []

    def bounded(self, attribute: Attribute, text: str) -> str:
        """A text that an entry has room for, cut when it may be.

        Raises:
            Unusable: it is too long, and a shortened one would name something else.
        """
        if len(text) * 4 <= LONGEST_TEXT:
            return text
        key = attribute.name in self.profile.keys
        short = cut(text, LONGEST_PARTITION if key else LONGEST_TEXT)
        if short != text:
            if key or attribute.identifier:
                raise vrs.Unusable
            self.flaws.truncated.add(attribute.name)
        return short

    def _at(
        self, attributes: Iterable[Attribute], path: Sequence[str], text: Text, read: Callable[[Any], list[_Read]]
    ) -> list[_Read]:
        """What `read` makes of each JSON value at a path; `text` has the JSON of the path's first key.

        Raises:
            Poison: the document has more than `MOST_TYPED` values.
        """
        if isinstance(text, tuple):
            _, wanted, *further = path
            found: list[_Read] = []
            for macro, part in text:
                if macro == wanted:
                    raws = self._counted(attributes, inside(further, items(decoded(part))))
                    # Most of the frames say the same.
                    found += dict.fromkeys(each for raw in raws for each in read(raw))
            return found
        value = decoded(text)
        if value is None:
            return []
        raws = [value] if len(path) == 1 else inside(path[1:], [value])
        return [each for raw in self._counted(attributes, raws) for each in read(raw)]

    def _counted(self, attributes: Iterable[Attribute], raws: list[object]) -> list[object]:
        """Some JSON values, or none when they are too many for their attributes, which are named then."""
        count = sum(map(_count, raws))
        if count > MOST_OF_AN_ATTRIBUTE:
            self.flaws.invalid.update(attribute.name for attribute in attributes)
            return []
        self.typed += count
        if self.typed > MOST_TYPED:
            raise Poison(f"the document has more than {MOST_TYPED} selected values")
        return raws

    def _one(self, attribute: Attribute, source: Source, raw: object) -> list[Value | None]:
        """The value in the JSON of an attribute that DICOM gives one. Of several the first, where texts name things."""
        if isinstance(raw, str) and "\\" not in raw and source.component is None:
            # Nearly all are.
            return [self._typed(attribute, source, raw)]
        parts = _parts(attribute, source, raw)
        if len(parts) <= 1:
            return [self._typed(attribute, source, part) for part in parts]
        found: dict[Value, None] = {}
        unusable = False
        for part in parts:
            try:
                value = self._parsed(attribute, source, part)
            except vrs.Unusable:
                unusable = True
            else:
                found |= {} if value is None else {value: None}
        first = next(iter(found), None)
        if unusable or len(found) > 1:
            self.flaws.invalid.add(attribute.name)
        if len(found) + unusable <= 1:
            return [first]
        if attribute.policy is not Policy.KEEP:
            # The token of one of them would make this patient, study or order another one's.
            return [None]
        self._note(attribute, found)
        return [first if attribute.vr in _FIRST_OF_SEVERAL else None]

    def _note(self, attribute: Attribute, found: dict[Value, None]) -> None:
        held = self.several.setdefault(attribute.name, {})
        held |= found
        if len(held) > _MOST_SEVERAL:
            self.several[attribute.name] = dict.fromkeys(
                sorted(held)[: MOST_VALUES + 1] if attribute.level is Level.INSTANCE else [*held][: MOST_VALUES + 1]
            )

    def _each(self, attribute: Attribute, source: Source, raw: object) -> list[Value | None]:
        """The values in the JSON of an attribute that has several; of a nested one exactly one, so that items match."""
        parts = [_joined(raw)] if "." in attribute.name else _parts(attribute, source, raw)
        return [self._typed(attribute, source, part) for part in parts]

    def _whole(self, attribute: Attribute, source: Source, raw: object) -> list[Whole]:
        """The whole value in the JSON of an attribute, or none."""
        try:
            parts = _parts(attribute, source, raw)
            whole = tuple(_or_empty(self._parsed(attribute, source, part)) for part in parts)
        except vrs.Unusable:
            self.flaws.invalid.add(attribute.name)
            return []
        if len(whole) > MOST_VALUES and attribute.form.arrangement == "range":
            self.flaws.truncated.add(attribute.name)
            whole = whole[:MOST_VALUES]
        return [whole] if any(value != "" for value in whole) else []

    def _rows(self, columns: Sequence[tuple[Attribute, Sequence[Source]]], raw: object) -> list[Whole]:
        """The values of some attributes in the items of a sequence; of an item without any of them none."""
        rows = (tuple(self._of_item(*column, item) for column in columns) for item in items(raw))
        return [row for row in rows if any(value != "" for value in row)]

    def _of_item(self, attribute: Attribute, sources: Iterable[Source], item: object) -> Value:
        """The value of an attribute in an item of its sequence, "" when it has none."""
        raws = ((source, _joined(_in_item(item, source.path[-1]))) for source in sources)
        found = (self._typed(attribute, source, raw) for source, raw in raws)
        return next((value for value in found if value is not None), "")

    def _typed(self, attribute: Attribute, source: Source, raw: object) -> Value | None:
        try:
            return self._parsed(attribute, source, raw)
        except vrs.Unusable:
            self.flaws.invalid.add(attribute.name)
            return None

    def _parsed(self, attribute: Attribute, source: Source, raw: object) -> Value | None:
        value = (_PARTS[source.part] if source.part else vrs.parser(attribute.vr))(raw)
        if value is None:
            return None
        if isinstance(value, Decimal):
            for modulo in source.modulo:
                value = _EXACT.remainder(value, Decimal(modulo)) if value >= modulo else value
        if attribute.policy is not Policy.KEEP:
            protected: Value | None = self.privacy.apply(attribute.policy, value)
            if protected is None:
                raise vrs.Unusable  # a date that is not whole
            return protected
        return self.bounded(attribute, value) if isinstance(value, str) else value


def inside(path: Iterable[str], values: list[object]) -> list[object]:
    """The values at the end of a path within some values of the sequence that it begins in: one an item."""
    for keyword in path:
        values = [_in_item(item, keyword) for value in values for item in items(value)]
    return values


def _count(raw: object) -> int:
    """How many values a JSON value is at most."""
    if isinstance(raw, str):
        return 1 + raw.count("\\")
    return len(raw) if isinstance(raw, list) else 1


def _parts(attribute: Attribute, source: Source, raw: object) -> list[object]:
    """The single values in a JSON value, or the one that the source picks."""
    # What is stored under a tag was split by its own VR.
    parts = vrs.components(attribute.vr, raw) if source.vr is None else raw if isinstance(raw, list) else [raw]
    return parts if source.component is None else parts[source.component - 1 : source.component]


def _or_empty(value: Value | None) -> Value:
    return "" if value is None else value


def items(value: object) -> list[object]:
    """The items of a sequence; an absent or empty one counts as one empty item."""
    return value or [None] if isinstance(value, list) else [value]


def _in_item(item: object, keyword: str) -> object:
    if item is None:
        return None
    return item.get(keyword) if isinstance(item, dict) else NO_VALUE


def _joined(value: object) -> object:
    """Several values in one item as DICOM writes them, behind backslashes (PS3.5, section 6.4)."""
    if not isinstance(value, list):
        return value
    if len(value) <= 1:
        return value[0] if value else None
    return "\\".join(value) if all(isinstance(each, str) for each in value) else NO_VALUE
