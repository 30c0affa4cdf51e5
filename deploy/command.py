"""`make deploy`: bring the stack to what cdk.json and the profile say, in as many updates as its indexes need.

    python -m deploy [--yes] [--profile NAME] [--local] [-c name=value ...]

The CDK app makes every template, and the CDK's command line deploys it; other arguments are passed on to the command
line. It must be in node_modules, and the app's Python on the PATH: `make deploy` provides both.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.deployer import Deployer
from deploy.errors import DeployError
from imaging_index.profile.profile import ProfileError
from infra.config import ROOT

NO_REGION: Final = (
    "No AWS region is set. Use the one that your data stores are in: set AWS_REGION, such as us-east-1, or run "
    'make deploy CDK="-c region=us-east-1"'
)


def _is_region_set(session: boto3.Session, arguments: Sequence[str]) -> bool:
    """Whether a region is set anywhere: if not, the CDK's command line would take us-east-1."""
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    return bool(
        os.environ.get("AWS_REGION")
        or session.region_name
        or context.get("region")
        or any(re.fullmatch("(-c|--context=)?region=.+", argument) for argument in arguments)
    )


def main() -> None:
    """Deploy with the arguments of the command line."""
    parser = argparse.ArgumentParser("python -m deploy", allow_abbrev=False)
    parser.add_argument("--yes", action="store_true", help="deploy without asking")
    parser.add_argument("--profile", help="the AWS profile to use")
    parser.add_argument("--local", action="store_true", help="deploy into the local cloud that AWS_ENDPOINT_URL names")
    options, arguments = parser.parse_known_args()
    if (endpoint := os.environ.get("AWS_ENDPOINT_URL")) and not options.local:
        sys.exit(
            f"AWS_ENDPOINT_URL is {endpoint}: this terminal uses a local cloud, not AWS. Deploy from another terminal, "
            "or unset AWS_ENDPOINT_URL and the other variables that `imaging-index local up` has printed. If you mean "
            "the local cloud: make deploy CDK=--local"
        )
    try:
        session = boto3.Session(profile_name=options.profile)
        if not _is_region_set(session, arguments):
            sys.exit(NO_REGION)
        with tempfile.TemporaryDirectory(prefix="imaging-index-") as folder:
            Deployer(session, arguments, Path(folder)).run(yes=options.yes)
    except DeployError as error:
        sys.exit(str(error))
    except ProfileError as error:
        sys.exit(f"This version cannot read the deployed profile: {error}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS refused: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. An update that has begun continues in AWS. Run make deploy again to do the rest.")
