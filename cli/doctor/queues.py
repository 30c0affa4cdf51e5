"""What SQS and CloudWatch say of a queue or a function."""

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from cli.deployed import Stack


def attributes(stack: Stack, url: str) -> dict[str, str] | None:
    """A queue's attributes; None when it does not exist."""
    client = stack.session.client("sqs")
    try:
        found: Any = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    except client.exceptions.QueueDoesNotExist:
        return None
    return dict(found)


def counts(attributes: dict[str, str]) -> tuple[int, int]:
    """How many messages of a queue wait, and how many were received and not deleted."""
    return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])


def latest(stack: Stack, metric: tuple[str, str], dimension: tuple[str, str], *, within: timedelta) -> float | None:
    """The latest maximum of a metric, by its namespace and name; None where CloudWatch does not know, or refuses."""
    now = datetime.now(UTC)
    namespace, name = metric
    try:
        points = stack.session.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": dimension[0], "Value": dimension[1]}],
            StartTime=now - within,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
    except ClientError:
        return None
    last = max(points, key=lambda point: point["Timestamp"], default=None)
    return last["Maximum"] if last else None
