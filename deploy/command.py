"""`make deploy`: bring the stack to what cdk.json and the profile say, in as many updates as its indexes need.

    python -m deploy [--yes] [--profile NAME] [--local] [-c name=value ...]

The CDK app makes every template, and the CDK's command line deploys it; other arguments are passed on to the command
line. It must be in node_modules, and the app's Python on the PATH: `make deploy` provides both.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from deploy import target
from deploy.cdk import NO_CREDENTIALS
from deploy.deployer import Deployer
from deploy.errors import DeployError
from imaging_index.profile.profile import ProfileError


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
def ending_in_a_sentence(stopped: str) -> Iterator[None]:
    """Has a command end with a message; `stopped` is what to say after Ctrl-C."""
    # SIGTERM as Ctrl-C. SIGINT too: a shell script ignores it in commands that it starts in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except DeployError as error:
        sys.exit(str(error))
    except ProfileError as error:
        sys.exit(f"This version cannot read the deployed profile: {error}")
    except NoCredentialsError:
        sys.exit(NO_CREDENTIALS)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS refused: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. {stopped}")


def main() -> None:
    """Deploy with the arguments of the command line."""
    options, arguments = options_of("python -m deploy")
    with ending_in_a_sentence("Nothing was deployed."):
        target.check_endpoint("deploy", local=options.local)
        session = boto3.Session(profile_name=options.profile)
        target.region("deploy", session, arguments)
        with tempfile.TemporaryDirectory(prefix="imaging-index-", ignore_cleanup_errors=True) as folder:
            Deployer(session, arguments, Path(folder), local=options.local).run(yes=options.yes)
