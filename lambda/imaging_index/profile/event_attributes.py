"""The attributes that a profile's file gives to events, in its table [events]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import dictionary
from imaging_index.dicom.confidentiality import identifies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.mistakes import Mistakes

# What events have where a profile has no list, as far as it selects them.
DEFAULT: Final = ("Modality", "BodyPartExamined", "Manufacturer", "SOPClassUID")

_FIELDS: Final = ("attributes", "identifying")
# The names have this many bytes of an event, which lists those without a value.
_LONGEST_NAMES: Final = 20_000


def read(
    table: Any, attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute], mistakes: Mistakes
) -> tuple[str, ...]:
    """The names in the table [events], or the default ones where it is None.

    `attributes` are those that entries will have, `selected` also those that [privacy] drops.
    """
    if table is None:
        return tuple(name for name in DEFAULT if name in attributes)
    if not isinstance(table, dict):
        mistakes.add('Events are a table: [events] with attributes = ["Modality", ...].', "events")
        return ()
    for field in table:
        if field not in _FIELDS:
            mistakes.add(
                f"[events] has an unknown field '{field}'. Allowed fields: {', '.join(_FIELDS)}.", "events", field
            )
    names, twice = (_names(table, field, mistakes) for field in _FIELDS)
    for at, name in enumerate(names):
        place = ("events", "attributes", at)
        if name in names[:at]:
            mistakes.add(f"[events] has '{name}' twice in `attributes`; take one of them out.", *place)
        elif name not in attributes:
            mistakes.add(f"[events] has '{name}', {_why_not(name, attributes, selected)}", *place)
        elif name not in twice and _may_identify(attributes[name]):
            mistakes.add(
                f"[events] has '{name}', which may identify a person, and everybody who may read the bus reads events. "
                "Take it out, or name it in `identifying` as well.",
                *place,
            )
    if (size := sum(len(name.encode()) + 3 for name in names)) > _LONGEST_NAMES:
        mistakes.add(
            f"[events] has names of {size} bytes in `attributes`, and an event has room for {_LONGEST_NAMES}; take "
            "some out.",
            *("events", "attributes"),
        )
    for at, name in enumerate(twice):
        if name not in names:
            mistakes.add(
                f"[events] has '{name}' in `identifying` only; name it in `attributes` as well, or take it out.",
                *("events", "identifying", at),
            )
    return tuple(names)


def _names(table: Mapping[str, Any], field: str, mistakes: Mistakes) -> list[str]:
    names = table.get(field, [])
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    mistakes.add(f"[events] needs a list of names: {field} = [...].", "events", field)
    return []


def _why_not(name: str, attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute]) -> str:
    """Why events cannot have an attribute, and what to do."""
    if name in selected:
        return "which [privacy] drops; take it out of the list."
    if dictionary.lookup(name.partition(".")[0]):
        return "which is not selected; add it to `attributes` at the top of the profile."
    meant = dictionary.nearest(name, [*attributes])
    return f"which no entry has. Did you mean '{meant}'?" if meant else "which no entry has; take it out of the list."


def _may_identify(attribute: Attribute) -> bool:
    """Whether any place where its value may be is one of an identifying attribute, or a private element.

    De-identification removes many sequences as a whole (PS3.15, table E.1-1), so what is selected in one may identify.
    """
    return (
        "." in attribute.name
        or not attribute.sources
        or any(source.vr is not None or identifies(source.path[-1], attribute.vr) for source in attribute.sources)
    )
