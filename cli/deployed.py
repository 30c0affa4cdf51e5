"""A deployed stack, in AWS or in a local cloud: found through CloudFormation with the caller's own credentials."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3
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

from cli.output import Failure
from imaging_index.table.reading import TableReader

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

DEFAULT_STACK: Final = "ImagingIndex"

# AWS's words for credentials that it knew once, or never (IAM User Guide, "Common errors"; each protocol has its own).
_REFUSED_CREDENTIALS: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack's outputs by name (`TableName`, `QueueUrl` ...)."""

    outputs: dict[str, str]

    @property
    def table(self) -> TableReader:
        """The stack's table."""
        return TableReader(boto3.client("dynamodb"), self.outputs["TableName"])


def find(stack: str) -> Deployed:
    """The stack of a name.

    Raises:
        Failure: there is none, or CloudFormation cannot be asked.
    """
    client = _cloudformation()
    try:
        answer = client.describe_stacks(StackName=stack)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise Failure(
                f"There is no stack {stack} in {client.meta.region_name}. Check AWS_PROFILE and AWS_REGION, name "
                "another with --stack, or deploy it with `make deploy`."
            ) from None
        raise Failure(why("CloudFormation", error, "on the stack")) from None
    except BotoCoreError as error:
        raise Failure(why("CloudFormation", error)) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in answer["Stacks"][0].get("Outputs", [])}
    if "TableName" not in outputs:
        raise Failure(f"The stack {stack} is not one of Imaging Index. Name another with --stack.")
    return Deployed(outputs)


def _cloudformation() -> "CloudFormationClient":
    try:
        return boto3.client("cloudformation")
    except BotoCoreError as error:
        raise Failure(why("CloudFormation", error)) from None
    except ValueError:  # botocore's own, for an endpoint that is no address
        raise Failure(
            "AWS_ENDPOINT_URL is no address. Set it to that of the local cloud, such as http://127.0.0.1:4566, or "
            "unset AWS_ENDPOINT_URL to speak to AWS."
        ) from None


def datastores() -> list[str]:
    """The ids of the account's data stores in this region.

    Raises:
        Failure: HealthImaging cannot be asked.
    """
    try:
        pages = boto3.client("medical-imaging").get_paginator("list_datastores").paginate()
        return [store["datastoreId"] for page in pages for store in page["datastoreSummaries"]]
    except (ClientError, BotoCoreError) as error:
        raise Failure(f"{why('HealthImaging', error)} Or name a data store with --datastore.") from None


def why(service: str, error: ClientError | BotoCoreError, on: str = "") -> str:
    """Why `service` did not answer, and what to do, in a sentence or two that quote nothing of what was asked.

    Args:
        service: its name, for the reader.
        error: what was raised instead of an answer.
        on: what the permission is needed for that a refusal tells of, such as `on the table`.
    """
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        if code in _REFUSED_CREDENTIALS:
            return f"AWS does not take your credentials ({code}). Renew them: aws sso login, or aws configure."
        action = f"{error.operation_name} ({code})"
        if "AccessDenied" in code or code == "UnauthorizedOperation":
            return (
                f"{service} refuses {action}. It takes {_permission(error.operation_name, service)} {on}".strip() + "."
            )
        return f"{service} fails at {action}. The command may be repeated."
    return _on_this_side(service, error)


def _permission(operation: str, service: str) -> str:
    prefix = {"HealthImaging": "medical-imaging"}.get(service, service.lower())
    return f"{prefix}:{operation}"


def _on_this_side(service: str, error: BotoCoreError) -> str:
    name = type(error).__name__
    match error:
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            return f"No AWS credentials ({name}). Set AWS_PROFILE, or run aws configure."
        case SSOError() | TokenRetrievalError():
            return f"Your AWS sign-in has ended ({name}). Run aws sso login, with the --profile that you use."
        case ProfileNotFound():
            return "There is no such AWS profile. Set AWS_PROFILE to one that aws configure list-profiles shows."
        case NoRegionError():
            return "No AWS region. Set AWS_REGION, such as us-east-1."
        case ConnectionError() | ConnectionClosedError() if "AWS_ENDPOINT_URL" in os.environ:
            return (
                f"Nothing answers at {os.environ['AWS_ENDPOINT_URL']}, which AWS_ENDPOINT_URL names: the local cloud "
                "has ended. Start it again with `imaging-index local up`, or unset AWS_ENDPOINT_URL to speak to AWS."
            )
        case _:
            return f"{service} cannot be asked ({name}). Check the network and AWS_REGION, and repeat the command."
