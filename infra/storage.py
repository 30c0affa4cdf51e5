"""Where the index is stored: the table, and the key that encrypts everything that the stack stores."""

# mypy: allow-subclassing-any

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from imaging_index.profile import index_names
from imaging_index.profile.profile import Profile
from infra import alarms, indexes
from infra.config import Settings
from infra.indexes import Keys, TypedIndex


class Storage(Construct):
    """The table and the key.

    Attributes:
        key: customer-managed KMS key of the table, the queues and the logs. Its policy leaves the account's roles
            to IAM. A construct that has an AWS service use the key adds the statement for that service.
        table: partition key `ImageSet`, sort key `Part`, and the indexes that the profile declares.
        alarms: the table's alarms.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, profile: Profile) -> None:
        super().__init__(scope, construct_id)
        removal = RemovalPolicy[settings.removal]
        wanted = indexes.of_profile(profile) if settings.indexes is None else settings.indexes
        self.key = kms.Key(
            self,
            "Key",
            description=f"What {settings.stack_name} stores: the table, the queues, the logs",
            enable_key_rotation=True,
            pending_window=Duration.days(30 if settings.retain else 7),
            removal_policy=removal,
        )
        self.key.add_to_resource_policy(_logs_may_use_it(Stack.of(self)))
        self.table = dynamodb.TableV2(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="ImageSet", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="Part", type=dynamodb.AttributeType.STRING),
            global_secondary_indexes=[_index(name, index) for name, index in wanted.items()],
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.customer_managed_key(self.key),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            deletion_protection=settings.retain and settings.protected == "on",
            removal_policy=removal,
        )
        self.alarms = alarms.of_storage(self.table.table_name, index_names.of_all(profile.indexes))


def _logs_may_use_it(stack: Stack) -> iam.PolicyStatement:
    """Amazon CloudWatch Logs User Guide, "Encrypt log data using AWS KMS"."""
    # CloudFormation starts a log group's name with the stack's. Exact ARNs would be a circle: the groups depend on the
    # key.
    groups = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{stack.stack_name}-*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
        actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        resources=["*"],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )


def _index(name: str, index: TypedIndex) -> dynamodb.GlobalSecondaryIndexPropsV2:
    # Pages and tombstones lack key attributes of every index, so an index holds entries only.
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=name,
        partition_keys=_attributes(index.partition),
        sort_keys=_attributes(index.sort),
        projection_type=_projection_type(index),
        # The CDK takes no list for the other types, not even an empty one.
        non_key_attributes=list(index.holds) if index.holds else None,
    )


def _projection_type(index: TypedIndex) -> dynamodb.ProjectionType:
    if index.holds is None:
        return dynamodb.ProjectionType.ALL
    return dynamodb.ProjectionType.INCLUDE if index.holds else dynamodb.ProjectionType.KEYS_ONLY


def _attributes(keys: Keys) -> list[dynamodb.Attribute]:
    types = {"S": dynamodb.AttributeType.STRING, "N": dynamodb.AttributeType.NUMBER}
    return [dynamodb.Attribute(name=name, type=types[kind]) for name, kind in keys]
