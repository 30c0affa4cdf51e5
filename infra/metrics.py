"""What is measured: the function's own metrics, and those that AWS keeps of the stack's parts."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from infra.config import Settings
from infra.function import METRICS_NAMESPACE
from infra.pipeline import Pipeline
from infra.storage import Storage

FIVE_MINUTES = Duration.minutes(5)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one stack; each method takes CloudWatch's name of a metric and of a statistic."""

    settings: Settings
    storage: Storage
    pipeline: Pipeline

    def own(self, name: str, statistic: str, period: Duration = FIVE_MINUTES) -> cloudwatch.Metric:
        """What `imaging_index.observability` counts."""
        return _metric(METRICS_NAMESPACE, name, statistic, period, {"service": self.settings.stack_name})

    def queue(self, queue: sqs.Queue, name: str, statistic: str) -> cloudwatch.Metric:
        """Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"."""
        return _metric("AWS/SQS", name, statistic, FIVE_MINUTES, {"QueueName": queue.queue_name})

    def function(self, name: str, statistic: str) -> cloudwatch.Metric:
        """AWS Lambda Developer Guide, "Types of metrics for Lambda functions"."""
        dimensions = {"FunctionName": self.pipeline.function.function.function_name}
        return _metric("AWS/Lambda", name, statistic, FIVE_MINUTES, dimensions)

    def rule(self, name: str) -> cloudwatch.Metric:
        """Amazon EventBridge User Guide, "Monitoring Amazon EventBridge": sums, of a rule of the default bus."""
        return _metric("AWS/Events", name, "Sum", FIVE_MINUTES, {"RuleName": self.pipeline.rule.ref})

    def table(self, name: str, index: str | None = None) -> cloudwatch.Metric:
        """Amazon DynamoDB Developer Guide, "DynamoDB metrics and dimensions": sums, of the table or one index of it."""
        # The table's own metrics do not hold those of its indexes.
        dimensions = {"TableName": self.storage.table.table_name}
        if index:
            dimensions["GlobalSecondaryIndexName"] = index
        return _metric("AWS/DynamoDB", name, "Sum", FIVE_MINUTES, dimensions)

    def log_bytes(self) -> cloudwatch.Metric:
        """Amazon CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics"."""
        dimensions = {"LogGroupName": self.pipeline.function.function.log_group.log_group_name}
        return _metric("AWS/Logs", "IncomingBytes", "Sum", FIVE_MINUTES, dimensions)


def _metric(
    namespace: str, name: str, statistic: str, period: Duration, dimensions: dict[str, str]
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, statistic=statistic, period=period, dimensions_map=dimensions
    )
