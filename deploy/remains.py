"""What a stack that could not be completed has left in the account, and the commands that remove it."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from deploy.errors import DeployError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

# By CloudFormation type, in this order: the key last, since it encrypts the others.
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::DynamoDB::GlobalTable": (
        "aws dynamodb update-table --table-name {0} --no-deletion-protection-enabled",
        "aws dynamodb delete-table --table-name {0}",
    ),
    # With --force, it is emptied first.
    "AWS::S3::Bucket": ("aws s3 rb s3://{0} --force",),
    "AWS::Logs::LogGroup": ("aws logs delete-log-group --log-group-name {0}",),
    "AWS::SecretsManager::Secret": ("aws secretsmanager delete-secret --secret-id {0}",),
    "AWS::KMS::Key": ("aws kms schedule-key-deletion --key-id {0} --pending-window-in-days 7",),
}
# Statuses in which no update can begin, with what leads out of them (AWS CloudFormation User Guide, "View stack
# status").
_DELETE: Final = "aws cloudformation delete-stack --stack-name {0}"
_WAY_OUT: Final = {
    "CREATE_FAILED": _DELETE,
    "ROLLBACK_FAILED": _DELETE,
    "DELETE_FAILED": _DELETE,
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {0}",
}
# Of these, a stack was never complete. One whose deletion failed may have been in use for years: what stayed of that
# has data, for which there is no command here.
_NEVER_COMPLETE: Final = frozenset({"CREATE_FAILED", "ROLLBACK_FAILED"})
_STACK: Final = "AWS::CloudFormation::Stack"


class Remains:
    """What is left of a stack.

    Args:
        client: CloudFormation.
        stack: the stack's name.
    """

    def __init__(self, client: "CloudFormationClient", stack: str) -> None:
        self._client = client
        self._stack = stack

    def of_last_time(self) -> str:
        """What a stack that failed has left, in words; empty if it has left nothing, or the caller may not look."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self._stack)
        try:
            return in_words(left([event for page in pages for event in page["StackEvents"]]))
        except ClientError:  # that there is no stack, too
            return ""

    def refuse_unless_whole(self) -> None:
        """Refuse to update a stack that CloudFormation would not update.

        Raises:
            DeployError: it is in such a status; the message has the command that leads out of it.
        """
        status = self._client.describe_stacks(StackName=self._stack)["Stacks"][0]["StackStatus"]
        if status not in _WAY_OUT:
            return
        found = self.of_last_time() if status in _NEVER_COMPLETE else ""
        raise DeployError(
            f"The stack {self._stack} is {status}, so nothing was deployed. First run\n"
            f"  {_WAY_OUT[status].format(self._stack)}\n{found}"
        )

    def forget_review(self) -> bool:
        """Delete a stack of which there is only a change set that nobody has executed.

        Returns whether there is no more of it.
        Whoever may not delete it leaves a stack without resources, which the next deployment completes.
        """
        try:
            status = self._client.describe_stacks(StackName=self._stack)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return True
            raise
        if status != "REVIEW_IN_PROGRESS":
            return False
        with contextlib.suppress(ClientError):
            self._client.delete_stack(StackName=self._stack)
        return True


def left(events: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The type and the physical id of each resource that a stack has made and not deleted again.

    Args:
        events: of the stack, the newest first (AWS CloudFormation API Reference, "DescribeStackEvents").
    """
    last: dict[str, Mapping[str, Any]] = {}
    for event in events:
        last.setdefault(event["LogicalResourceId"], event)
    return [
        (event["ResourceType"], event["PhysicalResourceId"])
        for event in last.values()
        # What could not be made has no id.
        if event["ResourceStatus"] != "DELETE_COMPLETE" and event.get("PhysicalResourceId")
        if event["ResourceType"] != _STACK
    ]


def in_words(found: Iterable[tuple[str, str]]) -> str:
    """What stayed, and the commands that remove it; empty if nothing did. Of the rest, the stack takes care."""
    kinds = list(_COMMANDS)
    known = sorted((each for each in found if each[0] in _COMMANDS), key=lambda each: kinds.index(each[0]))
    if not known:
        return ""
    commands = [f"  {command.format(name)}" for kind, name in known for command in _COMMANDS[kind]]
    return "\n".join(["This stayed in your account, without any data. To remove it:", *commands])
