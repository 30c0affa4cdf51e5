"""Kept documents in the local cloud: a new revision is indexed without a call of GetImageSetMetadata, as planned."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from typer.testing import CliRunner

from bench.pipeline import write_files
from cli import deployed
from cli.doctor import comparing, documents, ingestion, report
from cli.main import application
from imaging_index.entry.entry import FORMAT
from imaging_index.kept_documents import name_of
from imaging_index.profile import toml_file
from imaging_index.table import generation
from imaging_index.table.layout import Key
from infra.config import ROOT
from local.deployment import deploy
from local.stack import import_folder
from proof.campaigns import drifted
from proof.harness.image_sets import delete, update, wait_for
from tests.assemblies import synth_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud import LocalCloud

REVISION = toml_file.load(ROOT / "profiles" / "radiology.toml").revision
COUNT = 12
KEYS = ("ImageSet", "Part")


class Deployed(drifted.Stage):
    """A stack that keeps documents, and its bucket."""

    def __init__(self, cloud: LocalCloud, account: str, aws: boto3.Session, outputs: dict[str, str]) -> None:
        super().__init__(cloud, account, aws, outputs)
        self.bucket, self.name = aws.client("s3"), outputs["DocumentsBucketName"]
        self._dynamodb, self._table_name = aws.client("dynamodb"), outputs["TableName"]

    def kept(self) -> dict[str, list[int]]:
        """The versions whose documents are kept, by image set."""
        found: dict[str, list[int]] = {}
        listed = self.bucket.list_objects_v2(Bucket=self.name, Prefix=f"documents/{self.datastore}/")
        for each in listed.get("Contents", []):
            _, _, image_set, file = each["Key"].split("/")
            found.setdefault(image_set, []).append(int(file.removesuffix(".json.gz")))
        return found

    def make_outdated(self) -> None:
        """Have all entries and their pages be of the revision before the deployed one."""
        new, old = (f".{revision:06d}." for revision in (REVISION, REVISION - 1))
        for image_set in self.entries():
            values: Any = {":key": {"S": str(Key(self.datastore, image_set))}}
            found: Any = self._dynamodb.query(
                TableName=self._table_name,
                KeyConditionExpression="ImageSet = :key",
                ExpressionAttributeValues=values,
            )
            for item in found["Items"]:
                self._dynamodb.delete_item(TableName=self._table_name, Key={each: item[each] for each in KEYS})
                for name in {"Part", "Generation"} & item.keys():
                    item[name] = {"S": item[name]["S"].replace(new, old)}
                self._dynamodb.put_item(TableName=self._table_name, Item=item)

    def generations(self) -> set[tuple[int, int, int]]:
        """What the entries were made of."""
        heads = [self.table.head(Key(self.datastore, each)) for each in self.entries()]
        return {generation.described(head.generation) for head in heads if head}


@pytest.fixture(scope="module")
def stage(
    cloud: LocalCloud, environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("documents")
    outputs = deploy(synth_here(folder / "assembly", documents="s3"), environment_of_module)
    found = Deployed(cloud, environment_of_module["AWS_ACCESS_KEY_ID"], boto3.Session(), outputs)
    (folder / "dicom").mkdir()
    write_files(folder / "dicom", COUNT)
    import_folder(found.client, found.datastore, folder / "dicom")
    wait_for(lambda: len(found.entries()) == COUNT)
    found.drain()
    yield found
    found.settings(archiveAfterSeconds=30 * 86400)


def test_each_document_is_kept_as_healthimaging_sends_it(stage: Deployed) -> None:
    assert stage.kept() == {each: [1] for each in stage.image_sets()}
    for image_set in sorted(stage.kept())[:2]:
        name = f"documents/{stage.datastore}/{image_set}/0000000001.json.gz"
        document = stage.client.get_image_set_metadata(datastoreId=stage.datastore, imageSetId=image_set)
        assert stage.bucket.get_object(Bucket=stage.name, Key=name)["Body"].read() == (
            document["imageSetMetadataBlob"].read()
        )
        found = stage.table.read(Key(stage.datastore, image_set))
        assert found is not None
        assert found.entry["DocumentIn"] == {"S": name_of(stage.name)}


def test_a_new_revision_takes_no_call_of_getimagesetmetadata_and_no_dollars_as_the_plan_says(stage: Deployed) -> None:
    stage.make_outdated()
    stage.settings(archiveAfterSeconds=0)
    plan = drifted.command("--full", "--plan")
    assert drifted.found(plan) == {"Outdated": COUNT}
    takes = plan["datastores"][0]["takes"]
    assert (takes["documents"], takes["kept"], takes["asked"], takes["dollars"]) == (0, COUNT, 0, 0)

    printed = " ".join(CliRunner().invoke(application, ["reconcile", "--full", "--plan"]).output.split())
    assert f"takes {COUNT} hints, 0 calls of GetImageSetMetadata and 0 of GetImageSet ($0.00)" in printed
    assert f"Besides, {COUNT} documents that the stack keeps are read from its bucket ($0.00)" in printed

    calls, accessed = stage.counted(), stage.counted("accessed")
    done = drifted.command("--full", "--apply", "--most-dollars", "0")
    stage.drain()
    made = stage.counted() - calls
    assert drifted.found(done) == drifted.found(plan)
    assert done["datastores"][0]["passes"][0]["counts"]["kept"] == COUNT
    assert (made["GetImageSetMetadata"], made["GetImageSet"]) == (0, 0)
    assert stage.counted("accessed") == accessed
    assert stage.generations() == {(1, REVISION, FORMAT)}
    assert drifted.found(drifted.command("--full", "--plan")) == {}


def test_an_update_replaces_the_document_a_deletion_leaves_none_and_a_full_pass_finds_the_rest(
    stage: Deployed,
) -> None:
    changed, gone, lost = sorted(stage.image_sets())[:3]
    update(stage.client, Key(stage.datastore, changed), 1)
    delete(stage.client, Key(stage.datastore, gone))
    wait_for(lambda: stage.kept().get(changed) == [2] and gone not in stage.kept())
    stage.drain()
    with stage.losing():
        delete(stage.client, Key(stage.datastore, lost))
    # As if a function that was killed had written it.
    late = f"documents/{stage.datastore}/{gone}/0000000001.json.gz"
    stage.bucket.put_object(Bucket=stage.name, Key=late, Body=b"", Metadata={"document": late})
    done = drifted.command("--full", "--apply", "--most-dollars", "1")
    stage.drain()
    assert drifted.found(done) == {"Ghost": 1, "Orphan": 1}
    assert stage.kept() == {each: [2 if each == changed else 1] for each in stage.image_sets()}


def test_a_document_that_is_lost_is_read_from_healthimaging_and_kept_again(stage: Deployed) -> None:
    lost = max(stage.kept())
    stage.bucket.delete_object(Bucket=stage.name, Key=f"documents/{stage.datastore}/{lost}/0000000001.json.gz")
    stage.make_outdated()
    calls = stage.counted()
    drifted.command("--full", "--apply", "--most-dollars", "0")
    stage.drain()
    assert (stage.counted() - calls)["GetImageSetMetadata"] == 1
    assert lost in stage.kept()
    assert {revision for _, revision, _ in stage.generations()} == {REVISION}


def test_doctor_finds_a_bucket_that_is_encrypted_otherwise_or_gone_and_its_report_does_not_name_it(
    stage: Deployed,
) -> None:
    stack = deployed.find(deployed.DEFAULT_STACK)
    assert {each.status for each in (*ingestion.function(stack), *comparing.comparing(stack))} == {"ok"}
    # The template's own encryption is the stack's key, also in the local cloud.
    (found,) = documents.documents(stack)
    assert (found.status, found.next) == ("ok", "")
    stage.bucket.delete_bucket_encryption(Bucket=stage.name)
    (found,) = documents.documents(stack)
    assert (found.status, "with the stack's key" in found.found) == ("failure", True)
    program, *arguments = shlex.split(found.next)
    subprocess.run([Path(sys.executable).with_name(program), *arguments], check=True, capture_output=True)
    (found,) = documents.documents(stack)
    assert found.status == "ok"
    written = report.of(stack, [("documents", found)], {})
    assert re.search("<DocumentsBucket[0-9A-F]+> is there", written)
    assert "imagingindex-" not in written
    for each in stage.bucket.list_objects_v2(Bucket=stage.name)["Contents"]:
        stage.bucket.delete_object(Bucket=stage.name, Key=each["Key"])
    stage.bucket.delete_bucket(Bucket=stage.name)
    (found,) = documents.documents(stack)
    assert (found.status, "is gone" in found.found) == ("failure", True)
