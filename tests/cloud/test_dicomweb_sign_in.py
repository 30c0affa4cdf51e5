"""DICOMweb for users of a Cognito user pool, and for a page in a browser: the real template in the local cloud.

The local cloud cannot sign tokens as Cognito does, so nobody signs in here: this is about whoever has not.
"""

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import boto3
import pytest
import urllib3

from local.cloud import LocalCloud
from local.deployment import deploy
from tests.accounts import signed_in
from tests.assemblies import synth_here

PAGE = "https://viewer.example.org"
POOL = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_abcDEF123"


@pytest.fixture
def local_cloud() -> Iterator[LocalCloud]:
    """A cloud of the test's own: requests that are not signed reach its default account alone."""
    with LocalCloud() as running, signed_in(running.environment()):
        yield running


def test_a_page_may_ask_what_it_may_ask_and_without_a_token_of_the_pool_nobody_reaches_the_function(
    local_cloud: LocalCloud, tmp_path: Path
) -> None:
    settings = {"dicomweb": json.dumps({"cognito": POOL}), "dicomwebOrigins": json.dumps([PAGE])}
    outputs = deploy(synth_here(tmp_path, **settings), local_cloud.environment())
    api = outputs["DicomwebUrl"].removeprefix("https://").partition(".")[0]
    studies = f"{local_cloud.endpoint}/_aws/execute-api/{api}/dicomweb/studies"

    def ask(method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request(method, studies, headers={"Origin": PAGE, **headers}, retries=False)

    for refused in (ask(), ask(Authorization="Bearer none"), ask(Authorization="AWS4-HMAC-SHA256 Credential=none")):
        assert refused.status == HTTPStatus.UNAUTHORIZED
        # A page sees that its token has expired.
        assert refused.headers["Access-Control-Allow-Origin"] == PAGE
    preflight = ask("OPTIONS", **{"Access-Control-Request-Method": "GET"})
    assert preflight.status == HTTPStatus.NO_CONTENT
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    assert preflight.headers["Access-Control-Allow-Methods"] == "GET"
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    logs = boto3.Session().client("logs")
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    (group,) = (each for each in groups if "DicomwebFunction" in each)
    assert logs.filter_log_events(logGroupName=group)["events"] == []
