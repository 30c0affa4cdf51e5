"""Whatever fails a command, it ends with a sentence of its own, and quotes neither AWS nor a document."""

from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, ParamValidationError, ReadTimeoutError
from typer.testing import CliRunner

from cli.main import application
from tests import canary
from tests.canary import MARKER
from tests.convergence import leaks
from tests.package import fuzz

COMMANDS = (
    ["search", "PatientID=P1", "--datastore", "a" * 32],
    ["search", "PatientID=P1", "--json"],
    ["dlq", "list"],
    ["dlq", "show", "57aab4ec", "--json"],
    ["dlq", "redrive"],
    ["doctor"],
)
STACK = dict.fromkeys(("TableName", "QueueUrl", "DeadLetterQueueUrl", "RuleDeadLetterQueueUrl"), "any")

Failing = Callable[[str], Any]


def refused(status: int, code: str) -> Failing:
    """AWS's own error, whose message quotes."""
    error = {"Code": code, "Message": f"The value {MARKER} is not valid", "Type": MARKER}
    answer = {"Error": error, "message": MARKER, "ResponseMetadata": {"HTTPStatusCode": status}}
    return lambda _: (SimpleNamespace(status_code=status), answer)


def raised(error: Exception) -> Failing:
    """The SDK's own error, which quotes."""

    def fail(_: str) -> None:
        raise error

    return fail


FAILURES = {
    "refused": refused(400, "ValidationException"),
    "forbidden": refused(403, "AccessDeniedException"),
    "failed": refused(500, "InternalServerError"),
    "cut off": raised(EndpointConnectionError(endpoint_url=MARKER)),
    "timed out": raised(ReadTimeoutError(endpoint_url=MARKER)),
    "invalid": raised(ParamValidationError(report=f"Invalid value {MARKER}")),
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The commands' SDK, which reaches nobody."""
    for name, value in {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    return boto3.DEFAULT_SESSION


@pytest.mark.parametrize("there", [True, False], ids=["a stack", "no stack"])
@pytest.mark.parametrize("failing", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_that_aws_fails_quotes_nothing(
    command: list[str], failing: Failing, there: bool, session: boto3.Session
) -> None:
    def answer(model: Any, **_: Any) -> Any:
        if there and model.name == "DescribeStacks":
            return SimpleNamespace(status_code=200), {"Stacks": [STACK]}
        return failing(model.name)

    session.events.register("before-call", answer)
    ended = CliRunner().invoke(application, command)
    assert not canary.found(ended.output + ended.stderr + canary.told(ended.exception))
    assert isinstance(ended.exception, SystemExit), canary.told(ended.exception)
    assert ended.exit_code == 1
    assert ended.output


def test_a_document_that_was_tampered_with_is_not_quoted_when_it_cannot_be_inspected() -> None:
    chance, failed = Random(0), 0
    for document in leaks.documents() * 3:
        ended = CliRunner().invoke(application, ["inspect", "-", "--json"], input=fuzz.tampered(document, chance))
        failed += ended.exit_code
        assert not canary.found(ended.stderr + canary.told(ended.exception))
        assert not ended.exit_code or (isinstance(ended.exception, SystemExit) and not ended.stdout)
    assert failed > 5
