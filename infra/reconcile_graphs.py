"""The dashboard's row about the comparison with HealthImaging: does anything differ, and what does it cost."""

from aws_cdk import aws_cloudwatch as cloudwatch

from imaging_index import metric_names
from imaging_index.reconciling.counts import Difference
from infra import alarms
from infra.graphs import graph, limit, series
from infra.metrics import own


def row(service: str) -> list[cloudwatch.IWidget]:
    """The widgets of the row; `service` is the stack's name."""
    return [
        graph(
            "Found different from HealthImaging",
            *(series(own(service, metric_names.of_difference(each.value), "Sum"), each.value) for each in Difference),
            stacked=True,
        ),
        graph(
            "Still different in a later pass",
            series(own(service, metric_names.STILL_DIFFERENT, "Maximum"), "image sets"),
            series(own(service, metric_names.GHOSTS_REFUSED, "Maximum"), "data stores with too many ghosts"),
            limit=limit(1, "alarm"),
        ),
        graph(
            "Passes, seconds",
            series(own(service, metric_names.SINCE_PASS, "Maximum"), "since the last one"),
            series(own(service, metric_names.OF_PASS, "Maximum"), "its duration"),
            limit=limit(alarms.LONGEST_WITHOUT_PASS, "alarm"),
        ),
        graph(
            "Dollars of HealthImaging's frequent tier",
            series(own(service, metric_names.TIER_DOLLARS, "Sum"), "spent"),
            series(own(service, metric_names.TIER_DOLLARS_REFUSED, "Maximum"), "refused"),
        ),
    ]
