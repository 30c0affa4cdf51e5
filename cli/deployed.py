"""A deployed stack, in AWS or in a local cloud: found through CloudFormation with the caller's own credentials."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Final

import botocore.session
import typer
from boto3 import Session
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import Failure, Misuse
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile, ProfileError
from imaging_index.searching.errors import SearchError
from imaging_index.searching.refusals import ON_TABLE, code, why
from imaging_index.table import answers
from imaging_index.table.reading import TableReader

DEFAULT_STACK: Final = "ImagingIndex"

# Options of several commands. A shell that works with one stack or data store names it once, in a variable.
StackName = Annotated[str, typer.Option("--stack", help="The stack's name.", envvar="IMAGING_INDEX_STACK")]
DatastoreIds = Annotated[
    list[str] | None,
    typer.Option(
        "--datastore",
        help="The id of a data store to search; may be repeated. Default: all of the account.",
        envvar="IMAGING_INDEX_DATASTORE",
    ),
]


class Stack:
    """A deployed stack, and the resources that CloudFormation made for it.

    Args:
        session: the SDK, with the caller's credentials; every client comes from it.
        name: the stack's name.
        description: CloudFormation's (AWS CloudFormation API Reference, "Stack").

    Attributes:
        outputs: the stack's outputs by name (`TableName`, `QueueUrl` ...).
    """

    def __init__(self, session: Session, name: str, description: Any) -> None:
        self.session = session
        self.name = name
        self.description = description
        self.outputs: dict[str, str] = {
            output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])
        }

    @property
    def table(self) -> TableReader:
        """The stack's table."""
        return TableReader(self.session.client("dynamodb"), self.outputs["TableName"])

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template that is deployed."""
        template: Any = self.session.client("cloudformation").get_template(StackName=self.name)["TemplateBody"]
        return dict(template)

    @property
    def profile(self) -> Profile:
        """The profile that is deployed.

        Raises:
            Failure: CloudFormation did not give the template, or another version of Imaging Index wrote it.
        """
        try:
            return toml_file.parse(self.template["Metadata"]["Profile"])
        except (ClientError, BotoCoreError) as error:
            raise Failure(why("CloudFormation", error, "on the stack")) from None
        except (KeyError, ProfileError):
            raise Failure(
                f"This version of imaging-index cannot read the profile of the stack {self.name}. Use the version that "
                "deployed it, or deploy again with `make deploy`."
            ) from None

    @cached_property
    def resources(self) -> dict[str, Any]:
        """The resources by their names in the template (API Reference, "StackResourceSummary")."""
        client = self.session.client("cloudformation")
        pages = client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {each["LogicalResourceId"]: each for page in pages for each in page["StackResourceSummaries"]}

    def ids(self, kind: str) -> list[str]:
        """The physical ids of the resources of a CloudFormation type."""
        return [each["PhysicalResourceId"] for each in self.resources.values() if each["ResourceType"] == kind]

    @cached_property
    def mapping(self) -> tuple[str, dict[str, Any]]:
        """The event source mapping of the queue in the template: its name and its properties.

        A stack with events has others: of the table's stream, and of a queue of its own.
        """
        (queue,) = (
            name for name, each in self.resources.items() if each["PhysicalResourceId"] == self.outputs["QueueUrl"]
        )
        (found,) = (
            (name, each["Properties"])
            for name, each in self.template["Resources"].items()
            if each["Type"] == "AWS::Lambda::EventSourceMapping"
            and each["Properties"]["EventSourceArn"] == {"Fn::GetAtt": [queue, "Arn"]}
        )
        return found

    @property
    def account(self) -> str:
        """The account that the stack is in."""
        account: str = self.description["StackId"].split(":")[4]
        return account

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in the stack's account and region."""
        _, partition, _, region, account, _ = self.description["StackId"].split(":", 5)
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"


def find(name: str) -> Stack:
    """The stack of that name.

    Raises:
        Failure: it does not exist, is not one of Imaging Index, or CloudFormation did not answer.
    """
    try:
        core = botocore.session.get_session()
        answers.register(core)
        session = Session(botocore_session=core)
        client = session.client("cloudformation")
    except BotoCoreError as error:
        raise Failure(why("CloudFormation", error)) from None
    except ValueError:  # botocore's own, for an endpoint that is no address
        raise Failure(
            "AWS_ENDPOINT_URL is not a valid address. Set it to that of the local cloud, such as "
            "http://127.0.0.1:4566, or unset AWS_ENDPOINT_URL to use AWS."
        ) from None
    try:
        answer = client.describe_stacks(StackName=name)
    except ClientError as error:
        if code(error) == "ValidationError":
            raise Failure(
                f"There is no stack {name} in {client.meta.region_name}. Check AWS_PROFILE and AWS_REGION, name "
                "another with --stack, or deploy it with `make deploy`."
            ) from None
        raise Failure(why("CloudFormation", error, "on the stack")) from None
    except BotoCoreError as error:
        raise Failure(why("CloudFormation", error)) from None
    stack = Stack(session, name, answer["Stacks"][0])
    if "TableName" not in stack.outputs:
        raise Failure(f"The stack {name} is not one of Imaging Index. Name another with --stack.")
    return stack


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Has what searches or reads the table end in a sentence where it cannot.

    Raises:
        Misuse: the search cannot be made.
        Failure: DynamoDB did not answer.
    """
    try:
        yield
    except SearchError as error:
        raise Misuse(str(error)) from None
    except (ClientError, BotoCoreError) as error:
        raise Failure(why("DynamoDB", error, ON_TABLE)) from None


def datastores(session: Session) -> list[str]:
    """The ids of the account's data stores in the session's region.

    Raises:
        Failure: HealthImaging did not answer.
    """
    try:
        pages = session.client("medical-imaging").get_paginator("list_datastores").paginate()
        return [store["datastoreId"] for page in pages for store in page["datastoreSummaries"]]
    except (ClientError, BotoCoreError) as error:
        raise Failure(f"{why('HealthImaging', error)} Or name a data store with --datastore.") from None
