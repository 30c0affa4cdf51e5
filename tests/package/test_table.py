from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from imaging_index.profile.profile import Index
from imaging_index.table.layout import Key
from imaging_index.table.reading import TableReader

ALL: Any = {"ProjectionType": "ALL"}
KEYS: Any = {"ProjectionType": "KEYS_ONLY"}
SOME: Any = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["Modality", "StudyDate"]}
SCHEMA = [{"AttributeName": "PatientID", "KeyType": "HASH"}, {"AttributeName": "ImageSetId", "KeyType": "RANGE"}]


class Client:
    """A table with some indexes, which notes the names of those that are asked."""

    def __init__(self, indexes: Sequence[dict[str, Any]]) -> None:
        self._indexes = indexes
        self.asked: list[str] = []

    def describe_table(self, **_: Any) -> Any:
        return {"Table": {"GlobalSecondaryIndexes": self._indexes, "AttributeDefinitions": []}}

    def query(self, *, IndexName: str, **_: Any) -> Any:  # noqa: N803  boto3's own spelling
        self.asked.append(IndexName)
        return {"Items": [], "ConsumedCapacity": {"CapacityUnits": 0.5}}


def index(name: str, projection: dict[str, Any], status: str = "ACTIVE") -> dict[str, Any]:
    return {"IndexName": name, "IndexStatus": status, "KeySchema": SCHEMA, "Projection": projection}


def described(indexes: Sequence[dict[str, Any]]) -> dict[str, Index]:
    """The indexes as the reader has them, of what DescribeTable says of them."""
    client: Any = Client(indexes)
    return TableReader(client, "table").describe().indexes


def test_an_index_that_is_being_made_or_dropped_is_none_to_search() -> None:
    indexes = [index(status, ALL, status) for status in ("ACTIVE", "CREATING", "UPDATING", "DELETING")]
    there = Index(("PatientID",), ("ImageSetId",))
    assert described(indexes) == {"ACTIVE": there, "UPDATING": there}


def test_an_index_says_what_it_holds_besides_keys() -> None:
    projections = {
        "all": ALL,
        "keys": KEYS,
        "some": SOME,
    }
    indexes = described([index(name, projection) for name, projection in projections.items()])
    assert {name: index.holds for name, index in indexes.items()} == {
        "all": None,
        "keys": (),
        "some": ("Modality", "StudyDate"),
    }


def test_an_index_is_known_and_asked_by_the_name_that_the_profile_has_for_it_while_another_takes_its_place() -> None:
    states: list[tuple[list[dict[str, Any]], str]] = [
        ([index("study", ALL)], "study"),
        ([index("study", ALL), index("study.7c1e", KEYS, "CREATING")], "study"),
        # Both have the same entries; what holds more needs fewer other reads.
        ([index("study", ALL), index("study.7c1e", KEYS)], "study"),
        ([index("study.0a1b", SOME), index("study.7c1e", KEYS)], "study.0a1b"),
        ([index("study.7c1e", KEYS), index("study.9a1b", SOME)], "study.9a1b"),
        ([index("study", ALL, "DELETING"), index("study.7c1e", KEYS)], "study.7c1e"),
        ([index("study.7c1e", KEYS)], "study.7c1e"),
        ([index("study", ALL, "CREATING"), index("study.7c1e", KEYS)], "study.7c1e"),
    ]
    for indexes, asked in states:
        client: Any = Client(indexes)
        reader = TableReader(client, "table")
        assert list(reader.describe().indexes) == ["study"]
        for name in ("study", "study.7c1e"):
            assert not list(reader.query(name, {}, {}))
        assert client.asked == [asked, "study.7c1e"]


def test_entries_are_read_by_their_keys_without_those_deleted_and_asked_for_until_dynamodb_returns_them() -> None:
    def whole(number: int) -> dict[str, Any]:
        generation = "~" if number == 1 else "0001"
        return {"ImageSet": {"S": f"d/{number:03}"}, "Part": {"S": "entry"}, "Generation": {"S": generation}}

    asked: list[int] = []

    def batch_get_item(*, RequestItems: Any, ReturnConsumedCapacity: str) -> Any:  # noqa: N803  boto3's own spelling
        assert ReturnConsumedCapacity == "TOTAL"
        keys = RequestItems["table"]["Keys"]
        asked.append(len(keys))
        answered, left = keys[:60], keys[60:]
        found = [whole(int(key["ImageSet"]["S"][2:])) for key in answered if key["ImageSet"]["S"] != "d/002"]
        capacity = {"ConsumedCapacity": [{"CapacityUnits": 0.5 * len(answered)}]}
        unread = {"UnprocessedKeys": {"table": {"Keys": left}}} if left else {}
        return {"Responses": {"table": found}, **capacity, **unread}

    client: Any = SimpleNamespace(batch_get_item=batch_get_item)
    page = TableReader(client, "table").entries([Key("d", f"{number:03}") for number in range(100)])
    assert page.items == [whole(number) for number in range(100) if number not in (1, 2)]
    assert (page.units, page.next) == (50.0, None)
    assert asked == [100, 40]


def test_entries_that_dynamodb_never_returns_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaging_index.table.reading.time.sleep", lambda _: None)

    def batch_get_item(*, RequestItems: Any, **_: Any) -> Any:  # noqa: N803  boto3's own spelling
        return {"Responses": {}, "ConsumedCapacity": [], "UnprocessedKeys": RequestItems}

    client: Any = SimpleNamespace(batch_get_item=batch_get_item)
    with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
        TableReader(client, "table").entries([Key("d", "1")])
