"""What reconciling reads of the table, and the one thing that it corrects by itself: which image sets are primary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from imaging_index.aws_errors import condition_failed
from imaging_index.faults import Overload
from imaging_index.table.layout import ENTRY, Key, head_of, item_key
from imaging_index.table.writing import TableWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imaging_index.table.layout import Head

_ROUNDS: Final = 8
_PAUSE: Final = 0.05  # seconds, doubled from try to try

_OF_A_HEAD: Final = "ImageSet, Generation, Attempt, FirstIndexedAt, IsPrimary, DocumentIn"
_OF_A_PART: Final = "ImageSet, Part, Generation, Attempt, FirstIndexedAt, Pages, DocumentIn"


class Known(msgspec.Struct, frozen=True):
    """What the table knows of an image set; `is_primary` is None when it does not know."""

    head: Head
    is_primary: bool | None


class Part(msgspec.Struct, frozen=True):
    """An item that a scan meets: an entry or a tombstone with its head, or a page (`head` is None)."""

    image_set: str
    part: str
    head: Head | None
    pages: int


class Scanned(msgspec.Struct, frozen=True):
    """A page of a scan: the items, after which (`ImageSet`, `Part`) to go on (None for no more), the read units."""

    parts: list[Part]
    next: tuple[str, str] | None
    units: float


class ReconcilingTable(TableWriter):
    """The table, for reconciling. Errors of botocore pass through; `aws_errors.classify` knows them."""

    def known(self, keys: Sequence[Key]) -> tuple[dict[Key, Known], float]:
        """What is known of at most 100 image sets, tombstones included, and the read units that it took.

        Not strongly consistent: what was written within the last second may be missing.

        Raises:
            Overload: DynamoDB leaves keys out again and again.
        """
        wanted: Any = {self._name: {"Keys": [item_key(key, ENTRY) for key in keys], "ProjectionExpression": _OF_A_HEAD}}
        found: dict[Key, Known] = {}
        units = 0.0
        for round_ in range(_ROUNDS):
            answer: Any = self._client.batch_get_item(RequestItems=wanted, ReturnConsumedCapacity="TOTAL")
            for item in answer["Responses"].get(self._name, []):
                found[Key(*item["ImageSet"]["S"].split("/"))] = _known(item)
            units += sum(each["CapacityUnits"] for each in answer.get("ConsumedCapacity", []))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return found, units
            time.sleep(_PAUSE * 2**round_)
        raise Overload("BatchGetItem: UnprocessedKeys")

    def scan(self, segment: int, segments: int, start: tuple[str, str] | None) -> Scanned:
        """The next items of one of the table's `segments`: at most 1 MiB, those of one image set in order."""
        options: Any = {"ExclusiveStartKey": _key(start)} if start else {}
        answer: Any = self._client.scan(
            TableName=self._name,
            Segment=segment,
            TotalSegments=segments,
            ProjectionExpression=_OF_A_PART,
            ReturnConsumedCapacity="TOTAL",
            **options,
        )
        last = answer.get("LastEvaluatedKey")
        return Scanned(
            [_part(item) for item in answer["Items"]],
            (last["ImageSet"]["S"], last["Part"]["S"]) if last else None,
            answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0),
        )

    def parts(self, key: Key) -> Iterator[Part]:
        """The items of one image set in order, strongly consistent."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key",
            ExpressionAttributeValues={":key": {"S": str(key)}},
            ProjectionExpression=_OF_A_PART,
        )
        for page in pages:
            yield from map(_part, page["Items"])

    def correct_primary(self, key: Key, head: Head, *, is_primary: bool) -> bool:
        """Note whether the image set is primary, unless its entry has changed since. Returns whether it was noted."""
        change = "SET IsPrimary = :is REMOVE NonPrimary" if is_primary else "SET IsPrimary = :is, NonPrimary = :one"
        values: Any = {":is": {"BOOL": is_primary}, ":generation": {"S": head.generation}}
        try:
            answer: Any = self._client.update_item(
                TableName=self._name,
                Key=item_key(key, ENTRY),
                UpdateExpression=change,
                ConditionExpression="Generation = :generation",
                ExpressionAttributeValues=values | ({} if is_primary else {":one": {"S": "1"}}),
                ReturnConsumedCapacity="TOTAL",
            )
        except ClientError as error:
            if condition_failed(error):
                return False
            raise
        self._write_units += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0)
        return True


def _known(item: Mapping[str, Any]) -> Known:
    return Known(head_of(item), item.get("IsPrimary", {}).get("BOOL"))


def _part(item: Mapping[str, Any]) -> Part:
    return Part(
        item["ImageSet"]["S"],
        item["Part"]["S"],
        head_of(item) if "Generation" in item else None,
        int(item.get("Pages", {}).get("N", 0)),
    )


def _key(start: tuple[str, str]) -> Any:
    return {"ImageSet": {"S": start[0]}, "Part": {"S": start[1]}}
