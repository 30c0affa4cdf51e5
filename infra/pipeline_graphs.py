"""The pipeline's rows of the dashboard: is the index right, is it fresh, is it healthy, and what does it cost."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from imaging_index import metric_names
from infra.alarms import OBJECTIVE_PERCENT, OBJECTIVE_SECONDS
from infra.config import FUNCTION_SECONDS
from infra.dashboard import Rows
from infra.graphs import HEIGHT, graph, limit, series
from infra.metrics import HOUR, Names, of_function, of_log, of_queue, of_rule, of_table, own
from infra.prices import Prices

_PRICES: Final = Prices()

_VISIBLE: Final = "ApproximateNumberOfMessagesVisible"


def objective(names: Names) -> list[cloudwatch.IWidget]:
    """Widgets for the objective: one number for the dashboard's time range, and a graph hour by hour."""
    within = own(names.service, metric_names.INDEX_LAG, f"PR(:{OBJECTIVE_SECONDS})", HOUR)
    return [
        cloudwatch.SingleValueWidget(
            title=f"Objective: {OBJECTIVE_PERCENT} % within {OBJECTIVE_SECONDS} s",
            metrics=[series(within, "% of the image sets")],
            set_period_to_time_range=True,
            width=5,
            height=HEIGHT,
        ),
        cloudwatch.GraphWidget(
            title=f"Searchable within {OBJECTIVE_SECONDS} s, hour by hour",
            left=[series(within, "% of an hour's image sets")],
            left_y_axis=cloudwatch.YAxisProps(max=100, show_units=False),
            left_annotations=[limit(OBJECTIVE_PERCENT, "objective")],
            width=8,
            height=HEIGHT,
        ),
    ]


def rows(names: Names, indexes: Mapping[str, str], memory_size: int) -> Rows:
    """The widgets of each row, by its heading.

    Args:
        names: of the pipeline's parts.
        indexes: the names of the table's indexes in DynamoDB, by their names in the profile.
        memory_size: the function's memory, in MB.
    """
    return {
        "Is it right?": _right(names),
        "Is it fresh?": _fresh(names),
        "Is it healthy?": _healthy(names, indexes),
        "What does it cost?": _cost(names, memory_size),
    }


def _right(names: Names) -> list[cloudwatch.IWidget]:
    return [
        graph(
            "Dead letters",
            series(of_queue(names.dead_letter_queue, _VISIBLE, "Maximum"), "not indexed"),
            series(of_queue(names.rule_dead_letter_queue, _VISIBLE, "Maximum"), "not delivered"),
            limit=limit(1, "alarm"),
        ),
        graph(
            "What became of hints",
            *(series(own(names.service, outcome, "Sum"), outcome) for outcome in metric_names.OUTCOMES),
            stacked=True,
        ),
        graph(
            "Given up",
            series(own(names.service, metric_names.PARKED, "Sum"), "Parked"),
            series(of_rule(names.rule, "FailedInvocations"), "events not delivered"),
            series(of_rule(names.rule, "InvocationsFailedToBeSentToDlq"), "events lost"),
        ),
        graph(
            "Of an image set's attributes",
            series(own(names.service, metric_names.INVALID_ATTRIBUTES, "Average"), "invalid, on average"),
            series(own(names.service, metric_names.TRUNCATED_ATTRIBUTES, "Average"), "truncated, on average"),
        ),
    ]


def _fresh(names: Names) -> list[cloudwatch.IWidget]:
    return [
        graph(
            "From the event to the index, seconds",
            *(series(own(names.service, metric_names.INDEX_LAG, each), each) for each in ("p50", "p99")),
            limit=limit(OBJECTIVE_SECONDS, "objective"),
        ),
        graph(
            "Oldest hint, seconds",
            series(own(names.service, metric_names.HINT_AGE, "Maximum"), "received or handed back"),
            series(of_queue(names.queue, "ApproximateAgeOfOldestMessage", "Maximum"), "in the queue"),
        ),
        graph(
            "In the queue",
            series(of_queue(names.queue, _VISIBLE, "Maximum"), "waiting"),
            series(of_queue(names.queue, "ApproximateNumberOfMessagesNotVisible", "Maximum"), "in work, or put off"),
        ),
        graph(
            "Arrived and put off",
            series(of_queue(names.queue, "NumberOfMessagesSent", "Sum"), "arrived"),
            series(own(names.service, metric_names.DEFERRED, "Sum"), "put off"),
        ),
    ]


def _healthy(names: Names, indexes: Mapping[str, str]) -> list[cloudwatch.IWidget]:
    return [
        graph(
            "Faults by class",
            *(series(own(names.service, metric_names.of_fault(fault), "Sum"), fault) for fault in metric_names.FAULTS),
            stacked=True,
        ),
        graph(
            "Throttled",
            series(own(names.service, metric_names.HEALTHIMAGING_THROTTLES, "Sum"), "by HealthImaging"),
            series(of_function(names.function, "Throttles", "Sum"), "by Lambda"),
            series(of_table(names.table, "ReadThrottleEvents"), "reads of the table"),
            series(of_table(names.table, "WriteThrottleEvents"), "writes of the table"),
            *(
                series(of_table(names.table, "WriteThrottleEvents", name), f"of {index}")
                for index, name in indexes.items()
            ),
        ),
        graph(
            "Invocations",
            series(of_function(names.function, "Errors", "Sum"), "failed as a whole"),
            series(own(names.service, metric_names.BREAKER_OPEN, "Sum"), "ended with the breaker open"),
        ),
        graph(
            "Duration of an invocation, ms",
            *(series(of_function(names.function, "Duration", each), each) for each in ("p50", "p99", "Maximum")),
            limit=limit(1000 * FUNCTION_SECONDS, "time-out"),
        ),
    ]


def _cost(names: Names, memory_size: int) -> list[cloudwatch.IWidget]:
    write_units = own(names.service, metric_names.WRITE_UNITS, "Sum")
    invocations = of_function(names.function, "Invocations", "Sum")
    millisecond = memory_size / 1024 * _PRICES.gb_second / 1000
    price = cloudwatch.MathExpression(
        expression=f"units * {_PRICES.write_unit:.9f} + calls * {_PRICES.invocation:.9f} + ms * {millisecond:.12f}",
        using_metrics={
            "units": series(write_units),
            "calls": series(invocations),
            "ms": series(of_function(names.function, "Duration", "Sum")),
        },
        period=Duration.hours(1),
        label="writes and function",
    )
    return [
        graph("Dollars an hour, by us-east-1's prices", price),
        graph("DynamoDB write request units", series(write_units, "table and indexes")),
        graph("Invocations of the function", series(invocations, "invocations")),
        graph("Written to the log, bytes", series(of_log(names.log_group, "IncomingBytes"), "bytes")),
    ]
