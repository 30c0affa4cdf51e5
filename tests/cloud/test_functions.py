"""What a function finds around itself in the local cloud."""

import io
import json
import sys
import zipfile
from pathlib import Path

import boto3
import pytest

from local.cloud import LocalCloud

_LOOK_AROUND = """
import importlib.util, os, pathlib, sys
def handler(event, context):
    return {
        "version": list(sys.version_info[:2]),
        "found": [name for name in event["modules"] if importlib.util.find_spec(name)],
        "home": str(pathlib.Path.home()),
        "environment": dict(os.environ),
    }
"""


@pytest.fixture
def around(environment: dict[str, str], aws: boto3.Session) -> dict[str, object]:
    """What a function of a bundle with one module in it sees, in the account of `environment`."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as zipped:
        zipped.writestr("look.py", _LOOK_AROUND)
    client = aws.client("lambda")
    client.create_function(
        FunctionName="look",
        Runtime="python3.13",
        Handler="look.handler",
        Role=f"arn:aws:iam::{environment['AWS_ACCESS_KEY_ID']}:role/any",
        Code={"ZipFile": bundle.getvalue()},
    )
    modules = ["look", "boto3", "ministack", "pydicom", "imaging_index", "local"]
    answer = client.invoke(FunctionName="look", Payload=json.dumps({"modules": modules}))
    seen: dict[str, object] = json.loads(answer["Payload"].read())
    return seen


def test_a_function_sees_its_bundle_and_none_of_our_packages(around: dict[str, object]) -> None:
    assert around["found"] == ["look"]


def test_a_function_runs_on_the_python_that_its_wheels_were_chosen_for(around: dict[str, object]) -> None:
    assert around["version"] == list(sys.version_info[:2])


def test_a_function_has_its_accounts_credentials_and_nothing_of_the_developers(
    around: dict[str, object], environment: dict[str, str], cloud: LocalCloud
) -> None:
    seen = around["environment"]
    assert isinstance(seen, dict)
    assert seen["AWS_ACCESS_KEY_ID"] == environment["AWS_ACCESS_KEY_ID"]
    assert seen["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert around["home"] != str(Path.home())
    assert not {"PYTEST_CURRENT_TEST", "AWS_CONFIG_FILE"} & set(seen)
