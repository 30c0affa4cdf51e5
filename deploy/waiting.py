"""Waiting until CloudFormation is done with the stack, and DynamoDB with the table's indexes."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from deploy.terminal import say

# Stacks of which nothing was made yet: the CDK's command line removes what is left of them.
_NOT_THERE: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})
_POLL: Final = 5.0  # seconds


def is_there(status_now: Callable[[], str | None], poll: float = _POLL) -> bool:
    """Whether the stack exists, once no other operation on it is in progress.

    Args:
        status_now: returns its status (AWS CloudFormation API Reference, "Stack"), or None if it does not exist.
        poll: seconds between two questions.
    """
    last = ""
    while (status := status_now()) and status not in _NOT_THERE and status.endswith("_IN_PROGRESS"):
        if status != last:
            say(f"The stack is {status}. Waiting until that has ended ...")
        last = status
        time.sleep(poll)
    return status is not None and status not in _NOT_THERE


def wait_for_indexes(describe_table: Callable[[], Mapping[str, Any]], poll: float = _POLL) -> None:
    """Wait until each index is complete. Until then it cannot be searched, and DynamoDB accepts no other change.

    Args:
        describe_table: returns the table's description (DescribeTable).
        poll: seconds between two questions.
    """
    last: list[str] = []
    while waiting := [
        index["IndexName"]
        for index in describe_table().get("GlobalSecondaryIndexes", [])
        if index.get("IndexStatus") in ("CREATING", "UPDATING", "DELETING")
    ]:
        if waiting != last:
            say(f"DynamoDB works on {', '.join(waiting)}. Ctrl-C does no harm: make deploy continues later.")
        last = waiting
        time.sleep(poll)
