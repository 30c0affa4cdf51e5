"""The stack's queues: those that a function works off, and those that only an operator empties."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.compliance import acknowledge
from infra.config import FUNCTION_SECONDS
from infra.storage import Storage

# Amazon SQS Developer Guide, "Message retention period": the longest.
_KEPT = Duration.days(14)


def kept(scope: Construct, construct_id: str, storage: Storage) -> sqs.Queue:
    """A queue that only an operator empties."""
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=storage.key,
        enforce_ssl=True,
        retention_period=_KEPT,
    )


def accept_no_dead_letters(queue: sqs.Queue, of: str) -> None:
    """Accept that a queue has no dead-letter queue: it is itself the one of a rule or a stream."""
    acknowledge(
        queue,
        f"It is a dead-letter queue itself, of {of}: only an operator empties it.",
        "AwsSolutions-SQS3",
    )


def worked_off(scope: Construct, construct_id: str, storage: Storage, dead_letters: sqs.Queue) -> sqs.Queue:
    """A queue that invokes a function.

    The function parks hopeless messages in `dead_letters` itself. A thousand receipts catch those whose invocations are
    killed; a message that is put off again and again, as a function may do for a fortnight, needs fewer.
    """
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=storage.key,
        enforce_ssl=True,
        retention_period=_KEPT,
        # AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": six times the function's time-out.
        visibility_timeout=Duration.seconds(6 * FUNCTION_SECONDS),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=1000),
    )


def receiving(queue: sqs.Queue, dead_letters: sqs.Queue) -> list[iam.PolicyStatement]:
    """The permissions of the function that works a queue off: to receive, put off and park its messages."""
    return [
        iam.PolicyStatement(
            actions=[
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            resources=[queue.queue_arn],
        ),
        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]),
    ]
