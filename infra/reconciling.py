"""What keeps the index right when events are lost: a schedule, and the function that it invokes."""

# mypy: allow-subclassing-any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import alarms, reconcile_graphs
from infra.config import Settings
from infra.documents import Documents
from infra.reconcile_function import ReconcileFunction
from infra.storage import Storage


class Reconciling(Construct):
    """Compares the index with HealthImaging, by a schedule.

    Attributes:
        function: the function that compares.
        alarms: its alarms.
        row: the widgets of its row of the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        generation: str,
        storage: Storage,
        documents: Documents | None,
        queue: sqs.Queue,
    ) -> None:
        """Make both.

        Args:
            settings: the deployment's settings.
            generation: the profile's revision and the format of entries, as `1.4`.
            storage: the table to compare, and the key.
            documents: the kept documents, if there are any.
            queue: the queue of hints.
        """
        super().__init__(scope, construct_id)
        self.function = ReconcileFunction(
            self,
            "Function",
            settings=settings,
            generation=generation,
            storage=storage,
            documents=documents,
            queue=queue,
        )
        if settings.reconcile_minutes:
            self._invoke_every(settings.reconcile_minutes)
        self.alarms = alarms.of_reconciling(settings.stack_name, scheduled=settings.reconcile_minutes > 0)
        self.row = reconcile_graphs.row(settings.stack_name)

    def _invoke_every(self, minutes: int) -> None:
        stack = Stack.of(self)
        function_arn = self.function.function.function_arn
        invoking = iam.ManagedPolicy(
            self,
            "InvokingPolicy",
            description="Invokes the reconcile function",
            statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function_arn])],
        )
        # Amazon EventBridge Scheduler User Guide, "Confused deputy prevention".
        own_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
        role = iam.Role(
            self,
            "SchedulerRole",
            description="Invokes the reconcile function",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=own_account),
            managed_policies=[invoking],
        )
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Compares the index with HealthImaging",
            schedule_expression=f"rate({minutes} minute{'s' if minutes > 1 else ''})",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function_arn,
                role_arn=role.role_arn,
                input="{}",
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=60, maximum_retry_attempts=0
                ),
            ),
        )
