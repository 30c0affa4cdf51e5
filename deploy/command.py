"""`make deploy`: bring the stack to what cdk.json and the profile say, in as many updates as its indexes need.

    python -m deploy [--yes] [--profile NAME] [--local] [-c name=value ...]

The CDK app makes every template, and the CDK's command line deploys it; other arguments are passed on to the command
line. It must be in node_modules, and the app's Python on the PATH: `make deploy` provides both.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from deploy import target
from deploy.cdk import NO_CREDENTIALS
from deploy.deployer import Deployer
from deploy.errors import DeployError
from deploy.progress import Progress
from imaging_index.profile.profile import ProfileError
from local.scratch import scratch


def options_of(program: str) -> tuple[argparse.Namespace, list[str]]:
    """The options of a command, and the arguments for the CDK's command line."""
    parser = argparse.ArgumentParser(program, allow_abbrev=False)
    parser.add_argument("--yes", action="store_true", help="deploy without asking")
    parser.add_argument("--profile", help="the AWS profile to use")
    parser.add_argument("--local", action="store_true", help="use the local cloud that AWS_ENDPOINT_URL names")
    options, arguments = parser.parse_known_args()
    # Before the operator's: of two settings with one name the later one counts.
    return options, [*(target.local_settings() if options.local else ()), *arguments]


@contextlib.contextmanager
def ending_in_a_sentence(progress: Progress) -> Iterator[Path]:
    """Has a command end with a message, with the exit status 1.

    Args:
        progress: what to say after Ctrl-C. A second Ctrl-C does not disturb what is done after the first one.

    Returns:
        A folder for all that is temporary.
    """
    try:
        with scratch() as folder:
            yield folder
    except DeployError as error:
        sys.exit(str(error))
    except ProfileError as error:
        sys.exit(f"This version cannot read the deployed profile: {error}")
    except NoCredentialsError:
        sys.exit(NO_CREDENTIALS)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS refused: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. {progress.said}")


def main() -> None:
    """Deploy with the arguments of the command line."""
    options, arguments = options_of("python -m deploy")
    progress = Progress()
    with ending_in_a_sentence(progress) as folder:
        target.check_endpoint("deploy", local=options.local)
        session = boto3.Session(profile_name=options.profile)
        target.region("deploy", session, arguments)
        Deployer(session, arguments, folder, progress, local=options.local).run(yes=options.yes)
