"""Queries of an index by ministack, which read one page of it and not the whole partition.

ministack 1.5.33 sorts all entries of a partition for each page, evaluates the key condition on each, and computes the
size of each anew: two seconds for a page of a partition of 20,000 entries. Here a partition is kept sorted once it was
asked for. Key condition and start key then are positions in it, and ministack gets the entries of one page. It still
checks the query, filters, projects and answers. What is not understood here, as an invalid query, goes to it as ever.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ministack.services import dynamodb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# An item's partition and sort key in the table.
ItemKey = tuple[Any, Any]
# ministack's, of all indexes of a table: index -> partition -> keys.
Members = dict[str, dict[Any, dict[ItemKey, None]]]
# Where an entry is in its partition: the values of the index's sort attributes, then of the table's key.
Position = tuple[Any, ...]

_query: Final = dynamodb._query
_evaluate_condition: Final = dynamodb._evaluate_condition
_index_members: Final = dynamodb._index_members
_index_item: Final = dynamodb._index_item


class _Sorted(NamedTuple):
    """The entries of one partition of an index, in order."""

    positions: list[Position]
    keys: list[ItemKey]


class _Members(dict[str, dict[Any, dict[ItemKey, None]]]):
    """ministack's members of a table's indexes, and what is known of them: partitions in order, sizes of entries."""

    def __init__(self, members: Members) -> None:
        super().__init__(members)
        self.sorted: dict[tuple[str, Any], _Sorted] = {}
        self.sizes: dict[tuple[str, ItemKey], int] = {}


@dataclass
class _Window:
    """The entries that a query may read. All of them fulfil its key condition; `checked` says that this is valid."""

    members: Members
    items: dict[int, Any]
    checked: bool = False


_window: Final[ContextVar[_Window | None]] = ContextVar("window", default=None)


def mend_queries() -> None:
    """Have ministack query indexes in this way."""
    dynamodb._query = _query_window
    dynamodb._evaluate_condition = _evaluate_in_window
    dynamodb._index_members = _members_in_window
    dynamodb._index_item = _index_and_sort


def entry_size(table: Any, index: str | None, item: Any) -> int:
    """The bytes of an item in the table, or of its projection in an index."""
    if not index:
        size: int = dynamodb._item_size_bytes(item)
        return size
    sizes = _members(table).sizes
    key = index, _key(table, item)
    if key not in sizes:
        sizes[key] = dynamodb._item_size_bytes(dynamodb._apply_index_projection(item, table, index))
    return sizes[key]


def _query_window(data: Any) -> Any:
    token = _window.set(_window_of(data))
    try:
        return _query(data)
    finally:
        _window.reset(token)


def _members_in_window(table: Any) -> Members:
    window = _window.get()
    return _members(table) if window is None else window.members


def _evaluate_in_window(expression: Any, item: Any, *others: Any, **named: Any) -> Any:
    window = _window.get()
    if window is None or named.get("slot") != "KeyConditionExpression" or id(item) not in window.items:
        return _evaluate_condition(expression, item, *others, **named)
    if not window.checked:
        _evaluate_condition(expression, item, *others, **named)  # which raises what is wrong with it
        window.checked = True
    return True


def _index_and_sort(table: Any, partition_key: Any, sort_key: Any, item: Any, add: bool) -> None:
    _index_item(table, partition_key, sort_key, item, add)
    members = table.get(dynamodb._INDEX_MEMBERS)
    if not isinstance(members, _Members):
        return
    key = partition_key, sort_key
    for index, hashes, ranges in dynamodb._index_key_schemas(table):
        members.sizes.pop((index, key), None)
        partition = index, dynamodb._index_partition(item, hashes, ranges)
        if partition not in members.sorted:
            continue
        positions, keys = members.sorted[partition]
        position = _position(table, ranges, item)
        at = bisect_left(positions, position)
        if add:
            positions.insert(at, position)
            keys.insert(at, key)
        elif keys[at : at + 1] == [key]:
            del positions[at], keys[at]
        else:
            del members.sorted[partition]  # it is sorted anew when it is asked for


def _members(table: Any) -> _Members:
    members = _index_members(table)
    if not isinstance(members, _Members):
        members = table[dynamodb._INDEX_MEMBERS] = _Members(members)
    return members


def _sorted(table: Any, index: str, ranges: Sequence[str], partition: Any) -> _Sorted:
    members = _members(table)
    if (index, partition) not in members.sorted:
        keys = members.get(index, {}).get(partition, ())
        entries = sorted((_position(table, ranges, table["items"][key[0]][key[1]]), key) for key in keys)
        found = _Sorted([position for position, _ in entries], [key for _, key in entries])
        members.sorted[index, partition] = found
    return members.sorted[index, partition]


def _position(table: Any, ranges: Sequence[str], item: Any) -> Position:
    order = dynamodb._index_order_keys(table, ranges)
    return tuple(dynamodb._index_order_value(item, name, kind) for name, kind in order)


def _key(table: Any, item: Any) -> ItemKey:
    sort_key = table["sk_name"]
    value = dynamodb._extract_key_val(item[sort_key]) if sort_key else "__no_sort__"
    return dynamodb._extract_key_val(item[table["pk_name"]]), value


def _window_of(data: Any) -> _Window | None:
    """The entries of the page that a query asks for, and one more if their bytes end it.

    None if the query is not understood. Conditions that DynamoDB does not allow together are ministack's to refuse.
    """
    table = dynamodb._tables.get(dynamodb._normalize_table_name(data.get("TableName")))
    definition = dynamodb._index_def(table, data.get("IndexName")) if table else None
    limit = data.get("Limit")
    if not definition or not (limit is None or (isinstance(limit, int) and limit > 0)):
        return None
    index = definition["IndexName"]
    hashes, ranges = dynamodb._index_key_lists(definition)
    conditions = _conditions(table, data)
    equal = [_equal(conditions.pop(name, None)) for name in hashes]
    if None in equal:
        return None
    partition = equal[0] if len(equal) == 1 else tuple(equal)
    positions, keys = _sorted(table, index, ranges, partition)
    between = _between(positions, ranges, conditions)
    if between is None:
        return None
    first, end = between
    forward, start = data.get("ScanIndexForward", True), data.get("ExclusiveStartKey")
    if start:
        cursor = _position(table, ranges, start)
        first, end = (
            (max(first, bisect_right(positions, cursor)), end)
            if forward
            else (first, min(end, bisect_left(positions, cursor)))
        )
    window = _Window({index: {partition: {}}}, {})
    read = 0
    for key in keys[first:end] if forward else reversed(keys[first:end]):
        item = table["items"][key[0]][key[1]]
        window.members[index][partition][key] = None
        window.items[id(item)] = item
        read += entry_size(table, index, item)
        if read > dynamodb._DDB_PAGE_SIZE_BYTES or (limit is not None and len(window.items) >= limit):
            break
    return window


class _Condition(NamedTuple):
    """A condition on a key attribute: its token or word, and its operands in DynamoDB's form and of the type `type`."""

    kind: str
    operands: list[dict[str, str]]
    type: str


def _conditions(table: Any, data: Any) -> dict[str, _Condition]:
    """The conditions of a query by attribute; none if one is not of a simple form."""
    names, values = data.get("ExpressionAttributeNames") or {}, data.get("ExpressionAttributeValues") or {}
    found: dict[str, _Condition] = {}
    for clause in dynamodb._key_condition_clauses(dynamodb._tokenize(data.get("KeyConditionExpression") or "")):
        kinds = [kind for kind, _ in clause]
        texts = [text for _, text in clause]
        if kinds[:1] == ["LPAREN"]:
            kinds, texts = kinds[1:-1], texts[1:-1]
        match [*zip(kinds, (text.lower() for text in texts), strict=True)]:
            case [_, ("EQ" | "LT" | "LE" | "GT" | "GE" as kind, _), ("VALUE_REF", _)]:
                name, operands = texts[0], texts[2:]
            case [_, (_, "between"), ("VALUE_REF", _), (_, "and"), ("VALUE_REF", _)]:
                kind, name, operands = "BETWEEN", texts[0], texts[2::2]
            case [(_, "begins_with"), ("LPAREN", _), _, _, ("VALUE_REF", _), _]:
                kind, name, operands = "begins_with", texts[2], texts[4:5]
            case _:
                return {}
        name = names.get(name, name)
        type_ = dynamodb._get_attr_type(table, name)
        given: list[Any] = [values.get(operand) for operand in operands]
        if not all(isinstance(each, dict) and [*each] == [type_] for each in given):
            return {}
        found[name] = _Condition(kind, given, type_)
    return found


def _equal(condition: _Condition | None) -> str | None:
    """The text that a partition attribute must have."""
    return condition.operands[0]["S"] if condition and (condition.kind, condition.type) == ("EQ", "S") else None


def _between(
    positions: list[Position], ranges: Sequence[str], conditions: Mapping[str, _Condition]
) -> tuple[int, int] | None:
    """The first position that fulfils the conditions on the sort attributes, and the one after the last."""
    if not conditions:
        return 0, len(positions)
    named = [*ranges[: len(conditions)]]
    if conditions.keys() != {*named}:
        return None
    *prefix, last = ([*map(_comparable, conditions[name].operands, [conditions[name].type] * 2)] for name in named)
    equal = tuple(values[0] for values in prefix)

    def before(*value: Any) -> int:
        return bisect_left(positions, (*equal, *value), key=lambda position: position[: len(equal) + len(value)])

    def behind(*value: Any) -> int:
        return bisect_right(positions, (*equal, *value), key=lambda position: position[: len(equal) + len(value)])

    match conditions[named[-1]].kind:
        case "EQ" | "BETWEEN":
            return before(last[0]), behind(last[-1])
        case "LT":
            return before(), before(last[0])
        case "LE":
            return before(), behind(last[0])
        case "GT":
            return behind(last[0]), behind()
        case "GE":
            return before(last[0]), behind()
    beginning = last[0]

    def begun(position: Position) -> Position:
        return (*position[: len(equal)], position[len(equal)][: len(beginning)])

    if not isinstance(beginning, str | bytes):
        return None
    return before(beginning), bisect_right(positions, (*equal, beginning), key=begun)


def _comparable(operand: Any, type_: str) -> Any:
    return dynamodb._sort_key_value(operand, type_)
