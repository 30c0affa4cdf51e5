"""Ctrl-C during a deployment: nothing is left, and what is said is so."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy import cdk, deployer
from deploy.cdk import Cdk
from deploy.deployer import Deployer
from deploy.errors import DeployError
from deploy.plan import Update
from deploy.remains import Remains
from proof.harness.image_sets import wait_for


def is_running(pid: int) -> bool:
    # A process that has ended stays in the table until its parent, here the system's first one, has looked at it.
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_command_line_is_ended_with_all_that_it_has_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, started = tmp_path / "cdk", tmp_path / "started"
    program.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {started}.new\nmv {started}.new {started}\nwait\n")
    program.chmod(0o700)
    monkeypatch.setattr(cdk, "PROGRAM", program)
    monkeypatch.setattr(cdk, "environment_of", lambda _: dict(os.environ))

    def interrupt() -> None:
        wait_for(started.is_file)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        Cdk(boto3.Session(), [], tmp_path).synth(tmp_path)
    wait_for(lambda: not is_running(int(started.read_text())))


class CloudFormation:
    """Notes what is deleted."""

    def __init__(self, status: str = "UPDATE_COMPLETE") -> None:
        self.status = status
        self.deleted: list[str] = []

    def describe_stacks(self, **_: str) -> Any:
        return {"Stacks": [{"StackStatus": self.status}]}

    def delete_change_set(self, **given: str) -> None:
        self.deleted.append(given["ChangeSetName"])

    def delete_stack(self, **given: str) -> None:
        self.deleted.append(given["StackName"])

    class exceptions:  # noqa: N801  # as botocore calls it
        InvalidChangeSetStatusException = RuntimeError


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_at_the_question_the_change_set_is_discarded_and_nothing_was_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    at_question, cloudformation = object.__new__(Deployer), CloudFormation()
    vars(at_question).update(
        _cloudformation=cloudformation, _stack="Dev", _where="Dev", _region="us-east-1", _state="Nothing was deployed."
    )
    monkeypatch.setattr(deployer, "ask", interrupted)

    def update(*, yes: bool) -> None:
        at_question._ask([Update({}, "")], yes=yes, prepared=True)

    monkeypatch.setattr(at_question, "_update", update)
    with pytest.raises(DeployError, match=r"^\nStopped\. Nothing was deployed\.$"):
        at_question.run(yes=False)
    assert cloudformation.deleted == ["imaging-index-upgrade"]


@pytest.mark.parametrize(("status", "gone"), [("REVIEW_IN_PROGRESS", True), ("CREATE_IN_PROGRESS", False)])
def test_of_a_first_deployment_a_stack_that_was_not_begun_is_deleted_and_one_that_was_goes_on(
    *, status: str, gone: bool
) -> None:
    cloudformation: Any = CloudFormation(status)
    assert Remains(cloudformation, "Dev").forget_review() is gone
    assert cloudformation.deleted == (["Dev"] if gone else [])
