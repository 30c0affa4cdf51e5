"""The version: stated once, and the same wherever it appears."""

import os
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

import cli.main
import imaging_index
from proof.harness.pipeline import VARIABLES, response

ENVIRONMENT = VARIABLES | {"AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local"}


def test_the_command_and_the_installed_package_say_the_version_of_the_source() -> None:
    printed = CliRunner().invoke(cli.main.application, ["--version"]).stdout
    assert printed.strip() == version("imaging-index") == imaging_index.__version__


def test_aws_sees_the_version_in_each_call_of_the_function() -> None:
    code = """
from imaging_index.handlers import index

def show(request, **_):
    print(request.headers["User-Agent"].decode())
    raise SystemExit

client = index._table._client
client.meta.events.register("before-send", show)
client.get_item(TableName="index", Key={})
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert f"app/imaging-index-{imaging_index.__version__}" in ended.stdout.split()


@pytest.mark.parametrize("own", [None, "hospital"])
def test_aws_sees_the_version_in_each_call_of_the_command_unless_the_user_has_an_application_id(
    own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", ENVIRONMENT | ({"AWS_SDK_UA_APP_ID": own} if own else {}))
    seen: list[str] = []

    def answer(request: Any, **_: Any) -> Any:
        seen.append(request.headers["User-Agent"].decode())
        return response(request, 200, b'{"TableNames": []}', "Content-Type", "application/x-amz-json-1.0")

    def call() -> None:
        client = boto3.Session().client("dynamodb")
        client.meta.events.register("before-send", answer)
        client.list_tables()

    monkeypatch.setattr(cli.main, "application", call)
    cli.main.main()
    assert f"app/{own or imaging_index.APPLICATION}" in seen[0].split()
