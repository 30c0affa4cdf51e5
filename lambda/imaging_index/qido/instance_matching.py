"""Which instances of an image set match: by what the pages have of each, and else by what the entry has of all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from imaging_index.dicom.dictionary import Level as DicomLevel
from imaging_index.searching.matching import Match, match_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging_index.entry.item import AttributeValue, Item
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.matching import Condition


def matches(columns: Mapping[str, Any], conditions: Sequence[Condition]) -> bool:
    """Whether an instance matches conditions on what the pages have of it.

    Args:
        columns: its values by name, as the pages have them; nothing for what it lacks.
        conditions: on some of them.
    """
    if not conditions:
        return True
    item = {name: _stored(value) for name, value in columns.items() if value is not None}
    return match_all(conditions, item) is not Match.NO


def unsure(item: Item, conditions: Sequence[Condition], profile: Profile) -> tuple[Condition, ...]:
    """The conditions that an instance of an image set may not match, though its entry does.

    An entry sums its instances up: that it matches says only that one of them does, if they differ.

    Args:
        item: the entry, which matches.
        conditions: on it, without those that are compared with each instance.
        profile: what is selected.
    """
    of_instances = {each.name for each in profile.at(DicomLevel.INSTANCE)}
    found = tuple(
        each
        for each in conditions
        if each.match(item) is not Match.YES
        or (each.attribute in of_instances and not _is_of_all(item, each.attribute))
    )
    together = match_all(conditions, item) is Match.YES
    return found if found or together else tuple(each for each in conditions if each.of_one_value)


def _is_of_all(item: Item, name: str) -> bool:
    """Whether all instances have the same of an attribute: one value, or none."""
    missing = item.get("MissingIn", {}).get("M", {})
    match item.get(name):
        case {"M": {"Min": low, "Max": high, **others}}:
            return low == high and "Missing" not in others
        case {"L": list(values)}:
            return len(values) == 1 and name not in missing
    return name not in missing


def _stored(value: Any) -> AttributeValue:
    match value:
        case bool():
            return {"BOOL": value}
        case int() | float() | Decimal():
            return {"N": str(value)}
        case list() | tuple():
            return {"L": [_stored(each) for each in value if each is not None]}
    return {"S": str(value)}
