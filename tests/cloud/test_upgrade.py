"""`make deploy` over a table that is filled, and while it is being written."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.entry.entry import FORMAT
from imaging_index.profile import toml_file
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.question import Level, Question
from imaging_index.searching.search import Search
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import LOCAL_CONTEXT, ROOT, UNVALIDATED, deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for
from tests.assemblies import synth_here

SELECTED = 'attributes = ["PatientID", "StudyDate", "Modality", "StudyDescription"]\n'
NUMBER = '[named.Number]\nvr = "{}"\nfrom = ["SeriesNumber"]\n'


def index(name: str, key: str, holds: str = '"all"') -> str:
    return f'[indexes.{name}]\npartition = ["DatastoreId", "{key}"]\nsort = ["ImageSetId"]\nholds = {holds}\n'


OLD = (
    f"revision = 1\n{SELECTED}{NUMBER.format('LO')}{index('number', 'Number')}{index('patient', 'PatientID')}"
    + index("study", "StudyDate")
)
# The named attribute has another VR, for which its index is made anew; one is new, and the one of the patients is gone.
# That of the studies holds less.
NEW = (
    f"revision = 2\n{SELECTED}{NUMBER.format('IS')}{index('number', 'Number')}{index('modality', 'Modality')}"
    + index("study", "StudyDate", '["Modality"]')
)


def make_deploy(profile: Path, *settings: str, answer: str | None = None) -> "subprocess.CompletedProcess[str]":
    """`make deploy` as an operator types it; without an answer it asks nothing."""
    context = {**LOCAL_CONTEXT, "maximumConcurrency": "2", "profile": str(profile)}
    arguments = [f"-c {name}={value}" for name, value in context.items()]
    return subprocess.run(
        ["make", "deploy", f"CDK={' '.join(['--local', *arguments, *settings])}", *([] if answer else ["YES=1"])],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"} | UNVALIDATED,
        input=answer or "",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(OLD)
    return file


def replay(aws: boto3.Session, datastore: str, image_set_id: str, cause: str) -> None:
    """Have an image set indexed again."""
    event: Any = {
        "Source": "imaging-index.replay",
        "DetailType": "Image Set Updated",
        "Detail": json.dumps({"datastoreId": datastore, "imageSetId": image_set_id, "cause": cause}),
    }
    assert aws.client("events").put_events(Entries=[event])["FailedEntryCount"] == 0


@contextlib.contextmanager
def repaired_all_the_time(aws: boto3.Session, datastore: str, image_set_id: str) -> Iterator[None]:
    """Have an image set written anew again and again meanwhile."""
    stop = threading.Event()

    def repair() -> None:
        while not stop.wait(1):
            replay(aws, datastore, image_set_id, "repair")

    thread = threading.Thread(target=repair)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def waiting(aws: boto3.Session, url: str) -> int:
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def write_files(folder: Path) -> None:
    """A file for each of four modalities, in series whose numbers have another order as text."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    for modality, number in (("CT", 9), ("MR", 10), ("US", 100), ("CR", 11)):
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.Modality, dataset.SeriesNumber, dataset.StudyDescription = modality, number, f"of {modality}"
        dataset.save_as(folder / f"{modality}.dcm")


def test_indexes_and_a_vr_change_while_entries_are_kept_written_and_found(
    aws: boto3.Session, environment: dict[str, str], profile: Path, tmp_path: Path
) -> None:
    outputs = deploy(synth_here(tmp_path / "assembly", profile=str(profile)), environment)
    (tmp_path / "dicom").mkdir()
    write_files(tmp_path / "dicom")
    datastore = make_datastore(aws.client("medical-imaging"), "hospital")
    import_folder(aws.client("medical-imaging"), datastore, tmp_path / "dicom")
    dynamodb = aws.client("dynamodb")
    table = TableReader(dynamodb, outputs["TableName"])

    def entries() -> dict[str, Any]:
        items = dynamodb.scan(TableName=outputs["TableName"], ConsistentRead=True)["Items"]
        return {item["Modality"]["S"]: item for item in items if item["Part"]["S"] == "entry"}

    def found(*conditions: str) -> list[str]:
        wanted = tuple(parse(conditions, toml_file.load(profile), date(2024, 1, 31)))
        question = Question(datastores=(datastore,), conditions=wanted, level=Level.IMAGE_SET)
        return sorted(str(row.value("Modality")) for row in Search(table, question))

    before = wait_for(lambda: len(all_ := entries()) == 4 and all_)
    assert found("Number=10") == ["MR"]
    assert found("PatientID=1CT1") == ["CR", "CT", "MR", "US"]
    with pytest.raises(SearchError, match="The table has no index of a whole data store"):
        found("Modality=MR")
    made = dynamodb.describe_table(TableName=outputs["TableName"])["Table"]

    profile.write_text(NEW)
    with repaired_all_the_time(aws, datastore, before["CT"]["ImageSetId"]["S"]):
        deployed = make_deploy(profile, answer="y\n")
    assert deployed.returncode == 0, deployed.stdout
    account = environment["AWS_ACCESS_KEY_ID"]
    assert f"Update the stack ImagingIndex in us-east-1 of account {account}? [y/N]" in deployed.stdout
    assert "6 updates" in deployed.stdout
    assert "Unknown option" not in deployed.stdout
    assert f"(generation 1.{FORMAT} -> 2.{FORMAT})" in deployed.stdout
    assert "imaging-index reconcile --full --plan" in deployed.stdout
    now = dynamodb.describe_table(TableName=outputs["TableName"])["Table"]
    assert (now["TableId"], now["CreationDateTime"]) == (made["TableId"], made["CreationDateTime"])

    # Nothing that was written meanwhile was refused; the rest is what it was.
    # A message whose function was replaced while it worked comes again after six minutes.
    wait_for(lambda: waiting(aws, outputs["QueueUrl"]) == 0, patience=540)
    assert waiting(aws, outputs["DeadLetterQueueUrl"]) == 0
    after = entries()
    assert after["CT"]["Number"] == {"N": "9"}
    assert {name: each for name, each in after.items() if name != "CT"} == {
        name: each for name, each in before.items() if name != "CT"
    }
    names = [each["IndexName"] for each in now["GlobalSecondaryIndexes"] if each["IndexName"].startswith("study")]
    (study,) = names
    assert study.startswith("study.")
    assert deployed.stdout.index(f"makes the index {study}") < deployed.stdout.index("drops the index study\n")
    assert found("StudyDate=20040119") == ["CR", "CT", "MR", "US"]
    assert table.describe().indexes["study"].holds == ("Modality",)
    # Found by what it has of the new indexes at once, and by the attribute of another type when it is made anew.
    assert found("Modality=MR") == ["MR"]
    assert found("Number=9") == ["CT"]
    assert found("Number=10") == []
    with pytest.raises(SearchError, match="The table has no index of a whole data store"):
        found("PatientID=1CT1")
    for modality in ("MR", "US", "CR"):
        replay(aws, datastore, before[modality]["ImageSetId"]["S"], "reindex")
    wait_for(lambda: found("Number=11") == ["CR"] and found("Number=100") == ["US"] and found("Number=10") == ["MR"])
    assert found("Modality=MR") == ["MR"]
    assert entries()["MR"]["FirstIndexedAt"] == before["MR"]["FirstIndexedAt"]

    # What is deployed already is no failure, and leaves no change set behind.
    again = make_deploy(profile)
    assert again.returncode == 0, again.stdout
    assert "Nothing has changed." in again.stdout
    cloudformation = aws.client("cloudformation")
    assert cloudformation.list_change_sets(StackName="ImagingIndex")["Summaries"] == []
    assert cloudformation.describe_stacks(StackName="ImagingIndex")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"


def test_what_would_replace_the_table_is_refused_and_changes_nothing(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    # A stack as ours, but for a sort key of another name: going back to ours would take another table.
    other = tmp_path / assembly.template.name
    other.write_text(assembly.template.read_text("utf-8").replace('"Part"', '"Bit"'), "utf-8")
    assets = [replace(each, path=other) if each.path == assembly.template else each for each in assembly.assets]
    outputs = deploy(replace(assembly, template=other, assets=tuple(assets)), environment)
    refused = make_deploy(ROOT / "profiles" / "radiology.toml")
    assert refused.returncode != 0
    assert "This would replace StorageTable" in refused.stdout
    cloudformation = aws.client("cloudformation")
    assert cloudformation.list_change_sets(StackName=assembly.stack_name)["Summaries"] == []
    stack = cloudformation.describe_stacks(StackName=assembly.stack_name)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    table = aws.client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]
    assert table["KeySchema"][1]["AttributeName"] == "Bit"
