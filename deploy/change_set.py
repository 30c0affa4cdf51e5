"""The change set of an update: the CDK's command line makes it, and it is executed or deleted."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy.terminal import say

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

NAME: Final = "imaging-index-upgrade"

# What CloudFormation says of one that is not being executed, and has not been (AWS CloudFormation API Reference,
# "DescribeChangeSet").
_NOT_BEGUN: Final = frozenset({"AVAILABLE", "UNAVAILABLE"})
# One that is still being made cannot be deleted.
_TRIES: Final = 10
_PAUSE: Final = 2.0  # seconds


class ChangeSet:
    """The change set of a stack, of which there is one at a time.

    Args:
        client: CloudFormation.
        stack: the stack's name.

    Attributes:
        is_made: whether there may be one that was not executed.
    """

    def __init__(self, client: "CloudFormationClient", stack: str) -> None:
        self._client = client
        self._stack = stack
        self.is_made = False

    def pages(self) -> list[Mapping[str, Any]]:
        """The answers of DescribeChangeSet."""
        paginator = self._client.get_paginator("describe_change_set")
        return list(paginator.paginate(StackName=self._stack, ChangeSetName=NAME))

    def execution(self) -> str | None:
        """How far its execution is ("ExecutionStatus" of DescribeChangeSet); None before it has begun.

        Raises:
            ClientError: there is none any more, for example.
        """
        status: str = self._client.describe_change_set(StackName=self._stack, ChangeSetName=NAME)["ExecutionStatus"]
        return None if status in _NOT_BEGUN else status

    def discard(self) -> None:
        """Delete it, if it was made and not executed. If that fails, print how to delete it."""
        if not self.is_made:
            return
        try:
            for number in range(_TRIES):
                try:
                    self._client.delete_change_set(StackName=self._stack, ChangeSetName=NAME)
                except self._client.exceptions.InvalidChangeSetStatusException:
                    if number == 0:
                        say(f"\nWaiting until the change set {NAME} can be deleted ...")
                    time.sleep(_PAUSE)
                else:
                    self.is_made = False
                    return
        except (BotoCoreError, ClientError):
            pass
        say(
            f"\nThe change set {NAME} may be left. It does nothing, and the next deployment deletes it. Or run:\n"
            f"  aws cloudformation delete-change-set --stack-name {self._stack} --change-set-name {NAME}"
        )
