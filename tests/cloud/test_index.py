"""The whole way: HealthImaging's events -> rule -> queue -> the deployed function -> table."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydicom.data import get_testdata_file

from imaging_index.entry.item import plain
from imaging_index.table.layout import Key
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for


@pytest.fixture
def outputs(assembly: Assembly, environment: dict[str, str]) -> dict[str, str]:
    """The stack's outputs, deployed into an account of its own."""
    return deploy(assembly, environment)


@pytest.fixture
def table(aws: boto3.Session, outputs: dict[str, str]) -> TableReader:
    return TableReader(aws.client("dynamodb"), outputs["TableName"])


@pytest.fixture
def datastore(aws: boto3.Session) -> str:
    return make_datastore(aws.client("medical-imaging"), "hospital")


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """A folder with a CT and an MR file, of two studies."""
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(str(get_testdata_file(name)), tmp_path / name)
    return tmp_path


def image_sets(aws: boto3.Session, datastore: str) -> dict[str, Any]:
    """What HealthImaging's own search finds, by modality."""
    found = aws.client("medical-imaging").search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    return {each["DICOMTags"]["DICOMSeriesModality"]: each for each in found}


def read(table: TableReader, datastore: str, image_set_id: str) -> dict[str, Any] | None:
    found = table.read(Key(datastore, image_set_id))
    return plain(found.entry) if found else None


def is_tombstone(table: TableReader, datastore: str, image_set_id: str) -> bool:
    head = table.head(Key(datastore, image_set_id))
    return head is not None and head.tombstone


def test_created_updated_copied_and_deleted_image_sets_end_in_the_right_table(
    aws: boto3.Session, table: TableReader, datastore: str, dicom: Path
) -> None:
    client = aws.client("medical-imaging")
    import_folder(client, datastore, dicom)
    ct = image_sets(aws, datastore)["CT"]["imageSetId"]
    mr = image_sets(aws, datastore)["MR"]["imageSetId"]
    created = wait_for(lambda: read(table, datastore, ct))
    assert (created["ImageSetVersion"], created["Modality"], created["Cause"]) == (1, "CT", "event")
    assert created["IsPrimary"] is True
    assert created["PatientNameFolded"] == " compressedsamples ct1"

    changes = {"SchemaVersion": 1.1, "Study": {"DICOM": {"StudyDescription": "Corrected"}}}
    client.update_image_set_metadata(
        datastoreId=datastore,
        imageSetId=ct,
        latestVersionId="1",
        updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": json.dumps(changes).encode()}},
    )
    updated = wait_for(lambda: (found := read(table, datastore, ct)) and found["ImageSetVersion"] == 2 and found)
    assert updated["StudyDescription"] == "Corrected"
    assert updated["FirstIndexedAt"] == created["FirstIndexedAt"]

    answer = client.copy_image_set(
        datastoreId=datastore,
        sourceImageSetId=ct,
        copyImageSetInformation={"sourceImageSet": {"latestVersionId": "2"}},
    )
    copied = answer["destinationImageSetProperties"]["imageSetId"]
    assert wait_for(lambda: read(table, datastore, copied))["StudyDescription"] == "Corrected"

    wait_for(lambda: read(table, datastore, mr))
    client.delete_image_set(datastoreId=datastore, imageSetId=mr)
    wait_for(lambda: is_tombstone(table, datastore, mr))

    def left() -> list[Any]:
        scan = aws.client("dynamodb").scan(TableName=table_name(table), ConsistentRead=True)
        return [item for item in scan["Items"] if item["ImageSet"]["S"].endswith(mr)]

    # The pages go after the entry.
    wait_for(lambda: len(left()) == 1)
    (tombstone,) = left()
    assert set(tombstone) == {"ImageSet", "Part", "Generation", "DatastoreId", "ImageSetId", "IndexedAt"}


def table_name(table: TableReader) -> str:
    return table._name


def test_bad_messages_are_parked_with_their_class_and_the_rest_is_indexed(
    aws: boto3.Session, table: TableReader, outputs: dict[str, str], datastore: str, dicom: Path
) -> None:
    client = aws.client("medical-imaging")
    import_folder(client, datastore, dicom)
    ids = [each["imageSetId"] for each in image_sets(aws, datastore).values()]
    for each in ids:
        wait_for(functools.partial(read, table, datastore, each))
    sqs = aws.client("sqs")
    good = {"source": "aws.medical-imaging", "detail-type": "Image Set Created"}
    bodies = [
        "not JSON",
        json.dumps({"detail": []}),
        json.dumps(good | {"detail": {"datastoreId": "short", "imageSetId": ids[0]}}),
        json.dumps(good | {"detail": {"datastoreId": datastore, "imageSetId": "../" * 10}}),
        json.dumps(good | {"detail": {"datastoreId": datastore, "imageSetId": "x" * 2000}}),
    ]
    unknown = {"detail-type": "Image Set Blessed", "detail": {"datastoreId": datastore, "imageSetId": ids[0]}}
    old = good | {"detail": {"imageSetId": ids[1], "datastoreId": datastore, "imageSetState": "ACTIVE"}}
    for body in (*bodies, json.dumps(good | unknown), json.dumps(old)):
        sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody=body)

    parked: list[Any] = []

    def all_parked() -> bool:
        answer = sqs.receive_message(
            QueueUrl=outputs["DeadLetterQueueUrl"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        parked.extend(answer.get("Messages", []))
        return len(parked) >= len(bodies)

    wait_for(all_parked)
    assert sorted(message["Body"] for message in parked) == sorted(bodies)
    for message in parked:
        attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        assert attributes["ErrorClass"] == "Permanent"
        assert attributes["Attempts"] == "1"
        assert attributes["RequestId"]
    wait_for(lambda: queue_is_empty(sqs, outputs["QueueUrl"]))


def queue_is_empty(sqs: Any, url: str) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return all(int(count) == 0 for count in counts.values())
