"""CloudWatch's metrics of the stack: the function's own, and those that AWS keeps for the stack's parts.

A metric has its part's name, not its construct. So each construct can declare its own alarms and graphs, and
`imaging-index cost` can count the alarms without the CDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NAMESPACE: Final = "ImagingIndex"

HOUR: Final = 3600
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and one of its statistics, both by CloudWatch's names.

    Attributes:
        namespace: the service that sends it, or `NAMESPACE`.
        name: its name there.
        statistic: such as `Sum`, `p99` or `PR(:60)`.
        dimensions: the part that it measures, by the dimensions' names.
        seconds: the period that each value covers.
    """

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, str]
    seconds: int = 300


@dataclass(frozen=True, slots=True)
class Names:
    """The names that the pipeline's parts have in CloudWatch's dimensions; `service` is the stack's name."""

    service: str
    queue: str
    dead_letter_queue: str
    rule_dead_letter_queue: str
    rule: str
    function: str
    log_group: str
    table: str


@dataclass(frozen=True, slots=True)
class ApiNames:
    """The names that DICOMweb's parts have in CloudWatch's dimensions; `service` is the stack's name."""

    service: str
    api: str
    function: str


@dataclass(frozen=True, slots=True)
class EventNames:
    """The names that the parts for events have in CloudWatch's dimensions; `service` is the stack's name."""

    service: str
    function: str
    queue: str
    dead_letter_queue: str
    failure_queue: str


def own(service: str, name: str, statistic: str, seconds: int = 300) -> Metric:
    """A metric of the function's own: `imaging_index.metric_names` has the names."""
    return Metric(NAMESPACE, name, statistic, {"service": service}, seconds)


def of_queue(queue: str, name: str, statistic: str) -> Metric:
    """Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"."""
    return Metric("AWS/SQS", name, statistic, {"QueueName": queue})


def of_function(function: str, name: str, statistic: str) -> Metric:
    """AWS Lambda Developer Guide, "Types of metrics for Lambda functions"."""
    return Metric("AWS/Lambda", name, statistic, {"FunctionName": function})


def of_api(api: str, name: str, statistic: str) -> Metric:
    """Amazon API Gateway Developer Guide, "Amazon API Gateway dimensions and metrics": of all stages of a REST API."""
    return Metric("AWS/ApiGateway", name, statistic, {"ApiName": api})


def of_rule(rule: str, name: str) -> Metric:
    """Amazon EventBridge User Guide, "Monitoring Amazon EventBridge": sums, of a rule of the default bus."""
    return Metric("AWS/Events", name, "Sum", {"RuleName": rule})


def of_table(table: str, name: str, index: str | None = None) -> Metric:
    """Amazon DynamoDB Developer Guide, "DynamoDB metrics and dimensions": sums, of the table or one of its indexes."""
    # The table's own metrics leave out those of its indexes.
    dimensions = {"TableName": table} | ({"GlobalSecondaryIndexName": index} if index else {})
    return Metric("AWS/DynamoDB", name, "Sum", dimensions)


def of_log(log_group: str, name: str) -> Metric:
    """Amazon CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics": sums."""
    return Metric("AWS/Logs", name, "Sum", {"LogGroupName": log_group})
