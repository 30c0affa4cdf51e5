"""Events out, deployed: the rules of docs/automation.md on the stack's own bus, and what reaches their targets.

The local cloud invokes the function with the table's stream and routes events, but does not do for streams what Lambda
does when an invocation fails: tests/infra/test_publishing.py has those settings, and tests/publishing the function.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import boto3
import jsonschema  # type: ignore[import-untyped]
import pydicom
import pydicom.data
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.dicom import dictionary
from imaging_index.entry.item import plain
from imaging_index.publishing.agreement import PATIENT
from imaging_index.table import generation
from imaging_index.table.layout import Key
from infra.config import ROOT
from local.deployment import deploy
from local.stack import make_datastore
from proof.harness.image_sets import PROFILE, delete, wait_for
from tests.assemblies import synth_here

BUCKET: Final = "import-output"
# Also with a minute, the shortest time, a test of stable studies waits for longer than that.
MINUTES: Final = "1"

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


RULES: Final = documented()
CHEST, CHANGED, NON_PRIMARY, ALGORITHM, HUMAN, JOB = RULES
EVERYTHING: Final = "everything"


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


@pytest.fixture(scope="module")
def automation(environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Automation]:
    folder = tmp_path_factory.mktemp("automation")
    context = {"events": "on", "studyStableMinutes": MINUTES, "importOutputBuckets": json.dumps([BUCKET])}
    outputs = deploy(synth_here(folder / "assembly", **context), environment_of_module)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    sqs, events = boto3.client("sqs"), boto3.client("events")
    queues = {}
    for number, (name, pattern) in enumerate({**RULES, EVERYTHING: {"source": ["imaging-index"]}}.items()):
        url = queues[name] = sqs.create_queue(QueueName=f"target-{number}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus = outputs["EventBusName"]
        events.put_rule(Name=f"rule-{number}", EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=f"rule-{number}", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    made = Automation(outputs, queues)
    fill(made, folder)
    yield made
    # What is in the targets' queues is of the documents, as the profile's list wants it.
    for url in queues.values():
        sqs.delete_queue(QueueUrl=url)


def fill(automation: Automation, folder: Path) -> None:
    """Import pydicom's files, and series that a rule's border runs between; then change one, and delete one."""
    client = boto3.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    files, more = folder / "pydicom", folder / "more"
    shutil.copytree(Path(pydicom.data.__file__).parent, files)
    forty, growing, two = series("forty"), series("growing"), series("two")
    chest_ct(files, 40, forty)
    chest_ct(files, 30, growing)
    chest_ct(files, 1, two)
    automation.import_files(datastore, files)
    wait_for(lambda: len(automation.of_kind("Import Job Indexed")) == 1)
    chest_ct(more, 30, growing, first=30)
    # Two patients in one series: HealthImaging keeps the second image set as non-primary.
    chest_ct(more, 1, {**two, "PatientID": "other"})
    chest_ct(more, 1, series("deleted"))
    automation.import_files(datastore, more)
    wait_for(lambda: len(automation.of_kind("Import Job Indexed")) == 2)
    rename(automation.of_patient("other"))
    delete(client, automation.of_patient("deleted"))
    wait_for(lambda: automation.of_kind("Image Set Removed"))
    wait_for(lambda: any("PatientName" in each["changed"] for each in automation.of_kind("Image Set Reindexed")))


def rename(key: Key) -> None:
    """Correct the name of a patient in an image set that is not primary, as operators do."""
    changes = {"SchemaVersion": 1.1, "Patient": {"DICOM": {"PatientName": "Corrected^Name"}}}
    boto3.client("medical-imaging").update_image_set_metadata(
        datastoreId=key.datastore_id,
        imageSetId=key.image_set_id,
        latestVersionId="1",
        updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": json.dumps(changes).encode()}},
    )


def expected(entries: list[dict[str, Any]], condition: Callable[[dict[str, Any]], bool]) -> set[str]:
    return {each["ImageSetId"] for each in entries if condition(each)}


def delivered(events: list[dict[str, Any]]) -> set[str]:
    return {each["detail"]["imageSetId"] for each in events}


def by_study(entries: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    studies: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if uid := entry.get("StudyInstanceUID"):
            studies.setdefault(uid, []).append(entry)
    return [*studies.values()]


def needs_a_human(study: list[dict[str, Any]]) -> bool:
    return any(not each["IsPrimary"] for each in study) or any(
        len({each[name] for each in study if name in each}) > 1 for name in PATIENT
    )


def content(images: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(images))


def test_each_image_set_is_announced_once_when_it_is_new_and_again_at_each_version(automation: Automation) -> None:
    entries = automation.entries()
    indexed = [each["imageSetId"] for each in automation.of_kind("Image Set Indexed")]
    (removed,) = automation.of_kind("Image Set Removed")
    assert sorted(indexed) == sorted([each["ImageSetId"] for each in entries] + [removed["imageSetId"]])
    announced: dict[str, list[int]] = {}
    for each in (*automation.of_kind("Image Set Indexed"), *automation.of_kind("Image Set Reindexed")):
        announced.setdefault(each["imageSetId"], []).append(each["imageSetVersion"])
    for entry in entries:
        versions = announced[entry["ImageSetId"]]
        assert max(versions) == entry["ImageSetVersion"]
        assert len(versions) == len(set(versions))


def test_a_chest_ct_is_delivered_when_it_has_more_than_forty_images_and_never_before(automation: Automation) -> None:
    wanted = expected(
        automation.entries(),
        lambda each: (
            each.get("Modality") == "CT" and each.get("BodyPartExamined") == "CHEST" and each["InstanceCount"] > 40
        ),
    )
    assert len(wanted) == 1
    assert delivered(automation.events(CHEST)) == wanted
    # It had 30 images first, and the merge made them 60.
    assert [(each["detail-type"], each["detail"]["instanceCount"]) for each in automation.events(CHEST)] == [
        ("Image Set Reindexed", 60)
    ]


def test_a_changed_name_is_delivered_by_its_attributes_name_alone(automation: Automation) -> None:
    (event,) = automation.events(CHANGED)
    assert event["detail"]["imageSetId"] == automation.of_patient("other").image_set_id
    assert "PatientName" in event["detail"]["changed"]
    assert "Corrected" not in json.dumps(event)


def test_exactly_the_non_primary_image_sets_are_delivered(automation: Automation) -> None:
    wanted = expected(automation.entries(), lambda each: each["IsPrimary"] is False)
    assert automation.of_patient("other").image_set_id in wanted
    assert delivered(automation.events(NON_PRIMARY)) == wanted


def test_each_job_is_announced_when_its_image_sets_are(automation: Automation) -> None:
    events = automation.events(JOB)
    assert sorted(each["detail"]["jobId"] for each in events) == sorted(automation.jobs)
    first = next(each["detail"] for each in events if each["detail"]["jobId"] == automation.jobs[0])
    other = automation.of_patient("other").image_set_id
    assert first["imageSetCount"] == len([each for each in automation.entries() if each["ImageSetId"] != other])
    assert first["refusedFileCount"] > 0
    assert first["seconds"] < 60


def test_exactly_the_studies_without_a_conflict_reach_the_algorithm_and_the_others_a_human(
    automation: Automation,
) -> None:
    studies = by_study(automation.entries())
    wait_for(lambda: len(automation.of_kind("Study Stable")) >= len(studies))
    versions = [content([(each["ImageSetId"], each["ImageSetVersion"]) for each in study]) for study in studies]
    for rule, condition in (
        (ALGORITHM, lambda study: not needs_a_human(study) and {each.get("Modality") for each in study} & {"CT", "MR"}),
        (HUMAN, needs_a_human),
    ):
        wanted = {version for version, study in zip(versions, studies, strict=True) if condition(study)}
        got = [
            content([(each["imageSetId"], each["imageSetVersion"]) for each in event["detail"]["imageSets"]])
            for event in automation.events(rule)
        ]
        assert wanted, rule
        assert sorted(got) == sorted(wanted), rule


def test_every_event_is_valid_by_the_schema(automation: Automation) -> None:
    schema = json.loads((ROOT / "docs" / "events.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft4Validator(schema)
    assert len(automation.events(EVERYTHING)) > 60
    for event in automation.events(EVERYTHING):
        validator.validate(event)


def test_no_event_marker_or_message_has_a_value_that_may_identify_a_patient(automation: Automation) -> None:
    told = PROFILE.events
    values = {
        text
        for entry in automation.entries()
        for name, value in entry.items()
        if dictionary.lookup(name) and name not in told
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str) and len(text) >= 8 and len(set(text)) >= 4
    }
    assert len(values) > 100
    events = automation.events(EVERYTHING)
    carried = {json.dumps(each["detail"]["attributes"]) for each in events if "attributes" in each["detail"]}
    said = json.dumps([[*each.values()] for each in events]) + json.dumps(automation.markers())
    # What they may say is no leak when another attribute has it too, as a description may have the manufacturer.
    assert [value for value in values if value in said and not any(value in each for each in carried)] == []
    queues = [automation.outputs[name] for name in ("EventQueueUrl", "EventDeadLetterQueueUrl", "EventFailureQueueUrl")]
    for queue in queues:
        for message in boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            assert not any(value in message["Body"] for value in values)
