"""The dashboard: is the index right, is it fresh, is it healthy, and what does it cost, from top to bottom."""

# mypy: allow-subclassing-any

from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from imaging_index import metric_names
from imaging_index.profile import Profile
from infra.metrics import Metrics
from infra.pipeline import FUNCTION_SECONDS
from infra.prices import Prices

_PRICES: Final = Prices()

_WIDTH: Final = 24


class Dashboard(Construct):
    """A CloudWatch dashboard whose top row is the objective and the alarms.

    Attributes:
        url: where the console shows it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        metrics: Metrics,
        profile: Profile,
        alarms: Sequence[cloudwatch.Alarm],
        objective: tuple[float, int],
    ) -> None:
        """Make the dashboard.

        Args:
            metrics: the stack's.
            profile: for the table's indexes.
            alarms: those whose state is shown.
            objective: percent of the image sets that are to be searchable, and within how many seconds.
        """
        super().__init__(scope, construct_id)
        self._metrics = metrics
        stack = Stack.of(self)
        # A dashboard's name is one of all regions of the account.
        name = f"{metrics.settings.stack_name}-{stack.region}"
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=name,
            default_interval=Duration.days(1),
            widgets=[
                self._objective(objective, alarms),
                _heading("Is it right?"),
                self._right(),
                _heading("Is it fresh?"),
                self._fresh(objective[1]),
                _heading("Is it healthy?"),
                self._healthy(profile),
                _heading("What does it cost?"),
                self._cost(),
            ],
        )
        self.url = (
            f"https://{stack.region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={stack.region}#dashboards/dashboard/{name}"
        )

    def _objective(self, objective: tuple[float, int], alarms: Sequence[cloudwatch.Alarm]) -> list[cloudwatch.IWidget]:
        percent, seconds = objective
        hour = Duration.hours(1)
        within = self._metrics.own(metric_names.INDEX_LAG, f"PR(:{seconds})", hour)
        return [
            cloudwatch.SingleValueWidget(
                title=f"Objective: {percent} % within {seconds} s",
                metrics=[within.with_(label="% of the image sets")],
                set_period_to_time_range=True,
                width=5,
                height=5,
            ),
            cloudwatch.GraphWidget(
                title=f"Searchable within {seconds} s, hour by hour",
                left=[within.with_(label="% of an hour's image sets")],
                left_y_axis=cloudwatch.YAxisProps(max=100, show_units=False),
                left_annotations=[_limit(percent, "objective")],
                width=8,
                height=5,
            ),
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=11, height=5),
        ]

    def _right(self) -> list[cloudwatch.IWidget]:
        metrics, pipeline = self._metrics, self._metrics.pipeline
        visible = "ApproximateNumberOfMessagesVisible"
        return [
            _graph(
                "Dead letters",
                metrics.queue(pipeline.dead_letter_queue, visible, "Maximum").with_(label="not indexed"),
                metrics.queue(pipeline.rule_dead_letter_queue, visible, "Maximum").with_(label="not delivered"),
                limit=_limit(1, "alarm"),
            ),
            _graph(
                "What became of hints",
                *(metrics.own(outcome, "Sum").with_(label=outcome) for outcome in metric_names.OUTCOMES),
                stacked=True,
            ),
            _graph(
                "Given up",
                metrics.own(metric_names.PARKED, "Sum").with_(label="Parked"),
                metrics.rule("FailedInvocations").with_(label="events not delivered"),
                metrics.rule("InvocationsFailedToBeSentToDlq").with_(label="events lost"),
            ),
            _graph(
                "Of an image set's attributes",
                metrics.own(metric_names.INVALID_ATTRIBUTES, "Average").with_(label="invalid, on average"),
                metrics.own(metric_names.TRUNCATED_ATTRIBUTES, "Average").with_(label="truncated, on average"),
            ),
        ]

    def _fresh(self, seconds: int) -> list[cloudwatch.IWidget]:
        metrics, queue = self._metrics, self._metrics.pipeline.queue
        return [
            _graph(
                "From the event to the index, seconds",
                *(metrics.own(metric_names.INDEX_LAG, each).with_(label=each) for each in ("p50", "p99")),
                limit=_limit(seconds, "objective"),
            ),
            _graph(
                "Oldest hint, seconds",
                metrics.own(metric_names.HINT_AGE, "Maximum").with_(label="received or handed back"),
                metrics.queue(queue, "ApproximateAgeOfOldestMessage", "Maximum").with_(label="in the queue"),
            ),
            _graph(
                "In the queue",
                metrics.queue(queue, "ApproximateNumberOfMessagesVisible", "Maximum").with_(label="waiting"),
                metrics.queue(queue, "ApproximateNumberOfMessagesNotVisible", "Maximum").with_(
                    label="in work, or put off"
                ),
            ),
            _graph(
                "Arrived and put off",
                metrics.queue(queue, "NumberOfMessagesSent", "Sum").with_(label="arrived"),
                metrics.own(metric_names.DEFERRED, "Sum").with_(label="put off"),
            ),
        ]

    def _healthy(self, profile: Profile) -> list[cloudwatch.IWidget]:
        metrics = self._metrics
        return [
            _graph(
                "Faults by class",
                *(metrics.own(metric_names.of_fault(fault), "Sum").with_(label=fault) for fault in metric_names.FAULTS),
                stacked=True,
            ),
            _graph(
                "Throttled",
                metrics.own(metric_names.HEALTHIMAGING_THROTTLES, "Sum").with_(label="by HealthImaging"),
                metrics.function("Throttles", "Sum").with_(label="by Lambda"),
                metrics.table("ReadThrottleEvents").with_(label="reads of the table"),
                metrics.table("WriteThrottleEvents").with_(label="writes of the table"),
                *(metrics.table("WriteThrottleEvents", index).with_(label=f"of {index}") for index in profile.indexes),
            ),
            _graph(
                "Invocations",
                metrics.function("Errors", "Sum").with_(label="failed as a whole"),
                metrics.own(metric_names.BREAKER_OPEN, "Sum").with_(label="ended with the breaker open"),
            ),
            _graph(
                "Duration of an invocation, ms",
                *(metrics.function("Duration", each).with_(label=each) for each in ("p50", "p99", "Maximum")),
                limit=_limit(1000 * FUNCTION_SECONDS, "time-out"),
            ),
        ]

    def _cost(self) -> list[cloudwatch.IWidget]:
        metrics = self._metrics
        hour = Duration.hours(1)
        millisecond = metrics.settings.memory_size / 1024 * _PRICES.gb_second / 1000
        price = cloudwatch.MathExpression(
            expression=f"units * {_PRICES.write_unit:.9f} + calls * {_PRICES.invocation:.9f} + ms * {millisecond:.12f}",
            using_metrics={
                "units": metrics.own(metric_names.WRITE_UNITS, "Sum"),
                "calls": metrics.function("Invocations", "Sum"),
                "ms": metrics.function("Duration", "Sum"),
            },
            period=hour,
            label="writes and function",
        )
        return [
            _graph("Dollars an hour, by us-east-1's prices", price),
            _graph(
                "DynamoDB write request units",
                metrics.own(metric_names.WRITE_UNITS, "Sum").with_(label="table and indexes"),
            ),
            _graph(
                "Invocations of the function",
                metrics.function("Invocations", "Sum").with_(label="invocations"),
            ),
            _graph("Written to the log, bytes", metrics.log_bytes().with_(label="bytes")),
        ]


def _heading(text: str) -> list[cloudwatch.IWidget]:
    background = cloudwatch.TextWidgetBackground.TRANSPARENT
    return [cloudwatch.TextWidget(markdown=f"## {text}", width=_WIDTH, height=1, background=background)]


def _graph(
    title: str,
    *series: cloudwatch.IMetric,
    limit: cloudwatch.HorizontalAnnotation | None = None,
    stacked: bool = False,
) -> cloudwatch.GraphWidget:
    """A quarter of a row."""
    return cloudwatch.GraphWidget(
        title=title,
        left=list(series),
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        left_annotations=[limit] if limit else [],
        stacked=stacked,
        width=_WIDTH // 4,
        height=5,
    )


def _limit(value: float, label: str) -> cloudwatch.HorizontalAnnotation:
    return cloudwatch.HorizontalAnnotation(value=value, label=label, color="#d62728")
