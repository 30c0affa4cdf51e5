"""The deployment of one stack: what would change, whether that may be, and one update after the other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeGuard

import boto3
from botocore.exceptions import ClientError

from deploy import index_again
from deploy.cdk import Cdk
from deploy.change_sets import may_be_executed
from deploy.errors import DeployError
from deploy.plan import Update, plan
from deploy.terminal import ask, say
from deploy.waiting import is_there, wait_for_indexes
from imaging_index.profile import toml_file
from infra import assembly, indexes
from infra.indexes import Indexes

_CHANGE_SET: Final = "imaging-index-upgrade"


class Deployer:
    """The deployment of one stack.

    Args:
        session: the SDK, with the credentials to use.
        arguments: of the CDK's command line: settings (`-c name=value`) and its own options.
        folder: where assemblies are put; the caller removes it.
    """

    def __init__(self, session: boto3.Session, arguments: Sequence[str], folder: Path) -> None:
        self._cdk = Cdk(session, arguments)
        self._folder = folder
        self._cdk.run("synth", "--quiet", "--output", str(folder / "wanted"))
        self._wanted = assembly.read(folder / "wanted")
        self._stack = self._wanted.stack_name
        region = self._wanted.region
        self._cloudformation = session.client("cloudformation", region_name=region)
        self._dynamodb = session.client("dynamodb", region_name=region)
        account = session.client("sts", region_name=region).get_caller_identity()["Account"]
        self._where = f"the stack {self._stack} in {region} of account {account}"

    def run(self, *, yes: bool) -> None:
        """Show what would change, ask unless `yes`, and deploy.

        Raises:
            DeployError: the change may not be deployed, or the operator did not agree.
        """
        template = self._template() if is_there(self._status) else None
        self._cdk.run("diff", "--app", str(self._wanted.folder), "--method", "template")
        if template is None:
            ask(f"Make {self._where}?", yes=yes)
            self._cdk.run("deploy", "--app", str(self._wanted.folder), "--require-approval", "never")
            return
        wait_for_indexes(self._describe_table)
        updates = self._plan(template)
        assemblies = self._synthesize_updates(updates)
        # Before anybody is asked: what would be refused is not worth an answer.
        prepared = self._prepare(assemblies[0])
        if not prepared and len(updates) == 1:
            say("Nothing has changed.")
            return
        if len(updates) > 1:
            say(f"\n{len(updates)} updates, since DynamoDB makes or drops one index at a time:")
            for number, update in enumerate(updates, start=1):
                say(f"  {number}. {_in_words(update)}")
        try:
            ask(f"\nUpdate {self._where}?", yes=yes)
        except DeployError:
            self._discard()
            raise
        if prepared:
            self._execute()
        for number, (update, folder) in enumerate(zip(updates[1:], assemblies[1:], strict=True), start=2):
            say(f"\nUpdate {number} of {len(updates)}: {_in_words(update)}")
            if self._prepare(folder):
                self._execute()

    def _synthesize_updates(self, updates: Sequence[Update]) -> list[Path]:
        """The assembly of each update; that of the last one exists already."""
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
        self._cdk.run("synth", "--quiet", "--output", str(folder), "--app", f"python -m deploy.updates {file}")
        return [folder, *(folder / str(number) for number in range(1, len(earlier))), self._wanted.folder]

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
        wanted = json.loads(self._wanted.template.read_text("utf-8"))
        deployed_indexes, wanted_indexes = map(_indexes, (template, wanted))
        table = self._describe_table()
        if indexes.of_table(table) != deployed_indexes:
            raise DeployError(
                f"The table's indexes are not those that the stack {self._stack} has made, so somebody else has "
                "changed them. Change them back first, or the update would fail."
            )
        (self._folder / "deployed.toml").write_text(template["Metadata"]["Profile"], "utf-8")
        old, new = (toml_file.parse(each["Metadata"]["Profile"]) for each in (template, wanted))
        before, after = map(_generation, (template, wanted))
        if old.hash != new.hash or before not in (None, after):
            kept = "DocumentsBucketName" in template.get("Outputs", {})
            say(index_again.advice(self._stack, new, table, before, str(after), keeps_documents=kept))
        return plan(deployed_indexes, old, wanted_indexes, new)

    def _prepare(self, folder: Path) -> bool:
        """Make the change set of an update from its assembly. Returns False, and leaves none, if nothing would change.

        Raises:
            DeployError: it cannot be made, or would cost data; it is deleted again.
        """
        say("Preparing the change set ...")
        prepared = False
        try:
            self._cdk.run(
                *("deploy", "--app", str(folder), "--require-approval", "never"),
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
        self._cdk.run(
            *("deploy", self._stack, "--app", str(self._wanted.folder)),
            *("--method", "execute-change-set", "--change-set-name", _CHANGE_SET),
        )
        wait_for_indexes(self._describe_table)

    def _discard(self) -> None:
        self._cloudformation.delete_change_set(StackName=self._stack, ChangeSetName=_CHANGE_SET)

    def _describe_table(self) -> Any:
        outputs = self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"][0].get("Outputs", [])
        names = [output["OutputValue"] for output in outputs if output["OutputKey"] == "TableName"]
        if not names:
            raise DeployError(
                f"The stack {self._stack} has no table: it was never completed, or is half deleted. See its events in "
                "CloudFormation, delete what is left of it, and deploy again."
            )
        return self._dynamodb.describe_table(TableName=names[0])["Table"]


def is_ours(template: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a deployed template was made by the app. CloudFormation returns one in YAML as text."""
    metadata = template.get("Metadata") if isinstance(template, dict) else None
    return isinstance(metadata, dict) and "Profile" in metadata


def _indexes(template: Mapping[str, Any]) -> Indexes:
    (table,) = (each for each in template["Resources"].values() if each["Type"] == "AWS::DynamoDB::GlobalTable")
    return indexes.of_table(table["Properties"])


def _generation(template: Mapping[str, Any]) -> str | None:
    """The profile's revision and the format of entries of a stack; None for one without reconcile."""
    value: str | None = template.get("Outputs", {}).get("Generation", {}).get("Value")
    return value


def _in_words(update: Update) -> str:
    if update.old_profile:
        return f"{update.change}, while the function keeps its profile"
    return update.change or "changes the function, before it changes an index"
