"""Writes the table by the write protocol: an entry replaces only an older one, and pages are written before it."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from imaging_index.aws_errors import condition_failed
from imaging_index.faults import Overload
from imaging_index.table import generation
from imaging_index.table.layout import ENTRY, PAGES, Head, Key, item_key
from imaging_index.table.reading import TableReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from imaging_index.entry.item import Item

_NEWER: Final = "attribute_not_exists(ImageSet) OR Generation < :generation"

# DynamoDB API Reference, "BatchWriteItem": 25 requests and 16 MB a call.
_MOST_REQUESTS: Final = 25
_TRIES: Final = 5
_PAUSE: Final = 0.05  # seconds, doubled from try to try


class TableWriter(TableReader):
    """Writes and reads one table. Errors of botocore pass through; `aws_errors.classify` knows them."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        super().__init__(client, name)
        self._write_units = 0.0

    def take_write_units(self) -> float:
        """The write units that DynamoDB reported since this was last asked, indexes included."""
        taken, self._write_units = self._write_units, 0.0
        return taken

    def put_pages(self, key: Key, of: str, attempt: str, pages: Sequence[bytes]) -> None:
        """Write the pages of one attempt at generation `of`; DynamoDB has acknowledged all when this returns."""
        self._write(
            {"PutRequest": {"Item": item_key(key, f"{PAGES}{of}/{attempt}/{number:04d}") | {"Content": {"B": page}}}}
            for number, page in enumerate(pages)
        )

    def put_entry(self, key: Key, item: Item) -> bool:
        """Write the entry unless the same or a newer generation is stored. Returns whether it was written."""
        return self._put(item_key(key, ENTRY) | item, item["Generation"]["S"])

    def put_tombstone(self, key: Key, now: str) -> Head:
        """Replace the entry by a tombstone, which no entry can replace. Returns the tombstone's head."""
        item: Item = {
            "Generation": {"S": generation.TOMBSTONE},
            "DatastoreId": {"S": key.datastore_id},
            "ImageSetId": {"S": key.image_set_id},
            "IndexedAt": {"S": now},
        }
        self._put(item_key(key, ENTRY) | item, generation.TOMBSTONE)
        return Head(generation.TOMBSTONE, "", None)

    def sweep(self, key: Key, head: Head) -> None:
        """Delete the pages that no entry can name again: older ones, and those of other attempts at its generation.

        Newer pages are kept, since their entry may still be on its way.
        """
        current = f"{PAGES}{head.generation}/{head.attempt}/"
        parts = self._parts(key, f"{PAGES}{head.generation}/~")
        self._write({"DeleteRequest": {"Key": item_key(key, part)}} for part in parts if not part.startswith(current))

    def _parts(self, key: Key, last: str) -> list[str]:
        """The sort keys of an image set's pages up to `last`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key AND Part BETWEEN :first AND :last",
            ExpressionAttributeValues={":key": {"S": str(key)}, ":first": {"S": PAGES}, ":last": {"S": last}},
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
            if condition_failed(error):
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
