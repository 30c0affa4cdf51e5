"""The index function: its environment, its permissions, and the findings accepted for it."""

# mypy: allow-subclassing-any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import datastores, queues
from infra.compliance import acknowledge
from infra.config import FUNCTION_SECONDS, Settings
from infra.documents import Documents
from infra.function import PackageFunction
from infra.storage import Storage
from infra.tokens import TokenSecret


class IndexFunction(PackageFunction):
    """Updates the entry of an image set when its queue has a hint of a change."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        storage: Storage,
        tokens: TokenSecret | None,
        documents: Documents | None,
        queue: sqs.Queue,
        dead_letter_queue: sqs.Queue,
    ) -> None:
        """Make the function.

        Args:
            settings: the deployment's settings.
            storage: the table that it writes to, and the key.
            tokens: the key of the policies, if the profile has one that needs a key.
            documents: where it keeps documents, if it does.
            queue: the queue that invokes it.
            dead_letter_queue: where it parks messages that it cannot handle.
        """
        super().__init__(
            scope,
            construct_id,
            settings=settings,
            key=storage.key,
            description="Brings the entry of an image set up to date",
            handler="imaging_index.handlers.index.handler",
            seconds=FUNCTION_SECONDS,
            memory_size=settings.memory_size,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "QUEUE_URL": queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": dead_letter_queue.queue_url,
                "DATASTORES": datastores.variable(settings),
                "PROFILE": "profile.toml",
                **({"TOKEN_SECRET": tokens.secret.secret_arn} if tokens else {}),
                **({"DOCUMENTS_BUCKET": documents.bucket.bucket_name} if documents else {}),
            },
            permissions=[
                *_permissions(storage, queue, dead_letter_queue),
                *datastores.using_keys(settings),
                *([tokens.reading()] if tokens else []),
                *(documents.indexing() if documents else []),
            ],
            objects=documents is not None,
        )
        if documents:
            documents.accept_names(self.policy)
        self._let_read_image_sets(settings)
        self._invoke_by(queue, settings.maximum_concurrency)

    def _let_read_image_sets(self, settings: Settings) -> None:
        # A separate policy: with 25 data stores, one policy for all permissions would exceed IAM's limit.
        policy = iam.ManagedPolicy(
            self,
            "ReadingPolicy",
            description="Reads the image sets of the data stores to index",
            statements=[datastores.reading(Stack.of(self), settings)],
        )
        self.role.add_managed_policy(policy)
        datastores.accept_patterns(policy, settings)

    def _invoke_by(self, queue: sqs.Queue, maximum_concurrency: int) -> None:
        self.function.add_event_source_mapping(
            "Queue",
            event_source_arn=queue.queue_arn,
            batch_size=10,
            max_concurrency=maximum_concurrency,
            report_batch_item_failures=True,
        )
        acknowledge(
            self.function,
            "Its queue alone is set to invoke it, and that event source's MaximumConcurrency is the limit. Concurrency "
            "that is reserved besides is taken from the account's other functions, and a new account may have none.",
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
        )
        acknowledge(
            self.function,
            "A function's own dead letters are those of asynchronous invocations, and it has none: its queue invokes "
            "it, and what it cannot handle is parked in DeadLetterQueue, whose alarm pages.",
            "HIPAA.Security-LambdaDLQ",
            "NIST.800.53.R5-LambdaDLQ",
        )


def _permissions(storage: Storage, queue: sqs.Queue, dead_letter_queue: sqs.Queue) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            actions=["dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            resources=[storage.table.table_arn],
        ),
        *queues.receiving(queue, dead_letter_queue),
    ]
