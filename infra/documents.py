"""Where documents are kept, if the setting `documents` wants that: a bucket, and the bucket of its access logs."""

# mypy: allow-subclassing-any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from imaging_index.profile.profile import Profile
from infra import buckets
from infra.alarms import of_documents
from infra.compliance import acknowledge
from infra.config import SettingError, Settings
from infra.storage import Storage


def check(settings: Settings, profile: Profile) -> None:
    """Check that documents are not kept whole by somebody who has a profile leave out what they hold.

    Raises:
        SettingError: they are, and nobody has said so twice.
    """
    if settings.documents == "off" and settings.documents_despite_privacy == "on":
        raise SettingError(
            "The setting 'documentsDespitePrivacy' needs documents. Set documents to s3, or leave "
            "documentsDespitePrivacy out."
        )
    protected = ", ".join(sorted(profile.private))
    if settings.documents == "s3" and protected and settings.documents_despite_privacy == "off":
        raise SettingError(
            f"The setting 'documents' is s3, and the profile's [privacy] does not keep {protected}: kept "
            "documents would hold these values as they are. Set documents to off. If the bucket may hold them, set "
            "documentsDespitePrivacy to on as well."
        )


class Documents(Construct):
    """The bucket of documents.

    Attributes:
        bucket: the bucket.
        alarms: its alarms.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, storage: Storage) -> None:
        super().__init__(scope, construct_id)
        self.bucket = buckets.encrypted(self, settings=settings, key=storage.key, log_prefix="documents/")
        acknowledge(
            self.bucket,
            "A version of an object would outlive its deletion, and so the deletion of an image set. What is lost is "
            "read from HealthImaging again.",
            "HIPAA.Security-S3BucketVersioningEnabled",
            "NIST.800.53.R5-S3BucketVersioningEnabled",
        )
        acknowledge(
            self.bucket,
            "It is a copy of what HealthImaging holds, and is made again from there.",
            "HIPAA.Security-S3BucketReplicationEnabled",
            "NIST.800.53.R5-S3BucketReplicationEnabled",
        )
        self.alarms = of_documents(settings.stack_name)

    def indexing(self) -> list[iam.PolicyStatement]:
        """What the index function may do: write, read and delete documents, and list those of an image set."""
        return [self._using("s3:DeleteObject", "s3:GetObject", "s3:PutObject"), self._listing()]

    def comparing(self) -> list[iam.PolicyStatement]:
        """What the reconcile function may do: list documents, and delete those that are not needed any more."""
        return [self._using("s3:DeleteObject"), self._listing()]

    def accept_names(self, policy: iam.ManagedPolicy) -> None:
        """Accept that a policy names the documents by their beginning."""
        acknowledge(
            policy,
            "Each document is an object of its own, made long after the stack. The bucket has nothing else.",
            f"AwsSolutions-IAM5[Resource::<{self._logical_id}.Arn>/documents/*]",
        )

    @property
    def _logical_id(self) -> str:
        return str(Stack.of(self).get_logical_id(self.bucket.node.default_child))

    def _using(self, *actions: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=list(actions), resources=[self.bucket.arn_for_objects("documents/*")])

    def _listing(self) -> iam.PolicyStatement:
        # Without a condition on the prefix: this permission also decides whether GetObject says that there is no such
        # object, and that has no prefix (Amazon S3 API Reference, "GetObject").
        return iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn])
