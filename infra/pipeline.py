"""The way of an event into the table: rule -> queue -> index function, and the two dead-letter queues beside it."""

# mypy: allow-subclassing-any

from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from imaging_index.hint import REPLAY_SOURCE
from infra import datastores
from infra.compliance import acknowledge
from infra.config import Settings
from infra.function import PackageFunction
from infra.storage import Storage
from infra.tokens import TokenSecret

FUNCTION_SECONDS: Final = 60


class Pipeline(Construct):
    """What keeps the table in step with HealthImaging.

    Attributes:
        dead_letter_queue: hints that the function parked, or that were received a thousand times.
        queue: hints that are not yet indexed.
        rule_dead_letter_queue: events that EventBridge could not put into the queue.
        rule: puts the image-set events of the account's default bus into the queue.
        function: brings the entry of an image set up to date.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, storage: Storage, tokens: TokenSecret | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letter_queue = self._make_dead_letter_queue("DeadLetterQueue", storage)
        self.queue = self._make_queue(storage)
        self.rule_dead_letter_queue = self._make_dead_letter_queue("RuleDeadLetterQueue", storage)
        acknowledge(
            self.rule_dead_letter_queue,
            "It is a dead-letter queue itself, of a rule: only an operator empties it.",
            "AwsSolutions-SQS3",
        )
        self.rule = self._make_rule(settings, storage)
        self.function = self._make_function(settings, storage, tokens)

    def _make_dead_letter_queue(self, construct_id: str, storage: Storage) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=storage.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def _make_queue(self, storage: Storage) -> sqs.Queue:
        return sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=storage.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            # AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": six times the function's time-out.
            visibility_timeout=Duration.seconds(6 * FUNCTION_SECONDS),
            # The function itself parks what is hopeless: this is the net for invocations that were killed.
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=1000),
        )

    def _make_rule(self, settings: Settings, storage: Storage) -> events.CfnRule:
        pattern: dict[str, object] = {
            # An organization's bus may take events of other accounts: none of them tells of a data store of this one.
            "account": [Stack.of(self).account],
            "source": ["aws.medical-imaging", REPLAY_SOURCE],
            "detail-type": [{"prefix": "Image Set "}],
        }
        # Nothing else of `detail` can be relied on: what stands there, and its spelling, vary from event to event.
        if settings.data_stores:
            pattern["detail"] = {"datastoreId": [store.id for store in settings.data_stores]}
        # Its name is known beforehand, so that it is made when the queues already take what it sends.
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
        # On no condition: KMS is not told of the rule or its account, and would refuse every event without a trace. The
        # queues' own policies confine what EventBridge may send.
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

    def _make_function(self, settings: Settings, storage: Storage, tokens: TokenSecret | None) -> PackageFunction:
        function = PackageFunction(
            self,
            "IndexFunction",
            settings=settings,
            key=storage.key,
            description="Brings the entry of an image set up to date",
            handler="imaging_index.handlers.index.handler",
            seconds=FUNCTION_SECONDS,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "QUEUE_URL": self.queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue.queue_url,
                "DATASTORES": ",".join(store.id for store in settings.data_stores) or "all",
                "PROFILE": "profile.toml",
                **({"TOKEN_SECRET": tokens.secret.secret_arn} if tokens else {}),
            },
            permissions=[
                iam.PolicyStatement(
                    actions=["dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                    resources=[storage.table.table_arn],
                ),
                iam.PolicyStatement(
                    actions=[
                        "sqs:ChangeMessageVisibility",
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                        "sqs:ReceiveMessage",
                    ],
                    resources=[self.queue.queue_arn],
                ),
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.dead_letter_queue.queue_arn]),
                *datastores.using_keys(settings),
                *([tokens.reading()] if tokens else []),
            ],
        )
        # A policy of its own: of 25 data stores and what else the function may do, one would be too long for IAM.
        reading = iam.ManagedPolicy(
            function,
            "ReadingPolicy",
            description="Reads the image sets of the data stores to index",
            statements=[datastores.reading(Stack.of(self), settings)],
        )
        function.role.add_managed_policy(reading)
        acknowledge(
            reading,
            "An image set comes to be long after the stack: the data store is what can be named, and is where the "
            "setting dataStores lists it.",
            *(
                f"AwsSolutions-IAM5[Resource::{arn}]"
                for arn in datastores.image_set_arns(Stack.of(self), settings, account="<AWS::AccountId>")
                if "*" in arn
            ),
        )
        acknowledge(
            function.function,
            "Its queue alone is set to invoke it, and that event source's MaximumConcurrency is the limit. Concurrency "
            "that is reserved besides is taken from the account's other functions, and a new account may have none.",
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
        )
        acknowledge(
            function.function,
            "A function's own dead letters are those of asynchronous invocations, and it has none: its queue invokes "
            "it, and what it cannot handle is parked in DeadLetterQueue, whose alarm pages.",
            "HIPAA.Security-LambdaDLQ",
            "NIST.800.53.R5-LambdaDLQ",
        )
        acknowledge(
            function.function,
            "Nothing reaches it by a network, in a VPC or not. It calls AWS's endpoints over TLS only, with a role "
            "that names what it may call, and needs nothing that is in a VPC.",
            "HIPAA.Security-LambdaInsideVPC",
            "NIST.800.53.R5-LambdaInsideVPC",
        )
        function.function.add_event_source_mapping(
            "Queue",
            event_source_arn=self.queue.queue_arn,
            batch_size=10,
            max_concurrency=settings.maximum_concurrency,
            report_batch_item_failures=True,
        )
        return function
