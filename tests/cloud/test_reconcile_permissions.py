"""The reconcile function's policies, grant by grant: with all of them it compares, and without one it says which."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from msgspec import structs
from typer.testing import CliRunner

from cli.main import application
from imaging_index.entry.entry import FORMAT
from imaging_index.table import generation
from imaging_index.table.layout import item_key
from local.cloud import LocalCloud
from local.deployment import deploy
from proof.harness.image_sets import make_image_set
from tests.accounts import signed_in
from tests.assemblies import synth_here
from tests.grants import Grant, Policies, documented, rows
from tests.invoking import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imaging_index.table.layout import Key

# What a comparison of everything takes.
PROVEN: Final[set[Grant]] = {
    ("dynamodb:BatchGetItem", "the table"),
    ("dynamodb:BatchWriteItem", "the table"),
    ("dynamodb:GetItem", "the table"),
    ("dynamodb:PutItem", "the table"),
    ("dynamodb:Query", "the table"),
    ("dynamodb:Scan", "the table"),
    ("dynamodb:UpdateItem", "the table"),
    ("medical-imaging:GetImageSet", "the data stores to index"),
    ("medical-imaging:GetImageSet", "the image sets of the data stores to index"),
    ("medical-imaging:SearchImageSets", "the data stores to index"),
    ("s3:DeleteObject", "kept documents"),
    ("s3:ListBucket", "the bucket of documents"),
    ("sqs:GetQueueAttributes", "the queue"),
    ("sqs:SendMessage", "the queue"),
}
# Only with the setting `dataStores` all; on these, a grant on a data store would be one on its image sets as well.
WITH_ALL: Final[Grant] = ("medical-imaging:ListDatastores", "everything")
# Where the call has not the permission's name.
CALLS: Final = {"sqs:SendMessage": "SendMessageBatch", "s3:ListBucket": "ListObjectsV2"}
# What AWS's services do in the function's name, which the local cloud does without asking: pinned by tests/infra.
PINNED: Final[set[Grant]] = {
    ("kms:Decrypt", "the stack's key"),
    ("kms:DescribeKey", "the stack's key"),
    ("kms:Encrypt", "the stack's key"),
    ("kms:GenerateDataKey", "the stack's key"),
    ("kms:ReEncryptFrom", "the stack's key"),
    ("kms:ReEncryptTo", "the stack's key"),
    ("logs:CreateLogStream", "the function's log group"),
    ("logs:PutLogEvents", "the function's log group"),
    WITH_ALL,
    ("xray:PutTelemetryRecords", "everything"),
    ("xray:PutTraceSegments", "everything"),
}


class Deployed:
    """The stack in a local cloud that evaluates policies, with an image set that is missing and a ghost."""

    def __init__(self, aws: boto3.Session, key: Key, outputs: Mapping[str, str]) -> None:
        self.policies = Policies(aws, of="ReconcilingFunction")
        self._dynamodb, self._lambda, self._sqs = aws.client("dynamodb"), aws.client("lambda"), aws.client("sqs")
        self._table, self._queue, self._name = (
            outputs[each] for each in ("TableName", "QueueUrl", "ReconcileFunctionName")
        )
        mappings = self._lambda.list_event_source_mappings(FunctionName=outputs["FunctionName"])
        self._lambda.update_event_source_mapping(UUID=mappings["EventSourceMappings"][0]["UUID"], Enabled=False)
        # Everything was compared once, and is due again at once.
        done = CliRunner().invoke(application, ["reconcile", "--apply", "--most-dollars", "0"])
        assert done.exit_code == 0, done.output
        given = self._lambda.get_function_configuration(FunctionName=self._name)["Environment"]["Variables"]
        self._variables = given | {"FULL_DAYS": "0.0000001"}
        ghost: Any = item_key(structs.replace(key, image_set_id="f" * 32), "entry") | {
            "Generation": {"S": generation.make(2, 2, FORMAT)},
            "Attempt": {"S": "a"},
            "Pages": {"N": "0"},
            "FirstIndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        }
        self._dynamodb.put_item(TableName=self._table, Item=ghost)
        self._s3, self._bucket = aws.client("s3"), outputs["DocumentsBucketName"]
        self._orphan = f"documents/{key.datastore_id}/{'f' * 32}/0000000001.json.gz"
        self._partition = {"S": f"reconcile/{key.datastore_id}"}
        self._kept = self._stored()

    def _stored(self) -> list[Any]:
        values: Any = {":key": self._partition}
        found: Any = self._dynamodb.query(
            TableName=self._table, KeyConditionExpression="ImageSet = :key", ExpressionAttributeValues=values
        )
        return list(found["Items"])

    def compare(self) -> tuple[list[str], str]:
        """Compare everything anew. Returns why it could not be compared, and what the invocation failed with."""
        for each in self._stored():
            self._dynamodb.delete_item(TableName=self._table, Key={"ImageSet": each["ImageSet"], "Part": each["Part"]})
        for each in self._kept:
            self._dynamodb.put_item(TableName=self._table, Item=each)
        self._sqs.purge_queue(QueueUrl=self._queue)
        self._s3.put_object(Bucket=self._bucket, Key=self._orphan, Body=b"")
        return self.invoke()

    def invoke(self, **changes: str) -> tuple[list[str], str]:
        """Invoke the function, with some of its variables changed. Returns as `compare`."""
        # A new execution environment, which has asked AWS for nothing yet.
        self._lambda.update_function_configuration(
            FunctionName=self._name, Environment={"Variables": self._variables | changes}
        )
        answer, failed, lines = invoke(self._lambda, self._name, {})
        reasons = [line["reason"] for line in lines if line.get("message") == "not compared"]
        return reasons, json.dumps(answer) if failed else ""

    @property
    def hints(self) -> int:
        """How many hints are in the queue."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("permissions")
    (folder / "dicom").mkdir()
    with LocalCloud(policies=True) as cloud, signed_in(cloud.environment()):
        aws = boto3.Session()
        # Before there is a rule that would index it.
        key = make_image_set(aws.client("medical-imaging"), folder / "dicom")
        listed = json.dumps([{"id": key.datastore_id}])
        assembly = synth_here(folder / "assembly", dataStores=listed, documents="s3")
        yield Deployed(aws, key, deploy(assembly, cloud.environment()))


def test_with_its_own_role_the_function_compares_everything_and_sends_hints(deployed: Deployed) -> None:
    assert deployed.compare() == ([], "")
    # Nobody handles them, so the full pass sees what the incremental one has seen.
    assert deployed.hints == 2


@pytest.mark.parametrize("grant", sorted(PROVEN), ids=" on ".join)
def test_without_a_grant_the_function_says_which_call_is_refused(
    deployed: Deployed, grant: Grant, record_property: Callable[[str, object], None]
) -> None:
    with deployed.policies.without(grant):
        reasons, failed = deployed.compare()
    (reason,) = reasons
    assert f"{CALLS.get(grant[0], grant[0].partition(':')[2])}: AccessDenied" in reason
    assert not failed
    record_property("reconcile: " + " on ".join(grant), "proven")


def test_without_the_grant_that_comes_with_all_data_stores_the_function_fails(deployed: Deployed) -> None:
    assert WITH_ALL not in deployed.policies.grants
    _, failed = deployed.invoke(DATASTORES="all")
    assert "AccessDenied" in failed
    assert "ListDatastores" in failed


def test_each_grant_of_the_policies_is_proven_here_or_pinned_by_the_templates_tests(deployed: Deployed) -> None:
    assert not PINNED & PROVEN
    assert deployed.policies.grants == (PINNED | PROVEN) - {WITH_ALL}


def test_no_grant_lets_the_function_read_a_document() -> None:
    reading = {"medical-imaging:GetImageSetMetadata", "s3:GetObject"}
    assert not any(action in reading for action, _ in PINNED | PROVEN)


def test_the_documented_table_of_the_reconcile_function_is_that_list() -> None:
    assert documented("### The reconcile function", "\n## ") == rows(PROVEN, PINNED)
