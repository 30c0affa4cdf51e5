"""The way of an event into the table: rule -> queue -> index function, and the two dead-letter queues beside it."""

# mypy: allow-subclassing-any

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from imaging_index.profile import index_names
from imaging_index.profile.profile import Profile
from imaging_index.queue.hint import REPLAY_SOURCE
from infra import alarms, pipeline_graphs, queues
from infra.config import Settings
from infra.documents import Documents
from infra.index_function import IndexFunction
from infra.metrics import Names
from infra.storage import Storage
from infra.tokens import TokenSecret


class Pipeline(Construct):
    """Keeps the table in step with HealthImaging.

    Attributes:
        dead_letter_queue: hints that the function parked, or that were received a thousand times.
        queue: hints that are not yet indexed.
        rule_dead_letter_queue: events that EventBridge could not put into the queue.
        rule: puts the image-set events of the account's default bus into the queue.
        function: updates the entry of an image set.
        alarms: its alarms.
        objective: the widgets for the objective on the dashboard.
        rows: its rows of the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        profile: Profile,
        storage: Storage,
        tokens: TokenSecret | None,
        documents: Documents | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letter_queue = queues.kept(self, "DeadLetterQueue", storage)
        self.queue = queues.worked_off(self, "Queue", storage, self.dead_letter_queue)
        self.rule_dead_letter_queue = queues.kept(self, "RuleDeadLetterQueue", storage)
        queues.accept_no_dead_letters(self.rule_dead_letter_queue, "a rule")
        self.rule = self._make_rule(settings, storage)
        self.function = IndexFunction(
            self,
            "IndexFunction",
            settings=settings,
            storage=storage,
            tokens=tokens,
            documents=documents,
            queue=self.queue,
            dead_letter_queue=self.dead_letter_queue,
        )
        names = self._names(settings, storage)
        self.alarms = alarms.of_pipeline(names, profile)
        self.objective = pipeline_graphs.objective(names)
        self.rows = pipeline_graphs.rows(names, index_names.of_all(profile.indexes), settings.memory_size)

    def _make_rule(self, settings: Settings, storage: Storage) -> events.CfnRule:
        pattern: dict[str, object] = {
            # A bus may receive events of other accounts, and none of those is about a data store of this account.
            "account": [Stack.of(self).account],
            "source": ["aws.medical-imaging", REPLAY_SOURCE],
            "detail-type": [{"prefix": "Image Set "}],
        }
        # Only `datastoreId` is reliable: the other fields of `detail`, and their spelling, vary between events.
        if settings.data_stores:
            pattern["detail"] = {"datastoreId": [store.id for store in settings.data_stores]}
        # The name is fixed, so that the queues' policies can refer to the rule before it exists.
        name = settings.stack_name
        arn = Stack.of(self).format_arn(service="events", resource="rule", resource_name=name)
        event_bridge = iam.ServicePrincipal("events.amazonaws.com")
        for queue in (self.queue, self.rule_dead_letter_queue):
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[event_bridge],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": arn}},
                )
            )
        # No condition here. For encrypted topics, conditions on EventBridge's source are not supported (Amazon SNS
        # Developer Guide, "Key management"); for queues no document says that they are, and a rejected event leaves no
        # trace. The queues' own policies limit what EventBridge may send.
        storage.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[event_bridge], actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=["*"]
            )
        )
        rule = events.CfnRule(
            self,
            "Rule",
            name=name,
            description="Changes of image sets in AWS HealthImaging, for the index",
            event_pattern=pattern,
            targets=[
                events.CfnRule.TargetProperty(
                    id="Queue",
                    arn=self.queue.queue_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=self.rule_dead_letter_queue.queue_arn
                    ),
                )
            ],
        )
        rule.node.add_dependency(self.queue, self.rule_dead_letter_queue)  # and on their policies
        return rule

    def _names(self, settings: Settings, storage: Storage) -> Names:
        function = self.function.function
        return Names(
            service=settings.stack_name,
            queue=self.queue.queue_name,
            dead_letter_queue=self.dead_letter_queue.queue_name,
            rule_dead_letter_queue=self.rule_dead_letter_queue.queue_name,
            rule=self.rule.ref,
            function=function.function_name,
            log_group=function.log_group.log_group_name,
            table=storage.table.table_name,
        )
