"""One change of an entry: a record of the table's stream -> the entry before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from imaging_index.table import generation
from imaging_index.table.layout import ENTRY, Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.entry.item import Item


class Unusable(ValueError):  # noqa: N818
    """A record, or a message, that says too little to announce anything. Its text quotes nothing."""


class Change(msgspec.Struct, frozen=True):
    """A change of an entry. A tombstone is no entry: `old` is None if there was no entry before, `new` if none is left.

    `sequence` is the record's number in the stream. `moment` is when DynamoDB made it, in seconds since 1970.
    """

    key: Key
    old: Item | None
    new: Item | None
    sequence: str
    moment: float

    @property
    def last(self) -> Item:
        """The entry, or what it was before it was removed."""
        item = self.old if self.new is None else self.new
        assert item is not None  # noqa: S101  `read` makes no change of two tombstones
        return item


def read(record: Mapping[str, Any]) -> Change | None:
    """The change in a record of Lambda's DynamoDB event; None where no entry changed, as with pages and markers.

    (Amazon DynamoDB Streams API Reference, "Record". The stream has new and old images.)

    Raises:
        Unusable: the record has no image, or the image no generation or version.
    """
    try:
        name, data = record["eventName"], record["dynamodb"]
        if data["Keys"]["Part"]["S"] != ENTRY:
            return None
        datastore_id, _, image_set_id = data["Keys"]["ImageSet"]["S"].partition("/")
        old = None if name == "INSERT" else _live(data["OldImage"])
        new = None if name == "REMOVE" else _live(data["NewImage"])
        sequence, moment = data["SequenceNumber"], float(data.get("ApproximateCreationDateTime", 0))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Unusable("the record of the stream has no usable image of its entry") from None
    return Change(Key(datastore_id, image_set_id), old, new, sequence, moment) if old or new else None


def sequence_of(record: Mapping[str, Any]) -> str:
    """The number of a record in the stream, as far as it has one."""
    return str(record.get("dynamodb", {}).get("SequenceNumber", ""))


def _live(image: Item) -> Item | None:
    """The entry in an image; None for a tombstone."""
    if image["Generation"]["S"] == generation.TOMBSTONE:
        return None
    int(image["ImageSetVersion"]["N"])
    return image
