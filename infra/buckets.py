"""Buckets as the stack makes them: encrypted, closed to the public, over TLS alone, each with a log of its accesses.

They outlive the stack, since CloudFormation deletes no bucket that holds anything.
"""

from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.compliance import acknowledge
from infra.config import Settings

_PROTECTED: Final[dict[str, Any]] = {
    "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
    "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    "enforce_ssl": True,
    "minimum_tls_version": 1.2,
    "removal_policy": RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
}


def encrypted(
    scope: Construct, *, settings: Settings, key: kms.IKey, log_prefix: str, rules: Sequence[s3.LifecycleRule] = ()
) -> s3.Bucket:
    """A construct's bucket under the stack's key, and beside it the bucket of its access logs.

    Args:
        scope: the construct.
        settings: the deployment's settings.
        key: the stack's key.
        log_prefix: how the names of the access logs begin.
        rules: what becomes of objects with time.
    """
    bucket = s3.Bucket(
        scope,
        "Bucket",
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        # One data key for many objects: without it, each reading and writing is a request to KMS.
        bucket_key_enabled=True,
        server_access_logs_bucket=_logs(scope, settings),
        server_access_logs_prefix=log_prefix,
        lifecycle_rules=[_without_remains(), *rules],
        **_PROTECTED,
    )
    _keep_policy(bucket)
    return bucket


def _logs(scope: Construct, settings: Settings) -> s3.Bucket:
    """The bucket of the access logs, which have ids only. S3 writes them without a key of KMS."""
    logs = s3.Bucket(
        scope,
        "Logs",
        encryption=s3.BucketEncryption.S3_MANAGED,
        lifecycle_rules=[
            _without_remains(),
            s3.LifecycleRule(id="Expire", expiration=Duration.days(settings.log_retention_days)),
        ],
        **_PROTECTED,
    )
    acknowledge(
        logs,
        "Access logs expire, and are written once. No program depends on them.",
        "HIPAA.Security-S3BucketVersioningEnabled",
        "NIST.800.53.R5-S3BucketVersioningEnabled",
        "HIPAA.Security-S3BucketReplicationEnabled",
        "NIST.800.53.R5-S3BucketReplicationEnabled",
    )
    acknowledge(
        logs,
        "S3 delivers access logs only to buckets that it encrypts by itself.",
        "HIPAA.Security-S3DefaultEncryptionKMS",
        "NIST.800.53.R5-S3DefaultEncryptionKMS",
    )
    _keep_policy(logs)
    return logs


def _keep_policy(bucket: s3.Bucket) -> None:
    """Have the policy outlive the stack as the bucket does: it refuses what does not come by TLS."""
    if bucket.policy:
        bucket.policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


def _without_remains() -> s3.LifecycleRule:
    """Uploads in parts that were begun and not ended."""
    return s3.LifecycleRule(id="Parts", abort_incomplete_multipart_upload_after=Duration.days(1))
