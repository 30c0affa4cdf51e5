"""A deployed stack, in AWS or in a local cloud: found through CloudFormation with the caller's own credentials."""

from dataclasses import dataclass
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import Failure
from imaging_index.table import Table

DEFAULT_STACK: Final = "ImagingIndex"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack's outputs by name (`TableName`, `QueueUrl` ...)."""

    outputs: dict[str, str]

    @property
    def table(self) -> Table:
        """The stack's table."""
        return Table(boto3.client("dynamodb"), self.outputs["TableName"])


def find(stack: str) -> Deployed:
    """The stack of a name.

    Raises:
        Failure: there is none, or CloudFormation cannot be asked.
    """
    try:
        answer = boto3.client("cloudformation").describe_stacks(StackName=stack)
    except (ClientError, BotoCoreError) as error:
        raise Failure(
            f"The stack {stack} cannot be found ({_reason(error)}). Check AWS_PROFILE and AWS_REGION, name it with "
            "--stack, or deploy it with `make deploy`."
        ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in answer["Stacks"][0].get("Outputs", [])}
    if "TableName" not in outputs:
        raise Failure(f"The stack {stack} is not one of Imaging Index. Name another with --stack.")
    return Deployed(outputs)


def datastores() -> list[str]:
    """The ids of the account's data stores in this region.

    Raises:
        Failure: HealthImaging cannot be asked.
    """
    try:
        pages = boto3.client("medical-imaging").get_paginator("list_datastores").paginate()
        return [store["datastoreId"] for page in pages for store in page["datastoreSummaries"]]
    except (ClientError, BotoCoreError) as error:
        raise Failure(f"The data stores cannot be listed ({_reason(error)}). Name one with --datastore.") from None


def _reason(error: ClientError | BotoCoreError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
