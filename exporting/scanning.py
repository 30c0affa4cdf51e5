"""Reads a table by parallel scans: the items of each page as lines of JSON, as DynamoDB wrote them."""

from __future__ import annotations

import contextlib
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imaging_index.table.answers import lines
from imaging_index.table.generation import TOMBSTONE
from imaging_index.table.layout import ENTRY, PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

_ENTRIES: Final = "Part = :entry AND Generation <> :tombstone"
_WITH_PAGES: Final = f"({_ENTRIES}) OR begins_with(Part, :page)"
_SEGMENTS: Final = 4
# Pages that are read before they are wanted, of at most 1 MiB each.
_AHEAD: Final = 8
# Amazon DynamoDB Developer Guide, "Capacity unit consumption": of items of a scan together, eventually consistent.
_BYTES_A_UNIT: Final = 8_192


def units_of(size: int) -> float:
    """The read request units that a scan of a table of so many bytes takes."""
    return -(-size // _BYTES_A_UNIT)


class Page(NamedTuple):
    """Some items of a segment of the table, each a line, and how many items were looked at for them."""

    segment: int
    lines: bytes
    looked_at: int


def scanned(client: DynamoDBClient, table: str, *, pages_too: bool = False) -> Iterator[Page]:
    """The entries of a table, page by page; with `pages_too` the packed instances behind each of them.

    A scan is not of one moment: it has each entry as it was at some moment since it began. Errors of botocore pass
    through.
    """
    pages: queue.Queue[Page] = queue.Queue(_AHEAD)
    stopped = threading.Event()
    values: Any = {":entry": {"S": ENTRY}, ":tombstone": {"S": TOMBSTONE}}
    values |= {":page": {"S": PAGES}} if pages_too else {}

    def put(page: Page) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                pages.put(page, timeout=1)
                return

    def read(segment: int) -> None:
        start: Any = None
        while not stopped.is_set():
            answer: Any = client.scan(
                TableName=table,
                Segment=segment,
                TotalSegments=_SEGMENTS,
                FilterExpression=_WITH_PAGES if pages_too else _ENTRIES,
                ExpressionAttributeValues=values,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            put(Page(segment, lines(answer["Items"]), answer["ScannedCount"]))
            start = answer.get("LastEvaluatedKey")
            if not start:
                return

    with ThreadPoolExecutor(_SEGMENTS) as executor:
        segments = [executor.submit(read, segment) for segment in range(_SEGMENTS)]
        try:
            while True:
                try:
                    yield pages.get(timeout=0.1)
                except queue.Empty:
                    if all(each.done() for each in segments) and pages.empty():
                        break
                    for each in segments:
                        if each.done():
                            each.result()
            for each in segments:
                each.result()
        finally:
            stopped.set()
