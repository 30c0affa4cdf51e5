"""Whether documents can be kept: their bucket, its encryption, and what the index function has met of late."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.aws_cli import aws
from cli.deployed import Stack
from cli.doctor import queues
from cli.doctor.finding import Finding, failure, ok, warning
from imaging_index import metric_names
from imaging_index.searching.refusals import code
from infra import metrics

_OF_LATE: Final = timedelta(hours=1)
_NOT_KEPT: Final = (metrics.NAMESPACE, metric_names.DOCUMENT_NOT_KEPT)


def documents(stack: Stack) -> Iterator[Finding]:
    """The bucket of kept documents; nothing where a stack keeps none.

    A ClientError passes through that says neither that the bucket is gone nor that it is encrypted with another key.
    """
    bucket = stack.outputs.get("DocumentsBucketName")
    if bucket is None:
        return
    (key,) = stack.ids("AWS::KMS::Key")
    client: Any = stack.session.client("s3")
    try:
        rules = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise
        yield failure(
            f"The bucket {bucket} is gone: no document is kept, and hints of changes and deletions wait.",
            "Set documents to off, and deploy, as docs/runbook.md, Documents, says.",
        )
        return
    used = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", "") for rule in rules]
    if not any(each.rpartition("/")[2] == key for each in used):
        yield failure(f"{bucket} does not encrypt documents with the stack's key.", _encrypt(stack, bucket, key))
    elif queues.latest(stack, _NOT_KEPT, ("service", stack.name), within=_OF_LATE):
        yield warning(
            "Documents were not kept within the last hour: the function may not use the bucket or its key.",
            "Look at the reasons in the function's log: docs/runbook.md, Documents.",
        )
    else:
        yield ok(f"{bucket} is there, and is encrypted with the stack's key.")


def _encrypt(stack: Stack, bucket: str, key: str) -> str:
    """The command that has a bucket encrypt with the stack's key again."""
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": stack.arn("kms", f"key/{key}")}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}]}
    return aws(
        f"s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration '{json.dumps(rules)}'"
    )
