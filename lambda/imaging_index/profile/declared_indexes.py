"""The indexes that a profile's file declares: which attributes may be keys."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from imaging_index.dicom import dictionary
from imaging_index.dicom.dictionary import Level
from imaging_index.profile import held_attributes, index_names
from imaging_index.profile.derived import PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.profile.privacy import Policy
from imaging_index.profile.profile import Index
from imaging_index.profile.schema import (
    MOMENTS,
    MOST_INDEXES,
    MOST_KEY_ATTRIBUTES,
    OF_TOMBSTONES,
    OWN_KEYS,
    SOMETIMES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.mistakes import Mistakes, Path

# DynamoDB API Reference, "GlobalSecondaryIndex".
_NAME: Final = re.compile(rf"[A-Za-z0-9_.-]{{3,{index_names.LONGEST_DECLARED}}}")
_FIELDS: Final = ("partition", "sort", "holds")


def read(
    tables: Any, attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute], mistakes: Mistakes
) -> dict[str, Index]:
    """The indexes that are declared in the tables of `[indexes]`, as far as they are without mistakes.

    `attributes` are those that entries will have, `selected` also those that [privacy] drops.
    """
    others = [name for name, table in tables.items() if not isinstance(table, dict)] if isinstance(tables, dict) else []
    if not isinstance(tables, dict) or others:
        mistakes.add(
            "Indexes are tables: [indexes.patient] with partition = [...] and sort = [...].", "indexes", *others[:1]
        )
        return {}
    if len(tables) > MOST_INDEXES:
        mistakes.add(
            f"{len(tables)} indexes are declared; DynamoDB allows {MOST_INDEXES} a table. Take some out.",
            "indexes",
            [*tables][MOST_INDEXES],
        )
    indexes = {}
    for name, table in tables.items():
        where, place = f"[indexes.{name}]", ("indexes", name)
        for field in table:
            if field not in _FIELDS:
                mistakes.add(
                    f"{where} has an unknown field '{field}'. Allowed fields: {', '.join(_FIELDS)}.", *place, field
                )
        if not _NAME.fullmatch(name):
            mistakes.add(
                f"An index cannot be named '{name}'; take 3 to {index_names.LONGEST_DECLARED} letters, digits, '_', "
                "'-' or '.'.",
                *place,
            )
        elif index_names.declared(name) != name:
            mistakes.add(
                f"An index cannot be named '{name}', since names in DynamoDB end like that; choose another.", *place
            )
        keys = [_keys(name, part, table.get(part), mistakes) for part in ("partition", "sort")]
        index = Index(*keys)
        held = held_attributes.read(name, table.get("holds", "all"), index.keys, attributes, selected, mistakes)
        indexes[name] = index = structs.replace(index, holds=held)
        if all(keys) and OF_TOMBSTONES.issuperset(chain(*keys)):
            mistakes.add(
                f"{where} would hold deleted image sets as well; add what only the others have, like FirstIndexedAt or "
                "StudyMoment.",
                *place,
            )
        for key, places in _places(name, index).items():
            if len(places) > 1:
                mistakes.add(f"{where} names '{key}' twice; take one of them out.", *places[0])
            wrong = _wrong_key(key, attributes, selected)
            if wrong:
                mistakes.add(f"{where} {wrong}", *places[0])
            if key == PATIENT_NAME_KEY.name and not _is_kept("PatientName", attributes):
                mistakes.add(
                    f"{where} is by PatientNameKey, but PatientName is not selected, or not kept; select it, or take "
                    "the index out.",
                    *places[0],
                )
        for at, key in enumerate(index.sort):
            if key in attributes or key in SOMETIMES:
                mistakes.add(
                    f"{where} sorts by '{key}', and the index would leave out every image set without it. Sort by "
                    "what every entry has, like StudyMoment or ImageSetId, or make it a partition key.",
                    *place,
                    "sort",
                    at,
                )
    held_attributes.check_sum(indexes, mistakes)
    return indexes


def warnings(indexes: Mapping[str, Index], attributes: Mapping[str, Attribute]) -> list[str]:
    """What is odd about some indexes, for their author."""
    if _is_kept("StudyDate", attributes):
        return []
    return [
        f"[indexes.{name}] is by StudyMoment, which is all zeros without StudyDate."
        for name, index in indexes.items()
        if STUDY_MOMENT.name in (*index.partition, *index.sort)
    ]


def _is_kept(name: str, attributes: Mapping[str, Attribute]) -> bool:
    return name in attributes and attributes[name].policy in (Policy.KEEP, Policy.SHIFT)


def _places(name: str, index: Index) -> dict[str, list[Path]]:
    """Where an index names each of its keys: once, unless by mistake."""
    places: dict[str, list[Path]] = {}
    for part, keys in (("partition", index.partition), ("sort", index.sort)):
        for at, key in enumerate(keys):
            places.setdefault(key, []).append(("indexes", name, part, at))
    return places


def _keys(index: str, part: str, names: Any, mistakes: Mistakes) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = []
    if not 1 <= len(names) <= MOST_KEY_ATTRIBUTES:
        mistakes.add(
            f"[indexes.{index}] needs {part} = [...] with one to {MOST_KEY_ATTRIBUTES} attributes.",
            "indexes",
            index,
            part,
        )
        return ()
    return tuple(names)


def _wrong_key(key: str, attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute]) -> str | None:
    """Why an attribute cannot be a key of an index, and what to do; None when it can."""
    attribute = attributes.get(key)
    if attribute is None:
        if key in MOMENTS and any(each.policy is Policy.SHIFT for each in attributes.values()):
            return f"cannot have '{key}' as a key, which no entry has whose dates are shifted; sort by StudyMoment."
        if key in OWN_KEYS:
            return None
        if key in selected:
            return f"cannot have '{key}' as a key, since [privacy] drops it; take it out of the index."
        if dictionary.lookup(key.split(".", 1)[0]):
            return f"names '{key}', which is not selected; add it to `attributes`."
        meant = dictionary.nearest(key, [*OWN_KEYS, *attributes])
        what = f". Did you mean '{meant}'?" if meant else f"; select it, or take one of {', '.join(OWN_KEYS)}."
        return f"names '{key}', which is not selected{what}"
    if attribute.multiple:
        return f"cannot have '{key}' as a key, since it holds several values; take it out of the index."
    if attribute.level is Level.INSTANCE:
        return f"cannot have '{key}' as a key, since it is summarized over the instances; take it out of the index."
    return None
