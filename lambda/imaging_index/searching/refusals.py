"""Why AWS did not answer, in sentences that quote nothing of what was sent."""

import os
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,  # noqa: A004  the SDK's own
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

# What is needed to read the table.
ON_TABLE: Final = "on the table and its indexes, and kms:Decrypt on the table's key"
# AWS's codes for credentials that have expired or were never valid (IAM User Guide, "Common errors"; each protocol has
# its own).
_REFUSED_CREDENTIALS: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
# The same for a request whose time is wrong by minutes, or that another secret key has signed.
_REFUSED_SIGNATURES: Final = frozenset(
    {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)


def code(error: ClientError) -> str:
    """AWS's code for an error."""
    return error.response.get("Error", {}).get("Code", "an error")


def denied(error: ClientError) -> bool:
    """Whether a permission is missing."""
    return "AccessDenied" in code(error) or code(error) == "UnauthorizedOperation"


def why(service: str, error: ClientError | BotoCoreError, on: str = "") -> str:
    """Why `service` did not answer, and what to do, in a sentence or two.

    Args:
        service: its name, for the reader.
        error: what was raised instead of an answer.
        on: the resource that a missing permission is needed on, such as `on the table`.
    """
    if not isinstance(error, ClientError):
        return _on_this_side(service, error)
    if code(error) in _REFUSED_CREDENTIALS:
        return f"AWS does not accept your credentials ({code(error)}). Renew them: aws sso login, or aws configure."
    if code(error) in _REFUSED_SIGNATURES:
        return (
            f"AWS does not accept your signature ({code(error)}): the clock of this machine is wrong, or your secret "
            "access key. Set the clock, or run aws configure."
        )
    action = f"{error.operation_name} ({code(error)})"
    if denied(error):
        permission = _permission(error.operation_name, service)
        return f"{service} refuses {action}. You need the permission {permission} {on}".strip() + "."
    return f"{service} failed at {action}. You can repeat the command."


def _permission(operation: str, service: str) -> str:
    prefix = {"HealthImaging": "medical-imaging", "Secrets Manager": "secretsmanager"}.get(service, service.lower())
    return f"{prefix}:{operation}"


def _on_this_side(service: str, error: BotoCoreError) -> str:
    name = type(error).__name__
    match error:
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            return f"No AWS credentials ({name}). Set AWS_PROFILE, or run aws configure."
        case SSOError() | TokenRetrievalError():
            return f"Your AWS sign-in has expired ({name}). Run aws sso login, with the --profile that you use."
        case ProfileNotFound():
            return "There is no such AWS profile. Set AWS_PROFILE to one that aws configure list-profiles shows."
        case NoRegionError():
            return "No AWS region. Set AWS_REGION, such as us-east-1."
        case ConnectionError() | ConnectionClosedError() if "AWS_ENDPOINT_URL" in os.environ:
            return (
                f"Nothing answers at {os.environ['AWS_ENDPOINT_URL']}, which AWS_ENDPOINT_URL names: the local cloud "
                "has ended. Start it again with `imaging-index local up`, or unset AWS_ENDPOINT_URL to use AWS."
            )
        case _:
            return f"{service} cannot be reached ({name}). Check the network and AWS_REGION, and repeat the command."
