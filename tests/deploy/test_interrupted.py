"""Ctrl-C during a deployment: nothing is left, and what is said is so."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from deploy import cdk, change_set, deployer
from deploy.cdk import Cdk
from deploy.change_set import ChangeSet
from deploy.deployer import Deployer
from deploy.errors import DeployError
from deploy.plan import Update
from deploy.progress import Progress
from deploy.remains import Remains
from infra import assembly
from infra.assembly import Assembly
from infra.config import ROOT
from proof.harness.image_sets import wait_for

SET = "imaging-index-upgrade"


def is_running(pid: int) -> bool:
    # A process that has ended stays in the table until its parent, here the system's first one, has looked at it.
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def program(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the CDK's command line. The path of a file is returned that it writes when it is up."""
    file, started = tmp_path / "cdk", tmp_path / "started"
    file.write_text(f"#!/bin/sh\n{text.format(started=f'> {started}.new; mv {started}.new {started}')}\n")
    file.chmod(0o700)
    monkeypatch.setattr(cdk, "PROGRAM", file)
    monkeypatch.setattr(cdk, "environment_of", lambda _: dict(os.environ))
    return started


def interrupt_when(condition: Callable[[], object]) -> None:
    """Send Ctrl-C to this process when a condition is true."""

    def interrupt() -> None:
        wait_for(condition)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()


def test_the_command_line_is_ended_with_all_that_it_has_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What a shell starts in the background ignores SIGINT.
    started = program(tmp_path, "trap '' INT; sleep 600 & echo $! {started}; wait", monkeypatch)
    monkeypatch.setattr(cdk, "_PATIENCE", 0.5)
    interrupt_when(started.is_file)
    with pytest.raises(KeyboardInterrupt):
        Cdk(boto3.Session(), []).synth(tmp_path)
    wait_for(lambda: not is_running(int(started.read_text())))


def test_an_app_that_makes_a_package_removes_its_half_before_the_command_line_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    half = tmp_path / "half"
    started = program(
        tmp_path, f"trap 'rm {half}; exit 1' INT; touch {half}; echo up {{started}}; sleep 600", monkeypatch
    )
    interrupt_when(started.is_file)
    with pytest.raises(KeyboardInterrupt):
        Cdk(boto3.Session(), []).synth(tmp_path)
    assert not half.exists()


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "DescribeChangeSet")


class CloudFormation:
    """Has a stack and perhaps a change set, and notes what is deleted."""

    def __init__(self, status: str = "UPDATE_COMPLETE", execution: str = "AVAILABLE") -> None:
        self.status, self.execution = status, execution
        self.deleted: list[str] = []
        self.busy = 0

    def describe_stacks(self, **_: str) -> Any:
        return {"Stacks": [{"StackStatus": self.status}]}

    def describe_change_set(self, **_: str) -> Any:
        if not self.execution:
            raise refused("ChangeSetNotFound")
        return {"Status": "CREATE_COMPLETE", "ExecutionStatus": self.execution}

    def delete_change_set(self, **given: str) -> None:
        if self.busy:
            self.busy -= 1
            raise self.exceptions.InvalidChangeSetStatusException
        self.deleted.append(given["ChangeSetName"])

    def delete_stack(self, **given: str) -> None:
        self.deleted.append(given["StackName"])

    def update_termination_protection(self, **_: object) -> None:
        raise KeyboardInterrupt

    class exceptions:  # noqa: N801  # as botocore calls it
        InvalidChangeSetStatusException = RuntimeError


class CommandLine:
    """In the CDK's place: it is interrupted, or fails, in one of its commands."""

    def __init__(self, ends_at: str, ends: BaseException) -> None:
        self._at, self._ends = ends_at, ends

    def deploy(self, *arguments: str, **_: object) -> None:
        if self._at in arguments:
            raise self._ends


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def make_deployer(cloudformation: CloudFormation, command_line: object = None, *, is_protected: bool = False) -> Any:
    """A deployment of a stack that is not synthesized."""
    made = object.__new__(Deployer)
    client: Any = cloudformation
    vars(made).update(
        _cloudformation=client,
        _change_set=ChangeSet(client, "Dev"),
        _remains=Remains(client, "Dev"),
        _progress=Progress(),
        _cdk=command_line,
        _stack="Dev",
        _where="Dev",
        _region="us-east-1",
        _assembly=Assembly(Path("a"), "Dev", "us-east-1", Path("t"), (), is_protected=is_protected),
    )
    return made


def run(made: Any, monkeypatch: pytest.MonkeyPatch, update: Callable[[], object]) -> str:
    """Run an update that is interrupted. Returns what is said then."""
    monkeypatch.setattr(made, "_update", lambda **_: update())
    with pytest.raises(KeyboardInterrupt):
        made.run(yes=True)
    said: str = made._progress.said
    return said


@pytest.fixture(autouse=True)
def nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployer, "wait_for_indexes", lambda _: None)
    monkeypatch.setattr(change_set, "_PAUSE", 0)


def test_at_the_question_the_change_set_is_discarded_and_nothing_was_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    cloudformation = CloudFormation()
    made = make_deployer(cloudformation)
    monkeypatch.setattr(deployer, "ask", interrupted)

    def update() -> None:
        made._change_set.is_made = True
        made._ask([Update({}, "")], yes=False)

    assert run(made, monkeypatch, update) == "Nothing was deployed."
    assert cloudformation.deleted == [SET]


@pytest.mark.parametrize("ends_at", ["prepare-change-set", "afterwards"])
def test_while_it_is_prepared_and_before_its_execution_it_is_discarded(
    monkeypatch: pytest.MonkeyPatch, ends_at: str
) -> None:
    cloudformation = CloudFormation()
    made = make_deployer(cloudformation, CommandLine(ends_at, KeyboardInterrupt()))
    monkeypatch.setattr(assembly, "protect", lambda *_, **__: None)
    monkeypatch.setattr(made._change_set, "pages", lambda: [{"Status": "CREATE_COMPLETE", "Changes": []}])

    def update() -> None:
        assert made._prepare(Path("a"), is_protected=False)
        raise KeyboardInterrupt

    assert run(made, monkeypatch, update) == "Nothing was deployed."
    assert cloudformation.deleted == [SET]


@pytest.mark.parametrize(
    ("execution", "deleted", "said"),
    [
        ("AVAILABLE", [SET], "Nothing was deployed."),
        ("EXECUTE_IN_PROGRESS", [], "What has begun continues in AWS."),
        ("EXECUTE_COMPLETE", [], "Everything is deployed."),
        ("EXECUTE_FAILED", [], "CloudFormation undoes this update"),
        ("", [], "What has begun continues in AWS."),  # CloudFormation does not know it any more
    ],
)
def test_while_a_change_set_is_to_be_executed_it_is_discarded_unless_its_execution_has_begun(
    monkeypatch: pytest.MonkeyPatch, execution: str, deleted: list[str], said: str
) -> None:
    cloudformation = CloudFormation(execution=execution)
    made = make_deployer(cloudformation, CommandLine("execute-change-set", KeyboardInterrupt()))
    made._change_set.is_made = True
    assert run(made, monkeypatch, lambda: made._execute(then="Everything is deployed.")).startswith(said)
    assert cloudformation.deleted == deleted


def test_a_change_set_whose_execution_could_not_be_asked_for_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    cloudformation = CloudFormation()
    made = make_deployer(cloudformation, CommandLine("execute-change-set", DeployError("no credentials")))
    made._change_set.is_made = True
    monkeypatch.setattr(made, "_update", lambda **_: made._execute(then=""))
    with pytest.raises(DeployError, match="no credentials"):
        made.run(yes=True)
    assert cloudformation.deleted == [SET]


def test_after_the_last_update_everything_is_deployed_but_for_termination_protection_that_may_not_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make_deployer(CloudFormation())
    assert made._at_the_end(is_protected=False) == "Everything is deployed."
    made._protect(is_protected=False)
    assert made._progress.said == "Everything is deployed."
    made = make_deployer(CloudFormation(), is_protected=True)
    assert made._at_the_end(is_protected=False).startswith("Only termination protection is not yet on.")
    said = run(made, monkeypatch, lambda: made._protect(is_protected=False))
    assert said == "Termination protection may not yet be on. Run make deploy again to do the rest."


def test_a_change_set_that_is_still_being_made_is_deleted_when_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    cloudformation = CloudFormation()
    cloudformation.busy = 3
    client: Any = cloudformation
    made = ChangeSet(client, "Dev")
    made.is_made = True
    made.discard()
    assert cloudformation.deleted == [SET]
    assert capsys.readouterr().out == f"\nWaiting until the change set {SET} can be deleted ...\n"


def test_one_that_cannot_be_deleted_is_named_with_the_command_that_deletes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloudformation = CloudFormation()
    cloudformation.busy = 1000
    client: Any = cloudformation
    made = ChangeSet(client, "Dev")
    made.is_made = True
    made.discard()
    assert f"aws cloudformation delete-change-set --stack-name Dev --change-set-name {SET}" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "gone"), [("REVIEW_IN_PROGRESS", True), ("CREATE_IN_PROGRESS", False)])
def test_of_a_first_deployment_a_stack_that_was_not_begun_is_deleted_and_one_that_was_goes_on(
    *, status: str, gone: bool
) -> None:
    cloudformation: Any = CloudFormation(status)
    assert Remains(cloudformation, "Dev").forget_review() is gone
    assert cloudformation.deleted == (["Dev"] if gone else [])


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("REVIEW_IN_PROGRESS", "Nothing was deployed."),
        ("CREATE_IN_PROGRESS", "What has begun continues in AWS."),
        ("CREATE_COMPLETE", "made"),
    ],
)
def test_what_is_said_of_a_stack_that_was_being_made_is_what_cloudformation_says_of_it(status: str, said: str) -> None:
    assert make_deployer(CloudFormation(status))._after_making("made").startswith(said)


def test_a_second_ctrl_c_disturbs_neither_what_the_first_one_has_begun_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = """
import atexit, os, signal
from deploy.command import ending_in_a_sentence
from deploy.progress import Progress
from local import signals

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

signals.ignore()
atexit.register(interrupt)
with ending_in_a_sentence(Progress("It is so.")) as folder:
    (folder / "assembly").mkdir()
    try:
        interrupt()
    finally:
        interrupt()
        print("cleaned up", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "cleaned up\n", "\nStopped. It is so.\n")
    assert list(tmp_path.iterdir()) == []
