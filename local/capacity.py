"""What DynamoDB counts for an item: its bytes, in the table and in an index, and the capacity units that they take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from imaging_index.profile.schema import TABLE_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.profile.profile import Index

# Amazon DynamoDB Developer Guide, "Read/write capacity mode" and "DynamoDB item sizes and formats".
WRITE_UNIT: Final = 1024
READ_UNIT: Final = 4096


def units(size: float, unit: int = WRITE_UNIT) -> int:
    """The capacity units of an item of `size` bytes."""
    return max(math.ceil(size / unit), 1)


def in_index(item: Mapping[str, Any], index: Index) -> Mapping[str, Any] | None:
    """What an index holds of an item; None if the item is not in it, since it lacks one of the index's keys."""
    if any(key not in item for key in index.keys):
        return None
    if index.holds is None:
        return item
    names = {*TABLE_KEYS, *index.keys, *index.holds}
    return {name: value for name, value in item.items() if name in names}


def index_units(index: Index, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> int:
    """The write units that an index takes when an item is written (`new`) over another (`old`), or is deleted.

    What a write changes in the index is charged (Amazon DynamoDB Developer Guide, "Using Global Secondary Indexes in
    DynamoDB", section "Write capacity units"). So if what the index holds stays the same, it takes none; the guide does
    not name that case.
    """
    before, after = (item and in_index(item, index) for item in (old, new))
    if before == after:
        return 0
    if before and after and any(before[key] != after[key] for key in index.keys):
        return units(item_size(before)) + units(item_size(after))
    return max(units(item_size(view)) for view in (before, after) if view)


def item_size(item: Mapping[str, Any]) -> int:
    """The bytes that DynamoDB counts for an item (Developer Guide, "DynamoDB item sizes and formats")."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S" | "B":
            length: int = len(content if kind == "B" else content.encode())
            return length
        case "N":
            # Two significant digits a byte, and one for the rest; the guide says "approximately".
            digits = content.lstrip("-").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1 + int(content.startswith("-"))
        case "L":
            return 3 + sum(1 + _value_size(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(each) for name, each in content.items())
    return 1
