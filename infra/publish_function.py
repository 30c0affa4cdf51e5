"""The function that announces: its environment, its permissions, and the findings accepted for it."""

# mypy: allow-subclassing-any

from aws_cdk import Stack, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import datastores, queues
from infra.compliance import acknowledge
from infra.config import EVENT_FUNCTION_MB, FUNCTION_SECONDS, Settings
from infra.function import PackageFunction
from infra.storage import Storage


class PublishFunction(PackageFunction):
    """Announces changes of the table on the bus, and studies and import jobs when all of them is indexed."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        storage: Storage,
        bus: events.EventBus,
        queue: sqs.Queue,
        dead_letter_queue: sqs.Queue,
        failure_queue: sqs.Queue,
    ) -> None:
        """Make the function.

        Args:
            settings: the deployment's settings; events are on.
            storage: the table, its stream and the key.
            bus: where it puts events.
            queue: its messages of studies and jobs.
            dead_letter_queue: where it parks those that it cannot handle.
            failure_queue: where Lambda notes the changes that it gives up.
        """
        super().__init__(
            scope,
            construct_id,
            settings=settings,
            key=storage.key,
            description="Announces what the index holds",
            handler="imaging_index.handlers.publish.handler",
            seconds=FUNCTION_SECONDS,
            memory_size=EVENT_FUNCTION_MB,
            environment={
                "BUS_NAME": bus.event_bus_name,
                "DATASTORES": datastores.variable(settings),
                "DEAD_LETTER_QUEUE_URL": dead_letter_queue.queue_url,
                "PROFILE": "profile.toml",
                "QUEUE_URL": queue.queue_url,
                "STUDY_STABLE_MINUTES": str(settings.study_stable_minutes),
                "TABLE_NAME": storage.table.table_name,
            },
            permissions=[
                iam.PolicyStatement(actions=["events:PutEvents"], resources=[bus.event_bus_arn]),
                *_reading_stream(storage, failure_queue),
                *queues.receiving(queue, dead_letter_queue),
                *_watching(settings, storage, queue),
            ],
            program="publish",
        )
        if _watches(settings):
            self._let_ask_healthimaging(settings)
        acknowledge(
            self.policy,
            "Streams of a table are listed for the whole account and region, or not at all: Lambda asks for it.",
            "AwsSolutions-IAM5[Resource::*]",
        )
        if settings.study_stable_minutes:
            table = Stack.of(self).get_logical_id(storage.table.node.default_child)
            acknowledge(
                self.policy,
                "The names of the table's indexes change with what they hold; it may query all of them.",
                f"AwsSolutions-IAM5[Resource::<{table}.Arn>/index/*]",
            )
        partition = Stack.of(self).partition
        for bucket in settings.import_output_buckets:
            acknowledge(
                self.policy,
                "Each import job has its output in a folder of its own; of it, only manifests can be read.",
                f"AwsSolutions-IAM5[Resource::arn:{'<AWS::Partition>' if Token.is_unresolved(partition) else partition}"
                f":s3:::{bucket}/*job-output-manifest.json]",
            )
        acknowledge(
            self.function,
            "Only the stream's shards and two pollers of its queue invoke it. Concurrency that is reserved besides is "
            "taken from the account's other functions, and a new account may have none.",
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
        )
        acknowledge(
            self.function,
            "A function's own dead letters are those of asynchronous invocations, and it has none: the stream has "
            "FailureQueue, and its queue has DeadLetterQueue. Both ring.",
            "HIPAA.Security-LambdaDLQ",
            "NIST.800.53.R5-LambdaDLQ",
        )

    def _let_ask_healthimaging(self, settings: Settings) -> None:
        # A separate policy: with 25 data stores, one policy for all permissions would exceed IAM's limit.
        stack = Stack.of(self)
        policy = iam.ManagedPolicy(
            self,
            "AskingPolicy",
            description="Asks HealthImaging which image sets there are",
            statements=[
                *([datastores.searching(stack, settings)] if settings.study_stable_minutes else []),
                *([datastores.asking(stack, settings)] if settings.import_output_buckets else []),
                *datastores.using_keys(settings),
            ],
        )
        self.role.add_managed_policy(policy)
        datastores.accept_patterns(policy, settings)


def _watches(settings: Settings) -> bool:
    return bool(settings.study_stable_minutes or settings.import_output_buckets)


def _reading_stream(storage: Storage, failure_queue: sqs.Queue) -> list[iam.PolicyStatement]:
    # What Lambda does in the function's name (AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB").
    return [
        iam.PolicyStatement(
            actions=["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            resources=[storage.table.table_stream_arn],
        ),
        iam.PolicyStatement(actions=["dynamodb:ListStreams"], resources=["*"]),
        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[failure_queue.queue_arn]),
    ]


def _watching(settings: Settings, storage: Storage, queue: sqs.Queue) -> list[iam.PolicyStatement]:
    """What it takes to watch studies and import jobs, as far as the settings want that."""
    if not _watches(settings):
        return []
    table = storage.table.table_arn
    buckets = [f"arn:{Stack.of(storage).partition}:s3:::{bucket}" for bucket in settings.import_output_buckets]
    markers = [*(["study/*"] if settings.study_stable_minutes else []), *(["job/*"] if buckets else [])]
    statements = [
        iam.PolicyStatement(actions=["dynamodb:BatchGetItem", "dynamodb:GetItem"], resources=[table]),
        # Of the table, it writes its own markers only.
        iam.PolicyStatement(
            actions=["dynamodb:UpdateItem"],
            resources=[table],
            conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": markers}},
        ),
    ]
    if settings.study_stable_minutes:
        statements += [
            iam.PolicyStatement(actions=["dynamodb:DescribeTable"], resources=[table]),
            iam.PolicyStatement(actions=["dynamodb:Query"], resources=[f"{table}/index/*"]),
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn]),
        ]
    if buckets:
        statements += [
            iam.PolicyStatement(
                actions=["s3:GetObject"], resources=[f"{bucket}/*job-output-manifest.json" for bucket in buckets]
            ),
            # Without it, S3 answers that access is denied where a manifest is missing.
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=buckets),
        ]
    return statements
