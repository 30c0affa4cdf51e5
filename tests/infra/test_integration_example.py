"""The test for an AWS account synthesizes, and expects what the stack promises. Nothing says that it passes there."""

import json
from pathlib import Path

from aws_cdk.assertions import Match, Template

from examples.integration.integ_index import make_app
from infra.config import ROOT
from tests.infra.conftest import PLAIN_STORE, REGION, TEMPLATE_ONLY

IMAGE_SET = "00112233445566778899aabbccddeeff"


def test_the_test_for_an_account_sends_a_hint_and_waits_for_its_entry_in_a_stack_that_leaves_nothing(
    tmp_path: Path,
) -> None:
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"] | TEMPLATE_ONLY
    make_app(PLAIN_STORE, IMAGE_SET, REGION, context, str(tmp_path)).synth()
    (integration,) = (json.loads((tmp_path / "integ.json").read_text("utf-8"))["testCases"].values(),)
    ((case,),) = (list(integration),)
    assert case["stacks"] == ["ImagingIndexTest"]
    stack = json.loads((tmp_path / "ImagingIndexTest.template.json").read_text("utf-8"))
    assert all(each.get("DeletionPolicy") != "Retain" for each in stack["Resources"].values())

    (path,) = tmp_path.glob("IntegrationDefaultTestDeployAssert*.template.json")
    assertions = Template.from_string(path.read_text("utf-8"))
    (sent,) = assertions.find_resources("Custom::DeployAssert@SdkCallEventBridgeputEvents").values()
    entry = json.loads(sent["Properties"]["parameters"]["Entries"])[0]
    assert entry["Source"] == "imaging-index.replay"
    assert entry["DetailType"].startswith("Image Set ")
    assertions.has_resource_properties(
        "Custom::DeployAssert@SdkCallDynamoDBgetItem",
        {"expected": Match.string_like_regexp(IMAGE_SET), "stateMachineArn": Match.any_value()},
    )
