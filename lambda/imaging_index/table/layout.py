"""The table's layout: its keys, and the head of an entry that the write protocol reads.

The partition key `ImageSet` is `<datastoreId>/<imageSetId>`. The sort key `Part` is `entry`, or for a page
`page/<generation>/<attempt>/<nnnn>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.table import generation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.entry.item import Item

ENTRY: Final = "entry"
PAGES: Final = "page/"


class Key(msgspec.Struct, frozen=True):
    """An image set. Its text is the partition key."""

    datastore_id: str
    image_set_id: str

    def __str__(self) -> str:
        return f"{self.datastore_id}/{self.image_set_id}"


class Head(msgspec.Struct, frozen=True):
    """What the protocol needs of an entry. A tombstone's `generation` is `TOMBSTONE`, its `attempt` is empty.

    `document_in` is where the document is kept that the entry was made from (`kept_documents.name_of`), or None.
    """

    generation: str
    attempt: str
    first_indexed_at: str | None
    document_in: str | None = None

    @property
    def tombstone(self) -> bool:
        """Whether the image set was deleted."""
        return self.generation == generation.TOMBSTONE


class Between(msgspec.Struct, frozen=True):
    """A condition on a sort attribute: from `low` to `high`, both included."""

    low: str
    high: str


def item_key(key: Key, part: str) -> Item:
    """The primary key of one part of an image set, in DynamoDB's form."""
    return {"ImageSet": {"S": str(key)}, "Part": {"S": part}}


def head_of(item: Mapping[str, Any]) -> Head:
    """The head of an entry or a tombstone."""
    return Head(
        generation=item["Generation"]["S"],
        attempt=item.get("Attempt", {}).get("S", ""),
        first_indexed_at=item.get("FirstIndexedAt", {}).get("S"),
        document_in=item.get("DocumentIn", {}).get("S"),
    )
