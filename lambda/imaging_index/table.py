"""The table, and the only code that speaks DynamoDB.

Partition key `ImageSet` is `<datastoreId>/<imageSetId>`; sort key `Part` is `entry`, or of a page
`page/<generation>/<attempt>/<nnnn>`.
"""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from botocore.exceptions import ClientError

from imaging_index import generation
from imaging_index.errors import Overload
from imaging_index.pages import unpack
from imaging_index.profile import Index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from imaging_index.stored import Item

_ENTRY: Final = "entry"
_PAGES: Final = "page/"
_NEWER: Final = "attribute_not_exists(ImageSet) OR Generation < :generation"

# DynamoDB API Reference, "BatchWriteItem": 25 requests and 16 MB a call.
_MOST_REQUESTS: Final = 25
_TRIES: Final = 5
_READS: Final = 5
_PAUSE: Final = 0.05  # seconds, doubled from try to try


class Key(msgspec.Struct, frozen=True):
    """An image set. Its text is the partition key."""

    datastore_id: str
    image_set_id: str

    def __str__(self) -> str:
        return f"{self.datastore_id}/{self.image_set_id}"


class Head(msgspec.Struct, frozen=True):
    """What the protocol needs of an entry. A tombstone's `generation` is `TOMBSTONE`, its `attempt` is empty."""

    generation: str
    attempt: str
    first_indexed_at: str | None

    @property
    def tombstone(self) -> bool:
        """Whether the image set was deleted."""
        return self.generation == generation.TOMBSTONE


class Between(msgspec.Struct, frozen=True):
    """A condition on a sort attribute: from `low` to `high`, both included."""

    low: str
    high: str


class ImageSet(msgspec.Struct, frozen=True):
    """An entry with the instances that its pages hold, one mapping an instance."""

    entry: Item
    instances: list[dict[str, Any]]


class Damaged(Exception):  # noqa: N818
    """The pages are not what their entry says: the image set is to be indexed again with a repair hint."""


class Table:
    """One table. Errors of botocore pass through; `errors.classify` knows them."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name
        self._write_units = 0.0

    def take_write_units(self) -> float:
        """The write units that DynamoDB reported since this was last asked, indexes included."""
        taken, self._write_units = self._write_units, 0.0
        return taken

    def head(self, key: Key) -> Head | None:
        """The entry's head as of now, or None when there is no entry."""
        answer = self._client.get_item(
            TableName=self._name,
            Key=_item_key(key, _ENTRY),
            ConsistentRead=True,
            ProjectionExpression="Generation, Attempt, FirstIndexedAt",
        )
        return _head(answer["Item"]) if "Item" in answer else None

    def put_pages(self, key: Key, of: str, attempt: str, pages: Sequence[bytes]) -> None:
        """Write the pages of one attempt at generation `of`; DynamoDB has acknowledged all when this returns."""
        self._write(
            {"PutRequest": {"Item": _item_key(key, f"{_PAGES}{of}/{attempt}/{number:04d}") | {"Content": {"B": page}}}}
            for number, page in enumerate(pages)
        )

    def put_entry(self, key: Key, item: Item) -> bool:
        """Write the entry unless one of its generation or a newer one stands; whether it was written."""
        return self._put(_item_key(key, _ENTRY) | item, item["Generation"]["S"])

    def put_tombstone(self, key: Key, now: str) -> Head:
        """Write that the image set was deleted: nothing of the entry stays, and nothing is newer."""
        item: Item = {
            "Generation": {"S": generation.TOMBSTONE},
            "DatastoreId": {"S": key.datastore_id},
            "ImageSetId": {"S": key.image_set_id},
            "IndexedAt": {"S": now},
        }
        self._put(_item_key(key, _ENTRY) | item, generation.TOMBSTONE)
        return Head(generation.TOMBSTONE, "", None)

    def sweep(self, key: Key, head: Head) -> None:
        """Delete the pages that no entry can name again: older ones, and those of other attempts at its generation.

        Newer ones stay, since their entry may still be on its way.
        """
        current = f"{_PAGES}{head.generation}/{head.attempt}/"
        parts = self._parts(key, f"{_PAGES}{head.generation}/~")
        self._write({"DeleteRequest": {"Key": _item_key(key, part)}} for part in parts if not part.startswith(current))

    def read(self, key: Key) -> ImageSet | None:
        """The entry with its instances, whole, or None when there is no entry or a tombstone.

        Raises:
            Damaged: the pages are not complete although nobody is changing them.
        """
        for round_ in range(_READS):
            item: Any = self._client.get_item(
                TableName=self._name, Key=_item_key(key, _ENTRY), ConsistentRead=True
            ).get("Item")
            if item is None or _head(item).tombstone:
                return None
            head = _head(item)
            packed = [page["Content"]["B"] for page in self._pages(key, f"{_PAGES}{head.generation}/{head.attempt}/")]
            if len(packed) == int(item["Pages"]["N"]):
                with contextlib.suppress(ValueError):
                    instances, checksum = unpack(packed)
                    if checksum == item["PagesChecksum"]["S"]:
                        return ImageSet(item, instances)
            time.sleep(_PAUSE * 2**round_)
        raise Damaged(f"the pages of {key} are not complete")

    def indexes(self) -> dict[str, Index]:
        """The table's indexes as it really has them, by name, without those that are being made or dropped."""
        table = self._client.describe_table(TableName=self._name)["Table"]
        return {
            index["IndexName"]: _index(index["KeySchema"])
            for index in table.get("GlobalSecondaryIndexes", [])
            if index.get("IndexStatus") not in ("CREATING", "DELETING")
        }

    def query(self, index: str, conditions: Mapping[str, str | Between]) -> Iterator[Item]:
        """The entries that an index holds for `conditions` on its key attributes, in the index's order.

        All partition attributes need a value; of the sort attributes the first ones may have one, and the last of
        these may be `Between` (DynamoDB Developer Guide, "Multi-attribute keys"). Values are text, numbers as digits.
        """
        names = {f"#{number}": name for number, name in enumerate(conditions)}
        types = self.key_types()
        terms = []
        values: Item = {}
        for number, (name, condition) in enumerate(conditions.items()):
            kind = types[name]
            if isinstance(condition, Between):
                terms.append(f"#{number} BETWEEN :{number}low AND :{number}high")
                values |= {f":{number}low": {kind: condition.low}, f":{number}high": {kind: condition.high}}
            else:
                terms.append(f"#{number} = :{number}")
                values[f":{number}"] = {kind: condition}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=index,
            KeyConditionExpression=" AND ".join(terms),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
        for page in pages:
            yield from cast("list[Item]", page["Items"])

    def key_types(self) -> dict[str, str]:
        """The DynamoDB type, `S` or `N`, of every attribute that is a key of the table or of an index."""
        table = self._client.describe_table(TableName=self._name)["Table"]
        return {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}

    def _pages(self, key: Key, prefix: str) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key AND begins_with(Part, :prefix)",
            ExpressionAttributeValues={":key": {"S": str(key)}, ":prefix": {"S": prefix}},
        )
        for page in pages:
            yield from page["Items"]

    def _parts(self, key: Key, last: str) -> list[str]:
        """The sort keys of an image set's pages up to `last`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key AND Part BETWEEN :first AND :last",
            ExpressionAttributeValues={":key": {"S": str(key)}, ":first": {"S": _PAGES}, ":last": {"S": last}},
            ProjectionExpression="Part",
        )
        return [item["Part"]["S"] for page in pages for item in page["Items"]]

    def _put(self, item: Mapping[str, Any], of: str) -> bool:
        try:
            answer = self._client.put_item(
                TableName=self._name,
                Item=item,
                ConditionExpression=_NEWER,
                ExpressionAttributeValues={":generation": {"S": of}},
                ReturnConsumedCapacity="TOTAL",
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                return False
            raise
        self._write_units += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0)
        return True

    def _write(self, requests: Iterable[Any]) -> None:
        waiting = list(requests)
        for round_ in range(_TRIES):
            unprocessed: list[Any] = []
            for start in range(0, len(waiting), _MOST_REQUESTS):
                answer = self._client.batch_write_item(
                    RequestItems={self._name: waiting[start : start + _MOST_REQUESTS]}, ReturnConsumedCapacity="TOTAL"
                )
                self._write_units += sum(each.get("CapacityUnits", 0) for each in answer.get("ConsumedCapacity", []))
                unprocessed += answer.get("UnprocessedItems", {}).get(self._name, [])
            if not unprocessed:
                return
            waiting = unprocessed
            time.sleep(_PAUSE * 2**round_ * random.uniform(0.5, 1))
        raise Overload("BatchWriteItem: UnprocessedItems")


def _item_key(key: Key, part: str) -> Item:
    return {"ImageSet": {"S": str(key)}, "Part": {"S": part}}


def _index(schema: Iterable[Any]) -> Index:
    names = {
        kind: tuple(key["AttributeName"] for key in schema if key["KeyType"] == kind) for kind in ("HASH", "RANGE")
    }
    return Index(names["HASH"], names["RANGE"])


def _head(item: Mapping[str, Any]) -> Head:
    return Head(
        generation=item["Generation"]["S"],
        attempt=item.get("Attempt", {}).get("S", ""),
        first_indexed_at=item.get("FirstIndexedAt", {}).get("S"),
    )
