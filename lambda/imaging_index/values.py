"""The JSON at an attribute's sources -> its typed values, as the profile's privacy and DynamoDB's bounds allow."""

import hmac
import re
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any, Final

import msgspec

from imaging_index import dicom
from imaging_index.errors import Poison
from imaging_index.metadata import MOST_OF_AN_ATTRIBUTE
from imaging_index.profile import LONGEST_TEXT, Privacy, Profile
from imaging_index.selection import Attribute, Source

# An attribute's JSON at one of its sources: a text; of very many frames for each macro some texts; or nothing.
Text = bytes | tuple[tuple[str, bytes], ...] | None
Value = str | Decimal

# DynamoDB Developer Guide, "Quotas": the size of all partition values of an index.
LONGEST_PARTITION: Final = 2048

# Enough digits for the quotient of any two numbers that DynamoDB keeps: without them a remainder is an error.
_EXACT: Final = Context(prec=300)

# What is typed of one document: of a thousand instances, what they say alike counts once.
MOST_TYPED: Final = 2_500_000

_NO_VALUE: Final = object()  # what no parser takes
_LONG_NUMBER: Final = re.compile(rb"(?<![-+.0-9eE])[-+.0-9eE]{%d}" % (dicom.LONGEST_NUMBER + 1))
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"')

# The VRs of one value, in which a backslash is a character like others (PS3.5, section 6.2).
_WITH_BACKSLASHES: Final = frozenset({"LT", "ST", "UR", "UT"})


class Making(msgspec.Struct):
    """One entry in the making: its profile, the key of its tokens, and what could not be stored as it is."""

    profile: Profile
    secret: bytes
    invalid: set[str] = msgspec.field(default_factory=set)
    truncated: set[str] = msgspec.field(default_factory=set)
    typed: int = 0

    def token(self, value: object) -> str:
        """What stands for a hashed value: equal values have equal tokens, under one key."""
        # A number in its digits: Decimal writes 100 and 1E+2 as they came.
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
        return hmac.digest(self.secret, text.encode(), "sha256").hex()

    def protected(self, keyword: str, value: Any) -> Any:
        """A value that is kept with the instances, as privacy allows."""
        privacy = self.profile.private.get(keyword)
        if privacy is None or value in (None, ""):
            return value
        return None if privacy is Privacy.DROP else self.token(value)

    def found(self, attribute: Attribute, texts: Sequence[Text]) -> list[Value | None]:
        """The typed values of the first source that has one, or of all of them; `texts` has the JSON of each source."""
        everything: list[Value | None] = []
        for source, text in zip(attribute.sources, texts, strict=True):
            if text is None:
                continue
            values: list[Value | None] = []
            if isinstance(text, tuple):
                _, wanted, *path = source.path
                for macro, part in text:
                    if macro == wanted:
                        raws = _nested(source, path, _items(decoded(part)))
                        # Most of the frames say the same.
                        values += dict.fromkeys(self._all_typed(attribute, source, raws))
            else:
                values += self._all_typed(attribute, source, _components(attribute, source, decoded(text)))
            if any(value is not None for value in values):
                kept = [value for value in values if value is not None or source.gaps]
                if not attribute.union:
                    return kept
                everything += kept
        return [*dict.fromkeys(everything)]

    def _all_typed(self, attribute: Attribute, source: Source, raws: list[object]) -> list[Value | None]:
        """The typed values of some JSON.

        Raises:
            Poison: the document has more than `MOST_TYPED`.
        """
        if len(raws) > MOST_OF_AN_ATTRIBUTE:
            self.invalid.add(attribute.name)
            return []
        self.typed += len(raws)
        if self.typed > MOST_TYPED:
            raise Poison(f"the document has more than {MOST_TYPED} selected values")
        return [self._typed(attribute, source, each) for each in raws]

    def _typed(self, attribute: Attribute, source: Source, raw: object) -> Value | None:
        try:
            value = dicom.parser(attribute.vr)(raw)
        except dicom.Unusable:
            self.invalid.add(attribute.name)
            return None
        if value is None:
            return None
        if isinstance(value, Decimal):
            for modulo in source.modulo:
                value = _EXACT.remainder(value, Decimal(modulo)) if value >= modulo else value
        if attribute.hashed:
            return self.token(value)
        if not isinstance(value, str) or len(value) * 4 <= LONGEST_TEXT:
            return value
        key = attribute.name in self.profile.keys
        longest = LONGEST_PARTITION if key else LONGEST_TEXT
        short = dicom.cut(value, longest)
        if short == value:
            return value
        if key or attribute.identifier:
            self.invalid.add(attribute.name)
            return None
        self.truncated.add(attribute.name)
        return short


def decoded(text: bytes | None) -> object:
    """The value of a JSON text; of one that cannot be decoded, like a number beyond Python's, what no parser takes."""
    if text is None:
        return None
    if len(text) > dicom.LONGEST_NUMBER and _LONG_NUMBER.search(text) and _LONG_NUMBER.search(_TEXT.sub(b"", text)):
        return _NO_VALUE
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return _NO_VALUE


def uid(value: object) -> str | None:
    """A UID, or None for what is none."""
    try:
        text = dicom.text_both_ends(value)
    except dicom.Unusable:
        return None
    return text if text and len(text.encode()) <= LONGEST_TEXT else None


def series_uid(values: object, key: str) -> str:
    """The UID of a series: what its values say counts, and where they say nothing the key of the map; or nothing."""
    return uid(decoded(getattr(values, "SeriesInstanceUID", None))) or uid(key) or ""


def _components(attribute: Attribute, source: Source, raw: object) -> list[object]:
    """The single values in the JSON of a source; of a nested one, exactly one an item, so that siblings match."""
    if raw is None:
        return []
    if source.creator is not None and isinstance(raw, str) and attribute.vr not in _WITH_BACKSLASHES:
        # HealthImaging need not know the VR of a private element, and so leaves the values together.
        raw = raw.split("\\")
    if len(source.path) == 1:
        values = raw if isinstance(raw, list) else [raw]
        return values if source.component is None else values[source.component - 1 : source.component]
    return _nested(source, source.path[1:], [raw])


def _nested(source: Source, path: Sequence[str], values: list[object]) -> list[object]:
    """The single values at the end of a path within some values of the sequence that it begins in."""
    for keyword in path:
        values = [_in_item(item, keyword) for value in values for item in _items(value)]
    if source.component is not None:
        return [
            component
            for value in values
            for component in (value if isinstance(value, list) else [value])[source.component - 1 : source.component]
        ]
    if source.gaps:
        return [_joined(value) for value in values]
    return [each for value in values for each in (value if isinstance(value, list) else [value])]


def _items(value: object) -> list[object]:
    """The items of a sequence; an absent or empty one counts as one empty item."""
    return value or [None] if isinstance(value, list) else [value]


def _in_item(item: object, keyword: str) -> object:
    if item is None:
        return None
    return item.get(keyword) if isinstance(item, dict) else _NO_VALUE


def _joined(value: object) -> object:
    """Several values in one item as DICOM writes them, behind backslashes (PS3.5, section 6.4)."""
    if not isinstance(value, list):
        return value
    if len(value) <= 1:
        return value[0] if value else None
    return "\\".join(value) if all(isinstance(each, str) for each in value) else _NO_VALUE
