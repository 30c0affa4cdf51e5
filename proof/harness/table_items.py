"""Entries as a table has them, and as an export reads them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from imaging_index.entry.item import Item
from imaging_index.profile.profile import Profile

STORE: Final = "d" * 32
_OURS: Final = {
    "DatastoreId": {"S": STORE},
    "ImageSetVersion": {"N": "1"},
    "Generation": {"S": "0000000001.000002.0003.0000"},
    "Part": {"S": "entry"},
    "Cause": {"S": "event"},
    "IndexedAt": {"S": "2026-01-02T03:04:05.678901Z"},
    "FirstIndexedAt": {"S": "2026-01-02T03:04:05.000000Z"},
    "EventTime": {"S": "2026-01-02T03:04:05Z"},
}


def entry(attributes: Item, profile: Profile, image_set: str = "a" * 32) -> Item:
    """A document's attributes as the entry of an image set."""
    key = {"ImageSet": {"S": f"{STORE}/{image_set}"}, "ImageSetId": {"S": image_set}}
    return attributes | _OURS | key | {"ProfileHash": {"S": profile.hash}}


def lines(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Items as an export reads them."""
    return msgspec.json.Encoder().encode_lines([*items])
