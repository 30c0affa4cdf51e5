"""Where a command goes: a look at the region and the endpoint before anything is asked of AWS."""

import json
import os
import re
from collections.abc import Sequence
from typing import Final

import boto3

from deploy.errors import DeployError
from infra.config import ROOT
from local.deployment import LOCAL_CONTEXT

# AWS General Reference, "AWS HealthImaging endpoints and quotas", in November 2026.
HEALTHIMAGING: Final = ("us-east-1", "us-west-2", "ap-southeast-2", "eu-west-1", "eu-west-2")
NO_REGION: Final = (
    "No AWS region is set. Use the one that your data stores are in: set AWS_REGION, such as us-east-1, or run make {} "
    'CDK="-c region=us-east-1"'
)
# Two functions at a time: a laptop has few processors.
_LOCAL: Final = LOCAL_CONTEXT | {"maximumConcurrency": "2"}


def check_endpoint(command: str, *, local: bool) -> None:
    """Refuse to take a local cloud for AWS, or AWS for a local cloud.

    Args:
        command: the target of make, for the message.
        local: whether the operator means the local cloud.

    Raises:
        DeployError: the environment names the other one.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and not local:
        raise DeployError(
            f"AWS_ENDPOINT_URL is {endpoint}: this terminal uses a local cloud, not AWS. Use another terminal, or "
            "unset AWS_ENDPOINT_URL and the other variables that `imaging-index local up` has printed. If you mean "
            f"the local cloud: make {command} CDK=--local"
        )
    if local and not endpoint:
        raise DeployError(
            "--local deploys into a local cloud, and AWS_ENDPOINT_URL names none. Run `imaging-index local up`, and "
            "in this terminal the `export` lines that it prints."
        )


def region(command: str, session: boto3.Session, arguments: Sequence[str]) -> str:
    """The region to deploy into. Without one, the CDK's command line would take us-east-1.

    Args:
        command: the target of make, for the message.
        session: the SDK.
        arguments: the operator's, for the CDK's command line.

    Raises:
        DeployError: no region is set.
    """
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    given = re.findall(r"(?:^|\s)(?:-c\s*|--context[\s=])region=(\S+)", " ".join(arguments))
    found = (*given[-1:], context.get("region"), os.environ.get("AWS_REGION"), session.region_name)
    name: str | None = next(filter(None, found), None)
    if name is None:
        raise DeployError(NO_REGION.format(command))
    return name


def warning(name: str) -> str:
    """What to know of a region in which HealthImaging may not be; empty for the others.

    It is no refusal: HealthImaging comes to further regions, of which this version does not know.
    """
    if name in HEALTHIMAGING:
        return ""
    return (
        f"\nWarning: as far as this version knows, there is no HealthImaging in {name}, but in "
        f"{', '.join(HEALTHIMAGING)}. An index elsewhere stays empty: it must be in the region of the data stores."
    )


def local_settings() -> list[str]:
    """The settings without which a local cloud refuses the stack or cannot run it, for the CDK's command line."""
    return [each for name, value in _LOCAL.items() for each in ("-c", f"{name}={value}")]
