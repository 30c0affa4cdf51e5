from types import SimpleNamespace
from typing import Any

from imaging_index.profile.profile import Index
from imaging_index.table.reading import TableReader


def test_an_index_that_is_being_made_or_dropped_is_none_to_search() -> None:
    schema = [{"AttributeName": "PatientID", "KeyType": "HASH"}, {"AttributeName": "ImageSetId", "KeyType": "RANGE"}]
    indexes = [
        {"IndexName": status, "IndexStatus": status, "KeySchema": schema}
        for status in ("ACTIVE", "CREATING", "UPDATING", "DELETING")
    ]
    client: Any = SimpleNamespace(
        describe_table=lambda **_: {"Table": {"GlobalSecondaryIndexes": indexes, "AttributeDefinitions": []}}
    )
    there = Index(("PatientID",), ("ImageSetId",))
    assert TableReader(client, "table").describe().indexes == {"ACTIVE": there, "UPDATING": there}
