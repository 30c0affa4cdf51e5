"""The answers of DynamoDB and others, parsed by msgspec: the same as botocore's own parser makes of them."""

import base64
import json
import zlib
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import JSONParser
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.table import answers

SESSION = botocore.session.get_session()
DYNAMODB: Any = SESSION.get_service_model("dynamodb")
# Every operation that the package and the command call.
OPERATIONS = ["Query", "GetItem", "BatchGetItem", "PutItem", "BatchWriteItem", "DescribeTable"]
OURS = answers._Factory().create_parser("json")

TEXT = st.text(max_size=8)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str)
BYTES = st.binary(max_size=8).map(lambda content: base64.b64encode(content).decode())
SCALARS = (
    st.fixed_dictionaries({"S": TEXT})
    | st.fixed_dictionaries({"N": NUMBERS})
    | st.fixed_dictionaries({"B": BYTES})
    | st.fixed_dictionaries({"BOOL": st.booleans()})
    | st.just({"NULL": True})
    | st.fixed_dictionaries({"SS": st.lists(TEXT, max_size=3)})
    | st.fixed_dictionaries({"NS": st.lists(NUMBERS, max_size=3)})
    | st.fixed_dictionaries({"BS": st.lists(BYTES, max_size=3)})
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"M": st.dictionaries(TEXT, inner, max_size=3)})
    ),
    max_leaves=6,
)
ITEMS = st.dictionaries(TEXT, VALUES, max_size=4)
UNITS = st.integers(0, 9) | st.floats(0, 9)
CONSUMED = st.fixed_dictionaries(
    {"TableName": TEXT, "CapacityUnits": UNITS},
    optional={
        "Table": st.fixed_dictionaries({"CapacityUnits": UNITS}),
        "GlobalSecondaryIndexes": st.dictionaries(TEXT, st.fixed_dictionaries({"CapacityUnits": UNITS}), max_size=2),
    },
)
TABLES = st.dictionaries(TEXT, st.lists(ITEMS, max_size=2), max_size=2)
KEYS = st.fixed_dictionaries({"Keys": st.lists(ITEMS, max_size=2)}, optional={"ConsistentRead": st.booleans()})
REQUESTS = st.fixed_dictionaries({"PutRequest": st.fixed_dictionaries({"Item": ITEMS})}) | st.fixed_dictionaries(
    {"DeleteRequest": st.fixed_dictionaries({"Key": ITEMS})}
)
MEMBERS = {
    "Items": st.lists(ITEMS, max_size=3),
    "Item": ITEMS,
    "Attributes": ITEMS,
    "LastEvaluatedKey": ITEMS,
    "Count": st.integers(0, 1000),
    "ScannedCount": st.integers(0, 1000),
    "Responses": TABLES,
    "UnprocessedKeys": st.dictionaries(TEXT, KEYS, max_size=2),
    "UnprocessedItems": st.dictionaries(TEXT, st.lists(REQUESTS, max_size=2), max_size=2),
    "Table": st.fixed_dictionaries({"TableName": TEXT, "CreationDateTime": st.floats(0, 2e9), "ItemCount": UNITS}),
}
SEVERAL = {"BatchGetItem", "BatchWriteItem"}
# What no operation's description leads to expect, in an answer's place or in one of its parts.
STRANGE = st.none() | st.booleans() | st.integers() | TEXT | st.lists(st.none() | TEXT, max_size=2) | VALUES


@st.composite
def bodies(draw: st.DrawFn, operation: str, strange: bool = False) -> dict[str, Any]:
    """A body of an operation's answer; any member may be missing."""
    known = DYNAMODB.operation_model(operation).output_shape.members
    consumed = st.lists(CONSUMED, max_size=2) if operation in SEVERAL else CONSUMED
    members = {name: made for name, made in MEMBERS.items() if name in known} | {"ConsumedCapacity": consumed}
    if strange:
        members = {name: made | STRANGE for name, made in members.items()} | {"Unknown": STRANGE}
    body: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=members))
    return body


def parsed(parser: Any, operation: str, body: bytes, status: int = 200) -> Any:
    """What a parser makes of an answer, or the exception that it raises."""
    response = {
        "status_code": status,
        "headers": {"x-amzn-RequestId": "1", "Content-Type": "application/x-amz-json-1.0"},
        "body": body,
        "context": {"operation_name": operation},
    }
    try:
        return parser.parse(response, DYNAMODB.operation_model(operation).output_shape)
    except Exception as error:
        return type(error)


def looked_at(answer: Any) -> Any:
    """The same, or what is raised when the items are looked at: ours are parsed only then."""
    try:
        return answer | {"Items": [*answer["Items"]]} if isinstance(answer, dict) and answer.get("Items") else answer
    except Exception as error:
        return type(error)


def both(operation: str, body: bytes, status: int = 200) -> tuple[Any, Any]:
    """What our parser makes of an answer, and what botocore's makes of it."""
    return looked_at(parsed(OURS, operation, body, status)), looked_at(parsed(JSONParser(), operation, body, status))


@pytest.mark.parametrize("operation", OPERATIONS)
@given(st.data())
def test_an_answer_is_the_same_as_from_botocores_own_parser(operation: str, data: st.DataObject) -> None:
    ours, theirs = both(operation, json.dumps(data.draw(bodies(operation))).encode())
    assert ours == theirs


@pytest.mark.parametrize("operation", OPERATIONS)
@given(st.data())
def test_so_is_an_answer_that_the_operations_description_does_not_lead_to_expect(
    operation: str, data: st.DataObject
) -> None:
    ours, theirs = both(operation, json.dumps(data.draw(bodies(operation, strange=True))).encode())
    assert ours == theirs


@pytest.mark.parametrize("items", ["[null]", '[""]', "[1]", "[[]]", '[{}, ""]', '[{"A": ""}]', '[{"A": {"S": 1}}]'])
def test_so_is_a_page_with_an_item_that_is_none(items: str) -> None:
    ours, theirs = both("Query", b'{"Items": %s}' % items.encode())
    assert ours == theirs


@pytest.mark.parametrize("operation", OPERATIONS)
@given(st.data(), st.sampled_from([300, 400, 413, 500, 503]))
def test_so_is_an_error(operation: str, data: st.DataObject, status: int) -> None:
    code = data.draw(st.sampled_from(["ConditionalCheckFailedException", "ThrottlingException", "Unknown"]))
    error = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": data.draw(TEXT)}
    failed = data.draw(st.none() | ITEMS)
    ours, theirs = both(operation, json.dumps(error | ({} if failed is None else {"Item": failed})).encode(), status)
    assert ours == theirs


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [200, 301, 400, 500])
@pytest.mark.parametrize("body", [b"", b"{}", b"{", b"null", b"[]", b"\xff", b"<html>busy</html>", b'{"Count": 1e400}'])
def test_so_is_a_body_that_is_empty_or_no_answer_at_all(operation: str, status: int, body: bytes) -> None:
    ours, theirs = both(operation, body, status)
    assert ours == theirs


def test_binary_values_are_bytes_and_numbers_are_texts() -> None:
    item = {"B": {"B": "AAE="}, "BS": {"BS": ["AA=="]}, "N": {"N": "0.10"}, "L": {"L": [{"B": "/w=="}]}}
    answer = parsed(OURS, "GetItem", json.dumps({"Item": item}).encode())
    assert answer["Item"] == {
        "B": {"B": b"\0\1"},
        "BS": {"BS": [b"\0"]},
        "N": {"N": "0.10"},
        "L": {"L": [{"B": b"\xff"}]},
    }


def test_an_answer_with_items_does_not_go_through_botocores_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JSONParser, "_handle_map", lambda *_: pytest.fail("botocore has parsed an item"))
    items = [{"A": {"S": "x"}}]
    assert parsed(OURS, "Query", json.dumps({"Items": items}).encode())["Items"] == items
    assert parsed(OURS, "GetItem", json.dumps({"Item": items[0]}).encode())["Item"] == items[0]
    responses = {"table": items}
    assert parsed(OURS, "BatchGetItem", json.dumps({"Responses": responses}).encode())["Responses"] == responses


def test_the_items_of_a_page_are_a_sequence() -> None:
    items = [{"A": {"N": str(number)}} for number in range(4)]
    found = parsed(OURS, "Query", json.dumps({"Items": items}).encode())["Items"]
    assert (len(found), found[0], found[-1], found[1:3]) == (4, items[0], items[3], items[1:3])
    assert [*found] == [*found] == items
    assert (found == items[:3], found == None) == (False, False)  # noqa: E711
    with pytest.raises(IndexError):
        found[4]
    damaged = parsed(OURS, "Query", b'{"Items":[{"A":{"S":"\xff"}}]}')["Items"]
    with pytest.raises(UnicodeDecodeError):
        damaged[0]


def test_the_items_of_a_page_are_lines_of_json_whoever_parsed_them() -> None:
    items = [{"A": {"S": "a\nb"}, "B": {"B": "AAE="}}, {"N": {"N": "1"}}]
    written = json.dumps({"Items": items}, indent=1).encode()
    for answer in both("Scan", written):
        assert [json.loads(line) for line in answers.lines(answer["Items"]).splitlines()] == items


def test_the_items_of_a_page_show_nothing_of_their_values() -> None:
    found = parsed(OURS, "Query", b'{"Items":[{"PatientName":{"S":"Doe"}}]}')
    assert "Doe" not in str(found)


@pytest.fixture
def client() -> Any:
    """A client whose answers are parsed in our way, and which tries twice."""
    session = botocore.session.get_session()
    answers.register(session)
    session.set_credentials("key", "secret")
    config = Config(retries={"mode": "standard", "total_max_attempts": 2})
    return session.create_client("dynamodb", region_name="us-east-1", config=config)


def answering(client: Any, monkeypatch: pytest.MonkeyPatch, *replies: tuple[int, bytes, Any]) -> list[Any]:
    """Have a client get these replies in turn. Returns the requests that it sends."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    sent: list[Any] = []

    class Raw:
        def __init__(self, body: bytes) -> None:
            self.body = body

        def stream(self) -> list[bytes]:
            return [self.body]

    def reply(request: Any, **_: Any) -> AWSResponse:
        status, body, headers = replies[len(sent)]
        sent.append(request)
        return AWSResponse(request.url, status, headers, Raw(body))

    client.meta.events.register("before-send.dynamodb", reply)
    return sent


def test_an_answer_whose_checksum_differs_is_asked_for_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # botocore, retries/special.py: DynamoDB's header has the CRC-32 of the body.
    damaged, whole = b'{"Item":{"A":{"S":"?"}}}', b'{"Item":{"A":{"S":"x"}}}'
    checksum = {"x-amz-crc32": str(zlib.crc32(whole))}
    sent = answering(client, monkeypatch, (200, damaged, checksum), (200, whole, checksum))
    assert client.get_item(TableName="table", Key={})["Item"] == {"A": {"S": "x"}}
    assert len(sent) == 2


def test_an_error_has_its_code_and_its_fields_and_is_retried_as_ever(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttled = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}'
    failed = (
        b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no",'
        b'"Item":{"A":{"B":"AA=="}}}'
    )
    sent = answering(client, monkeypatch, (400, throttled, {}), (400, failed, {}))
    with pytest.raises(ClientError) as raised:
        client.put_item(TableName="table", Item={})
    assert isinstance(raised.value, client.exceptions.ConditionalCheckFailedException)
    assert raised.value.response["Error"]["Message"] == "no"
    assert raised.value.response["Item"] == {"A": {"B": b"\0"}}
    assert len(sent) == 2
