"""The function behind the DICOMweb API: its environment, its permissions, and the findings accepted for it."""

# mypy: allow-subclassing-any

from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import datastores
from infra.compliance import acknowledge
from infra.config import Settings
from infra.function import PackageFunction
from infra.storage import Storage
from infra.tokens import TokenSecret

# Amazon API Gateway Developer Guide, "Quotas": a REST API waits no longer for its integration.
SECONDS: Final = 29
# AWS Lambda Developer Guide, "Configure Lambda function memory": the least with a whole processor.
MEMORY_SIZE: Final = 1769


class DicomwebFunction(PackageFunction):
    """Answers QIDO-RS requests from the table. It writes nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        storage: Storage,
        tokens: TokenSecret | None,
    ) -> None:
        """Make the function.

        Args:
            settings: the deployment's settings.
            storage: the table that it reads, and the key.
            tokens: the key of the policies, if the profile has one that needs a key.
        """
        stack = Stack.of(scope)
        super().__init__(
            scope,
            construct_id,
            settings=settings,
            key=storage.key,
            description="Answers searches of DICOMweb",
            handler="imaging_index.handlers.dicomweb.handler",
            seconds=SECONDS,
            memory_size=MEMORY_SIZE,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "DATASTORES": datastores.variable(settings),
                "PROFILE": "profile.toml",
                **({"TOKEN_SECRET": tokens.secret.secret_arn} if tokens else {}),
                "RETRIEVE_ROOT": f"https://dicom-medical-imaging.{stack.region}.{stack.url_suffix}",
                **({"ORIGINS": ",".join(settings.dicomweb_origins)} if settings.dicomweb_origins else {}),
                "UNKNOWN_KEYS": settings.dicomweb_unknown_keys,
                "EMPTY_STATUS": str(settings.dicomweb_empty_status),
                "READ_UNITS": settings.dicomweb_read_units,
                "BUDGET": str(settings.dicomweb_budget),
            },
            permissions=[
                *_reading(storage),
                *([] if settings.data_stores else [_listing()]),
                *([tokens.reading()] if tokens else []),
            ],
            program="dicomweb",
            writes=False,
            # Its trace would say when which caller searched, and nothing that metrics do not.
            traced=False,
        )
        acknowledge(
            self.policy,
            "The names of the table's indexes change with what they hold; it may query all of them, and nothing else.",
            f"AwsSolutions-IAM5[Resource::<{stack.get_logical_id(storage.table.node.default_child)}.Arn>/index/*]",
        )
        if not settings.data_stores:
            acknowledge(
                self.policy,
                "Data stores are listed for the whole account and region, or not at all. With the setting dataStores, "
                "they are not.",
                "AwsSolutions-IAM5[Resource::*]",
            )
        acknowledge(
            self.function,
            "The API's stage limits its requests. Concurrency that is reserved besides is taken from the account's "
            "other functions, and a new account may have none.",
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
        )
        acknowledge(
            self.function,
            "A function's own dead letters are those of asynchronous invocations, and it has none: the API waits for "
            "its answer.",
            "HIPAA.Security-LambdaDLQ",
            "NIST.800.53.R5-LambdaDLQ",
        )


def _reading(storage: Storage) -> list[iam.PolicyStatement]:
    # Query also reads the pages of an image set, which are in the table itself.
    table = storage.table.table_arn
    return [
        iam.PolicyStatement(actions=["dynamodb:Query"], resources=[table, f"{table}/index/*"]),
        iam.PolicyStatement(
            actions=["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem"], resources=[table]
        ),
    ]


def _listing() -> iam.PolicyStatement:
    """The permission to list the data stores, which cannot be granted on less (Service Authorization Reference)."""
    return iam.PolicyStatement(actions=["medical-imaging:ListDatastores"], resources=["*"])
