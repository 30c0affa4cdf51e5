from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from imaging_index.profile.profile import Index
from imaging_index.table.reading import TableReader

SCHEMA = [{"AttributeName": "PatientID", "KeyType": "HASH"}, {"AttributeName": "ImageSetId", "KeyType": "RANGE"}]


def described(indexes: Sequence[dict[str, Any]]) -> dict[str, Index]:
    """The indexes as the reader has them, of what DescribeTable says of them."""
    client: Any = SimpleNamespace(
        describe_table=lambda **_: {"Table": {"GlobalSecondaryIndexes": indexes, "AttributeDefinitions": []}}
    )
    return TableReader(client, "table").describe().indexes


def test_an_index_that_is_being_made_or_dropped_is_none_to_search() -> None:
    indexes = [
        {"IndexName": status, "IndexStatus": status, "KeySchema": SCHEMA, "Projection": {"ProjectionType": "ALL"}}
        for status in ("ACTIVE", "CREATING", "UPDATING", "DELETING")
    ]
    there = Index(("PatientID",), ("ImageSetId",))
    assert described(indexes) == {"ACTIVE": there, "UPDATING": there}


def test_an_index_says_what_it_holds_besides_keys() -> None:
    projections = {
        "all": {"ProjectionType": "ALL"},
        "keys": {"ProjectionType": "KEYS_ONLY"},
        "some": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["Modality", "StudyDate"]},
    }
    indexes = described(
        [
            {"IndexName": name, "IndexStatus": "ACTIVE", "KeySchema": SCHEMA, "Projection": projection}
            for name, projection in projections.items()
        ]
    )
    assert {name: index.holds for name, index in indexes.items()} == {
        "all": None,
        "keys": (),
        "some": ("Modality", "StudyDate"),
    }
