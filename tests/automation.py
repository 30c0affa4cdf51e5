"""A stack that announces, with rules on its bus whose targets are queues; and series of files to import."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import boto3
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.entry.item import plain
from imaging_index.table import generation
from imaging_index.table.layout import Key
from infra.config import ROOT
from proof.harness.image_sets import delete, patiently, wait_for, wait_for_state

if TYPE_CHECKING:
    from pathlib import Path

BUCKET: Final = "import-output"
EVERYTHING: Final = "everything"

Detail = Mapping[str, Any]


def documented() -> dict[str, Any]:
    """The patterns of the page, by their headings; the second one of a heading has a mark."""
    text = (ROOT / "docs" / "automation.md").read_text("utf-8").partition("\n## Ready rules\n")[2].partition("\n## ")[0]
    found = {}
    for section in text.split("\n### ")[1:]:
        heading = section.partition("\n")[0]
        for number, block in enumerate(re.findall(r"```json\n(.*?)```", section, re.DOTALL)):
            found[heading + " *" * number] = json.loads(block)
    return found


@dataclass
class Automation:
    """The stack with the rules on its bus, each with a queue; and what has reached these."""

    outputs: Mapping[str, str]
    queues: Mapping[str, str]
    jobs: list[str] = field(default_factory=list)
    received: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def events(self, rule: str) -> list[dict[str, Any]]:
        """The events that have reached a rule's queue so far, doubles left out."""
        sqs, found = boto3.client("sqs"), self.received.setdefault(rule, [])
        while messages := sqs.receive_message(QueueUrl=self.queues[rule], MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                if "TopicArn" in event:
                    event = json.loads(event["Message"])
                if event["detail"]["key"] not in {each["detail"]["key"] for each in found}:
                    found.append(event)
                sqs.delete_message(QueueUrl=self.queues[rule], ReceiptHandle=message["ReceiptHandle"])
        return found

    def of_kind(self, kind: str) -> list[Detail]:
        """The details of all events of a kind so far."""
        return [each["detail"] for each in self.events(EVERYTHING) if each["detail-type"] == kind]

    def entries(self) -> list[dict[str, Any]]:
        """The entries of all image sets, as plain values."""
        pages: Any = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs["TableName"])
        return [
            plain(item)
            for page in pages
            for item in page["Items"]
            if item["Part"]["S"] == "entry" and item["Generation"]["S"] != generation.TOMBSTONE
        ]

    def of_patient(self, patient: str) -> Key:
        """The image set of a patient who has one."""
        (entry,) = (each for each in self.entries() if each.get("PatientID") == patient)
        return Key(entry["DatastoreId"], entry["ImageSetId"])

    def markers(self) -> list[dict[str, Any]]:
        """The items of studies and jobs."""
        pages: Any = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs["TableName"])
        found = [plain(item) for page in pages for item in page["Items"] if item["Part"]["S"] in ("stable", "indexed")]
        return [{name: str(value) for name, value in item.items()} for item in found]

    def is_idle(self) -> bool:
        """Whether no study or job is to be checked any more."""
        names: Any = [f"ApproximateNumberOfMessages{each}" for each in ("", "Delayed", "NotVisible")]
        url = self.outputs["EventQueueUrl"]
        counts = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return not any(map(int, counts.values()))

    def counts(self) -> Counter[str]:
        """What the function has done since the stack was made: its invocations, events and writes of markers."""
        return Counter(
            invocations=self._invocations(),
            events=len(self.events(EVERYTHING)),
            writes=sum(record["Keys"]["Part"]["S"] in ("stable", "indexed") for record in self._stream()),
        )

    def _invocations(self) -> int:
        """How many invocations have logged their metrics, as each does."""
        name = self.outputs["EventFunctionName"]
        configuration: Any = boto3.client("lambda").get_function_configuration(FunctionName=name)
        group = configuration["LoggingConfig"]["LogGroup"]
        pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return sum(each["message"].startswith('{"_aws"') for page in pages for each in page["events"])

    def _stream(self) -> Iterator[Any]:
        """The records of the table's stream."""
        table: Any = boto3.client("dynamodb").describe_table(TableName=self.outputs["TableName"])["Table"]
        client, arn = boto3.client("dynamodbstreams"), table["LatestStreamArn"]
        for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            where: Any = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = client.get_shard_iterator(**where)["ShardIterator"]
            while (answer := client.get_records(ShardIterator=iterator))["Records"]:
                yield from (record["dynamodb"] for record in answer["Records"])
                iterator = answer["NextShardIterator"]

    def import_files(self, datastore: str, folder: Path) -> str:
        """Import a folder with the job's output in a bucket, and wait for the job. Returns the job's id."""
        client = boto3.client("medical-imaging")
        job = client.start_dicom_import_job(
            clientToken=uuid4().hex,
            datastoreId=datastore,
            dataAccessRoleArn="arn:aws:iam::000000000000:role/import",
            inputS3Uri=folder.resolve().as_uri(),
            outputS3Uri=f"s3://{BUCKET}/jobs/",
        )["jobId"]

        def status() -> str:
            return str(client.get_dicom_import_job(datastoreId=datastore, jobId=job)["jobProperties"]["jobStatus"])

        wait_for(lambda: status() == "COMPLETED")
        self.jobs.append(job)
        return str(job)


def chest_ct(folder: Path, instances: int, values: Mapping[str, str], first: int = 0) -> None:
    """Write a series of chest CTs, of which the first images may be there already."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.BodyPartExamined, dataset.Modality = "CHEST", "CT"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    folder.mkdir(exist_ok=True, parents=True)
    for number in range(first, first + instances):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number + 1
        dataset.save_as(folder / f"{values['PatientID']}-{number}.dcm")


def series(patient: str) -> dict[str, str]:
    return {"PatientID": patient, "StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}


def rename(key: Key, version: int, patient: dict[str, str]) -> None:
    """Correct values of the patient in an image set that is not primary, and wait for it."""
    client, changes = boto3.client("medical-imaging"), {"SchemaVersion": 1.1, "Patient": {"DICOM": patient}}
    patiently(
        client.update_image_set_metadata,
        datastoreId=key.datastore_id,
        imageSetId=key.image_set_id,
        latestVersionId=str(version),
        updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": json.dumps(changes).encode()}},
    )
    wait_for_state(client, key, "ACTIVE")


def correct(key: Key, patient: dict[str, str]) -> None:
    """Correct values of the patient in a primary image set, as operators do: in a copy, which is promoted then."""
    client = boto3.client("medical-imaging")
    copied = _copy(client, key, 1)
    rename(copied, 1, patient)
    delete(client, key)
    _copy(client, copied, 2, promoteToPrimary=True)
    delete(client, copied)


def _copy(client: Any, key: Key, version: int, **options: Any) -> Key:
    """A copy of an image set."""
    made = patiently(
        client.copy_image_set,
        datastoreId=key.datastore_id,
        sourceImageSetId=key.image_set_id,
        copyImageSetInformation={"sourceImageSet": {"latestVersionId": str(version)}},
        **options,
    )["destinationImageSetProperties"]
    copied = Key(key.datastore_id, made["imageSetId"])
    for each in (key, copied):
        wait_for_state(client, each, "ACTIVE")
    return copied
