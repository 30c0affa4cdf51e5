"""Read units in the local cloud (Amazon DynamoDB Developer Guide, "DynamoDB read consistency")."""

from typing import Any

import boto3
import pytest

KIB = 1024


@pytest.fixture
def client(aws: boto3.Session) -> Any:
    """DynamoDB with a table that has items of several sizes, and three indexes of all of them."""
    client: Any = aws.client("dynamodb")
    names = ("P", "K", "H", "R")
    client.create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[{"AttributeName": "P", "KeyType": "HASH"}, {"AttributeName": "K", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [{"AttributeName": "H", "KeyType": "HASH"}, {"AttributeName": "R", "KeyType": "RANGE"}],
                "Projection": projection,
            }
            for name, projection in (
                ("all", {"ProjectionType": "ALL"}),
                ("keys", {"ProjectionType": "KEYS_ONLY"}),
                ("some", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["Half"]}),
            )
        ],
    )
    for number in range(10):
        put(client, f"{number}", 3 * KIB)
    return client


def put(client: Any, key: str, size: int) -> None:
    """Write an item of this many bytes."""
    item = {"P": "p", "K": key, "H": "h", "R": key, "Half": "x" * (size // 2)}
    rest = size - sum(len(name) + len(text) for name, text in item.items())
    item["Rest"] = "x" * (rest - len("Rest"))
    client.put_item(TableName="table", Item={name: {"S": text} for name, text in item.items()})


def queried(client: Any, index: str | None, **others: Any) -> float:
    """The units of a query of all items."""
    attribute, value = ("H", "h") if index else ("P", "p")
    others |= {"IndexName": index} if index else {}
    answer = client.query(
        TableName="table",
        KeyConditionExpression="#k = :k",
        ExpressionAttributeNames={"#k": attribute},
        ExpressionAttributeValues={":k": {"S": value}} | others.pop("more", {}),
        ReturnConsumedCapacity="TOTAL",
        **others,
    )
    units: float = answer["ConsumedCapacity"]["CapacityUnits"]
    return units


def test_a_query_is_charged_for_the_sum_of_what_it_reads_in_units_of_4_kb(client: Any) -> None:
    # 10 items of 3 KB are 30 KB: eight units.
    assert queried(client, None) == 4
    assert queried(client, None, ConsistentRead=True) == 8
    assert queried(client, None, Limit=2) == 1
    assert queried(client, "all") == 4


def test_a_query_of_an_index_is_charged_for_what_the_index_holds(client: Any) -> None:
    # Half of each item, and its keys.
    assert queried(client, "some") == 2
    assert queried(client, "keys") == 0.5


def test_a_filter_a_projection_and_a_count_save_nothing(client: Any) -> None:
    nothing = {"FilterExpression": "K = :none", "more": {":none": {"S": "none"}}}
    assert queried(client, "all", **nothing) == 4
    assert queried(client, "all", ProjectionExpression="K") == 4
    assert queried(client, "all", Select="COUNT") == 4


def test_a_query_that_finds_nothing_is_charged_as_of_one_small_item(client: Any) -> None:
    for key in range(10):
        client.delete_item(TableName="table", Key={"P": {"S": "p"}, "K": {"S": f"{key}"}})
    assert queried(client, "all") == 0.5
    assert queried(client, None, ConsistentRead=True) == 1


def test_an_item_is_charged_with_the_size_that_it_has_now(client: Any) -> None:
    assert queried(client, "all") == 4
    put(client, "0", 40 * KIB)
    assert queried(client, "all") == 8.5
    put(client, "0", 1 * KIB)
    assert queried(client, "all") == 3.5


def test_the_units_of_an_index_are_reported_as_its_own(client: Any) -> None:
    answer = client.query(
        TableName="table",
        IndexName="all",
        KeyConditionExpression="H = :h",
        ExpressionAttributeValues={":h": {"S": "h"}},
        ReturnConsumedCapacity="INDEXES",
    )
    assert answer["ConsumedCapacity"] == {
        "TableName": "table",
        "CapacityUnits": 4,
        "Table": {"CapacityUnits": 0},
        "GlobalSecondaryIndexes": {"all": {"CapacityUnits": 4}},
    }


def test_a_page_ends_at_a_mebibyte(client: Any) -> None:
    for number in range(10):
        put(client, f"{number}", 150 * KIB)
    answers = list(
        client.get_paginator("query").paginate(
            TableName="table",
            IndexName="all",
            KeyConditionExpression="H = :h",
            ExpressionAttributeValues={":h": {"S": "h"}},
            ReturnConsumedCapacity="TOTAL",
        )
    )
    # Six items are 900 KB, and with a seventh there would be more than 1,024.
    assert [answer["Count"] for answer in answers] == [6, 4]
    assert [answer["ConsumedCapacity"]["CapacityUnits"] for answer in answers] == [900 / 8, 600 / 8]


def test_a_scan_is_charged_like_a_query(client: Any) -> None:
    for consistent, units in ((False, 4), (True, 8)):
        answer = client.scan(TableName="table", ConsistentRead=consistent, ReturnConsumedCapacity="TOTAL")
        assert answer["ConsumedCapacity"]["CapacityUnits"] == units


@pytest.mark.parametrize(("consistent", "one"), [(False, 0.5), (True, 1)])
def test_an_item_is_charged_whole_whatever_is_asked_of_it(client: Any, consistent: bool, one: float) -> None:
    put(client, "large", 9 * KIB)
    found = [
        client.get_item(
            TableName="table",
            Key={"P": {"S": "p"}, "K": {"S": key}},
            ConsistentRead=consistent,
            ProjectionExpression="K",
            ReturnConsumedCapacity="TOTAL",
        )["ConsumedCapacity"]["CapacityUnits"]
        for key in ("0", "large", "none")
    ]
    assert found == [one, 3 * one, one]


@pytest.mark.parametrize(("consistent", "one"), [(False, 0.5), (True, 1)])
def test_each_item_of_a_batch_is_charged_by_itself(client: Any, consistent: bool, one: float) -> None:
    put(client, "large", 9 * KIB)
    keys = [{"P": {"S": "p"}, "K": {"S": key}} for key in ("0", "1", "large", "none")]
    request = {"table": {"Keys": keys, "ConsistentRead": consistent, "ProjectionExpression": "K"}}
    answer = client.batch_get_item(RequestItems=request, ReturnConsumedCapacity="TOTAL")
    assert len(answer["Responses"]["table"]) == 3
    assert answer["ConsumedCapacity"] == [{"TableName": "table", "CapacityUnits": 6 * one}]
    assert "ConsumedCapacity" not in client.batch_get_item(RequestItems=request)
