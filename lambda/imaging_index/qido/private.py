"""The private block (0099,0010) of an answer: where its image sets are, and what of it is not certain.

PS3.5, section 7.8.1: a private creator reserves the elements (0099,1000) to (0099,10FF) of an object for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.searching.matching import Match
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level
from imaging_index.searching.rows import is_left_out, key_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from imaging_index.entry.item import Item
    from imaging_index.qido.elements import Elements
    from imaging_index.qido.wanted import Wanted
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.rows import Row

    Of = Callable[[Row, Wanted, Collection[str]], list[Any]]

CREATOR: Final = "IMAGING INDEX"
CREATOR_TAG: Final = "00990010"
_FLAWS: Final = ("InvalidAttributes", "TruncatedAttributes")


class Private(msgspec.Struct, frozen=True):
    """A private element.

    Attributes:
        tag: 8 hexadecimal digits.
        name: what `includefield` and the documentation call it.
        vr: of it.
        meaning: for people.
        of: its values in a row, in an answer with some attributes; none where it is left out.
        on_request: an answer of studies has it only if it is asked for, since not all indexes hold it.
    """

    tag: str
    name: str
    vr: str
    meaning: str
    of: Of
    on_request: bool = False


def _image_sets(row: Row, *_: object) -> list[Any]:
    return [key_of(item, Level.IMAGE_SET)[1] for item in row.entries]


def _of_each(name: str, become: Callable[[Any], Any]) -> Of:
    """The values of an attribute in all entries of a row; none if one has no value: places would shift."""

    def of(row: Row, *_: object) -> list[Any]:
        values = [value_of(item, name) for item in row.entries]
        return [] if None in values else [*map(become, values)]

    return of


def _primary(row: Row, *_: object) -> list[Any]:
    return [_is_primary(item) for item in row.entries]


def _is_primary(item: Item) -> str:
    return ("NO" if is_left_out(item) else "YES") if "IsPrimary" in item else "UNKNOWN"


def _moment(text: str) -> str:
    """A moment of the index, like 2026-11-28T07:00:00.5Z, as a DT."""
    return f"{text.rstrip('Z').translate(_NO_SIGNS)}+0000"


_NO_SIGNS: Final = str.maketrans("", "", "-:T")


def _possible(row: Row, wanted: Wanted, _: object) -> list[Any]:
    """The keywords of the conditions that no image set of a row matches for certain, but one may."""
    if not row.possible:
        return []
    unsure = [each for each in wanted.conditions if wanted.level is Level.IMAGE_SET or _is_unsure(each, row)]
    # Two conditions on one sequence may each match for certain, and only possibly in one item.
    return [*dict.fromkeys(each.attribute for each in unsure or wanted.conditions)] or ["UNKNOWN"]


def _is_unsure(condition: Condition, row: Row) -> bool:
    of_study = condition.attribute == OF_STUDY
    return of_study or any(condition.match(item) is Match.POSSIBLE for item in row.entries)


def _only_non_primary(row: Row, *_: object) -> list[Any]:
    """Of a study or series; an image set alone does not say whether there is a primary one."""
    of_whole = row.level is not Level.IMAGE_SET and row.whole is not None and all(map(is_left_out, row.whole))
    return ["YES"] if row.only_non_primary or of_whole else []


def _non_primary(row: Row, *_: object) -> list[Any]:
    return [] if row.non_primary is None else [row.non_primary]


def _conflicts(row: Row, *_: object) -> list[Any]:
    # One entry agrees with itself.
    return [*row.conflicts] if len(row.whole or row.entries) > 1 else []


def _incomplete(row: Row, _: Wanted, names: Collection[str]) -> list[Any]:
    flawed = {name["S"] for item in row.entries for flaw in _FLAWS if flaw in item for name in item[flaw]["L"]}
    return sorted(flawed.intersection(names))


PRIVATE: Final = (
    Private("00991001", "DatastoreId", "LO", "The data store's id", lambda row, *_: [row.datastore_id]),
    Private("00991002", "ImageSetId", "LO", "The ids of the image sets that match, newest study first", _image_sets),
    Private(
        "00991003",
        "ImageSetVersion",
        "IS",
        "The versions of these image sets that are indexed, in the same order",
        _of_each("ImageSetVersion", int),
        on_request=True,
    ),
    Private(
        "00991004",
        "IsPrimary",
        "CS",
        "Whether these image sets are primary, in the same order: YES, NO, or UNKNOWN",
        _primary,
    ),
    Private(
        "00991005",
        "PossibleMatch",
        "LO",
        "The keywords of the conditions that may match, where the index does not hold enough to be certain",
        _possible,
    ),
    Private(
        "00991006",
        "OnlyNonPrimary",
        "CS",
        "YES if the study or series has no primary image set; HealthImaging's own search does not find it",
        _only_non_primary,
    ),
    Private(
        "00991007",
        "NonPrimaryImageSets",
        "IS",
        "How many image sets of this study or series are not in this answer because they are not primary",
        _non_primary,
    ),
    Private(
        "00991008",
        "ConflictingAttributes",
        "LO",
        "The keywords of attributes of the patient that have several values among the image sets",
        _conflicts,
    ),
    Private(
        "00991009",
        "IncompleteAttributes",
        "LO",
        "The keywords of attributes whose values here are not all of those in HealthImaging: invalid ones are left "
        "out, and long ones are cut",
        _incomplete,
    ),
    Private(
        "0099100A",
        "FirstIndexedAt",
        "DT",
        "When each of these image sets was first indexed, in the same order",
        _of_each("FirstIndexedAt", _moment),
        on_request=True,
    ),
)


def asked_for(wanted: Wanted) -> Iterator[Private]:
    """The private elements of an answer's objects."""
    always = wanted.everything or wanted.level is not Level.STUDY
    return (each for each in PRIVATE if always or not each.on_request or each.name in wanted.names)


def needed(wanted: Wanted) -> tuple[str, ...]:
    """The index's own attributes that entries must have for them."""
    return (*_FLAWS, *(each.name for each in asked_for(wanted) if each.on_request))


def elements(row: Row, wanted: Wanted, names: Collection[str]) -> Elements:
    """The block of a row in an answer with some attributes, without the elements that have no value."""
    values = [(each, each.of(row, wanted, names)) for each in asked_for(wanted)]
    block = {each.tag: {"vr": each.vr, "Value": found} for each, found in values if found}
    return {CREATOR_TAG: {"vr": "LO", "Value": [CREATOR]}} | block
