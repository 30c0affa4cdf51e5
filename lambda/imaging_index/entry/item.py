"""Typed values in DynamoDB's own form, `{"S": "CT"}`, within the bounds of an entry; and back as plain values."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from imaging_index.dicom.person_names import cut, name_folded
from imaging_index.entry.conversion import Flaws, Value
from imaging_index.profile.attributes import Attribute
from imaging_index.profile.derived import FOLDED
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import LONGEST_LIST, LONGEST_TEXT, MOST_VALUES

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]


def stored(value: Value | None) -> AttributeValue:
    """One value; an empty one of several is an empty text."""
    return {"N": f"{value:f}"} if isinstance(value, Decimal) else {"S": value or ""}


def stored_list(name: str, values: Sequence[Value | None], flaws: Flaws) -> AttributeValue:
    """The values of a list, as many as an entry has room for."""
    kept = values[: fitting(values)]
    if len(kept) < len(values):
        flaws.truncated.add(name)
    return {"L": [stored(value) for value in kept]}


def fitting(values: Sequence[Value | None], room: int = LONGEST_LIST) -> int:
    """How many of a list's values an entry has room for, of `room` bytes."""
    sizes = (size(stored(value)) for value in values[:MOST_VALUES])
    return sum(total <= room for total in itertools.accumulate(sizes))


def folded(attribute: Attribute, values: Iterable[object], flaws: Flaws) -> Item:
    """A person's name as search compares it."""
    if attribute.vr != "PN" or attribute.policy is not Policy.KEEP:
        return {}
    words = name_folded([value for value in values if isinstance(value, str)])
    short = cut(words, LONGEST_TEXT)
    if short != words:
        flaws.truncated.add(attribute.name)
    return {f"{attribute.name}{FOLDED}": {"S": short}} if short else {}


def size(value: AttributeValue) -> int:
    """The bytes of a text or number, or of a list of them."""
    ((kind, content),) = value.items()
    return sum(map(size, content)) if kind == "L" else len(content.encode())


def plain(item: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """An item's attributes as plain values: text, `Decimal`, bool, bytes, lists and maps."""
    # Texts and numbers, which most values are, are not worth the call of a function each.
    return {
        name: value["S"] if "S" in value else Decimal(value["N"]) if "N" in value else plain_value(value)
        for name, value in item.items()
    }


def plain_value(value: AttributeValue) -> Any:
    """A value in DynamoDB's form as a plain one."""
    if "M" in value:
        return plain(value["M"])
    if "L" in value:
        return [
            each["S"] if "S" in each else Decimal(each["N"]) if "N" in each else plain_value(each)
            for each in value["L"]
        ]
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content
