"""Whatever fails a command, it ends with a sentence of its own, and quotes neither AWS nor a document."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from typer.testing import CliRunner

from cli.main import application, main
from infra.config import ROOT
from local.deployment import synth
from proof.campaigns import fuzz, leaks
from proof.harness import canary
from proof.harness.canary import MARKER
from proof.harness.image_sets import PROFILE_FILE

COMMANDS = (
    ["search", "PatientID=P1", "--datastore", "a" * 32],
    ["search", "PatientID=P1", "--json"],
    ["dlq", "list"],
    ["dlq", "show", "57aab4ec", "--json"],
    ["dlq", "redrive"],
    ["doctor"],
)
OUTPUTS = ("TableName", "QueueUrl", "DeadLetterQueueUrl", "RuleDeadLetterQueueUrl", "FunctionName", "DataStores")
STACK = {
    "Outputs": [{"OutputKey": name, "OutputValue": "any"} for name in OUTPUTS],
    "StackStatus": "CREATE_COMPLETE",
    "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
}

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
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    session = boto3.Session()
    monkeypatch.setattr("cli.deployed.Session", lambda **_: session)
    return session


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
    assert isinstance(ended.exception, SystemExit | None), canary.told(ended.exception)
    # What the doctor cannot ask once it has the stack is a warning, part by part.
    assert ended.exit_code == (0 if there and command == ["doctor"] else 1)
    assert ended.output


SETUP = {
    "none": (NoCredentialsError(), "No AWS credentials"),
    "partial": (PartialCredentialsError(provider="env", cred_var="secret"), "No AWS credentials"),
    "signed out": (UnauthorizedSSOTokenError(), "aws sso login"),
    "token": (TokenRetrievalError(provider="sso", error_msg="any"), "aws sso login"),
    "profile": (ProfileNotFound(profile="nope"), "no such AWS profile"),
    "cut off": (EndpointConnectionError(endpoint_url="any"), "Check the network"),
}


@pytest.mark.parametrize(("error", "sentence"), SETUP.values(), ids=SETUP)
def test_what_is_missing_on_this_side_is_told_with_what_to_do(
    error: Exception, sentence: str, session: boto3.Session
) -> None:
    session.events.register("before-call", lambda **_: raised(error)(""))
    ended = CliRunner().invoke(application, ["dlq", "list"])
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1)
    assert sentence in ended.stderr


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredToken", "does not accept your credentials"),
        ("SignatureDoesNotMatch", "the clock of this machine is wrong"),
        ("AccessDenied", "You need the permission cloudformation:DescribeStacks on the stack."),
        ("ValidationError", "There is no stack ImagingIndex in us-east-1."),
    ],
)
def test_a_stack_that_cannot_be_seen_is_told_with_its_reason(code: str, sentence: str, session: boto3.Session) -> None:
    session.events.register("before-call", lambda model, **_: refused(400, code)(model.name))
    ended = CliRunner().invoke(application, ["doctor"])
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1)
    assert sentence in ended.stderr


@pytest.mark.parametrize("refusing", ["GetTemplate", "DescribeTable", "Query", "ListDatastores"])
def test_a_search_that_is_refused_names_the_operation_and_its_permission(refusing: str, session: boto3.Session) -> None:
    keys = [
        {"AttributeName": "StudyInstanceUID", "KeyType": "HASH"},
        {"AttributeName": "ImageSetId", "KeyType": "RANGE"},
    ]
    index = {"IndexName": "study", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
    table: dict[str, Any] = {"GlobalSecondaryIndexes": [index]}
    names = ("StudyInstanceUID", "ImageSetId")
    table["AttributeDefinitions"] = [{"AttributeName": each, "AttributeType": "S"} for each in names]
    answers: dict[str, Any] = {
        "DescribeStacks": {"Stacks": [STACK]},
        "ListDatastores": {"datastoreSummaries": [{"datastoreId": "a" * 32}]},
        "DescribeTable": {"Table": table},
        "GetTemplate": {"TemplateBody": {"Metadata": {"Profile": PROFILE_FILE.read_text("utf-8")}}},
    }

    def answer(model: Any, **_: Any) -> Any:
        if model.name == refusing:
            return refused(403, "AccessDeniedException")(model.name)
        return SimpleNamespace(status_code=200), answers[model.name]

    session.events.register("before-call", answer)
    ended = CliRunner().invoke(application, ["search", "StudyInstanceUID=1.2"])
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1)
    service = {"ListDatastores": "medical-imaging", "GetTemplate": "cloudformation"}.get(refusing, "dynamodb")
    assert f"refuses {refusing} (AccessDeniedException). You need the permission {service}:{refusing}" in ended.stderr


@pytest.mark.parametrize("template", [{}, {"Metadata": {"Profile": "attributes = 7"}}], ids=["none", "invalid"])
def test_a_stack_of_another_version_is_one_sentence(template: Any, session: boto3.Session) -> None:
    answers: dict[str, Any] = {"DescribeStacks": {"Stacks": [STACK]}, "GetTemplate": {"TemplateBody": template}}

    def answer(model: Any, **_: Any) -> Any:
        return SimpleNamespace(status_code=200), answers[model.name]

    session.events.register("before-call", answer)
    ended = CliRunner().invoke(application, ["search", "StudyInstanceUID=1.2"])
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1)
    assert "This version of imaging-index cannot read the profile of the stack ImagingIndex." in ended.stderr


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nonsense", "AWS_ENDPOINT_URL is not a valid address."),
        ("http://127.0.0.1:1", "Nothing answers at http://127.0.0.1:1,"),
    ],
)
@pytest.mark.usefixtures("session")
def test_an_address_at_which_nobody_is_is_told(address: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    ended = CliRunner().invoke(application, ["search", "PatientID=1"])
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1)
    assert sentence in ended.stderr
    assert "unset AWS_ENDPOINT_URL" in ended.stderr


def test_a_full_disk_is_said_in_a_sentence_wherever_it_is_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    python = tmp_path / "python"  # that cannot write what it makes
    python.write_text("#!/bin/sh\necho 'error: failed to copy: No space left on device (os error 28)' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("local.deployment.sys.executable", str(python))
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "any")
    monkeypatch.setattr("cli.main.collect_less_garbage", lambda: None)
    monkeypatch.setattr("cli.main.application", lambda: synth(tmp_path / "assembly"))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("There is no room left on a disk (No space left on device). Temporary files are in ")


def test_what_is_shown_for_a_time_is_on_standard_error_as_messages_are_which_would_be_glued_to_it_otherwise() -> None:
    for path in (ROOT / "cli").rglob("*.py"):
        text = path.read_text("utf-8")
        assert "screen.status(" not in text, path
        assert "console=screen" not in text, path


def test_a_document_that_was_tampered_with_is_not_quoted_when_it_cannot_be_inspected() -> None:
    chance, failed = Random(0), 0
    for document in leaks.documents() * 3:
        ended = CliRunner().invoke(application, ["inspect", "-", "--json"], input=fuzz.tampered(document, chance))
        failed += ended.exit_code
        assert not canary.found(ended.stderr + canary.told(ended.exception))
        assert not ended.exit_code or (isinstance(ended.exception, SystemExit) and not ended.stdout)
    assert failed > 5
