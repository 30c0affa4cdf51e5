"""What rings before users notice: the alarms, where they ring, and the questions to ask of the log afterwards.

docs/monitoring.md lists the alarms, and docs/runbook.md says of each what to do.
"""

# mypy: allow-subclassing-any

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from imaging_index import metric_names
from imaging_index.profile import Profile
from infra.config import Settings
from infra.dashboard import Dashboard
from infra.metrics import Metrics
from infra.pipeline import FUNCTION_SECONDS, Pipeline
from infra.storage import Storage

RUNBOOK: Final = "docs/runbook.md"

# The objective: this many percent of the image sets are searchable within so many seconds of their event.
OBJECTIVE_PERCENT: Final = 99.9
OBJECTIVE_SECONDS: Final = 60

_AT_LEAST: Final = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_MORE_THAN: Final = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_LESS_THAN: Final = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD

# A message that failed may wait half an hour before it is tried again: what only a try can show is looked for in the
# last 35 minutes, or the alarm would fall silent between two tries.
_BETWEEN_TRIES: Final = 7


@dataclass(frozen=True)
class Alarm:
    """One row of the table of alarms.

    Attributes:
        name: the alarm's name is the stack's and this one.
        runbook: the heading's anchor in the runbook.
        says: what has happened, for whom it wakes.
        metric: what it looks at.
        bad: when a period is a bad one: the comparison, and with what.
        rings: at how many bad ones, of how many of the last periods.
        missing: what a period without data is: `ignore` leaves the alarm as it is.
        pages: whether it is one that a person is to be woken for.
    """

    name: str
    runbook: str
    says: str
    metric: cloudwatch.Metric
    bad: tuple[cloudwatch.ComparisonOperator, float]
    rings: tuple[int, int]
    missing: Literal["notBreaching", "ignore"] = "notBreaching"
    pages: bool = False


def alarms(metrics: Metrics, profile: Profile) -> tuple[Alarm, ...]:
    """The table of alarms: is the index right, is it fresh, is it healthy."""
    own, pipeline = metrics.own, metrics.pipeline
    visible = "ApproximateNumberOfMessagesVisible"
    # CloudWatch's evaluation of percentiles by few samples stays on: else a site with less than a thousand image sets
    # in five minutes would never hear of p99.
    rows = (
        # A queue that nobody touches sends no metrics after six hours, though its messages are still there.
        Alarm("DeadLetters", "dead-letters", "Changes could not be indexed and are parked.",
              metrics.queue(pipeline.dead_letter_queue, visible, "Maximum"),
              (_AT_LEAST, 1), (1, 1), "ignore", pages=True),
        Alarm("RuleDeadLetters", "events-not-delivered", "EventBridge could not put events into the queue.",
              metrics.queue(pipeline.rule_dead_letter_queue, visible, "Maximum"),
              (_AT_LEAST, 1), (1, 1), "ignore", pages=True),
        Alarm("RuleFailures", "events-not-delivered", "EventBridge gave up delivering events.",
              metrics.rule("FailedInvocations"),
              (_AT_LEAST, 1), (1, 1)),
        Alarm("EventsLost", "events-lost", "Events reached neither the queue nor the rule's dead letters.",
              metrics.rule("InvocationsFailedToBeSentToDlq"),
              (_AT_LEAST, 1), (1, 1), pages=True),
        # Each document adds one value, so the average is of an image set.
        Alarm("InvalidAttributes", "invalid-attributes",
              f"More than one in twenty of the {len(profile.attributes)} selected attributes cannot be typed.",
              own(metric_names.INVALID_ATTRIBUTES, "Average", Duration.hours(1)),
              (_MORE_THAN, len(profile.attributes) / 20), (1, 1)),
        Alarm("IndexLag", "index-lag", "Of a hundred image sets one is searchable later than a minute after its event.",
              own(metric_names.INDEX_LAG, "p99"),
              (_MORE_THAN, OBJECTIVE_SECONDS), (3, 3), pages=True),
        Alarm("Objective", "index-lag",
              f"Less than {OBJECTIVE_PERCENT} % of a day's image sets were searchable within {OBJECTIVE_SECONDS} s.",
              own(metric_names.INDEX_LAG, f"PR(:{OBJECTIVE_SECONDS})", Duration.days(1)),
              (_LESS_THAN, OBJECTIVE_PERCENT), (1, 1)),
        # A deletion that HealthImaging answers with 404 takes up to 32 minutes.
        Alarm("OldestHint", "waiting-hints", "A change has been waiting for an hour.",
              own(metric_names.HINT_AGE, "Maximum"),
              (_MORE_THAN, 3600), (1, _BETWEEN_TRIES), pages=True),
        Alarm("OldestMessage", "waiting-hints", "Messages wait for 15 minutes before they are first handled.",
              metrics.queue(pipeline.queue, "ApproximateAgeOfOldestMessage", "Maximum"),
              (_MORE_THAN, 900), (3, 3), pages=True),
        Alarm("Configuration", "configuration", "AWS refuses the function: access, a key or the table is missing.",
              own(metric_names.CONFIGURATION_FAULTS, "Sum"),
              (_AT_LEAST, 1), (1, _BETWEEN_TRIES), pages=True),
        Alarm("BreakerOpen", "breaker-open", "More than half of all batches end with the breaker open.",
              own(metric_names.BREAKER_OPEN, "Average"),
              (_MORE_THAN, 0.5), (3, _BETWEEN_TRIES)),
        Alarm("HealthImagingThrottles", "healthimaging-throttles", "HealthImaging throttles, and goes on doing so.",
              own(metric_names.HEALTHIMAGING_THROTTLES, "Sum"),
              (_AT_LEAST, 10), (3, _BETWEEN_TRIES)),
        Alarm("Errors", "function-errors", "Invocations failed as a whole: killed, out of time or out of memory.",
              metrics.function("Errors", "Sum"),
              (_AT_LEAST, 1), (2, _BETWEEN_TRIES)),
        Alarm("Throttles", "function-throttles", "Lambda has no concurrency left for the function.",
              metrics.function("Throttles", "Sum"),
              (_AT_LEAST, 1), (3, _BETWEEN_TRIES)),
        Alarm("Duration", "duration", "Invocations take four fifths of their time-out.",
              metrics.function("Duration", "Maximum"),
              (_AT_LEAST, 800 * FUNCTION_SECONDS), (2, _BETWEEN_TRIES)),
    )  # fmt: skip
    return rows + tuple(
        Alarm(
            f"{way}Throttles-{index}" if index else f"{way}Throttles",
            "dynamodb-throttles",
            f"DynamoDB throttles {way.lower()}s of {f'the index {index}' if index else 'the table'}.",
            metrics.table(f"{way}ThrottleEvents", index),
            (_AT_LEAST, 1),
            (3, _BETWEEN_TRIES),
        )
        for index in (None, *profile.indexes)
        for way in ("Write", "Read")
    )


# Of a field that a line does not have, CloudWatch Logs Insights makes an empty column.
QUERIES: Final[Mapping[str, str]] = {
    "Faults by class and reason": """\
fields fault, reason
| filter ispresent(fault)
| stats count(*) as messages, max(tries) as most_tries, max(@timestamp) as last by fault, reason, message
| sort messages desc""",
    "Parked": """\
fields @timestamp, fault, reason, tries, kind, datastoreId, imageSetId, function_request_id
| filter message = "parked"
| sort @timestamp desc""",
    "One image set": """\
fields @timestamp, message, fault, reason, tries, kind, function_request_id
| filter imageSetId = "put the id here"
| sort @timestamp""",
    "Slowest invocations, with their memory": """\
fields record.requestId, record.metrics.durationMs, record.metrics.initDurationMs, record.metrics.maxMemoryUsedMB,
  record.status
| filter type = "platform.report"
| sort record.metrics.durationMs desc
| limit 50""",
}


class Monitoring(Construct):
    """The alarms, the topic they ring at, the dashboard and the saved queries.

    Attributes:
        topic: where every alarm is published, and that it is over.
        dashboard: the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        profile: Profile,
        storage: Storage,
        pipeline: Pipeline,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = self._make_topic(settings, storage)
        metrics = Metrics(settings, storage, pipeline)
        made = {row: self._make_alarm(row, settings) for row in alarms(metrics, profile)}
        if settings.monitoring == "full":
            self._make_page([alarm for row, alarm in made.items() if row.pages], settings)
            for name, query in QUERIES.items():
                logs.CfnQueryDefinition(
                    self,
                    f"Query{name.title().replace(' ', '').replace(',', '')}",
                    name=f"{settings.stack_name}/{name}",
                    query_string=query,
                    log_group_names=[pipeline.function.function.log_group.log_group_name],
                )
        self.dashboard = Dashboard(
            self, "Dashboard", metrics=metrics, profile=profile, alarms=list(made.values()),
            objective=(OBJECTIVE_PERCENT, OBJECTIVE_SECONDS),
        )  # fmt: skip

    def _make_topic(self, settings: Settings, storage: Storage) -> sns.Topic:
        topic = sns.Topic(self, "Topic", display_name=settings.stack_name, master_key=storage.key, enforce_ssl=True)
        stack = Stack.of(self)
        publisher = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[publisher],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(
                            service="cloudwatch",
                            resource="alarm",
                            resource_name=f"{settings.stack_name}-*",
                            arn_format=ArnFormat.COLON_RESOURCE_NAME,
                        )
                    }
                },
            )
        )
        # On no condition, as for EventBridge: an alarm that may not use the key rings nowhere, without a trace. The
        # topic's own policy confines what CloudWatch may publish.
        storage.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[publisher], actions=["kms:Decrypt", "kms:GenerateDataKey*"], resources=["*"]
            )
        )
        if settings.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        return topic

    def _make_alarm(self, row: Alarm, settings: Settings) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            row.name,
            alarm_name=f"{settings.stack_name}-{row.name}",
            alarm_description=_described(row.says, row.runbook),
            metric=row.metric,
            comparison_operator=row.bad[0],
            threshold=row.bad[1],
            datapoints_to_alarm=row.rings[0],
            evaluation_periods=row.rings[1],
            treat_missing_data=_MISSING[row.missing],
        )
        self._ring(alarm)
        return alarm

    def _make_page(self, causes: list[cloudwatch.Alarm], settings: Settings) -> None:
        page = cloudwatch.CompositeAlarm(
            self,
            "Page",
            composite_alarm_name=f"{settings.stack_name}-Page",
            alarm_description=_described("The index is not right, or not fresh.", "page"),
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(cause, cloudwatch.AlarmState.ALARM) for cause in causes)
            ),
        )
        self._ring(page)

    def _ring(self, alarm: cloudwatch.AlarmBase) -> None:
        action = actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)


_MISSING: Final = {
    "notBreaching": cloudwatch.TreatMissingData.NOT_BREACHING,
    "ignore": cloudwatch.TreatMissingData.IGNORE,
}


def _described(says: str, anchor: str) -> str:
    return f"{says} What to do: {RUNBOOK}#{anchor}"
