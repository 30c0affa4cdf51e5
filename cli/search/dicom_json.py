"""Rows as the DICOM JSON Model has them (PS3.18, Annex F): an object of elements by their tags.

An attribute that no dictionary has a tag for, such as a name of the profile's own, is left out; so is one deeper than
in one sequence, whose items an entry does not hold apart, and a token that is not a value of its attribute's VR.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from cli.search.columns import MODALITIES
from imaging_index.dicom import dictionary, vrs
from imaging_index.profile.privacy import Policy
from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.rows import Counts, Row

Elements = dict[str, dict[str, Any]]

# PS3.4, section C.3.4, and PS3.18, section 10.6.3: what counts the whole of a patient, study or series.
_COUNTS: Final[dict[Level, tuple[tuple[str, str], ...]]] = {
    Level.PATIENT: (
        ("NumberOfPatientRelatedStudies", "studies"),
        ("NumberOfPatientRelatedSeries", "series"),
        ("NumberOfPatientRelatedInstances", "instances"),
    ),
    Level.STUDY: (("NumberOfStudyRelatedSeries", "series"), ("NumberOfStudyRelatedInstances", "instances")),
    Level.SERIES: (("NumberOfSeriesRelatedInstances", "instances"),),
    Level.IMAGE_SET: (),
}
# PS3.18, section F.2.2: the groups of a person's name.
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
# What an entry says of attributes that some of its instances lack.
MISSING_IN: Final = "MissingIn"
# VRs that take any text of 64 characters, as a token is (PS3.5, section 6.2).
_OF_TOKENS: Final = frozenset({"LO", "LT", "ST", "UC", "UT"})


def elements(row: Row, names: Sequence[str] | None, profile: Profile) -> Elements:
    """A row's elements, in the order of their tags: the attributes that have values, and those that count.

    `names` are the attributes; None for all that the profile selects.
    """
    wanted = profile.attributes if names is None else [each for name in names if (each := profile.find(name))]
    found: Elements = {}
    missing = row.value(MISSING_IN) or {}
    for attribute in wanted:
        if attribute.name not in missing and (attribute.policy is Policy.KEEP or attribute.vr in _OF_TOKENS):
            _add(found, attribute, _values(attribute, row.value(attribute.name)))
    if row.level in (Level.STUDY, Level.PATIENT):
        found |= _element(MODALITIES, row.modalities or ())
    if row.counts is not None:
        for keyword, name in _COUNTS[row.level]:
            found |= _element(keyword, [_number(row.counts, name)])
    return dict(sorted(found.items()))


def _number(counts: Counts, name: str) -> int:
    return int(getattr(counts, name))


def _values(attribute: Attribute, value: Any) -> list[Any]:
    """The single values of an attribute; of one of the instances only what all of them have."""
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


def _add(found: Elements, attribute: Attribute, values: list[Any]) -> None:
    """Add an attribute's element, at the top or in the items of its sequence, one for each value."""
    keywords = attribute.name.split(".")
    if len(keywords) == 1:
        found |= _element(attribute.name, values, attribute.vr)
        return
    sequence = dictionary.lookup(keywords[0])
    if len(keywords) > len(("sequence", "attribute")) or sequence is None or not any(map(_present, values)):
        return
    items = found.setdefault(sequence.tag, {"vr": "SQ", "Value": []})["Value"]
    items += [{} for _ in range(len(values) - len(items))]
    for item, value in zip(items, values, strict=False):
        item.update(_element(keywords[1], [value], attribute.vr))


def _element(keyword: str, values: Iterable[Any], vr: str | None = None) -> Elements:
    """An element by its tag; nothing where it has no value, for which an empty one is not the same to all readers."""
    element = dictionary.lookup(keyword)
    present = [_json(vr or element.vr, value) for value in values if _present(value)] if element else []
    return {element.tag: {"vr": vr or element.vr, "Value": present}} if element and present else {}


def _present(value: Any) -> bool:
    return value is not None and value != ""


def _json(vr: str, value: Any) -> Any:
    """One value as section F.2.3 has it."""
    if vr == "PN":
        return {name: group for name, group in zip(_GROUPS, str(value).split("="), strict=False) if group}
    return value if isinstance(value, Decimal | int) else str(value)
