"""Graphs for the dashboard's rows, and metrics as the CDK wants them."""

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.metrics import Metric

WIDTH: Final = 24  # of a row, in the units of CloudWatch's grid
HEIGHT: Final = 5


def series(metric: Metric, label: str | None = None) -> cloudwatch.Metric:
    """The metric for the CDK; `label` names it in a graph."""
    return cloudwatch.Metric(
        namespace=metric.namespace,
        metric_name=metric.name,
        statistic=metric.statistic,
        dimensions_map=dict(metric.dimensions),
        period=Duration.seconds(metric.seconds),
        label=label,
    )


def graph(
    title: str,
    *shown: cloudwatch.IMetric,
    limit: cloudwatch.HorizontalAnnotation | None = None,
    stacked: bool = False,
) -> cloudwatch.GraphWidget:
    """A graph that is a quarter of a row wide."""
    return cloudwatch.GraphWidget(
        title=title,
        left=list(shown),
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        left_annotations=[limit] if limit else [],
        stacked=stacked,
        width=WIDTH // 4,
        height=HEIGHT,
    )


def limit(value: float, label: str) -> cloudwatch.HorizontalAnnotation:
    """A red line across a graph."""
    return cloudwatch.HorizontalAnnotation(value=value, label=label, color="#d62728")
