"""The CDK's command line, with the credentials of an SDK session."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import boto3

from deploy.errors import DeployError
from deploy.progress import NOTHING
from deploy.terminal import say
from infra.assembly import BOOTSTRAP_VERSION
from infra.config import ROOT

PROGRAM: Final = ROOT / "node_modules" / ".bin" / "cdk"
# What names credentials: the command line gets instead the credentials that were found.
CREDENTIALS: Final = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)

NO_CREDENTIALS: Final = "There are no AWS credentials: name a profile with AWS_PROFILE, or log in."

# What is interrupted cleans up within these seconds.
_PATIENCE: Final = 10.0
# When the command line is ended, a request that it has sent may still be on its way: what is asked of AWS before that
# has come would not see what it did.
_ON_ITS_WAY: Final = 1.0  # seconds


class Cdk:
    """The command line.

    Args:
        session: the SDK, with the credentials to use.
        arguments: the operator's own: settings (`-c name=value`) and options of the command line.
    """

    def __init__(self, session: boto3.Session, arguments: Sequence[str]) -> None:
        self._session = session
        self._arguments = arguments

    def synth(self, folder: Path, *arguments: str) -> None:
        """Write an assembly into a folder, and print what the app warns of.

        Raises:
            DeployError: there is no valid one, or there are no credentials.
        """
        say(self._run("synth", "--quiet", "--output", str(folder), *arguments, shown=False, otherwise=NOTHING))

    def deploy(self, *arguments: str, shown: bool = True, otherwise: str = NOTHING) -> None:
        """Deploy, or prepare to. Nobody is asked: an operator has seen the change, and agreed to it.

        Args:
            arguments: of the command.
            shown: whether its progress is shown.
            otherwise: what a failure means for the stack.

        Raises:
            DeployError: it failed, or there are no credentials.
        """
        try:
            self._run("deploy", "--require-approval", "never", *arguments, shown=shown, otherwise=otherwise)
        except KeyboardInterrupt:
            time.sleep(_ON_ITS_WAY)
            raise

    def bootstrap(self, account: str, region: str, *, shown: bool = True) -> None:
        """Make what deployments into an account and region need.

        Raises:
            DeployError: it could not be made, or there are no credentials.
        """
        self._run("bootstrap", f"aws://{account}/{region}", shown=shown, otherwise="Repeat it when that is mended.")

    def _run(self, command: str, *arguments: str, shown: bool, otherwise: str) -> str:
        """Run a command. Returns what it printed, if that is not shown; it is shown if the command fails."""
        # The operator's arguments first: of two settings with one name the later one counts.
        line = [str(PROGRAM), command, *self._arguments, *arguments]
        # A profile may ask for a code, and does so here once: the command line would ask each time, perhaps unseen.
        status, printed = run(line, environment_of(self._session), shown=shown)
        if status != 0:
            say(printed)
            raise DeployError(f"cdk {command} failed; its output above says why. {otherwise}")
        return printed.strip()


def run(line: Sequence[str], environment: Mapping[str, str], *, shown: bool) -> tuple[int, str]:
    """Run a program, and end it with all that it has started if this is interrupted.

    Args:
        line: the program and its arguments.
        environment: its variables.
        shown: whether its output is shown.

    Returns:
        Its exit status, and its output if that is not shown.
    """
    output, errors = (None, None) if shown else (subprocess.PIPE, subprocess.STDOUT)
    # In a group of its own: Ctrl-C would have each of its processes print where it was.
    with subprocess.Popen(
        line, cwd=ROOT, env=environment, stdout=output, stderr=errors, text=True, start_new_session=True
    ) as process:
        try:
            printed, _ = process.communicate()
        except BaseException:
            _end(process, gently=not shown)
            raise
    return process.returncode, printed or ""


def _end(process: "subprocess.Popen[str]", *, gently: bool) -> None:
    """End a program with all that it has started; `gently` lets the app remove the half of a package that it made."""
    # Nothing of the group may be left any more.
    with contextlib.suppress(ProcessLookupError):
        try:
            if gently:
                os.killpg(process.pid, signal.SIGINT)
                # Its output ends when the last of them ends.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=_PATIENCE)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def is_bootstrapped(session: boto3.Session, region: str) -> bool:
    """Whether an account and region have what `bootstrap` makes."""
    ssm = session.client("ssm", region_name=region)
    try:
        ssm.get_parameter(Name=BOOTSTRAP_VERSION)
    except ssm.exceptions.ParameterNotFound:
        return False
    return True


def environment_of(session: boto3.Session) -> dict[str, str]:
    """The environment of another program that uses a session's credentials and region, and asks for nothing.

    Raises:
        DeployError: there are no credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise DeployError(NO_CREDENTIALS)
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
