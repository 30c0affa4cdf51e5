"""What stands for AWS in the simulation answers as the local cloud does, call by call."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from imaging_index.table.layout import Key
from local.cloud import LocalCloud
from proof.harness.image_sets import make_image_set, throttles_off, wait_for_state
from proof.simulation import memory, objects

_STEPS = 150
# As the function's own clients.
_CONFIG = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


def answer(call: Callable[..., Any], **arguments: Any) -> Any:
    """What a call gives, without what only the wire knows; or the error's code and status."""
    try:
        given = call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return {name: value for name, value in given.items() if name not in ("ResponseMetadata", "ConsumedCapacity")}


# --- DynamoDB


@pytest.fixture
def dynamodb(aws: boto3.Session) -> Any:
    client = aws.client("dynamodb", config=_CONFIG)
    client.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "ImageSet", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("ImageSet", "Part")],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def items(client: Any, **arguments: Any) -> Any:
    """All items of a query."""
    try:
        return [item for page in client.get_paginator("query").paginate(**arguments) for item in page["Items"]]
    except ClientError as error:
        return error.response["Error"]["Code"]


class Calls:
    """Random calls as `table/` makes them, on few keys, so that they meet."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def __call__(self, client: Any) -> Any:
        """One call, and what it gave."""
        calls = (
            *(self._get, self._put, self._put, self._batch, self._batch, self._query),
            *(self._get_several, self._correct, self._lease, self._all_parts, self._scan),
        )
        return self._random.choice(calls)(client)

    def _name(self) -> str:
        return "table" if self._random.random() < 0.97 else "elsewhere"

    def _key(self, part: str) -> dict[str, Any]:
        return {"ImageSet": {"S": f"store/{self._random.randrange(2)}"}, "Part": {"S": part}}

    def _page(self) -> str:
        return f"page/{self._generation()}/{self._random.choice('ab')}/{self._random.randrange(3):04d}"

    def _generation(self) -> str:
        return self._random.choice(("0000000001", "0000000002", "0000000010", "~"))

    def _get(self, client: Any) -> Any:
        part = self._random.choice(("entry", "entry", self._page()))
        arguments = {"TableName": self._name(), "Key": self._key(part), "ConsistentRead": True}
        if self._random.random() < 0.5:
            arguments["ProjectionExpression"] = "Generation, Attempt, FirstIndexedAt"
        return answer(client.get_item, **arguments)

    def _put(self, client: Any) -> Any:
        generation = {"S": self._generation()}
        item = self._key("entry") | {"Generation": generation, "Pages": {"N": str(self._random.randrange(9))}}
        if self._random.random() < 0.5:
            item |= {"Attempt": {"S": "a"}, "Values": {"L": [{"S": ""}, {"N": "1.5"}]}, "IsPrimary": {"BOOL": True}}
        return answer(
            client.put_item,
            TableName=self._name(),
            Item=item,
            ConditionExpression="attribute_not_exists(ImageSet) OR Generation < :generation",
            ExpressionAttributeValues={":generation": generation},
            ReturnConsumedCapacity="TOTAL",
        )

    def _batch(self, client: Any) -> Any:
        requests: list[Any] = []
        for _ in range(self._random.choice((0, 1, 1, 2, 2, 3, 26))):
            key = self._key(self._page())
            item = key | {"Content": {"B": self._random.randbytes(4)}}
            put = self._random.random() < 0.6
            requests.append({"PutRequest": {"Item": item}} if put else {"DeleteRequest": {"Key": key}})
        name = self._name() if requests else "table"
        return answer(client.batch_write_item, RequestItems={name: requests}, ReturnConsumedCapacity="TOTAL")

    def _query(self, client: Any) -> Any:
        values: dict[str, Any] = {":key": self._key("")["ImageSet"]}
        arguments = {"TableName": self._name(), "ConsistentRead": True, "ExpressionAttributeValues": values}
        if self._random.random() < 0.5:
            values[":prefix"] = {"S": f"page/{self._generation()}/{self._random.choice('ab')}/"}
            return items(client, KeyConditionExpression="ImageSet = :key AND begins_with(Part, :prefix)", **arguments)
        values |= {":first": {"S": "page/"}, ":last": {"S": f"page/{self._generation()}/~"}}
        condition = "ImageSet = :key AND Part BETWEEN :first AND :last"
        return items(client, KeyConditionExpression=condition, ProjectionExpression="Part", **arguments)

    def _get_several(self, client: Any) -> Any:
        keys = [{"ImageSet": {"S": f"store/{number}"}, "Part": {"S": "entry"}} for number in range(3)]
        wanted = {
            "Keys": keys[: self._random.choice((1, 2, 3))],
            "ProjectionExpression": "ImageSet, Generation, Attempt",
        }
        given = answer(client.batch_get_item, RequestItems={self._name(): wanted}, ReturnConsumedCapacity="TOTAL")
        if isinstance(given, dict):
            given["Responses"]["table"].sort(key=str)
        return given

    def _correct(self, client: Any) -> Any:
        values: dict[str, Any] = {":is": {"BOOL": True}, ":generation": {"S": self._generation()}}
        change = "SET IsPrimary = :is REMOVE NonPrimary"
        if self._random.random() < 0.5:
            values |= {":is": {"BOOL": False}, ":one": {"S": "1"}}
            change = "SET IsPrimary = :is, NonPrimary = :one"
        return answer(
            client.update_item,
            TableName=self._name(),
            Key=self._key("entry"),
            UpdateExpression=change,
            ConditionExpression="Generation = :generation",
            ExpressionAttributeValues=values,
            ReturnConsumedCapacity="TOTAL",
        )

    def _lease(self, client: Any) -> Any:
        if self._random.random() < 0.3:
            change: dict[str, Any] = {
                "UpdateExpression": "REMOVE Holder, LeaseUntil",
                "ConditionExpression": "Version = :version",
                "ExpressionAttributeValues": {":version": {"N": str(self._random.randrange(1, 5))}},
            }
        else:
            change = {
                "UpdateExpression": "SET Holder = :me, LeaseUntil = :until ADD Version :one",
                "ConditionExpression": "attribute_not_exists(LeaseUntil) OR LeaseUntil < :now",
                "ExpressionAttributeValues": {
                    ":me": {"S": "me"},
                    ":until": {"S": str(self._random.randrange(10))},
                    ":now": {"S": str(self._random.randrange(10))},
                    ":one": {"N": "1"},
                },
                "ReturnValues": "ALL_NEW",
            }
        return answer(client.update_item, TableName="table", Key=self._key("checkpoint"), **change)

    def _all_parts(self, client: Any) -> Any:
        return items(
            client,
            TableName=self._name(),
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key",
            ExpressionAttributeValues={":key": self._key("")["ImageSet"]},
            ProjectionExpression="ImageSet, Part, Generation",
        )

    def _scan(self, client: Any) -> Any:
        """All items, by whichever segments: where an image set's are is DynamoDB's own matter."""
        name, segments, found = self._name(), self._random.choice((1, 3)), []
        for segment in range(segments):
            start: dict[str, Any] = {}
            while True:
                page = answer(
                    client.scan,
                    TableName=name,
                    Segment=segment,
                    TotalSegments=segments,
                    ProjectionExpression="ImageSet, Part, Generation",
                    **start,
                )
                if not isinstance(page, dict):
                    return page
                found += page["Items"]
                if "LastEvaluatedKey" not in page:
                    break
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        return sorted(found, key=str)


@pytest.mark.parametrize("seed", range(4))
def test_the_table_in_memory_answers_as_dynamodb_does(dynamodb: Any, seed: int) -> None:
    remembered, real, ours = memory.Table("table", page_size=2), Calls(seed), Calls(seed)
    for step in range(_STEPS):
        assert ours(remembered) == real(dynamodb), f"step {step}"


def test_a_replica_that_lags_shows_the_partition_before_the_last_write() -> None:
    table = memory.Table("table", lagging=lambda: True)
    key = {"ImageSet": {"S": "store/1"}, "Part": {"S": "page/1"}}
    for content in ("a", "b"):
        table.batch_write_item(RequestItems={"table": [{"PutRequest": {"Item": key | {"Content": {"S": content}}}}]})
    assert table.get_item(TableName="table", Key=key)["Item"]["Content"] == {"S": "a"}
    assert table.get_item(TableName="table", Key=key, ConsistentRead=True)["Item"]["Content"] == {"S": "b"}


# --- S3


def _object_move(client: Any, name: str, random: Random) -> Any:
    """One call as `kept_documents` makes it, on few keys, and what it gave."""
    bucket = name if random.random() < 0.97 else "elsewhere"
    key = f"documents/{random.choice('ab')}/{random.randrange(3)}"
    match random.randrange(4):
        case 0:
            content = BytesIO(random.randbytes(9))
            put = answer(client.put_object, Bucket=bucket, Key=key, Body=content, Metadata={"document": key})
            return put if isinstance(put, tuple) else "written"
        case 1:
            given = answer(client.get_object, Bucket=bucket, Key=key)
            return given if isinstance(given, tuple) else (given["Body"].read(), given["Metadata"])
        case 2:
            gone = answer(client.delete_object, Bucket=bucket, Key=key)
            return gone if isinstance(gone, tuple) else "gone"
    after = {"StartAfter": "documents/a/1"} if random.random() < 0.5 else {}
    given = answer(client.list_objects_v2, Bucket=bucket, Prefix=random.choice(("documents/", "documents/b/")), **after)
    return (
        given
        if isinstance(given, tuple)
        else ([each["Key"] for each in given.get("Contents", [])], given["IsTruncated"])
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_bucket_in_memory_answers_as_s3_does(aws: boto3.Session, seed: int) -> None:
    client: Any = aws.client("s3", config=_CONFIG)
    # Names of buckets are everybody's.
    client.create_bucket(Bucket=(name := f"as-in-memory-{seed}"))
    remembered = objects.Bucket(name, lambda: datetime.now(UTC))
    ours, theirs = Random(seed), Random(seed)
    for step in range(_STEPS):
        assert _object_move(remembered, name, ours) == _object_move(client, name, theirs), f"step {step}"


# --- SQS


@pytest.mark.parametrize("seed", range(3))
def test_the_queue_in_memory_answers_as_sqs_does(aws: boto3.Session, seed: int) -> None:
    client: Any = aws.client("sqs", config=_CONFIG)
    real = client.create_queue(QueueName=f"queue-{seed}", Attributes={"VisibilityTimeout": "1000"})["QueueUrl"]
    queues = [(memory.Queues(("queue",), lambda: 0.0, visibility=1000), "queue"), (client, real)]
    handles: list[dict[str, str]] = [{}, {}]
    random = Random(seed)
    for step in range(_STEPS):
        move, body, seconds = random.randrange(5), f"body {random.randrange(8)}", random.choice((0, 0, 1000))
        ours, theirs = (
            _queue_move(move, each, url, known, body, seconds)
            for (each, url), known in zip(queues, handles, strict=True)
        )
        assert ours == theirs, f"step {step}: {move}"


def _queue_move(move: int, client: Any, url: str, handles: dict[str, str], body: str, seconds: int) -> Any:
    """One call on a queue, whose messages are told apart by their bodies."""
    handle = handles.get(body, "nobody's")
    if move == 0 and body not in handles:
        handles[body] = "not received yet"
        attributes = {"ErrorClass": {"DataType": "String", "StringValue": "Poison"}}
        sent = answer(client.send_message, QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
        return "MessageId" in sent
    if move == 1:
        arguments = {"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": seconds}
        return answer(client.change_message_visibility, **arguments)
    if move == 2:
        gone = answer(client.delete_message, QueueUrl=url, ReceiptHandle=handle)
        if gone == {}:
            del handles[body]
        return gone
    names = {} if isinstance(client, memory.Queues) else {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    found = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **names).get("Messages"):
        for each in messages:
            handles[each["Body"]] = each["ReceiptHandle"]
            attributes = each["MessageAttributes"]["ErrorClass"]["StringValue"]
            found.append((each["Body"], each["Attributes"]["ApproximateReceiveCount"], attributes))
    return sorted(found)


# --- HealthImaging


class Both:
    """An image set of the local HealthImaging and what follows it in memory; what happens, happens in both."""

    def __init__(self, client: Any, key: Key) -> None:
        self.memory = memory.HealthImaging(key.datastore_id)
        self._client = client
        self._store = key.datastore_id
        self.memory.create(key.image_set_id, self._document(key.image_set_id))

    def check(self) -> None:
        """Every question that the function may ask has the same answer of both."""
        known = self.memory.image_sets
        for store in (self._store, "0" * 32):
            for image_set_id in (*known, "0" * 32):
                latest = known[image_set_id].version if image_set_id in known else 1
                ours, real = (_state(each, store, image_set_id) for each in (self.memory, self._client))
                assert ours == real
                for version in range(1, latest + 2):
                    ours, real = (_content(each, store, image_set_id, version) for each in (self.memory, self._client))
                    assert ours == real, f"version {version}"

    def live(self) -> list[str]:
        """The image sets that can be changed."""
        return [name for name, image_set in self.memory.image_sets.items() if image_set.state == "ACTIVE"]

    def begin_update(self, image_set_id: str, **study: Any) -> None:
        """Begin to change the study's part of the document."""
        updated = json.dumps({"SchemaVersion": 1.1, "Study": study}).encode()
        self._client.update_image_set_metadata(
            datastoreId=self._store,
            imageSetId=image_set_id,
            latestVersionId=str(self.memory.image_sets[image_set_id].version),
            updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": updated}},
        )
        self.memory.begin_update(image_set_id)

    def finish_update(self, image_set_id: str, *, failed: bool = False) -> None:
        """Wait for it."""
        wait_for_state(self._client, Key(self._store, image_set_id), "ACTIVE")
        self.memory.finish_update(image_set_id, None if failed else self._document(image_set_id))

    def begin_copy(self, source_id: str) -> str:
        """Begin to copy an image set; the id of the new one."""
        version = {"latestVersionId": str(self.memory.image_sets[source_id].version)}
        begun = self._client.copy_image_set(
            datastoreId=self._store, sourceImageSetId=source_id, copyImageSetInformation={"sourceImageSet": version}
        )
        destination_id: str = begun["destinationImageSetProperties"]["imageSetId"]
        self.memory.begin_copy(source_id, destination_id)
        return destination_id

    def finish_copy(self, source_id: str, destination_id: str) -> None:
        """Wait for it."""
        wait_for_state(self._client, Key(self._store, destination_id), "ACTIVE")
        self.memory.finish_copy(source_id, destination_id, self._document(destination_id))

    def begin_delete(self, image_set_id: str) -> None:
        """Begin to delete."""
        self._client.delete_image_set(datastoreId=self._store, imageSetId=image_set_id)
        self.memory.begin_delete(image_set_id)

    def finish_delete(self, image_set_id: str) -> None:
        """Wait for it."""
        wait_for_state(self._client, Key(self._store, image_set_id), "DELETED")
        self.memory.finish_delete(image_set_id)

    def _document(self, image_set_id: str) -> bytes:
        given = self._client.get_image_set_metadata(datastoreId=self._store, imageSetId=image_set_id)
        return bytes(given["imageSetMetadataBlob"].read())


def _state(client: Any, store: str, image_set_id: str) -> Any:
    given = answer(client.get_image_set, datastoreId=store, imageSetId=image_set_id)
    names = ("datastoreId", "imageSetId", "versionId", "imageSetState", "imageSetWorkflowStatus", "isPrimary")
    return {name: given.get(name) for name in names} if isinstance(given, dict) else given


def _content(client: Any, store: str, image_set_id: str, version: int) -> Any:
    given = answer(client.get_image_set_metadata, datastoreId=store, imageSetId=image_set_id, versionId=str(version))
    return gzip.decompress(given["imageSetMetadataBlob"].read()) if isinstance(given, dict) else given


@contextmanager
def jobs_that_never_end(cloud: LocalCloud) -> Iterator[None]:
    """What begins in this time stays under way."""
    url = f"{cloud.endpoint}/_healthimaging/settings"
    before = urllib3.request("GET", url).json()["jobSeconds"]
    urllib3.request("PUT", url, json={"jobSeconds": 3_600})
    try:
        yield
    finally:
        urllib3.request("PUT", url, json={"jobSeconds": before})


@pytest.mark.parametrize("seed", range(2))
def test_healthimaging_in_memory_answers_as_the_local_one_does(
    cloud: LocalCloud, aws: boto3.Session, tmp_path: Path, seed: int
) -> None:
    client: Any = aws.client("medical-imaging", config=_CONFIG)
    random = Random(seed)
    with throttles_off(cloud.endpoint):
        key = make_image_set(client, tmp_path)
        both = Both(client, key)
        for _ in range(3):
            both.finish_copy(key.image_set_id, both.begin_copy(key.image_set_id))
        changes = ["update", "update", "failure", "copy", "delete"]
        random.shuffle(changes)
        for change in changes:
            one = random.choice(both.live())
            if change == "update":
                both.begin_update(one, DICOM={"StudyDescription": f"{random.random()}"})
                both.finish_update(one)
            elif change == "failure":
                both.begin_update(one, Series={"1.2.3": {"DICOM": {}}})
                both.finish_update(one, failed=True)
            elif change == "copy":
                both.finish_copy(one, both.begin_copy(one))
            else:
                both.begin_delete(one)
                both.finish_delete(one)
            both.check()
        # What is deleted has older versions, which can be read to the end.
        *_, copied, updated, deleted = sorted(both.live(), key=lambda one: both.memory.image_sets[one].version)
        assert both.memory.image_sets[deleted].version > 1
        with jobs_that_never_end(cloud):
            both.begin_update(updated, DICOM={"StudyDescription": "never"})
            both.begin_delete(deleted)
            both.begin_copy(copied)
            both.check()
