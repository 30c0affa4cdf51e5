"""What the table must hold of an image set, worked out from HealthImaging's document without the write protocol."""

from collections.abc import Iterable, Mapping
from typing import Any

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.entry import Content
from imaging_index.entry.item import Item
from imaging_index.entry.pages import unpack
from imaging_index.profile.profile import Profile
from imaging_index.table import generation
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter

Dump = dict[str, Item]  # all items of one image set by their sort key, the keys themselves left out

# What tells of the writing, and not of the image set.
_OF_THE_WRITING = {
    "Attempt",
    "DocumentIn",
    "IndexedAt",
    "FirstIndexedAt",
    "EventTime",
    "Cause",
    "IsPrimary",
    "NonPrimary",
}


def content(document: Iterable[bytes], using: Profile) -> Content:
    """What a metadata document says."""
    return entry.build(Reader(using), document)


def indexed(
    key: Key, said: Content, version: int, using: Profile, *, repair: int = 0, attempt: str = "0123456789abcdef"
) -> Dump:
    """The entry and the pages of a version."""
    of = generation.make(version, using.revision, entry.FORMAT, repair)
    head: Item = said.attributes | {
        "Generation": {"S": of},
        "Attempt": {"S": attempt},
        "DatastoreId": {"S": key.datastore_id},
        "ImageSetId": {"S": key.image_set_id},
        "ImageSetVersion": {"N": str(version)},
        "ProfileHash": {"S": using.hash},
        "Pages": {"N": str(len(said.pages))},
        "PagesChecksum": {"S": said.checksum},
        "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        "FirstIndexedAt": {"S": "2025-01-01T00:00:00.000000Z"},
    }
    return {"entry": head} | pages(of, attempt, said.pages)


def pages(of: str, attempt: str, contents: Iterable[bytes]) -> Dump:
    """The pages of one attempt at a generation."""
    return {f"page/{of}/{attempt}/{number:04d}": {"Content": {"B": page}} for number, page in enumerate(contents)}


def deleted(key: Key) -> Dump:
    """A tombstone."""
    return {
        "entry": {
            "Generation": {"S": generation.TOMBSTONE},
            "DatastoreId": {"S": key.datastore_id},
            "ImageSetId": {"S": key.image_set_id},
            "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        }
    }


def dump(table: TableWriter, key: Key) -> Dump:
    """What the table holds of an image set now, strongly consistent."""
    found = table._client.get_paginator("query").paginate(
        TableName=table._name,
        KeyConditionExpression="ImageSet = :key",
        ExpressionAttributeValues={":key": {"S": str(key)}},
        ConsistentRead=True,
    )
    return by_part(item for page in found for item in page["Items"])


def by_part(items: Iterable[Mapping[str, Any]]) -> Dump:
    """The items of one image set by their sort key, and without their keys."""
    return {
        item["Part"]["S"]: {name: value for name, value in item.items() if name not in ("ImageSet", "Part")}
        for item in items
    }


def restore(table: TableWriter, key: Key, held: Iterable[str], wanted: Mapping[str, Item]) -> None:
    """Have the table hold `wanted` of an image set, and nothing else; `held` is what it holds (25 at most in all)."""
    requests: list[Any] = [
        {"DeleteRequest": {"Key": {"ImageSet": {"S": str(key)}, "Part": {"S": part}}}}
        for part in held
        if part not in wanted
    ]
    requests += [
        {"PutRequest": {"Item": {"ImageSet": {"S": str(key)}, "Part": {"S": part}} | item}}
        for part, item in wanted.items()
    ]
    if requests:
        answer = table._client.batch_write_item(RequestItems={table._name: requests})
        assert not answer["UnprocessedItems"]


def comparable(held: Mapping[str, Item]) -> Dump:
    """`held` without what differs from one right run to the next; pages of an attempt not the entry's stand out."""
    attempt = held.get("entry", {}).get("Attempt", {}).get("S", "none")
    return {
        part.replace(f"/{attempt}/", "/*/"): {name: item[name] for name in item.keys() - _OF_THE_WRITING}
        for part, item in held.items()
    }


def repaired(held: Mapping[str, Item], times: int) -> Dump:
    """`held`, an entry and its pages, as they are after so many repairs."""
    of = held["entry"]["Generation"]["S"]
    renamed = f"{of[:-4]}{times:04d}"
    moved = {part.replace(of, renamed): item for part, item in held.items()}
    return moved | {"entry": moved["entry"] | {"Generation": {"S": renamed}}}


def is_deleted(held: Mapping[str, Item]) -> bool:
    """Whether the entry is a tombstone."""
    return "entry" in held and held["entry"]["Generation"]["S"] == generation.TOMBSTONE


def whole(held: Mapping[str, Item]) -> bool:
    """Whether a reader of `held` finds nothing, or an entry with all of its pages."""
    head = held.get("entry")
    if head is None or is_deleted(held):
        return True
    prefix = f"page/{head['Generation']['S']}/{head['Attempt']['S']}/"
    packed = [held[part]["Content"]["B"] for part in sorted(held) if part.startswith(prefix)]
    return len(packed) == int(head["Pages"]["N"]) and unpack(packed)[1] == head["PagesChecksum"]["S"]


def residue(held: Mapping[str, Item]) -> list[str]:
    """The pages that no entry can name again: older than the entry's, or of another attempt at its generation."""
    if "entry" not in held:
        return []
    of, attempt = (held["entry"].get(name, {}).get("S", "") for name in ("Generation", "Attempt"))
    pages = [part for part in held if part.startswith("page/") and part < f"page/{of}/~"]
    return [part for part in pages if not part.startswith(f"page/{of}/{attempt}/")]
