"""The policies of the function that announces, grant by grant: without one it is refused, and with it all is done."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest

from imaging_index.publishing.agreement import digest
from imaging_index.table.reading import TableReader
from local.cloud import DEFAULT_ACCOUNT, LocalCloud
from local.deployment import deploy
from proof.harness.image_sets import make_image_set, wait_for
from proof.harness.pipeline import record
from tests.accounts import signed_in
from tests.assemblies import synth_here
from tests.grants import Grant, Policies
from tests.invoking import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imaging_index.table.layout import Key

BUCKET: Final = "import-output"
JOB: Final = "0123456789abcdef0123456789abcdef"

RESOURCES: Final = {
    "/index/": "the indexes",
    "/stream/": "the table's stream",
    ":table/": "the table",
    "PublishingDeadLetterQueue": "the dead-letter queue",
    "PublishingFailureQueue": "the queue of failures",
    "PublishingQueue": "its queue",
    ":event-bus/": "the bus",
    "job-output-manifest.json": "manifests",
    ":s3:::": "the buckets",
    "/imageset/*": "the image sets of the data stores",
    ":datastore/": "the data stores",
    ":key/": "the stack's key",
    ":log-group:": "the function's log group",
    "*": "everything",
}
# What the function does itself, and what takes it: a change, a study or a job, or a message that is neither.
PROVEN: Final[dict[Grant, str]] = {
    ("dynamodb:BatchGetItem", "the table"): "study",
    ("dynamodb:DescribeTable", "the table"): "study",
    ("dynamodb:GetItem", "the table"): "study",
    ("dynamodb:Query", "the indexes"): "study",
    ("dynamodb:UpdateItem", "the table"): "change",
    ("events:PutEvents", "the bus"): "change",
    ("medical-imaging:GetImageSet", "the data stores"): "job",
    ("medical-imaging:SearchImageSets", "the data stores"): "study",
    ("s3:GetObject", "manifests"): "job",
    ("sqs:ChangeMessageVisibility", "its queue"): "early study",
    ("sqs:SendMessage", "its queue"): "change",
    ("sqs:SendMessage", "the dead-letter queue"): "not an event",
}
# What AWS's services do in the function's name, or S3 only answers by: pinned by tests/infra/test_publishing.py.
PINNED: Final[set[Grant]] = {
    *((f"dynamodb:{each}", "the table's stream") for each in ("DescribeStream", "GetRecords", "GetShardIterator")),
    ("dynamodb:ListStreams", "everything"),
    *((f"kms:{each}", "the stack's key") for each in (
        "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"
    )),
    *((f"logs:{each}", "the function's log group") for each in ("CreateLogStream", "PutLogEvents")),
    # With all data stores, the pattern of a data store matches its image sets too.
    ("medical-imaging:GetImageSet", "the image sets of the data stores"),
    ("s3:ListBucket", "the buckets"),
    *((f"sqs:{each}", "its queue") for each in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")),
    ("sqs:SendMessage", "the queue of failures"),
    *((f"xray:{each}", "everything") for each in ("PutTelemetryRecords", "PutTraceSegments")),
}  # fmt: skip


class Deployed:
    """The stack with events in a local cloud that evaluates policies; nothing but the tests invokes the function."""

    def __init__(self, key: Key, outputs: Mapping[str, str]) -> None:
        self.key, self.outputs = key, outputs
        self._sqs, self._lambda = boto3.client("sqs"), boto3.client("lambda")
        self._name = outputs["EventFunctionName"]
        for mapping in self._lambda.list_event_source_mappings(FunctionName=self._name)["EventSourceMappings"]:
            self._lambda.delete_event_source_mapping(UUID=mapping["UUID"])
        table = TableReader(boto3.client("dynamodb"), outputs["TableName"])
        self._entry = wait_for(lambda: table.read(key)).entry
        self.policies = Policies(boto3.Session(), of="PublishingFunction", resources=RESOURCES)
        # As if nothing had happened for an hour.
        old = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - 3600))
        self._entry["IndexedAt"] = {"S": old}
        boto3.client("dynamodb").put_item(TableName=outputs["TableName"], Item=self._entry)
        summary = {
            "jobId": JOB,
            "datastoreId": key.datastore_id,
            "imageSetsSummary": [{"imageSetId": key.image_set_id}],
        }
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        body = json.dumps({"jobSummary": summary}).encode()
        boto3.client("s3").put_object(Bucket=BUCKET, Key="out/job-output-manifest.json", Body=body)

    def failures(self, what: str) -> list[str]:
        """Have the function handle something in a new execution environment. Returns the reasons of what failed."""
        self._lambda.update_function_configuration(FunctionName=self._name, Timeout=60)
        self._forget()
        lines = invoke(self._lambda, self._name, {"Records": [self._record(what)]}).lines
        return [f"{line['fault']}: {line['reason']}" for line in lines if "fault" in line]

    def _forget(self) -> None:
        """Delete the markers and messages of the last time."""
        client, table = boto3.client("dynamodb"), self.outputs["TableName"]
        for item in client.scan(TableName=table)["Items"]:
            if item["Part"]["S"] in ("stable", "indexed"):
                client.delete_item(TableName=table, Key={name: item[name] for name in ("ImageSet", "Part")})
        for name in ("EventQueueUrl", "EventDeadLetterQueueUrl"):
            self._sqs.purge_queue(QueueUrl=self.outputs[name])

    def _record(self, what: str) -> dict[str, Any]:
        if what == "change":
            keys = {name: self._entry[name] for name in ("ImageSet", "Part")}
            data = {"Keys": keys, "NewImage": self._entry, "SequenceNumber": "1"}
            data["ApproximateCreationDateTime"] = time.time()
            return {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": data}
        self._sqs.send_message(QueueUrl=self.outputs["EventQueueUrl"], MessageBody=self._body(what))
        url = self.outputs["EventQueueUrl"]
        (received,) = wait_for(lambda: self._sqs.receive_message(QueueUrl=url, AttributeNames=["All"]).get("Messages"))
        return record(received)

    def _body(self, what: str) -> str:
        if what == "not an event":
            return what
        if what == "job":
            detail = {"datastoreId": self.key.datastore_id, "jobId": JOB, "outputS3Uri": f"s3://{BUCKET}/out/"}
            kind, moment = "Import Job Completed", "2026-01-01T00:00:00Z"
            return json.dumps({"account": DEFAULT_ACCOUNT, "detail-type": kind, "time": moment, "detail": detail})
        study = digest(self.key.datastore_id, self._entry["StudyInstanceUID"]["S"])
        changed = time.time() - (3600 if what == "study" else 0)
        return json.dumps(
            {
                "study": study,
                "datastoreId": self.key.datastore_id,
                "imageSetId": self.key.image_set_id,
                "changed": changed,
            }
        )


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("event-permissions")
    (folder / "dicom").mkdir()
    with LocalCloud(policies=True) as cloud, signed_in(cloud.environment()):
        context = {"events": "on", "studyStableMinutes": "1", "importOutputBuckets": json.dumps([BUCKET])}
        outputs = deploy(synth_here(folder / "assembly", **context), cloud.environment())
        yield Deployed(make_image_set(boto3.client("medical-imaging"), folder / "dicom"), outputs)


@pytest.mark.parametrize("grant", PROVEN, ids=" on ".join)
def test_without_a_grant_the_function_is_refused_and_with_it_its_work_is_done(
    deployed: Deployed, grant: Grant, record_property: Callable[[str, object], None]
) -> None:
    what, operation = PROVEN[grant], grant[0].partition(":")[2]
    with deployed.policies.without(grant):
        refused = deployed.failures(what)
    done = deployed.failures(what)
    assert refused
    assert all(each.startswith(("Configuration:", "Permanent:")) for each in refused)
    assert any(operation in each for each in refused)
    assert [each for each in done if "AccessDenied" in each or "Configuration" in each] == []
    record_property(" on ".join(grant), "proven")


def test_each_grant_of_the_policies_is_proven_here_or_pinned_by_the_templates_tests(deployed: Deployed) -> None:
    assert not PINNED & set(PROVEN)
    assert deployed.policies.grants == PINNED | set(PROVEN)
