"""`make deploy`: bring the stack to what cdk.json and the profile say, in as many updates as its indexes need.

    python -m tools.deploy [--yes] [--profile NAME] [--local] [-c name=value ...]

The CDK app makes every template, and the CDK's command line deploys it; arguments that are not named above go to the
latter. It is to be found in node_modules, and the app's Python on the PATH: `make deploy` sees to both.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imaging_index import profile_file
from imaging_index.profile import ProfileError
from infra import indexes
from infra.config import ROOT
from infra.indexes import Indexes
from tools.upgrade import Update, plan

_CDK: Final = ROOT / "node_modules" / ".bin" / "cdk"
_CHANGE_SET: Final = "imaging-index-upgrade"
# Stacks of which nothing was made yet: the CDK's command line removes what is left of them.
_NOT_THERE: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})
# How the reason of a change set begins that failed for want of changes: the CDK's command line knows it by these too.
_NO_CHANGES: Final = ("The submitted information didn't contain changes.", "No updates are to be performed.")
NO_REGION: Final = (
    "No AWS region is set. Take that of your data stores: set AWS_REGION, such as us-east-1, or "
    'make deploy CDK="-c region=us-east-1"'
)
_POLL: Final = 5.0  # seconds
# Where credentials come from: the command line is given those that were found by these.
_CREDENTIALS: Final = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)

_TABLE: Final = "AWS::DynamoDB::GlobalTable"
# What holds data, and by which properties CloudFormation makes it anew (AWS CloudFormation Template Reference): a
# change set is not always sure, and says "Conditional" then.
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    _TABLE: frozenset({"KeySchema", "LocalSecondaryIndexes", "TableName"}),
    "AWS::KMS::Key": frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}


class DeployError(RuntimeError):
    """Nothing more was deployed; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A synthesized stack.

    Attributes:
        folder: the cloud assembly.
        stack: the stack's name.
        region: the AWS region that it belongs into.
        template: its template.
    """

    folder: Path
    stack: str
    region: str
    template: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Assembly":
        """The stack of an assembly that the app has written."""
        artifacts = json.loads((folder / "manifest.json").read_text("utf-8"))["artifacts"]
        ((stack, artifact),) = (each for each in artifacts.items() if each[1]["type"] == "aws:cloudformation:stack")
        template = json.loads((folder / artifact["properties"]["templateFile"]).read_text("utf-8"))
        return cls(folder, stack, artifact["environment"].rpartition("/")[2], template)


class Deployer:
    """The deployment of one stack.

    Args:
        session: the SDK, with the credentials to use.
        arguments: of the CDK's command line: settings (`-c name=value`) and its own options.
        folder: where assemblies are put; the caller removes it.
    """

    def __init__(self, session: boto3.Session, arguments: Sequence[str], folder: Path) -> None:
        self._session = session
        self._arguments = arguments
        self._folder = folder
        self._cdk("synth", "--quiet", "--output", str(folder / "wanted"))
        self._wanted = Assembly.read(folder / "wanted")
        region = self._wanted.region
        self._cloudformation = session.client("cloudformation", region_name=region)
        self._dynamodb = session.client("dynamodb", region_name=region)
        self._stack = self._wanted.stack
        account = session.client("sts", region_name=region).get_caller_identity()["Account"]
        self._where = f"the stack {self._stack} in {region} of account {account}"

    def run(self, *, yes: bool) -> None:
        """Show what would change, ask unless `yes`, and deploy.

        Raises:
            DeployError: it may not be deployed, or was not to be.
        """
        template = self._template() if is_there(self._status) else None
        self._cdk("diff", "--app", str(self._wanted.folder), "--method", "template")
        if template is None:
            _ask(f"Make {self._where}?", yes=yes)
            self._cdk("deploy", "--app", str(self._wanted.folder), "--require-approval", "never")
            return
        self._wait_for_indexes()
        updates = self._plan(template)
        assemblies = self._synthesize_updates(updates)
        # Before anybody is asked: what would be refused is not worth an answer.
        prepared = self._prepare(assemblies[0])
        if not prepared and len(updates) == 1:
            _say("Nothing has changed.")
            return
        if len(updates) > 1:
            _say(f"\n{len(updates)} updates, since DynamoDB makes or drops one index at a time:")
            for number, update in enumerate(updates, start=1):
                _say(f"  {number}. {_in_words(update)}")
        try:
            _ask(f"\nUpdate {self._where}?", yes=yes)
        except DeployError:
            self._discard()
            raise
        if prepared:
            self._execute()
        for number, (update, assembly) in enumerate(zip(updates[1:], assemblies[1:], strict=True), start=2):
            _say(f"\nUpdate {number} of {len(updates)}: {_in_words(update)}")
            if self._prepare(assembly):
                self._execute()

    def _synthesize_updates(self, updates: Sequence[Update]) -> list[Path]:
        """The assembly of each update; the last one's is there already."""
        *earlier, _ = updates
        if not earlier:
            return [self._wanted.folder]
        settings = [
            {
                "indexes": indexes.to_setting(update.indexes),
                **({"profile": str(self._folder / "deployed.toml")} if update.old_profile else {}),
            }
            for update in earlier
        ]
        file, folder = self._folder / "updates.json", self._folder / "updates"
        file.write_text(json.dumps(settings), "utf-8")
        self._cdk("synth", "--quiet", "--output", str(folder), "--app", f"python -m tools.updates {file}")
        return [folder, *(folder / str(number) for number in range(1, len(earlier))), self._wanted.folder]

    def _cdk(self, *arguments: str, silent: bool = False) -> None:
        # The operator's arguments first: of two settings with one name the later one counts.
        command = [str(_CDK), arguments[0], *self._arguments, *arguments[1:]]
        output, errors = (subprocess.PIPE, subprocess.STDOUT) if silent else (None, None)
        # A profile may ask for a code, once here: the command line would ask each time, unseen where it is silent.
        environment = environment_of(self._session)
        ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=errors, text=True, check=False)
        if ended.returncode != 0:
            _say(ended.stdout or "")
            raise DeployError(f"cdk {arguments[0]} failed; it says above why. What was deployed stays as it is.")

    def _status(self) -> str | None:
        try:
            status: str = self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return status

    def _template(self) -> Mapping[str, Any]:
        template: object = self._cloudformation.get_template(StackName=self._stack)["TemplateBody"]
        if not is_ours(template):
            raise DeployError(f"The stack {self._stack} is not one of Imaging Index: set another stackName.")
        return template

    def _plan(self, template: Mapping[str, Any]) -> list[Update]:
        deployed, wanted = (_indexes(each) for each in (template, self._wanted.template))
        if indexes.of_table(self._describe_table()) != deployed:
            raise DeployError(
                f"The table's indexes are not those that the stack {self._stack} has made: somebody else has changed "
                "them. Change them back first; CloudFormation would fail over them."
            )
        (self._folder / "deployed.toml").write_text(template["Metadata"]["Profile"], "utf-8")
        old, new = (profile_file.parse(each["Metadata"]["Profile"]) for each in (template, self._wanted.template))
        if old.hash != new.hash:
            _say("\nEntries stay as they are until their image sets are indexed again: docs/upgrades.md says how.")
        return plan(deployed, old, wanted, new)

    def _prepare(self, assembly: Path) -> bool:
        """Make the change set of an update; False: there is none, since nothing would change.

        Raises:
            DeployError: it cannot be made, or would cost data; it is deleted again.
        """
        _say("Preparing the change set ...")
        prepared = False
        try:
            self._cdk(
                *("deploy", "--app", str(assembly), "--require-approval", "never"),
                *("--method", "prepare-change-set", "--change-set-name", _CHANGE_SET),
                silent=True,
            )
            pages = self._cloudformation.get_paginator("describe_change_set").paginate(
                StackName=self._stack, ChangeSetName=_CHANGE_SET
            )
            prepared = may_be_executed(list(pages))
        finally:
            if not prepared:
                self._discard()
        return prepared

    def _execute(self) -> None:
        self._cdk(
            *("deploy", self._stack, "--app", str(self._wanted.folder)),
            *("--method", "execute-change-set", "--change-set-name", _CHANGE_SET),
        )
        self._wait_for_indexes()

    def _discard(self) -> None:
        self._cloudformation.delete_change_set(StackName=self._stack, ChangeSetName=_CHANGE_SET)

    def _wait_for_indexes(self) -> None:
        wait_for_indexes(self._describe_table)

    def _describe_table(self) -> Any:
        outputs = self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"][0].get("Outputs", [])
        names = [output["OutputValue"] for output in outputs if output["OutputKey"] == "TableName"]
        if not names:
            raise DeployError(
                f"The stack {self._stack} has no table, so that it was never made whole or is half deleted: see its "
                "events in CloudFormation, delete what is left of it, and deploy again."
            )
        return self._dynamodb.describe_table(TableName=names[0])["Table"]


def environment_of(session: boto3.Session) -> dict[str, str]:
    """The variables for another program that is to act with a session's credentials and region, and ask for nothing.

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
        **{name: value for name, value in os.environ.items() if name not in _CREDENTIALS},
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    return {name: value for name, value in variables.items() if value is not None}


def is_there(status_now: Callable[[], str | None], poll: float = _POLL) -> bool:
    """Whether there is a stack, once nobody is at work on it.

    Args:
        status_now: its status (AWS CloudFormation API Reference, "Stack"), or None where there is no such stack.
        poll: seconds from one question to the next.
    """
    told = ""
    while (status := status_now()) and status not in _NOT_THERE and status.endswith("_IN_PROGRESS"):
        if status != told:
            _say(f"The stack is {status}: waiting for its end ...")
        told = status
        time.sleep(poll)
    return status is not None and status not in _NOT_THERE


def is_ours(template: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a deployed template is one of the app's; CloudFormation gives one in YAML as text."""
    metadata = template.get("Metadata") if isinstance(template, dict) else None
    return isinstance(metadata, dict) and "Profile" in metadata


def may_be_executed(pages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a change set would change anything; one that changes the stack's outputs alone has no changes in it.

    Args:
        pages: what DescribeChangeSet answers.

    Raises:
        DeployError: CloudFormation could not make it, or it would cost data.
    """
    if pages[0]["Status"] == "FAILED":
        reason: str = pages[0].get("StatusReason", "it says no reason")
        if reason.startswith(_NO_CHANGES):
            return False
        raise DeployError(f"CloudFormation cannot make the change set: {reason}\nWhat was deployed stays as it is.")
    changes = [change["ResourceChange"] for page in pages for change in page["Changes"] if "ResourceChange" in change]
    if lost := sorted({change["LogicalResourceId"] for change in changes if costs_data(change)}):
        raise DeployError(
            f"This would replace {', '.join(lost)}, and with it all that it holds: nothing was deployed. A new "
            "stackName makes a new stack beside this one."
        )
    return True


def wait_for_indexes(describe_table: Callable[[], Mapping[str, Any]], poll: float = _POLL) -> None:
    """Wait until each index is complete: before, it cannot be searched, and DynamoDB takes no further change.

    Args:
        describe_table: what DescribeTable tells of the table now.
        poll: seconds from one question to the next.
    """
    told: list[str] = []
    while waiting := [
        index["IndexName"]
        for index in describe_table().get("GlobalSecondaryIndexes", [])
        if index.get("IndexStatus") in ("CREATING", "UPDATING", "DELETING")
    ]:
        if waiting != told:
            _say(f"DynamoDB works on {', '.join(waiting)}. Ctrl-C does no harm: make deploy goes on later.")
        told = waiting
        time.sleep(poll)


def costs_data(change: Mapping[str, Any]) -> bool:
    """Whether what a change set says of a resource would lose what it holds, or may do so.

    Args:
        change: a `ResourceChange` (AWS CloudFormation API Reference).
    """
    kind: str = change["ResourceType"]
    if kind not in _KEPT:
        return False
    if change["Action"] == "Remove":
        # The key of the tokens goes with the last attribute that is hashed.
        return kind != "AWS::SecretsManager::Secret"
    targets = [detail["Target"] for detail in change.get("Details", [])]
    may_be = any(target["RequiresRecreation"] != "Never" and target.get("Name") in _KEPT[kind] for target in targets)
    replacement: str = change.get("Replacement", "False")
    return may_be or replacement == "True"


def _indexes(template: Mapping[str, Any]) -> Indexes:
    (table,) = (each for each in template["Resources"].values() if each["Type"] == _TABLE)
    return indexes.of_table(table["Properties"])


def _in_words(update: Update) -> str:
    if update.old_profile:
        return f"{update.change}, while the function keeps its profile"
    return update.change or "changes the function, before it changes an index"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n" if text else "")
    sys.stdout.flush()


def _ask(question: str, *, yes: bool) -> None:
    """Have the operator agree.

    Raises:
        DeployError: they do not, or nobody is there.
    """
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        raise DeployError("\nNothing was deployed: nobody answered. Without questions: make deploy YES=1") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise DeployError("Nothing was deployed.")


def _is_region_set(session: boto3.Session, arguments: Sequence[str]) -> bool:
    """Whether anybody has said where to deploy: the CDK's command line takes us-east-1 where nobody has."""
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    return bool(
        os.environ.get("AWS_REGION")
        or session.region_name
        or context.get("region")
        or any(re.fullmatch("(-c|--context=)?region=.+", argument) for argument in arguments)
    )


def main() -> None:
    """Deploy with the arguments of the command line."""
    parser = argparse.ArgumentParser("python -m tools.deploy", allow_abbrev=False)
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--profile", help="the AWS profile to use")
    parser.add_argument("--local", action="store_true", help="into the local cloud that AWS_ENDPOINT_URL names")
    options, arguments = parser.parse_known_args()
    if (endpoint := os.environ.get("AWS_ENDPOINT_URL")) and not options.local:
        sys.exit(
            f"AWS_ENDPOINT_URL is {endpoint}: this terminal speaks to a local cloud, and not to AWS. Deploy from "
            "another terminal, or unset AWS_ENDPOINT_URL with the other variables that `imaging-index local up` has "
            "printed. If you mean the local cloud: make deploy CDK=--local"
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
        sys.exit(f"The profile that is deployed cannot be read by this version: {error}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS refused: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. An update that was begun goes on; make deploy goes on from where the stack stands.")


if __name__ == "__main__":
    main()
