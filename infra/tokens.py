"""The key of what a profile's policies make of values: tokens, other UIDs and shifts of dates."""

# mypy: allow-subclassing-any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.compliance import acknowledge
from infra.config import Settings
from infra.storage import Storage


class TokenSecret(Construct):
    """A secret of 64 random characters, in a stack whose profile has such a policy.

    Attributes:
        secret: the secret. It is never rotated: another secret would make something else of the same values.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, storage: Storage) -> None:
        super().__init__(scope, construct_id)
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            description="The key of the tokens, UIDs and shifts of dates that stand for DICOM values",
            encryption_key=storage.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
            removal_policy=RemovalPolicy[settings.removal],
        )
        acknowledge(
            self.secret,
            "Rotated, it would give other tokens for the same values: what is stored would not be found any more.",
            "AwsSolutions-SMG4",
            "HIPAA.Security-SecretsManagerRotationEnabled",
            "NIST.800.53.R5-SecretsManagerRotationEnabled",
        )

    def reading(self) -> iam.PolicyStatement:
        """The permission to read it."""
        return iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[self.secret.secret_arn])
