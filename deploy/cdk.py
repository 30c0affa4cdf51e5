"""The CDK's command line, with the credentials of an SDK session."""

import os
import subprocess
from collections.abc import Sequence
from typing import Final

import boto3

from deploy.errors import DeployError
from deploy.terminal import say
from infra.config import ROOT

PROGRAM: Final = ROOT / "node_modules" / ".bin" / "cdk"
# What names credentials: the command line gets instead the credentials that were found.
CREDENTIALS: Final = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)


class Cdk:
    """The command line.

    Args:
        session: the SDK, with the credentials to use.
        arguments: the operator's own: settings (`-c name=value`) and options of the command line.
    """

    def __init__(self, session: boto3.Session, arguments: Sequence[str]) -> None:
        self._session = session
        self._arguments = arguments

    def run(
        self, command: str, *arguments: str, silent: bool = False, otherwise: str = "Nothing was deployed."
    ) -> None:
        """Run one of its commands.

        Args:
            command: the command.
            arguments: its own arguments.
            silent: whether its output is printed only if it fails.
            otherwise: what a failure means for the stack.

        Raises:
            DeployError: it failed, or there are no credentials.
        """
        # The operator's arguments first: of two settings with one name the later one counts.
        line = [str(PROGRAM), command, *self._arguments, *arguments]
        output, errors = (subprocess.PIPE, subprocess.STDOUT) if silent else (None, None)
        # A profile may ask for a code, and does so here once: the command line would ask each time, unseen if silent.
        environment = environment_of(self._session)
        ended = subprocess.run(line, cwd=ROOT, env=environment, stdout=output, stderr=errors, text=True, check=False)
        if ended.returncode != 0:
            say(ended.stdout or "")
            raise DeployError(f"cdk {command} failed; its output above says why. {otherwise}")

    def bootstrap(self, account: str, region: str, *, silent: bool = False) -> None:
        """Make what deployments into an account and region need.

        Raises:
            DeployError: it could not be made, or there are no credentials.
        """
        self.run("bootstrap", f"aws://{account}/{region}", silent=silent, otherwise="Repeat it when that is mended.")


def environment_of(session: boto3.Session) -> dict[str, str]:
    """The environment of another program that uses a session's credentials and region, and asks for nothing.

    Raises:
        DeployError: there are no credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise DeployError("There are no AWS credentials: name a profile with AWS_PROFILE, or log in.")
    # Taken anew each time, as those of a role expire while an index is made.
    frozen = credentials.get_frozen_credentials()
    variables = {
        "AWS_REGION": session.region_name,
        **{name: value for name, value in os.environ.items() if name not in CREDENTIALS},
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    return {name: value for name, value in variables.items() if value is not None}
