"""The read units that DynamoDB charges, which ministack gives as those of one small item.

Amazon DynamoDB Developer Guide, "DynamoDB read consistency" and "Read/write capacity mode": a unit is a consistent read
of up to 4 KB, or two that are eventually consistent. A query or scan is charged for the sum of what it has read of the
table or of the index, before any filter; GetItem for the whole item, whatever it projects; BatchGetItem for each of its
items alone. An item that does not exist is charged as the smallest one.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from ministack.core.responses import json_response
from ministack.services import dynamodb

from local.capacity import READ_UNIT, units
from local.sorted_indexes import entry_size

if TYPE_CHECKING:
    from collections.abc import Iterable

# The bytes that the running query or scan has read.
_read: Final[ContextVar[int]] = ContextVar("read", default=0)


def mend_read_units() -> None:
    """Have ministack 1.5.33 report the units of GetItem, BatchGetItem, Query and Scan."""
    add_consumed_capacity, batch_get_item = dynamodb._add_consumed_capacity, dynamodb._batch_get_item

    def add(result: Any, data: Any, table_name: str, write: bool = False, **others: Any) -> None:
        add_consumed_capacity(result, data, table_name, write=write, **others)
        if not write and "ConsumedCapacity" in result:
            size = _item_size(table_name, data["Key"]) if "Key" in data else _read.get()
            _multiply(result["ConsumedCapacity"], units(size, READ_UNIT))

    def batch_get(data: Any) -> Any:
        status, headers, body = batch_get_item(data)
        asked = data.get("ReturnConsumedCapacity", "NONE")
        if status != 200 or asked == "NONE":
            return status, headers, body
        consumed = [_of_batch(name, request, asked) for name, request in data["RequestItems"].items()]
        return json_response(json.loads(body) | {"ConsumedCapacity": consumed})

    dynamodb._add_consumed_capacity = add
    dynamodb._batch_get_item = batch_get
    dynamodb._paginate_evaluated_items = _page


def _page(items: Iterable[Any], limit: Any, table: Any, index: str | None = None) -> tuple[list[Any], bool]:
    """The items of one page, and whether it ended before the items did, as far as DynamoDB has looked."""
    page: list[Any] = []
    read, ended = 0, False
    for item in items:
        size = entry_size(table, index, item)
        if page and read + size > dynamodb._DDB_PAGE_SIZE_BYTES:
            ended = True
            break
        page.append(item)
        read += size
        if read >= dynamodb._DDB_PAGE_SIZE_BYTES or (limit is not None and len(page) >= int(limit)):
            ended = True
            break
    _read.set(read)
    return page, ended


def _multiply(capacity: Any, by: int) -> None:
    """Multiply ministack's units, which are those of one small item, of the table and of each index."""
    indexes = (
        *capacity.get("GlobalSecondaryIndexes", {}).values(),
        *capacity.get("LocalSecondaryIndexes", {}).values(),
    )
    for part in (capacity, capacity.get("Table", {}), *indexes):
        if "CapacityUnits" in part:
            part["CapacityUnits"] *= by


def _of_batch(name: str, request: Any, asked: str) -> dict[str, Any]:
    """What a batch has consumed of one table."""
    each = 1.0 if request.get("ConsistentRead") else 0.5
    total = each * sum(units(_item_size(name, key), READ_UNIT) for key in request["Keys"])
    consumed = {"TableName": dynamodb._normalize_table_name(name), "CapacityUnits": total}
    return consumed | ({"Table": {"CapacityUnits": total}} if asked == "INDEXES" else {})


def _item_size(table_name: str, key: Any) -> int:
    """The bytes of an item; 0 if it does not exist."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(table_name))
    item = dynamodb._get_item_by_key(table, key)
    return entry_size(table, None, item) if item else 0
