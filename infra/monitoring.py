"""What an operator looks at: the alarms and where they ring, the dashboard, and saved queries over the log.

Other constructs declare their alarms and their rows of the dashboard; this one collects and makes them.
"""

# mypy: allow-subclassing-any

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.alarms import Alarm
from infra.config import Settings
from infra.dashboard import Dashboard, Rows
from infra.graphs import series

RUNBOOK: Final = "docs/runbook.md"

# CloudWatch Logs Insights shows an empty column for a field that a line lacks.
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
    "False tombstones": """\
fields @timestamp, datastoreId, imageSetIds
| filter message = "false tombstones"
| sort @timestamp desc""",
    "Not compared": """\
fields @timestamp, datastoreId, reason
| filter message = "not compared"
| sort @timestamp desc""",
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
        topic: where every alarm is published, when it rings and when it is over.
        dashboard: the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        key: kms.Key,
        alarms: Sequence[Alarm],
        log_groups: Sequence[str],
        objective: Sequence[cloudwatch.IWidget],
        rows: Rows,
    ) -> None:
        """Make all of it.

        Args:
            settings: the deployment's settings.
            key: the stack's key, which encrypts what the topic sends.
            alarms: the alarms to make.
            log_groups: the names of the log groups that the saved queries search.
            objective: the dashboard's widgets for the objective.
            rows: the dashboard's rows by their headings.
        """
        super().__init__(scope, construct_id)
        self.topic = self._make_topic(settings, key)
        made = {row.name: self._make_alarm(row, settings) for row in alarms}
        if settings.monitoring == "full":
            self._make_page([made[row.name] for row in alarms if row.pages], settings)
            for name, query in QUERIES.items():
                logs.CfnQueryDefinition(
                    self,
                    f"Query{name.title().replace(' ', '').replace(',', '')}",
                    name=f"{settings.stack_name}/{name}",
                    query_string=query,
                    log_group_names=list(log_groups),
                )
        self.dashboard = Dashboard(
            self,
            "Dashboard",
            stack_name=settings.stack_name,
            objective=objective,
            alarms=list(made.values()),
            rows=rows,
        )

    def _make_topic(self, settings: Settings, key: kms.Key) -> sns.Topic:
        topic = sns.Topic(self, "Topic", display_name=settings.stack_name, master_key=key, enforce_ssl=True)
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
        # No condition here, as for EventBridge: without the key an alarm silently rings nowhere. The topic's own policy
        # limits what CloudWatch may publish.
        key.add_to_resource_policy(
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
            metric=series(row.metric),
            comparison_operator=_COMPARISONS[row.bad[0]],
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
            alarm_description=_described("The index is wrong or late.", "page"),
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(cause, cloudwatch.AlarmState.ALARM) for cause in causes)
            ),
        )
        self._ring(page)

    def _ring(self, alarm: cloudwatch.AlarmBase) -> None:
        action = actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)


_COMPARISONS: Final = {
    ">=": cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    ">": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    "<": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}

_MISSING: Final = {
    "breaching": cloudwatch.TreatMissingData.BREACHING,
    "notBreaching": cloudwatch.TreatMissingData.NOT_BREACHING,
    "ignore": cloudwatch.TreatMissingData.IGNORE,
}


def _described(says: str, anchor: str) -> str:
    return f"{says} What to do: {RUNBOOK}#{anchor}"
