"""The function's policies, grant by grant: with all of them it does its work, and without one it is refused."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from pydicom.data import get_testdata_file

from imaging_index.queue.hint import REPLAY_SOURCE, Kind
from imaging_index.table.layout import Key
from imaging_index.table.reading import TableReader
from local.cloud import LocalCloud
from local.deployment import deploy
from local.stack import import_folder
from proof.harness.image_sets import delete, make_image_set, update, wait_for
from proof.harness.pipeline import record
from tests.accounts import signed_in
from tests.assemblies import synth_here
from tests.grants import STORE_KEY, Grant, Policies, documented, rows
from tests.invoking import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

# It hashes an attribute: the function then reads a secret as well.
PROFILE: Final = """
revision = 1
attributes = ["PatientID", "StudyDate", "Modality"]
[privacy]
PatientID = "hash"
[indexes.patient]
partition = ["DatastoreId", "PatientID"]
sort = ["StudyMoment", "ImageSetId"]
"""
# What the function does itself, and the message whose handling takes it.
PROVEN: Final[dict[Grant, str]] = {
    ("dynamodb:BatchWriteItem", "the table"): "repair",
    ("dynamodb:GetItem", "the table"): "repair",
    ("dynamodb:PutItem", "the table"): "repair",
    ("dynamodb:Query", "the table"): "repair",
    ("medical-imaging:GetImageSet", "the data stores to index"): "repair",
    ("medical-imaging:GetImageSet", "the image sets of the data stores to index"): "repair",
    ("medical-imaging:GetImageSetMetadata", "the data stores to index"): "lost document",
    ("medical-imaging:GetImageSetMetadata", "the image sets of the data stores to index"): "lost document",
    ("s3:DeleteObject", "kept documents"): "old document",
    ("s3:GetObject", "kept documents"): "repair",
    ("s3:ListBucket", "the bucket of documents"): "repair",
    ("secretsmanager:GetSecretValue", "the secret of the tokens"): "repair",
    ("sqs:ChangeMessageVisibility", "the queue"): "unknown image set",
    ("sqs:SendMessage", "the dead-letter queue"): "not an event",
}
# What the function does as well, and goes on without.
LOGGED: Final[Grant] = ("s3:PutObject", "kept documents")
# Where the call has not the permission's name.
CALLS: Final = {"s3:ListBucket": "ListObjectsV2"}
# What AWS's services do in the function's name, which the local cloud does without asking: pinned by tests/infra.
PINNED: Final[set[Grant]] = {
    ("kms:Decrypt", "the data stores' own keys"),
    ("kms:Decrypt", "the stack's key"),
    ("kms:DescribeKey", "the data stores' own keys"),
    ("kms:DescribeKey", "the stack's key"),
    ("kms:Encrypt", "the stack's key"),
    ("kms:GenerateDataKey", "the stack's key"),
    ("kms:ReEncryptFrom", "the stack's key"),
    ("kms:ReEncryptTo", "the stack's key"),
    ("logs:CreateLogStream", "the function's log group"),
    ("logs:PutLogEvents", "the function's log group"),
    ("sqs:DeleteMessage", "the queue"),
    ("sqs:GetQueueAttributes", "the queue"),
    ("sqs:ReceiveMessage", "the queue"),
    ("xray:PutTelemetryRecords", "everything"),
    ("xray:PutTraceSegments", "everything"),
}


@dataclass(frozen=True)
class Handled:
    """What became of one message: whether it is to come back, and what the function logged of failures."""

    comes_back: bool
    failures: list[Mapping[str, Any]]
    not_kept: list[str]


class Deployed:
    """The stack in a local cloud that evaluates policies.

    Args:
        aws: the SDK, as the account's owner.
        key: an image set that the stack may index.
        outputs: the stack's.
    """

    def __init__(self, aws: boto3.Session, key: Key, outputs: Mapping[str, str]) -> None:
        self.aws, self.key, self.outputs = aws, key, outputs
        self.table = TableReader(aws.client("dynamodb"), outputs["TableName"])
        self._sqs, self._lambda = aws.client("sqs"), aws.client("lambda")
        self.policies = Policies(aws, of="PipelineIndexFunction")
        (self._mapping,) = self._lambda.list_event_source_mappings(FunctionName=outputs["FunctionName"])[
            "EventSourceMappings"
        ]

    @contextlib.contextmanager
    def unpolled(self) -> Iterator[None]:
        """Keep Lambda from the queue for a while, to play its part."""
        self._lambda.update_event_source_mapping(UUID=self._mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            self._lambda.update_event_source_mapping(UUID=self._mapping["UUID"], Enabled=True)

    def handle(self, message: str) -> Handled:
        """Have the function handle a message, in an execution environment that has asked AWS for nothing yet."""
        queue, name = self.outputs["QueueUrl"], self.outputs["FunctionName"]
        self._prepare(message)
        self._lambda.update_function_configuration(FunctionName=name, Timeout=60)
        self.send(message)
        (received,) = self._sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"]
        answer, _, lines = invoke(self._lambda, name, {"Records": [record(received)]})
        self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=received["ReceiptHandle"])
        return Handled(
            comes_back=bool(answer["batchItemFailures"]),
            failures=[line for line in lines if "fault" in line],
            not_kept=[line["reason"] for line in lines if line.get("message") == "a document was not kept"],
        )

    def _prepare(self, message: str) -> None:
        """Have the kept documents be as the message needs them."""
        s3, bucket = self.aws.client("s3"), self.outputs["DocumentsBucketName"]
        if message == "lost document":
            s3.delete_object(Bucket=bucket, Key=f"documents/{self.key}/0000000002.json.gz")
        if message == "old document":
            s3.put_object(Bucket=bucket, Key=f"documents/{self.key}/0000000001.json.gz", Body=b"")

    def send(self, message: str) -> None:
        """Put a message into the queue: no event, or a repair hint."""
        image_set = "0" * 32 if message == "unknown image set" else self.key.image_set_id
        detail = {"datastoreId": self.key.datastore_id, "imageSetId": image_set, "cause": "repair"}
        hint = {"source": REPLAY_SOURCE, "detail-type": Kind.UPDATED.value, "detail": detail}
        body = message if message == "not an event" else json.dumps(hint)
        self._sqs.send_message(QueueUrl=self.outputs["QueueUrl"], MessageBody=body)

    def parked(self) -> list[str]:
        """The classes of what is in the dead-letter queue, which is empty then."""
        url = self.outputs["DeadLetterQueueUrl"]
        classes = []
        for each in self._sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", []):
            classes.append(each["MessageAttributes"]["ErrorClass"]["StringValue"])
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return classes


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("permissions")
    (folder / "dicom").mkdir()
    (folder / "hashing.toml").write_text(PROFILE)
    with LocalCloud(policies=True) as cloud, signed_in(cloud.environment()):
        aws = boto3.Session()
        key = make_image_set(aws.client("medical-imaging"), folder / "dicom")
        context = {
            "profile": str(folder / "hashing.toml"),
            "dataStores": json.dumps([{"id": key.datastore_id, "kmsKeyArn": STORE_KEY}]),
            "documents": "s3",
            "documentsDespitePrivacy": "on",
        }
        found = Deployed(aws, key, deploy(synth_here(folder / "assembly", **context), cloud.environment()))
        update(aws.client("medical-imaging"), key, 1)
        wait_for(lambda: (entry := found.table.read(key)) and entry.entry["ImageSetVersion"] == {"N": "2"})
        yield found


def test_with_its_own_role_the_function_indexes_updates_buries_and_parks(deployed: Deployed, tmp_path: Path) -> None:
    client, table, datastore = deployed.aws.client("medical-imaging"), deployed.table, deployed.key.datastore_id
    shutil.copy(str(get_testdata_file("MR_small.dcm")), tmp_path)
    import_folder(client, datastore, tmp_path)
    found = client.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    (imported,) = {each["imageSetId"] for each in found} - {deployed.key.image_set_id}
    key = Key(datastore, imported)
    created = wait_for(lambda: table.read(key))
    assert re.fullmatch("[0-9a-f]{64}", created.entry["PatientID"]["S"])

    update(client, key, 1)
    wait_for(lambda: (found := table.read(key)) and found.entry["ImageSetVersion"] == {"N": "2"})
    delete(client, key)
    wait_for(lambda: (head := table.head(key)) and head.tombstone)
    deployed.send("not an event")
    assert wait_for(deployed.parked) == ["Permanent"]


@pytest.mark.parametrize("grant", PROVEN, ids=" on ".join)
def test_without_a_grant_the_function_is_refused_and_with_it_its_work_is_done(
    deployed: Deployed, grant: Grant, record_property: Callable[[str, object], None]
) -> None:
    message, operation = PROVEN[grant], CALLS.get(grant[0], grant[0].partition(":")[2])
    with deployed.unpolled():
        with deployed.policies.without(grant):
            refused = deployed.handle(message)
        done = deployed.handle(message)
    assert refused.comes_back
    (failure,) = refused.failures
    assert failure["fault"] == "Configuration"
    assert failure["reason"].startswith(f"{operation}: AccessDenied")
    match message:
        case "repair" | "lost document" | "old document":
            assert done == Handled(comes_back=False, failures=[], not_kept=[])
        case "unknown image set":
            assert done.comes_back
            assert [each["fault"] for each in done.failures] == ["NotReady"]
        case "not an event":
            assert not done.comes_back
            assert deployed.parked() == ["Permanent"]
    record_property(" on ".join(grant), "proven")


def test_without_the_grant_to_keep_documents_image_sets_are_indexed_and_it_is_logged(
    deployed: Deployed, record_property: Callable[[str, object], None]
) -> None:
    with deployed.unpolled():
        with deployed.policies.without(LOGGED):
            refused = deployed.handle("lost document")
        done = deployed.handle("lost document")
    assert refused == Handled(comes_back=False, failures=[], not_kept=["PutObject: AccessDenied"])
    assert done == Handled(comes_back=False, failures=[], not_kept=[])
    record_property(" on ".join(LOGGED), "proven")


def test_each_grant_of_the_policy_is_proven_here_or_pinned_by_the_templates_tests(
    deployed: Deployed, record_property: Callable[[str, object], None]
) -> None:
    assert not PINNED & set(PROVEN)
    assert deployed.policies.grants == PINNED | set(PROVEN) | {LOGGED}
    for grant in sorted(PINNED):
        record_property(" on ".join(grant), "pinned")


def test_the_documented_table_is_that_list() -> None:
    assert documented("## Permissions", "\n### ") == rows({*PROVEN, LOGGED}, PINNED)


QUEUES: Final = ["QueueUrl", "DeadLetterQueueUrl", "RuleDeadLetterQueueUrl"]


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_refuses_what_did_not_come_over_tls_even_from_the_accounts_owner(deployed: Deployed, name: str) -> None:
    sqs, url = deployed.aws.client("sqs"), deployed.outputs[name]
    sqs.get_queue_attributes(QueueUrl=url)

    def over_plain_http(request: Any, **_: Any) -> None:
        request.headers.add_header("X-Forwarded-Proto", "http")  # what tells the local cloud so

    sqs.meta.events.register("before-sign.sqs", over_plain_http)
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.get_queue_attributes(QueueUrl=url)


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_takes_no_messages_from_another_account(deployed: Deployed, name: str) -> None:
    stranger = boto3.Session(aws_access_key_id="999999999999").client("sqs")
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.send_message(QueueUrl=deployed.outputs[name], MessageBody="forged")
