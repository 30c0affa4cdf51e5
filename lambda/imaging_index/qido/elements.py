"""Values in the DICOM JSON Model (PS3.18, Annex F): elements by their tags.

An attribute that no dictionary has a tag for, such as a name of the profile's own, is left out; so is one deeper than
in one sequence, whose items an entry does not hold apart, and a token that is not a value of its attribute's VR.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import dictionary, vrs
from imaging_index.profile.privacy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging_index.profile.attributes import Attribute

# An object of DICOM JSON. Its numbers are int or `Decimal`, which JSON has as numbers.
Elements = dict[str, dict[str, Any]]

# What an entry says of attributes that some of its instances lack.
MISSING_IN: Final = "MissingIn"
# PS3.18, section F.2.2: the groups of a person's name.
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
# VRs that take any text of 64 characters, as a token is (PS3.5, section 6.2).
_OF_TOKENS: Final = frozenset({"LO", "LT", "ST", "UC", "UT"})


def has_values(attribute: Attribute) -> bool:
    """Whether what an entry holds of an attribute are values of its VR: a token is not one of each VR."""
    return attribute.policy is not Policy.HASH or attribute.vr in _OF_TOKENS


def values_of(attribute: Attribute, value: Any) -> list[Any]:
    """The single values of a plain value in an entry; of one of the instances only what all of them have.

    Of lists of distinct texts, an entry says in `MissingIn` whether some instances have none.
    """
    if isinstance(value, dict):
        low = value["Min"]
        if low != value["Max"] or "Missing" in value:
            return []
        return low if isinstance(low, list) else [low]
    if not isinstance(value, list):
        return [] if value is None else [value]
    if attribute.form.arrangement not in ("distinct", "column"):
        return value
    if len(value) > 1:
        return []
    # Of several components, whole values are stored.
    return [single for each in value for single in vrs.components(attribute.vr, each)] if attribute.whole else value


def add(found: Elements, attribute: Attribute, values: list[Any]) -> None:
    """Add an attribute's element, at the top or in the items of its sequence, one for each value."""
    keywords = attribute.name.split(".")
    if len(keywords) == 1:
        found |= element(attribute.name, values, attribute.vr)
        return
    sequence = dictionary.lookup(keywords[0])
    if len(keywords) > len(("sequence", "attribute")) or sequence is None or not any(map(_present, values)):
        return
    items = found.setdefault(sequence.tag, {"vr": "SQ", "Value": []})["Value"]
    items += [{} for _ in range(len(values) - len(items))]
    for item, value in zip(items, values, strict=False):
        item.update(element(keywords[1], [value], attribute.vr))


def element(keyword: str, values: Iterable[Any], vr: str | None = None) -> Elements:
    """An element by its tag; nothing where it has no value, for which an empty one is not the same to all readers."""
    known = dictionary.lookup(keyword)
    present = [_json(vr or known.vr, value) for value in values if _present(value)] if known else []
    return {known.tag: {"vr": vr or known.vr, "Value": present}} if known and present else {}


def empty(keyword: str, vr: str | None = None) -> Elements:
    """An element without a value, by its tag; nothing for a word that is no keyword."""
    known = dictionary.lookup(keyword)
    return {known.tag: {"vr": vr or known.vr}} if known else {}


def in_order(found: Elements) -> Elements:
    """The elements in the order of their tags."""
    return dict(sorted(found.items()))


def _present(value: Any) -> bool:
    return value is not None and value != ""


def _json(vr: str, value: Any) -> Any:
    """One value as section F.2.3 has it."""
    if vr == "PN":
        return {name: group for name, group in zip(_GROUPS, str(value).split("="), strict=False) if group}
    return value if isinstance(value, Decimal | int) else str(value)
