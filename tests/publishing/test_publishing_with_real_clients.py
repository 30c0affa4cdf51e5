"""The function that announces, with real clients of AWS: the calls that it makes are those that services take."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import jsonschema  # type: ignore[import-untyped]
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.queue.hint import Kind
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from local.cloud import LocalCloud
from local.stack import make_datastore
from proof.harness.image_sets import PROFILE_FILE, delete, deliver, hint, indexer, throttles_off, wait_for
from proof.harness.pipeline import context, record

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text("utf-8"))
HOUR = 3600.0


class Stage:
    """A table with its stream, a bus whose events reach a queue, a bucket, and the function that calls them."""

    def __init__(self, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        self.healthimaging = aws.client("medical-imaging")
        self.sqs, self.streams = aws.client("sqs"), aws.client("dynamodbstreams")
        names = ("ImageSet", "Part", "StudyInstanceUID", "ImageSetId")
        table = aws.client("dynamodb").create_table(
            TableName="index",
            KeySchema=[{"AttributeName": "ImageSet", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in names],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "study-1234",
                    "KeySchema": [
                        {"AttributeName": "StudyInstanceUID", "KeyType": "HASH"},
                        {"AttributeName": "ImageSetId", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
        self._stream = table["LatestStreamArn"]
        self._read: set[str] = set()
        self.table = TableWriter(aws.client("dynamodb"), "index")
        self.queue, self.letters, self.heard = (
            self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("watches", "letters", "heard")
        )
        self._make_bus()
        aws.client("s3").create_bucket(Bucket="output")
        variables = {
            "BUS_NAME": "announcements",
            "DATASTORES": "all",
            "PROFILE": str(PROFILE_FILE),
            "QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.letters,
            "TABLE_NAME": "index",
            "STUDY_STABLE_MINUTES": "5",
            "POWERTOOLS_SERVICE_NAME": "index",
            "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        self.module = _imported()

    def _make_bus(self) -> None:
        events = self.aws.client("events")
        events.create_event_bus(Name="announcements")
        pattern = json.dumps({"source": ["imaging-index"]})
        events.put_rule(Name="all", EventBusName="announcements", EventPattern=pattern)
        arn = self.sqs.get_queue_attributes(QueueUrl=self.heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_targets(Rule="all", EventBusName="announcements", Targets=[{"Id": "heard", "Arn": arn}])

    def announce(self) -> list[Any]:
        """Hand on what the stream has, and take the events that come of it."""
        records = []
        for shard in self.streams.describe_stream(StreamArn=self._stream)["StreamDescription"]["Shards"]:
            start = self.streams.get_shard_iterator(
                StreamArn=self._stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for each in self.streams.get_records(ShardIterator=start)["Records"]:
                data: Any = dict(each["dynamodb"])
                if data["SequenceNumber"] not in self._read and data["Keys"]["Part"]["S"] == "entry":
                    self._read.add(data["SequenceNumber"])
                    data["ApproximateCreationDateTime"] = data["ApproximateCreationDateTime"].timestamp()
                    records.append({"eventName": each["eventName"], "eventSource": "aws:dynamodb", "dynamodb": data})
        assert records
        assert self.module.handler({"Records": records}, context()) == {"batchItemFailures": []}
        return self.events()

    def check(self, body: str, later: float = 0) -> bool:
        """Hand on a message as if it were `later`; whether it is done with."""
        for watch in (self.module._studies(), self.module._jobs()):
            now = watch._now
            watch._now = lambda now=now: now() + later
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        (received,) = self.sqs.receive_message(QueueUrl=self.queue, AttributeNames=["All"])["Messages"]
        failed = self.module.handler({"Records": [record(received)]}, context())["batchItemFailures"]
        if not failed:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=received["ReceiptHandle"])
        return not failed

    def events(self) -> list[Any]:
        """The events that reached the queue, each after a look at the schema."""
        found: list[Any] = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.heard, MaxNumberOfMessages=10, WaitTimeSeconds=1 if not found else 0
        ).get("Messages", []):
            for each in messages:
                event = json.loads(each["Body"])
                jsonschema.Draft4Validator(SCHEMA).validate(event)
                found.append(event)
                self.sqs.delete_message(QueueUrl=self.heard, ReceiptHandle=each["ReceiptHandle"])
        return found


def _imported() -> ModuleType:
    boto3.DEFAULT_SESSION = None
    handlers = "imaging_index.handlers"
    for package, name in ((handlers, "publish"), (handlers, "environment"), ("imaging_index", "observability")):
        if sys.modules.pop(f"{package}.{name}", None):
            delattr(sys.modules[package], name)
    return importlib.import_module("imaging_index.handlers.publish")


@pytest.fixture
def stage(aws: boto3.Session, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with throttles_off(cloud.endpoint):
        yield Stage(aws, monkeypatch)


def imported(stage: Stage, folder: Path) -> tuple[str, str, list[Key]]:
    """A study of two series that a job has imported: the data store, the job and the image sets."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.StudyInstanceUID = generate_uid()
    for number in range(2):
        dataset.SeriesInstanceUID = generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(folder / f"{number}.dcm")
    store = make_datastore(stage.healthimaging, "hospital")
    job = stage.healthimaging.start_dicom_import_job(
        datastoreId=store,
        dataAccessRoleArn="arn:aws:iam::000000000000:role/import",
        inputS3Uri=folder.as_uri() + "/",
        outputS3Uri="s3://output/jobs/",
        clientToken="token",
    )["jobId"]
    wait_for(
        lambda: (
            stage.healthimaging.get_dicom_import_job(datastoreId=store, jobId=job)["jobProperties"]["jobStatus"]
            == "COMPLETED"
        )
    )
    found = stage.healthimaging.search_image_sets(datastoreId=store)["imageSetsMetadataSummaries"]
    return store, job, [Key(store, each["imageSetId"]) for each in found]


def completed(stage: Stage, store: str, job: str) -> str:
    """HealthImaging's event of a job."""
    properties = stage.healthimaging.get_dicom_import_job(datastoreId=store, jobId=job)["jobProperties"]
    detail = {"datastoreId": store, "jobId": job, "outputS3Uri": properties["outputS3Uri"]}
    account = context().invoked_function_arn.split(":")[4]
    time = properties["endedAt"].strftime("%Y-%m-%dT%H:%M:%S+00:00")
    return json.dumps({"detail-type": "Import Job Completed", "account": account, "time": time, "detail": detail})


def test_image_sets_studies_and_jobs_are_announced_with_real_clients(stage: Stage, tmp_path: Path) -> None:
    store, job, keys = imported(stage, tmp_path)
    assert len(keys) == 2
    real = indexer(stage.healthimaging, stage.table)

    deliver(real, [hint(keys[0], Kind.CREATED, 1)])
    (event,) = stage.announce()
    assert (event["source"], event["detail-type"]) == ("imaging-index", "Image Set Indexed")
    assert event["detail"]["imageSetId"] == keys[0].image_set_id
    assert event["detail"]["attributes"]["Modality"] == "CT"

    # One of two image sets: neither the job nor the study is announced.
    assert "Messages" not in stage.sqs.receive_message(QueueUrl=stage.queue), "the study's message is delayed"
    assert not stage.check(completed(stage, store, job))

    deliver(real, [hint(keys[1], Kind.CREATED, 1)])
    assert [each["detail"]["imageSetId"] for each in stage.announce()] == [keys[1].image_set_id]
    assert stage.check(completed(stage, store, job))
    assert stage.check(completed(stage, store, job))
    (event,) = stage.events()
    assert (event["detail-type"], event["detail"]["imageSetCount"]) == ("Import Job Indexed", 2)
    assert event["detail"]["instanceCount"] == 2

    marker = next(item for item in items(stage) if item["ImageSet"]["S"].startswith("study/"))
    body = json.dumps(
        {
            "study": marker["ImageSet"]["S"].removeprefix("study/"),
            "datastoreId": store,
            "imageSetId": keys[0].image_set_id,
            "changed": float(marker["LastChange"]["N"]),
        }
    )
    assert not stage.check(body)
    assert stage.check(body, later=HOUR)
    assert stage.check(body, later=HOUR)
    (event,) = stage.events()
    assert (event["detail-type"], event["detail"]["imageSetCount"]) == ("Study Stable", 2)
    assert event["detail"]["modalities"] == ["CT"]

    delete(stage.healthimaging, keys[0])
    deliver(real, [hint(keys[0], Kind.DELETED)])
    (event,) = stage.announce()
    assert event["detail-type"] == "Image Set Removed"
    after = next(item for item in items(stage) if item["ImageSet"]["S"].startswith("study/"))
    assert after["Witness"]["S"] == keys[1].image_set_id


def items(stage: Stage) -> list[Any]:
    return list(stage.aws.client("dynamodb").scan(TableName="index", ConsistentRead=True)["Items"])
