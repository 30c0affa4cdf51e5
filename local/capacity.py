"""What DynamoDB counts for an item: its bytes, and the capacity units that they take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Amazon DynamoDB Developer Guide, "Read/write capacity mode" and "DynamoDB item sizes and formats".
WRITE_UNIT: Final = 1024
READ_UNIT: Final = 4096


def units(size: float, unit: int = WRITE_UNIT) -> int:
    """The capacity units of an item of `size` bytes."""
    return max(math.ceil(size / unit), 1)


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
