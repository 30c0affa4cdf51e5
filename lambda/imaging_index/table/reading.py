"""Reads the table: entries with their instances, and what the indexes hold."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from imaging_index.entry.pages import unpack
from imaging_index.profile import index_names
from imaging_index.profile.profile import Index
from imaging_index.table.layout import ENTRY, PAGES, Between, Head, Key, head_of, item_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from imaging_index.entry.item import Item

_READS: Final = 5
_ROUNDS: Final = 8
_PAUSE: Final = 0.05  # seconds, doubled from try to try


class ImageSet(msgspec.Struct, frozen=True):
    """An entry with the instances that its pages hold, one mapping an instance."""

    entry: Item
    instances: list[dict[str, Any]]


class Page(msgspec.Struct, frozen=True):
    """Some entries, the read request units that they took, and where to start for further ones; None for no more.

    The entries of a page of a query are parsed each time that one is asked for (`answers`).
    """

    items: Sequence[Item]
    units: float
    next: Item | None


class Damaged(Exception):  # noqa: N818
    """The pages are not what their entry says: the image set is to be indexed again with a repair hint."""


class TableDescription(msgspec.Struct, frozen=True):
    """What DynamoDB says of a table.

    `indexes` are by their names in the profile, without those that are being made or dropped. `key_types` has the
    DynamoDB type, `S` or `N`, of every attribute that is a key of the table or of an index. `sizes` has, by index, how
    many entries it has and their bytes together, as DynamoDB counted them within the last six hours.
    """

    indexes: dict[str, Index]
    key_types: dict[str, str]
    sizes: dict[str, tuple[int, int]] = {}


class TableReader:
    """Reads one table. Errors of botocore pass through; `aws_errors.classify` knows them."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name
        self._names_in_table: Mapping[str, str] = {}

    def head(self, key: Key) -> Head | None:
        """The entry's head as of now, or None when there is no entry."""
        answer = self._client.get_item(
            TableName=self._name,
            Key=item_key(key, ENTRY),
            ConsistentRead=True,
            ProjectionExpression="Generation, Attempt, FirstIndexedAt, DocumentIn",
        )
        return head_of(answer["Item"]) if "Item" in answer else None

    def read(self, key: Key) -> ImageSet | None:
        """The entry with its instances, whole, or None when there is no entry or a tombstone.

        Raises:
            Damaged: the pages are not complete although nobody is changing them.
        """
        for round_ in range(_READS):
            item: Any = self._client.get_item(TableName=self._name, Key=item_key(key, ENTRY), ConsistentRead=True).get(
                "Item"
            )
            if item is None or head_of(item).tombstone:
                return None
            head = head_of(item)
            packed = [page["Content"]["B"] for page in self._pages(key, f"{PAGES}{head.generation}/{head.attempt}/")]
            if len(packed) == int(item["Pages"]["N"]):
                with contextlib.suppress(ValueError):
                    instances, checksum = unpack(packed)
                    if checksum == item["PagesChecksum"]["S"]:
                        return ImageSet(item, instances)
            time.sleep(_PAUSE * 2**round_)
        raise Damaged(f"the pages of {key} are not complete")

    def describe(self) -> TableDescription:
        """The table's indexes and key types as they are in DynamoDB now. Queries use these indexes from then on.

        While an upgrade replaces an index, the table has two of one declared name. This is the one that holds more.
        """
        table = self._client.describe_table(TableName=self._name)["Table"]
        there = {
            index_names.declared(index["IndexName"]): index
            for index in sorted(table.get("GlobalSecondaryIndexes", []), key=_extent)
            if index.get("IndexStatus") not in ("CREATING", "DELETING")
        }
        self._names_in_table = {name: index["IndexName"] for name, index in there.items()}
        return TableDescription(
            indexes={name: _index(index) for name, index in there.items()},
            key_types={each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]},
            sizes={name: (index.get("ItemCount", 0), index.get("IndexSizeBytes", 0)) for name, index in there.items()},
        )

    def query(
        self,
        index: str,
        conditions: Mapping[str, str | Between],
        key_types: Mapping[str, str],
        *,
        newest_first: bool = False,
    ) -> Iterator[Item]:
        """All entries that `page` gives, page by page."""
        start = None
        while True:
            page = self.page(index, conditions, key_types, backwards=newest_first, start=start)
            yield from page.items
            start = page.next
            if start is None:
                return

    def page(
        self,
        index: str,
        conditions: Mapping[str, str | Between],
        key_types: Mapping[str, str],
        *,
        backwards: bool = False,
        start: Item | None = None,
        most: int | None = None,
    ) -> Page:
        """The next entries that an index holds for `conditions` on its key attributes: at most 1 MiB and `most`.

        `index` is its name in the profile or in DynamoDB. Call `describe` first: it finds one by the other.
        All partition attributes need a value; of the sort attributes the first ones may have one, and the last of
        these may be `Between` (DynamoDB Developer Guide, "Multi-attribute keys"). Values are text, numbers as digits;
        `key_types` are those of the table's description. `start` is a page's `next`.
        """
        names = {f"#{number}": name for number, name in enumerate(conditions)}
        terms = []
        values: Item = {}
        for number, (name, condition) in enumerate(conditions.items()):
            kind = key_types[name]
            if isinstance(condition, Between):
                terms.append(f"#{number} BETWEEN :{number}low AND :{number}high")
                values |= {f":{number}low": {kind: condition.low}, f":{number}high": {kind: condition.high}}
            else:
                terms.append(f"#{number} = :{number}")
                values[f":{number}"] = {kind: condition}
        options: Any = ({"ExclusiveStartKey": start} if start else {}) | ({"Limit": most} if most else {})
        answer: Any = self._client.query(
            TableName=self._name,
            IndexName=self._names_in_table.get(index, index),
            KeyConditionExpression=" AND ".join(terms),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not backwards,
            ReturnConsumedCapacity="TOTAL",
            **options,
        )
        return Page(answer["Items"], answer["ConsumedCapacity"]["CapacityUnits"], answer.get("LastEvaluatedKey"))

    def entries(self, keys: Sequence[Key]) -> Page:
        """The entries of at most 100 image sets, in any order, without those that were deleted.

        (Amazon DynamoDB API Reference, "BatchGetItem").
        """
        wanted: Any = {self._name: {"Keys": [item_key(key, ENTRY) for key in keys]}}
        items: list[Item] = []
        units = 0.0
        for round_ in range(_ROUNDS):
            answer: Any = self._client.batch_get_item(RequestItems=wanted, ReturnConsumedCapacity="TOTAL")
            items += answer["Responses"].get(self._name, [])
            units += sum(each["CapacityUnits"] for each in answer["ConsumedCapacity"])
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return Page([item for item in items if not head_of(item).tombstone], units, None)
            time.sleep(_PAUSE * 2**round_)
        raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "BatchGetItem")

    def _pages(self, key: Key, prefix: str) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key AND begins_with(Part, :prefix)",
            ExpressionAttributeValues={":key": {"S": str(key)}, ":prefix": {"S": prefix}},
        )
        for page in pages:
            yield from page["Items"]


def _index(described: Any) -> Index:
    schema, projection = described["KeySchema"], described["Projection"]
    partition, sort = (
        tuple(key["AttributeName"] for key in schema if key["KeyType"] == kind) for kind in ("HASH", "RANGE")
    )
    # DynamoDB lists attributes of INCLUDE only.
    whole = projection["ProjectionType"] == "ALL"
    return Index(partition, sort, None if whole else tuple(projection.get("NonKeyAttributes", ())))


def _extent(described: Any) -> tuple[float, str]:
    """What orders indexes by the number of attributes that they hold besides keys, and then by name."""
    holds = _index(described).holds
    return math.inf if holds is None else len(holds), described["IndexName"]
