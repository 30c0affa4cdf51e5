"""The reconcile function: its environment, its permissions, and the findings accepted for it."""

# mypy: allow-subclassing-any

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import datastores
from infra.compliance import acknowledge
from infra.config import RECONCILE_SECONDS, Settings
from infra.documents import Documents
from infra.function import PackageFunction
from infra.storage import Storage


class ReconcileFunction(PackageFunction):
    """Compares HealthImaging with the table, and sends hints for what differs.

    It may not read documents: GetImageSetMetadata is what moves an image set out of the archive tier.

    It runs the index function's package. One of its own would hardly differ: a zip of 3.24 MB instead of 3.40, and 150
    ms of CPU to import either way, since both import nearly the same modules. But every synth would make a further one,
    with dependencies of its own, since these are pruned to the operations that a package calls.
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
        """Make the function.

        Args:
            settings: the deployment's settings.
            generation: the profile's revision and the format of entries, as `1.4`.
            storage: the table that it compares, and the key.
            documents: the kept documents that it looks at, if there are any.
            queue: where it sends hints.
        """
        super().__init__(
            scope,
            construct_id,
            settings=settings,
            key=storage.key,
            description="Compares the index with HealthImaging, and sends hints for what differs",
            handler="imaging_index.handlers.reconcile.handler",
            seconds=RECONCILE_SECONDS,
            memory_size=settings.memory_size,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "QUEUE_URL": queue.queue_url,
                "DATASTORES": datastores.variable(settings),
                "GENERATION": generation,
                "MAXIMUM_CONCURRENCY": str(settings.maximum_concurrency),
                "FULL_DAYS": str(settings.reconcile_full_days),
                "DOLLARS": str(settings.reconcile_dollars),
                "MEAN_MEGABYTES": str(settings.mean_size),
                **({"DOCUMENTS_BUCKET": documents.bucket.bucket_name} if documents else {}),
            },
            permissions=[
                *_permissions(storage, queue),
                *datastores.using_keys(settings),
                *(documents.comparing() if documents else []),
            ],
        )
        if documents:
            documents.accept_names(self.policy)
        self._let_look_at_image_sets(settings)
        # What failed is done by the next tick, ten minutes later.
        self.function.configure_async_invoke(retry_attempts=0, max_event_age=Duration.minutes(1))
        self._accept_findings()

    def _let_look_at_image_sets(self, settings: Settings) -> None:
        stack = Stack.of(self)
        # Separate policies, as for the index function: 25 data stores nearly fill each.
        searching = iam.ManagedPolicy(
            self,
            "SearchingPolicy",
            description="Searches the data stores to index",
            statements=[datastores.searching(stack, settings), *datastores.finding(settings)],
        )
        asking = iam.ManagedPolicy(
            self,
            "AskingPolicy",
            description="Asks for the states of image sets of the data stores to index",
            statements=[datastores.asking(stack, settings)],
        )
        for policy in (searching, asking):
            self.role.add_managed_policy(policy)
            datastores.accept_patterns(policy, settings, searching_only=policy is searching)
        if not settings.data_stores:
            acknowledge(
                searching,
                "ListDatastores, which finds the account's data stores, cannot be granted on less.",
                "AwsSolutions-IAM5[Resource::*]",
            )

    def _accept_findings(self) -> None:
        acknowledge(
            self.function,
            "Only one invocation at a time does anything: the others see the lease in the table, and end. Concurrency "
            "that is reserved is taken from the account's other functions, and a new account may have none.",
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
        )
        acknowledge(
            self.function,
            "Its event says only that it is time. The next one does what a failed one left, and the alarm NoPass rings "
            "if none succeeds.",
            "HIPAA.Security-LambdaDLQ",
            "NIST.800.53.R5-LambdaDLQ",
        )


def _permissions(storage: Storage, queue: sqs.Queue) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            actions=[
                "dynamodb:BatchGetItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
            ],
            resources=[storage.table.table_arn],
        ),
        iam.PolicyStatement(actions=["sqs:GetQueueAttributes", "sqs:SendMessage"], resources=[queue.queue_arn]),
    ]
