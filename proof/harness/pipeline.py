"""The function's handler in this process, fed from a real queue as Lambda feeds it."""

from __future__ import annotations

import importlib
import io
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from imaging_index.table.writing import TableWriter
from proof.harness.image_sets import PROFILE_FILE, make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Pipeline:
    """The queue, the handler and the table, with this test in the part of Lambda's event source mapping.

    Args:
        aws: the SDK.
        outputs: `QueueUrl`, `DeadLetterQueueUrl`, `TableName`.
        module: `imaging_index.handlers.index`, imported under the function's variables.
    """

    def __init__(self, aws: boto3.Session, outputs: Mapping[str, str], module: ModuleType) -> None:
        self.sqs = aws.client("sqs")
        self.queue, self.dead_letters = outputs["QueueUrl"], outputs["DeadLetterQueueUrl"]
        self.table = TableWriter(aws.client("dynamodb"), outputs["TableName"])
        self.module = module
        self.milliseconds = 60_000
        self.log = io.StringIO()
        for handler in module.logger.handlers:
            handler.setStream(self.log)

    def receive(self, url: str) -> list[Any]:
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        return list(answer.get("Messages", []))

    def handle(self, messages: list[Any]) -> set[str]:
        """Have the handler handle one batch: the ids that it wants to come back."""
        given = context(lambda: self.milliseconds)
        response = self.module.handler({"Records": [record(message) for message in messages]}, given)
        return {failure["itemIdentifier"] for failure in response["batchItemFailures"]}

    def run(self) -> tuple[list[Any], set[str]]:
        """Handle one batch of the queue: what was received, and the ids that the handler wants to come back."""
        messages = self.receive(self.queue)
        if not messages:
            return [], set()  # Lambda does not invoke for nothing
        failed = self.handle(messages)
        for message in messages:
            if message["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return messages, failed

    def drain(self) -> None:
        while self.run()[0]:
            pass

    def parked(self) -> list[Any]:
        found: list[Any] = []
        while messages := self.receive(self.dead_letters):
            found += messages
        return found


def context(remaining: Callable[[], int] = lambda: 60_000) -> Any:
    """Lambda's context; `remaining` gives the milliseconds that are left."""
    return SimpleNamespace(
        aws_request_id="request",
        function_name="index",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:index",
        get_remaining_time_in_millis=remaining,
    )


def record(message: Mapping[str, Any]) -> dict[str, Any]:
    """A received message as a record of Lambda's SQS event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
        "awsRegion": "us-east-1",
    }


# The variables of a function that reaches nobody, for what only imports it.
VARIABLES = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "BUS_NAME": "index",
    "DATASTORES": "all",
    "PROFILE": str(PROFILE_FILE),
    "TABLE_NAME": "index",
    "QUEUE_URL": "http://127.0.0.1/queue",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/dead-letters",
    "POWERTOOLS_SERVICE_NAME": "index",
    "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
}


def import_handler() -> ModuleType:
    """The handler's module, made anew from this process's variables."""
    boto3.DEFAULT_SESSION = None
    handlers = "imaging_index.handlers"
    for package, name in ((handlers, "index"), (handlers, "environment"), ("imaging_index", "observability")):
        if sys.modules.pop(f"{package}.{name}", None):
            # `from package import name` would still find it.
            delattr(sys.modules[package], name)
    return importlib.import_module("imaging_index.handlers.index")


def make_pipeline(aws: boto3.Session, setenv: Callable[[str, str], object]) -> Pipeline:
    """A pipeline of a new table without indexes and two new queues, whose names are put among the variables."""
    outputs = {
        "TableName": make_table(aws)._name,
        "QueueUrl": aws.client("sqs").create_queue(QueueName="hints")["QueueUrl"],
        "DeadLetterQueueUrl": aws.client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"],
    }
    variables = {
        "DATASTORES": "all",
        "PROFILE": str(PROFILE_FILE),
        "TABLE_NAME": outputs["TableName"],
        "QUEUE_URL": outputs["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": outputs["DeadLetterQueueUrl"],
        "POWERTOOLS_SERVICE_NAME": "index",
        "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
    }
    for name, value in variables.items():
        setenv(name, value)
    return Pipeline(aws, outputs, import_handler())


class _Raw(io.BytesIO):
    """A body as urllib3 gives it to botocore."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.getvalue()


def response(request: Any, status: int, body: bytes, header: str, value: str) -> AWSResponse:
    """An answer that a `before-send` handler gives in AWS's place."""
    headers = HTTPHeaders()
    headers[header] = value
    return AWSResponse(request.url, status, headers, _Raw(body))
