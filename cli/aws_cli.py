"""Commands of the AWS CLI, as this command prints them for people to run."""

import os
import re
from typing import Final

# A command within a sentence: a service and an operation.
_COMMAND: Final = re.compile(r"\baws (?=[a-z0-9-]+ [a-z]+-[a-z-]+)")


def aws(command: str) -> str:
    """A command, with the address of the cloud where AWS_ENDPOINT_URL names one.

    The AWS CLI 1 does not read the variable for SQS (its issue 8737), nor did any version before 1.29 and 2.13.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return f"aws --endpoint-url {endpoint} {command}" if endpoint else f"aws {command}"


def with_address(text: str) -> str:
    """A text in which each command of the AWS CLI is as `aws` writes it."""
    return _COMMAND.sub(lambda _: aws(""), text)
