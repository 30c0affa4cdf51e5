"""Exports of the table by a schedule, if the setting `exportDays` wants them: DynamoDB writes them into a bucket.

EventBridge Scheduler calls ExportTableToPointInTime itself, so there is no function. `imaging-index export --from
latest` makes Parquet of what DynamoDB wrote.
"""

# mypy: allow-subclassing-any

from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from imaging_index.profile.profile import Profile
from infra import buckets
from infra.alarms import of_exporting
from infra.compliance import acknowledge
from infra.config import EXPORT_INTERVALS, SettingError, Settings
from infra.storage import Storage

# Amazon EventBridge Scheduler User Guide, "Using universal targets".
_CALL: Final = "arn:aws:scheduler:::aws-sdk:dynamodb:exportTableToPointInTime"
# Amazon DynamoDB Developer Guide, "DynamoDB table export output format": how the names of all objects begin.
_WRITTEN: Final = "AWSDynamoDB/*"


def check(settings: Settings, profile: Profile) -> None:
    """Check that exports do not give away by how many days a profile shifts dates.

    Raises:
        SettingError: they would.
    """
    if settings.export_days and profile.shifts:
        raise SettingError(
            "The setting 'exportDays' needs another profile, or may be 0. The profile shifts dates, and the first of "
            "several exports that has an image set tells when it arrived, which gives the shift away "
            "(docs/pseudonyms.md). Export by hand to a file or a folder instead."
        )


class Exporting(Construct):
    """The bucket of exports, and the schedule that has DynamoDB make them.

    Attributes:
        bucket: the bucket.
        alarms: their alarms.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, storage: Storage) -> None:
        super().__init__(scope, construct_id)
        expiring = s3.LifecycleRule(id="Expire", expiration=Duration.days(EXPORT_INTERVALS * settings.export_days))
        self.bucket = buckets.encrypted(
            self, settings=settings, key=storage.key, log_prefix="exports/", rules=[expiring]
        )
        acknowledge(
            self.bucket,
            "An export is a copy of the table, is written once, and expires. The next one is made by the schedule.",
            "HIPAA.Security-S3BucketVersioningEnabled",
            "NIST.800.53.R5-S3BucketVersioningEnabled",
            "HIPAA.Security-S3BucketReplicationEnabled",
            "NIST.800.53.R5-S3BucketReplicationEnabled",
        )
        group = scheduler.CfnScheduleGroup(self, "Schedules")
        self._export_every(settings.export_days, storage, group)
        self.alarms = of_exporting(group.ref)

    def _export_every(self, days: int, storage: Storage, group: scheduler.CfnScheduleGroup) -> None:
        stack = Stack.of(self)
        parameters = {
            "TableArn": storage.table.table_arn,
            "S3Bucket": self.bucket.bucket_name,
            "S3SseAlgorithm": "KMS",
            "S3SseKmsKeyId": storage.key.key_arn,
            "ExportFormat": "DYNAMODB_JSON",
            "ExportType": "FULL_EXPORT",
            # The same in each attempt of one export, so that DynamoDB makes it once.
            "ClientToken": f"{stack.stack_name}-<aws.scheduler.scheduled-time>",
        }
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Has DynamoDB export the table",
            group_name=group.ref,
            schedule_expression=f"rate({days} day{'s' if days > 1 else ''})",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=_CALL,
                role_arn=self._role(storage).role_arn,
                input=stack.to_json_string(parameters),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=3600, maximum_retry_attempts=5
                ),
            ),
        )

    def _role(self, storage: Storage) -> iam.Role:
        """What the schedule may do: DynamoDB reads and writes in the caller's name.

        (Amazon DynamoDB Developer Guide, "Requesting a table export in DynamoDB")
        """
        stack = Stack.of(self)
        exporting = iam.ManagedPolicy(
            self,
            "Policy",
            description="Has DynamoDB export the table",
            statements=[
                iam.PolicyStatement(actions=["dynamodb:ExportTableToPointInTime"], resources=[storage.table.table_arn]),
                iam.PolicyStatement(
                    actions=["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"],
                    resources=[self.bucket.arn_for_objects(_WRITTEN)],
                ),
                _use_of(storage.key, stack.region),
            ],
        )
        bucket = stack.get_logical_id(self.bucket.node.default_child)
        acknowledge(
            exporting,
            "DynamoDB names the objects of an export when it makes them. The bucket has nothing else.",
            f"AwsSolutions-IAM5[Resource::<{bucket}.Arn>/{_WRITTEN}]",
        )
        # Amazon EventBridge Scheduler User Guide, "Confused deputy prevention".
        own_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
        return iam.Role(
            self,
            "Role",
            description="Has DynamoDB export the table",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=own_account),
            managed_policies=[exporting],
        )


def _use_of(key: kms.IKey, region: str) -> iam.PolicyStatement:
    """The table is encrypted with the key, and so are the objects."""
    services = [f"{service}.{region}.amazonaws.com" for service in ("dynamodb", "s3")]
    return iam.PolicyStatement(
        actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": services}},
    )
