"""Queries of the local cloud's indexes: the answers of ministack's own, at the cost of a page."""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ministack.core.responses import request_scope
from ministack.services import dynamodb

from local import sorted_indexes

MENDED = ("_query", "_evaluate_condition", "_index_members", "_index_item")
TYPES = {"P": "S", "K": "S", "H": "S", "G": "S", "R": "S", "Q": "N", "Z": "B"}
INDEXES: dict[str, tuple[list[str], list[str], dict[str, Any]]] = {
    "one": (["H"], ["R"], {"ProjectionType": "ALL"}),
    "many": (["H", "G"], ["R", "Q", "K"], {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["X"]}),
    "binary": (["H"], ["Z"], {"ProjectionType": "KEYS_ONLY"}),
    "numbers": (["G"], ["Q", "R"], {"ProjectionType": "KEYS_ONLY"}),
    "bare": (["G"], [], {"ProjectionType": "ALL"}),
}
_accounts = itertools.count(200_000_000_001)


@pytest.fixture(autouse=True)
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """ministack in this process with our queries, and pages of a few small items."""
    for name in MENDED:
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))
    sorted_indexes.mend_queries()
    monkeypatch.setattr(dynamodb, "_DDB_PAGE_SIZE_BYTES", 200)


@contextmanager
def table() -> Iterator[None]:
    """An account of its own with one empty table."""
    with request_scope(str(next(_accounts)), "us-east-1"):
        status, _, body = dynamodb._create_table(
            {
                "TableName": "table",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [*_schema(["P"], ["K"])],
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": kind} for name, kind in TYPES.items()
                ],
                "GlobalSecondaryIndexes": [
                    {"IndexName": name, "KeySchema": [*_schema(hashes, ranges)], "Projection": projection}
                    for name, (hashes, ranges, projection) in INDEXES.items()
                ],
            }
        )
        assert status == 200, body
        yield


def _schema(hashes: list[str], ranges: list[str]) -> Iterator[dict[str, str]]:
    for kind, names in (("HASH", hashes), ("RANGE", ranges)):
        yield from ({"AttributeName": name, "KeyType": kind} for name in names)


def _binary(content: bytes) -> str:
    return base64.b64encode(content).decode()


OPERANDS = {
    "P": "pq",
    "K": "abcdefghijkl",
    "H": "hhhi",
    "G": "g",
    "R": ("a", "ab", "abc", "b", "~", "é", "\U0001f600"),
    "Q": ("-10", "-2.5", "0", "1", "2", "10", "1E2"),
    "Z": [*map(_binary, (b"\0", b"\0\1", b"a", b"\x7f", b"\xff", b"\xff\xff"))],
    "X": ("x", "y" * 10, "z" * 50),
}


def values(name: str) -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from([{TYPES.get(name, "S"): text} for text in OPERANDS[name]])


# Most items are in most indexes.
MISSING = st.sampled_from([*[()] * 6, ("H",), ("R",), ("Q", "Z"), ("G", "X")])
ITEMS = st.builds(
    lambda item, missing: {name: value for name, value in item.items() if name not in missing},
    st.fixed_dictionaries({name: values(name) for name in OPERANDS}),
    MISSING,
)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """A query of an index; now and then an invalid one."""
    index = draw(st.sampled_from([*INDEXES]))
    hashes, ranges, _ = INDEXES[index]
    names: dict[str, str] = {}
    operands: dict[str, Any] = {}

    def operand(name: str) -> str:
        wrong = draw(st.integers(0, 60)) == 0
        operands[f":{len(operands)}"] = draw(values("X" if wrong else name))
        return f":{len(operands) - 1}"

    def reference(name: str) -> str:
        if draw(st.booleans()):
            return name
        names[f"#{name}"] = name
        return f"#{name}"

    def condition(name: str, form: str) -> str:
        return form.format(reference(name), *(operand(name) for _ in range(form.count("{") - 1)))

    ordered = draw(st.integers(0, len(ranges)))
    asked = ranges[:ordered] if draw(st.integers(0, 20)) else ranges[-1:]
    forms = ["{} = {}", "{} < {}", "{} <= {}", "{} > {}", "{} >= {}", "{} BETWEEN {} AND {}", "begins_with({}, {})"]
    forms += ["({} >= {})"] + ["{1} = {0}"] * (draw(st.integers(0, 9)) == 0)
    terms = [condition(name, "{} = {}") for name in (hashes if draw(st.integers(0, 20)) else hashes[1:])]
    terms += [condition(name, "{} = {}") for name in asked[:-1]]
    terms += [condition(name, draw(st.sampled_from(forms))) for name in asked[-1:]]
    query: dict[str, Any] = {"TableName": "table", "IndexName": index, "ReturnConsumedCapacity": "INDEXES"}
    query["KeyConditionExpression"] = " AND ".join(draw(st.permutations(terms)))
    if draw(st.booleans()):
        query["ScanIndexForward"] = draw(st.booleans())
    if draw(st.booleans()):
        query["Limit"] = draw(st.integers(0, 4) if draw(st.integers(0, 20)) == 0 else st.integers(1, 4))
    match draw(st.integers(0, 5)):
        case 0:
            query["Select"] = "COUNT"
        case 1:
            query["ProjectionExpression"] = "X, P"
        case 2:
            query["FilterExpression"] = "X < :filter"
            operands[":filter"] = {"S": "b"}
        case 3:
            query["ExclusiveStartKey"] = draw(st.fixed_dictionaries({name: values(name) for name in TYPES}))
    if names:
        query["ExpressionAttributeNames"] = names
    return query | {"ExpressionAttributeValues": operands}


PUTS = ITEMS.map(lambda item: ("put", item))
DELETES = st.fixed_dictionaries({"P": values("P"), "K": values("K")}).map(lambda key: ("delete", key))
STEPS = PUTS | PUTS | PUTS | DELETES | queries().map(lambda query: ("query", query))


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ITEMS, min_size=10, max_size=24), st.lists(STEPS, max_size=12), queries())
def test_every_page_of_every_query_is_that_of_ministacks_own(
    items: list[Any], steps: list[tuple[str, Any]], last: dict[str, Any]
) -> None:
    with table():
        for what, content in [*(("put", item) for item in items), *steps, ("query", last)]:
            if what == "put":
                dynamodb._put_item({"TableName": "table", "Item": content})
            elif what == "delete":
                dynamodb._delete_item({"TableName": "table", "Key": content})
            else:
                pages_agree(content)


def pages_agree(query: dict[str, Any]) -> None:
    for _ in range(30):
        theirs, ours = sorted_indexes._query(query), dynamodb._query(query)
        assert ours == theirs
        start = json.loads(theirs[2]).get("LastEvaluatedKey")
        if not start:
            return
        query = query | {"ExclusiveStartKey": start}
    raise AssertionError("a query has no end")


def filled(count: int, size: int = 100) -> None:
    """Put items into one partition of the index `one`."""
    for number in range(count):
        item = {"P": {"S": "p"}, "K": {"S": f"{number:04}"}, "H": {"S": "h"}, "R": {"S": f"{number % 7}"}}
        dynamodb._put_item({"TableName": "table", "Item": item | {"X": {"S": "x" * size}}})


ALL = {
    "TableName": "table",
    "IndexName": "one",
    "KeyConditionExpression": "H = :h",
    "ExpressionAttributeValues": {":h": {"S": "h"}},
}


def test_a_page_costs_the_work_of_a_page_however_large_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    work: Counter[str] = Counter()

    def counting(name: str) -> None:
        own = getattr(dynamodb, name)

        def count(*arguments: Any, **named: Any) -> Any:
            work[name] += 1
            return own(*arguments, **named)

        monkeypatch.setattr(dynamodb, name, count)

    with table():
        counting("_item_size_bytes")
        counting("_index_order_value")
        done = []
        for count in (100, 300):
            filled(count)
            start = json.loads(dynamodb._query(ALL)[2])["LastEvaluatedKey"]
            work.clear()
            dynamodb._query(ALL | {"ExclusiveStartKey": start})
            done.append(+work)
    assert done[0] == done[1]
