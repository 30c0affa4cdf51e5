"""Ctrl-C at many moments of `make deploy`: nothing is left, the next one does the rest, and the last words are true.

Half of the moments are spread over the time that `make deploy` takes. The others are aimed: Ctrl-C comes while a
request that changes the stack is on its way to CloudFormation, or its answer on its way back. That is after synthesis,
which is not repeated for these. At every second moment Ctrl-C comes twice.

    python -m proof.campaigns.interrupted_deployments [--moments 20] ["a first deployment" | "an update" ...]
"""

import argparse
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from infra.assembly import Assembly
from infra.config import ROOT
from local.cloud import LocalCloud
from local.deployment import deploy, destroy, synth
from proof.campaigns import remembered_cdk
from proof.campaigns.interruptions import Interrupted, Report, interrupt
from proof.campaigns.relay import Held, Relay
from proof.harness.image_sets import wait_for

_MAKE: Final = ("make", "--no-print-directory", "-C", str(ROOT), "deploy", "YES=1")
_SELECTED: Final = 'attributes = ["PatientID", "StudyDate", "Modality"]\n'
_INDEX: Final = '[indexes.{0}]\npartition = ["DatastoreId", "{1}"]\nsort = ["ImageSetId"]\nholds = "all"\n'
# The second one makes an index and drops another: two updates.
_OLD: Final = f"revision = 1\n{_SELECTED}{_INDEX.format('patient', 'PatientID')}"
_NEW: Final = f"revision = 2\n{_SELECTED}{_INDEX.format('modality', 'Modality')}"
_CHANGING: Final = ("CreateChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "UpdateTerminationProtection")
_FINISHED: Final = "Everything is deployed."
_NEVER: Final = 600.0
_UNTOUCHED: Final = "Nothing was deployed."


@dataclass(frozen=True, slots=True)
class Stack:
    """What CloudFormation has of a stack.

    Attributes:
        status: its status; None if there is no stack.
        template: its template.
        is_protected: whether it is protected from deletion.
        prepared: its change sets that could be executed.
    """

    status: str | None
    template: object
    is_protected: bool
    prepared: tuple[str, ...]

    @classmethod
    def now(cls, client: Any) -> "Stack":
        """The stack, once no operation on it is in progress."""
        # Without any name: asked by name, the local cloud would answer with an error where there is none.
        found = [each for each in client.describe_stacks()["Stacks"] if each["StackName"] == "ImagingIndex"]
        if not found:
            return cls(None, None, is_protected=False, prepared=())
        if found[0]["StackStatus"].endswith("_IN_PROGRESS") and found[0]["StackStatus"] != "REVIEW_IN_PROGRESS":
            wait_for(lambda: cls._is_settled(client))
            return cls.now(client)
        sets = client.list_change_sets(StackName="ImagingIndex")["Summaries"]
        return cls(
            found[0]["StackStatus"],
            client.get_template(StackName="ImagingIndex")["TemplateBody"],
            is_protected=found[0].get("EnableTerminationProtection", False),
            prepared=tuple(each["ChangeSetName"] for each in sets if each["ExecutionStatus"] == "AVAILABLE"),
        )

    @staticmethod
    def _is_settled(client: Any) -> bool:
        status: str = client.describe_stacks(StackName="ImagingIndex")["Stacks"][0]["StackStatus"]
        return not status.endswith("_IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class Case:
    """A deployment to interrupt.

    Attributes:
        arguments: of the CDK's command line.
        profile: the text of the profile.
        updates_a_stack: whether there is one already, with the older profile.
    """

    arguments: str
    profile: str
    updates_a_stack: bool


CASES: Final = {
    # Made in two steps, since the data is protected in the second one; and then the stack is.
    "a first deployment": Case("-c removalPolicy=retain -c terminationProtection=on", _OLD, updates_a_stack=False),
    "an update": Case("-c terminationProtection=on", _NEW, updates_a_stack=True),
}


class Scene:
    """Local accounts in which a deployment is interrupted.

    Args:
        case: the deployment.
        cloud: the local cloud.
        relay: the way to it.
        assembly: the stack with the older profile.
        profile: the file of the profile to deploy.
        folder: for assemblies.
    """

    def __init__(
        self, case: Case, cloud: LocalCloud, relay: Relay, assembly: Assembly, profile: Path, folder: Path
    ) -> None:
        self._case, self._cloud, self._relay, self._assembly = case, cloud, relay, assembly
        self._arguments = f"--local -c profile={profile} {case.arguments}"
        self._quick = remembered_cdk.deployment(folder)
        self._accounts = itertools.count(200_000_000_001)

    def account(self) -> Mapping[str, str]:
        """The variables of a new account, in which is what the case begins with."""
        variables = self._cloud.environment(str(next(self._accounts)))
        # This also makes there what the CDK needs.
        deploy(self._assembly, variables)
        if not self._case.updates_a_stack:
            destroy(self._assembly, variables)
        return variables

    def run(self, variables: Mapping[str, str], moment: float | Held | None, *, again: bool = False) -> Interrupted:
        """A deployment that is interrupted at a moment: after so many seconds, `make deploy` is."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE"))}
        environment = {**kept, **variables, "AWS_ENDPOINT_URL": self._relay.url}
        self._relay.seen.clear()
        self._relay.held = moment if isinstance(moment, Held) else None
        if isinstance(moment, float):
            return interrupt([f"CDK={self._arguments}"], moment, environment, program=_MAKE, again=again)
        # As the Makefile does it.
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        arguments = ["--yes", *self._arguments.split()]
        return interrupt(arguments, moment, environment, program=self._quick, again=again)

    def client(self, variables: Mapping[str, str]) -> Any:
        """CloudFormation of an account."""
        return boto3.client(
            "cloudformation",
            endpoint_url=self._cloud.endpoint,
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="local",  # of the local cloud, which looks at none
        )

    def executed(self) -> int:
        """How many change sets the last run has had executed."""
        return self._relay.seen.count("ExecuteChangeSet")

    def changes(self) -> list[Held]:
        """The requests of the last run that change something, each to be held before and after it is answered."""
        numbered = [(action, self._relay.seen[:place].count(action)) for place, action in enumerate(self._relay.seen)]
        return [Held(*each, answered) for each in numbered if each[0] in _CHANGING for answered in (False, True)]

    def tidy(self, variables: Mapping[str, str]) -> None:
        """Stop what runs in an account."""
        self.client(variables).update_termination_protection(
            StackName="ImagingIndex", EnableTerminationProtection=False
        )
        destroy(self._assembly, variables)


def last_words(said: str) -> str:
    """What a command says at its end, without what make adds."""
    lines = [line for line in said.strip().splitlines() if line and not line.startswith("make: ")]
    return lines[-1] if lines else ""


def untrue(ended: Interrupted, before: Stack, now: Stack, updates: int, rest: int) -> list[str]:
    """What is wrong with the last words of a deployment that was interrupted.

    Args:
        ended: the deployment.
        before: the stack before it.
        now: the stack after it.
        updates: how many updates it had to do.
        rest: how many of them the next deployment has done.
    """
    words = last_words(ended.said)
    counted = re.search(r"(\d+) of (\d+) updates", words)
    done = int(counted[1]) if counted else 1 if "The stack is complete" in words else None
    if _UNTOUCHED in words:
        done = 0
    elif ended.status == 0 or _FINISHED in words:
        done = updates
    found = []
    if done is not None and updates - done != rest:
        found.append(f"{rest} of {updates} updates were left to the next deployment, but it said: {words}")
    if done is None and rest >= updates:
        found.append(f"nothing had begun, but it said: {words}")
    if _UNTOUCHED in words and (now.template, now.is_protected) != (before.template, before.is_protected):
        found.append(f"the stack was changed, but it said: {words}")
    return found


def campaign(scene: Scene, moments: int, say: Callable[[str], object]) -> Report:
    """Interrupt a deployment at so many moments."""
    account = scene.account()
    whole = scene.run(account, _NEVER)
    report = Report(harms=whole.harms("the first run"))
    if whole.status:
        report.harms.append(f"it does not work: {whole.said}")
        return report
    changes, updates = scene.changes(), scene.executed()
    wanted = Stack.now(scene.client(account))
    scene.tidy(account)
    aimed: list[float | Held] = [changes[place * len(changes) // (moments // 2)] for place in range(moments // 2)]
    others = moments - len(aimed)
    spread: list[float | Held] = [whole.seconds * (number + 0.5) / others for number in range(others)]
    for number, moment in enumerate(aimed + spread):
        account, again = scene.account(), number % 2 == 1
        client = scene.client(account)
        before = Stack.now(client)
        ended = scene.run(account, moment, again=again)
        now = Stack.now(client)
        when = f"{moment if isinstance(moment, Held) else f'after {moment:.1f} s'}{', twice' if again else ''}"
        harms = ended.harms(when)
        if isinstance(moment, Held) and not moment.came():
            harms.append(f"{when}: that request never came")
        harms += [f"{when}: the change set {name} is left: {ended.said[-300:]}" for name in now.prepared]
        repeated = scene.run(account, None)
        rest = scene.executed()
        if repeated.status or Stack.now(client) != wanted:
            harms.append(f"{when}: the next deployment ends with {repeated.status}: {repeated.said[-1000:]}")
        harms += [f"{when}: {each}" for each in untrue(ended, before, now, updates, rest)]
        words = last_words(ended.said)
        say(f"{when}: status {ended.status}, {now.status}, {rest} of {updates} updates left: {words[:110]}")
        report.tried += 1
        report.harms += harms
        report.ends[words] = report.ends.get(words, 0) + 1
        for harm in harms:
            say(f"  {harm}")
        scene.tidy(account)
    return report


def run(name: str, moments: int, say: Callable[[str], object] = print) -> Report:
    """Interrupt the deployment of a case at so many moments."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        old, profile = Path(folder, "old.toml"), Path(folder, "own.toml")
        old.write_text(_OLD)
        profile.write_text(CASES[name].profile)
        cloud = running.enter_context(LocalCloud())
        assembly = synth(Path(folder, "assembly"), context={"profile": str(old), "maximumConcurrency": "2"})
        relay = running.enter_context(Relay(cloud.endpoint))
        Path(folder, "assemblies").mkdir()
        scene = Scene(CASES[name], cloud, relay, assembly, profile, Path(folder, "assemblies"))
        return campaign(scene, moments, say)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when nothing was left, nothing broken, and nothing untrue was said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    options = parser.parse_args(arguments)
    broken = False
    for name in options.cases:
        report = run(name, options.moments, lambda line: print(line, flush=True))  # noqa: T201
        print(f"{name}: {report.tried} interruptions, {len(report.harms)} harms", *report.harms, sep="\n  ", flush=True)  # noqa: T201
        broken = broken or bool(report.harms)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
