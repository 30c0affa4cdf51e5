"""A function of the package in `lambda/`, with its own role and log group."""

# mypy: allow-subclassing-any

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Annotations, AssetHashType, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import byte_code, metrics
from infra.bundling import PYTHON, Bundle, Platform, Program
from infra.compliance import acknowledge
from infra.config import Settings
from infra.places import PLACES

# The actions that the CDK's own grants allow to readers of an encrypted table, and to writers of one or of a queue.
_READING: Final = ["kms:Decrypt", "kms:DescribeKey"]
_WRITING: Final = ["kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]

# The services that store, under the key, what functions read; and what they write besides.
_READ: Final = ["dynamodb", "secretsmanager"]
_WRITTEN: Final = ["sqs"]


class PackageFunction(Construct):
    """A Lambda function with the given permissions, which may also write its own logs and, if they are traced, traces.

    Attributes:
        function: the Lambda function.
        policy: the policy with these permissions.
        role: its role. Its permissions are those given here and those that its owner adds; the CDK adds none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        key: kms.IKey,
        description: str,
        handler: str,
        seconds: int,
        memory_size: int,
        environment: Mapping[str, str],
        permissions: Sequence[iam.PolicyStatement],
        program: Program = "index",
        writes: bool = True,
        objects: bool = False,
        traced: bool = True,
    ) -> None:
        """Make the function.

        Args:
            settings: the deployment's settings.
            key: the stack's key, which encrypts everything that the function reads or writes.
            description: what the function does, in a few words.
            handler: dotted path of the function's entry point in the package.
            seconds: how long one invocation may take.
            memory_size: its memory, in MB.
            environment: the function's own environment variables.
            permissions: what else the function may do.
            program: which package it runs.
            writes: whether it stores anything under the key.
            objects: whether it reads and writes objects of S3 under the key.
            traced: whether X-Ray records its invocations.
        """
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=key,
            removal_policy=RemovalPolicy[settings.removal],
        )
        # The setting is a number of days, but the CDK's enumeration has names.
        log_group.node.default_child.retention_in_days = settings.log_retention_days
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description=description,
            statements=[
                *permissions,
                _use_of_key(key, settings.region, writes=writes, objects=objects),
                iam.PolicyStatement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
                ),
                *([_tracing()] if traced else []),
            ],
        )
        if traced:
            reason = "X-Ray's two writing actions cannot be granted on less."
            acknowledge(self.policy, reason, "AwsSolutions-IAM5[Resource::*]")
        self.role = iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            managed_policies=[self.policy],
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture={"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}[
                settings.architecture
            ],
            code=_code(self, settings, program),
            handler=handler,
            timeout=Duration.seconds(seconds),
            memory_size=memory_size,
            environment={
                **environment,
                # The dimension of every metric: it separates the stacks of one account and region.
                "POWERTOOLS_SERVICE_NAME": settings.stack_name,
                "POWERTOOLS_METRICS_NAMESPACE": metrics.NAMESPACE,
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
            role=self.role.without_policy_updates(),
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE if traced else lambda_.Tracing.DISABLED,
        )
        acknowledge(
            self.function,
            f"The locked dependencies are chosen for, and tested up to, Python {PYTHON}.",
            "AwsSolutions-L1",
        )
        acknowledge(
            self.function,
            "Nothing reaches it by a network, in a VPC or not. It calls AWS's endpoints over TLS only, with a role "
            "that names what it may call, and needs nothing that is in a VPC.",
            "HIPAA.Security-LambdaInsideVPC",
            "NIST.800.53.R5-LambdaInsideVPC",
        )


def _use_of_key(key: kms.IKey, region: str, *, writes: bool, objects: bool) -> iam.PolicyStatement:
    # Only through these services (AWS KMS Developer Guide, "kms:ViaService"): a function never decrypts anything
    # itself, and nobody with its role can.
    keepers = [*_READ, *(_WRITTEN if writes else ()), *(["s3"] if objects else ())]
    services = [f"{service}.{region}.amazonaws.com" for service in keepers]
    return iam.PolicyStatement(
        actions=[*_READING, *_WRITING] if writes else _READING,
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": services}},
    )


def _tracing() -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources=["*"])


def _code(scope: Construct, settings: Settings, program: Program) -> lambda_.Code:
    # `cdk list`, similar commands and tests of the template need no package.
    wanted = Stack.of(scope).bundling_required
    platform = Platform.of(settings.bundle_for, settings.architecture)
    compiler = platform.compiler() if wanted else None
    if wanted and compiler is None:
        Annotations.of(scope).add_warning_v2("imaging-index:no-byte-code", byte_code.WITHOUT.format(PYTHON))
    # The CDK's own bundling falls back to Docker. A finished folder is an ordinary asset.
    bundle = Bundle(settings.profile, platform, compiler, program=program)
    return lambda_.Code.from_asset(
        str(bundle.build() if wanted else PLACES.sources / "imaging_index"),
        asset_hash=bundle.hash,
        asset_hash_type=AssetHashType.CUSTOM,
    )
