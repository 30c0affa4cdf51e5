"""What a write costs with the deployed indexes, and what they hold, by DynamoDB's rules."""

import json
from pathlib import Path
from typing import Any

import boto3
import pydicom.data
import pytest

from imaging_index.entry.item import Item
from imaging_index.profile import index_names, toml_file
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from infra.config import ROOT
from local.capacity import in_index, index_units, item_size, units
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for

# CT, CR and MR of a patient, with all keys of the indexes.
SAMPLE = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / "98892003"
RADIOLOGY = toml_file.load(ROOT / "profiles" / "radiology.toml")


def entries(client: Any, table: str) -> dict[str, Item]:
    """The entries by their image sets."""
    items = client.scan(TableName=table, ConsistentRead=True)["Items"]
    return {item["ImageSet"]["S"]: item for item in items if item["Part"]["S"] == "entry"}


def replay(aws: boto3.Session, item: Item) -> None:
    """Have an image set written again although nothing in it has changed."""
    detail = {"datastoreId": item["DatastoreId"]["S"], "imageSetId": item["ImageSetId"]["S"], "cause": "repair"}
    event: Any = {"Source": "imaging-index.replay", "DetailType": "Image Set Updated", "Detail": json.dumps(detail)}
    assert aws.client("events").put_events(Entries=[event])["FailedEntryCount"] == 0


def charged(client: Any, table: str, item: Item) -> tuple[float, dict[str, float]]:
    """The write units of an entry in all, and by the names that the profile has for the indexes."""
    capacity = client.put_item(TableName=table, Item=item, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    indexes = capacity.get("GlobalSecondaryIndexes", {})
    return capacity["CapacityUnits"], {
        index_names.declared(name): each["CapacityUnits"] for name, each in indexes.items()
    }


def test_a_new_entry_takes_at_most_ten_write_units_and_at_most_four_when_it_is_written_again(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str]
) -> None:
    table = deploy(assembly, environment)["TableName"]
    client, healthimaging = aws.client("dynamodb"), aws.client("medical-imaging")
    imported = import_folder(healthimaging, make_datastore(healthimaging, "hospital"), SAMPLE)
    first = wait_for(lambda: len(found := entries(client, table)) == imported.image_sets and found)
    for item in first.values():
        replay(aws, item)

    def written_again() -> Any:
        found = entries(client, table)
        return all(found[name]["Attempt"] != item["Attempt"] for name, item in first.items()) and found

    again = wait_for(written_again)
    for name, item in first.items():
        client.delete_item(TableName=table, Key={key: item[key] for key in ("ImageSet", "Part")})
        for old, new, most in ((None, item, 10), (item, again[name], 4)):
            total, by_index = charged(client, table, new)
            assert total <= most
            expected = {each: index_units(index, old, new) for each, index in RADIOLOGY.indexes.items()}
            assert by_index == {each: number for each, number in expected.items() if number}
            assert total == units(item_size(new)) + sum(expected.values())
        assert by_index.keys() == {"date"}


def test_a_query_returns_what_its_index_holds_and_no_more(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str]
) -> None:
    table = deploy(assembly, environment)["TableName"]
    client, healthimaging = aws.client("dynamodb"), aws.client("medical-imaging")
    imported = import_folder(healthimaging, make_datastore(healthimaging, "hospital"), SAMPLE)
    wait_for(lambda: len(entries(client, table)) == imported.image_sets)
    reader = TableReader(client, table)
    description = reader.describe()
    assert {name: sorted(index.holds or ()) for name, index in description.indexes.items()} == {
        name: sorted(index.holds or ()) for name, index in RADIOLOGY.indexes.items()
    }
    for item in entries(client, table).values():
        for name in ("date", "series", "study", "patient", "name", "accession", "arrived"):
            index = description.indexes[name]
            conditions = {key: item[key]["S"] for key in index.keys}
            assert list(reader.query(name, conditions, description.key_types)) == [in_index(item, index)]


def stack_with(**projections: dict[str, Any]) -> dict[str, Any]:
    """The arguments that make or update a stack of one table, with indexes of these projections by name."""
    keys = ({"AttributeName": "Key", "KeyType": "HASH"},)
    table = {
        "Type": "AWS::DynamoDB::GlobalTable",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "Replicas": [{"Region": "us-east-1"}],
            "AttributeDefinitions": [{"AttributeName": "Key", "AttributeType": "S"}],
            "KeySchema": keys,
            "GlobalSecondaryIndexes": [
                {"IndexName": name, "KeySchema": keys, "Projection": projection}
                for name, projection in projections.items()
            ],
        },
    }
    return {"StackName": "Tables", "TemplateBody": json.dumps({"Resources": {"Table": table}})}


@pytest.mark.usefixtures("environment")
def test_the_local_cloud_refuses_what_dynamodb_does_not_do_to_an_index(aws: boto3.Session) -> None:
    client = aws.client("cloudformation")
    many: dict[str, dict[str, Any]] = {
        f"n{number:02}": {"ProjectionType": "INCLUDE", "NonKeyAttributes": [f"a{each}" for each in range(20)]}
        for number in range(5)
    }
    client.create_stack(**stack_with(**many))
    client.get_waiter("stack_create_complete").wait(StackName="Tables", WaiterConfig={"Delay": 1})
    for wrong, words in (
        (many | {"n00": {"ProjectionType": "ALL"}}, "You can create a new GSI with a different name"),
        (many | {"n05": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b"]}}, "exceeds 100"),
        (many | {"n05": {"ProjectionType": "ALL"}, "n06": {"ProjectionType": "ALL"}}, "more than one GSI creation"),
    ):
        client.update_stack(**stack_with(**wrong))
        wait_for(lambda: "IN_PROGRESS" not in client.describe_stacks(StackName="Tables")["Stacks"][0]["StackStatus"])
        assert client.describe_stacks(StackName="Tables")["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        events = client.describe_stack_events(StackName="Tables")["StackEvents"]
        assert any(words in event.get("ResourceStatusReason", "") for event in events)
