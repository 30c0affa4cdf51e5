"""The deployment of one stack: what would change, whether that may be, and one update after the other."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy import change_set, differences, index_again, target
from deploy.cdk import Cdk, is_bootstrapped
from deploy.change_set import ChangeSet
from deploy.change_sets import may_be_executed
from deploy.errors import DeployError
from deploy.plan import Update, plan
from deploy.profile_change import newly_private, refuse_unless_raised
from deploy.progress import NOTHING, Progress
from deploy.remains import Remains
from deploy.template import Template
from deploy.terminal import ask, say
from deploy.waiting import is_there, wait_for_indexes
from infra import assembly, indexes

_UNDONE: Final = "CloudFormation undoes this update, and the stack is as it was before it."
_GOES_ON: Final = "What has begun continues in AWS. Run make deploy again: it waits for that, and does the rest."
_REST: Final = "Run make deploy again to do the rest."
_FINISHED: Final = "Everything is deployed."


class Deployer:
    """The deployment of one stack.

    Args:
        session: the SDK, with the credentials to use.
        arguments: of the CDK's command line: settings (`-c name=value`) and its own options.
        folder: where assemblies are put; the caller removes it.
        progress: is kept true.
        local: whether it is a local cloud, which may lack what `make bootstrap` makes.
    """

    def __init__(
        self,
        session: boto3.Session,
        arguments: Sequence[str],
        folder: Path,
        progress: Progress,
        *,
        local: bool = False,
    ) -> None:
        self._cdk = Cdk(session, arguments)
        self._folder = folder
        self._progress = progress
        say("Synthesizing the stack ...")  # the first time, this fetches what the functions need
        self._cdk.synth(folder / "wanted")
        self._assembly = assembly.read(folder / "wanted")
        self._wanted = Template(json.loads(self._assembly.template.read_text("utf-8")))
        self._stack, self._region = self._assembly.stack_name, self._assembly.region
        self._cloudformation = session.client("cloudformation", region_name=self._region)
        self._dynamodb = session.client("dynamodb", region_name=self._region)
        self._remains = Remains(self._cloudformation, self._stack)
        self._change_set = ChangeSet(self._cloudformation, self._stack)
        account = session.client("sts", region_name=self._region).get_caller_identity()["Account"]
        self._where = f"the stack {self._stack} in {self._region} of account {account}"
        if local and not is_bootstrapped(session, self._region):
            say("Preparing the local cloud for the CDK ...")
            self._cdk.bootstrap(account, self._region, shown=False)

    def run(self, *, yes: bool) -> None:
        """Show what would change, ask unless `yes`, and deploy.

        Raises:
            DeployError: the change may not be deployed, or the operator did not agree.
        """
        try:
            if warned := target.warning(self._region):
                say(warned)
            if is_there(self._status):
                self._update(yes=yes)
            else:
                self._make(yes=yes)
        finally:
            self._change_set.discard()

    def _make(self, *, yes: bool) -> None:
        """Make the stack.

        What holds data is protected from deletion only when all is complete: a first deployment that fails would else
        leave a table that nobody has ever used, and could not be removed by CloudFormation.
        """
        if left := self._remains.of_last_time():
            say(f"\nThe stack {self._stack} was never completed, and is made again. {left}")
        say(differences.of_new(self._wanted))
        folder = self._assembly.folder
        (first,) = self._synthesize([{"protected": "off"}]) if self._wanted.is_protected else (folder,)
        assembly.protect(first, on=False)
        ask(f"\nMake {self._where}?", yes=yes)
        is_half = first != folder or self._assembly.is_protected
        made = "The stack is complete. Run make deploy again to protect it from deletion." if is_half else _FINISHED
        self._progress.said = _GOES_ON
        try:
            self._cdk.deploy("--app", str(first), otherwise="CloudFormation removes what it has made.")
            self._progress.said = made
        except KeyboardInterrupt:
            with contextlib.suppress(BotoCoreError, ClientError):
                self._progress.said = self._after_making(made)
            raise
        except DeployError as error:
            self._remains.forget_review()
            if left := self._remains.of_last_time():
                raise DeployError(f"{error}\n{left}") from None
            raise
        if first != folder:
            say("\nThe stack is complete. Its data is protected from deletion now ...")
            if self._prepare(folder, is_protected=False):
                self._execute(then=self._at_the_end(is_protected=False))
        self._protect(is_protected=False)

    def _after_making(self, made: str) -> str:
        """What is so when the command line was ended while it made the stack; `made` is what is so once it is made."""
        if self._remains.forget_review():
            return NOTHING
        return made if self._status() == "CREATE_COMPLETE" else _GOES_ON

    def _update(self, *, yes: bool) -> None:
        self._remains.refuse_unless_whole()
        deployed = self._template()
        refuse_unless_raised(self._stack, deployed, self._wanted)
        is_protected = self._description().get("EnableTerminationProtection", False)
        if changed := differences.of_update(deployed, self._wanted):
            say(changed)
        if is_protected != self._assembly.is_protected:
            say(f"\nTermination protection: {_on(is_protected)} -> {_on(self._assembly.is_protected)}")
        wait_for_indexes(self._describe_table)
        updates = self._plan(deployed)
        assemblies = self._synthesize_updates(updates)
        # Before anybody is asked: what would be refused is not worth an answer.
        prepared = self._prepare(assemblies[0], is_protected=is_protected)
        if not prepared and len(updates) == 1 and is_protected == self._assembly.is_protected:
            say("Nothing has changed.")
            return
        self._ask(updates, yes=yes)
        afterwards = [f"{number} of {len(updates)} updates are done. {_REST}" for number in range(1, len(updates))]
        afterwards.append(self._at_the_end(is_protected=is_protected))
        if prepared:
            self._execute(then=afterwards[0])
        for number, (update, folder) in enumerate(zip(updates[1:], assemblies[1:], strict=True), start=2):
            say(f"\nUpdate {number} of {len(updates)}: {_in_words(update)}")
            if self._prepare(folder, is_protected=is_protected):
                self._execute(then=afterwards[number - 1])
        self._protect(is_protected=is_protected)
        if newly_private(deployed.profile, self._wanted.profile):
            say(f"\nEntries keep what the new profile does not until:\n{index_again.commands(self._stack)}")

    def _ask(self, updates: Sequence[Update], *, yes: bool) -> None:
        if len(updates) > 1:
            say(f"\n{len(updates)} updates, since DynamoDB makes or drops one index at a time:")
            for number, update in enumerate(updates, start=1):
                say(f"  {number}. {_in_words(update)}")
        ask(f"\nUpdate {self._where}?", yes=yes)

    def _synthesize_updates(self, updates: Sequence[Update]) -> list[Path]:
        """The assembly of each update; that of the last one exists already."""
        settings = [
            {
                "indexes": indexes.to_setting(update.indexes),
                **({"profile": str(self._folder / "deployed.toml")} if update.old_profile else {}),
            }
            for update in updates[:-1]
        ]
        return [*(self._synthesize(settings) if settings else ()), self._assembly.folder]

    def _synthesize(self, settings: Sequence[Mapping[str, str]]) -> list[Path]:
        """An assembly for each of some settings that override the operator's."""
        file, folder = self._folder / "updates.json", self._folder / "updates"
        file.write_text(json.dumps(settings), "utf-8")
        self._cdk.synth(folder, "--app", f"python -m deploy.updates {file}")
        return [folder, *(folder / str(number) for number in range(1, len(settings)))]

    def _description(self) -> Any:
        return self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"][0]

    def _status(self) -> str | None:
        try:
            status: str = self._description()["StackStatus"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return status

    def _template(self) -> Template:
        return Template.of_stack(self._stack, self._cloudformation.get_template(StackName=self._stack)["TemplateBody"])

    def _plan(self, deployed: Template) -> list[Update]:
        table, wanted = self._describe_table(), self._wanted
        if indexes.of_table(table) != deployed.indexes:
            raise DeployError(
                f"The table's indexes are not those that the stack {self._stack} has made, so somebody else has "
                "changed them. Change them back first, or the update would fail."
            )
        (self._folder / "deployed.toml").write_text(deployed.profile_text, "utf-8")
        if deployed.profile_hash != wanted.profile_hash or deployed.generation not in (None, wanted.generation):
            say(index_again.advice(self._stack, deployed, wanted, table))
        return plan(deployed.indexes, deployed.profile, wanted.indexes, wanted.profile)

    def _prepare(self, folder: Path, *, is_protected: bool) -> bool:
        """Make the change set of an update from its assembly. Returns False, and leaves none, if nothing would change.

        Args:
            folder: the assembly.
            is_protected: whether the stack is protected now: it stays so, until all is done.

        Raises:
            DeployError: it cannot be made, or would cost data.
        """
        say("\nPreparing the change set ...")
        assembly.protect(folder, on=is_protected)
        assembly.protect(self._assembly.folder, on=is_protected)
        self._change_set.is_made = True
        self._cdk.deploy(
            *("--app", str(folder), "--method", "prepare-change-set", "--change-set-name", change_set.NAME),
            shown=False,
            otherwise=self._progress.said,
        )
        if may_be_executed(self._change_set.pages()):
            return True
        self._change_set.discard()
        return False

    def _execute(self, *, then: str) -> None:
        """Execute the change set that was prepared.

        Args:
            then: what is so once that is done.
        """
        try:
            self._cdk.deploy(
                *(self._stack, "--app", str(self._assembly.folder)),
                *("--method", "execute-change-set", "--change-set-name", change_set.NAME),
                otherwise=_UNDONE,
            )
            self._progress.said, self._change_set.is_made = then, False
        except (DeployError, KeyboardInterrupt):
            self._look_at_execution(then)
            raise
        wait_for_indexes(self._describe_table)

    def _look_at_execution(self, then: str) -> None:
        """Note what is so when the command line was ended while it had a change set executed, or has failed."""
        before, self._progress.said, self._change_set.is_made = self._progress.said, _GOES_ON, False
        with contextlib.suppress(BotoCoreError, ClientError):
            execution = self._change_set.execution()
            self._change_set.is_made = execution is None
            words = {None: before, "EXECUTE_COMPLETE": then, "EXECUTE_FAILED": f"{_UNDONE} {before}"}
            self._progress.said = words.get(execution, _GOES_ON)

    def _protect(self, *, is_protected: bool) -> None:
        if is_protected != self._assembly.is_protected:
            self._progress.said = f"Termination protection may not yet be {_on(self._assembly.is_protected)}. {_REST}"
            self._cloudformation.update_termination_protection(
                StackName=self._stack, EnableTerminationProtection=self._assembly.is_protected
            )
            say(f"Termination protection is {_on(self._assembly.is_protected)}.")
        self._progress.said = _FINISHED

    def _at_the_end(self, *, is_protected: bool) -> str:
        """What is so when all updates are done, and termination protection is as it was."""
        if is_protected == self._assembly.is_protected:
            return _FINISHED
        return f"Only termination protection is not yet {_on(self._assembly.is_protected)}. {_REST}"

    def _describe_table(self) -> Any:
        outputs = self._description().get("Outputs", [])
        names = [output["OutputValue"] for output in outputs if output["OutputKey"] == "TableName"]
        if not names:
            raise DeployError(
                f"The stack {self._stack} has no table: it was never completed, or is half deleted. See its events in "
                "CloudFormation, delete what is left of it, and deploy again."
            )
        return self._dynamodb.describe_table(TableName=names[0])["Table"]


def _on(is_on: bool) -> str:
    return "on" if is_on else "off"


def _in_words(update: Update) -> str:
    if update.old_profile:
        return f"{update.change}, while the function keeps its profile"
    return update.change or "changes the function, before it changes an index"
