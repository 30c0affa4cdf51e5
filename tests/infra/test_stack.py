"""Several stacks in one account and region, and what tells them and their costs apart."""

import json
from pathlib import Path
from typing import Any

from infra.synthesis import make_app
from tests.infra.conftest import TEMPLATE_ONLY, synthesize

TAGS = {"cost centre": "4711", "stage": "dev"}


def names(template_file: Path) -> dict[str, Any]:
    """The names that the template gives to resources; what has none is named by CloudFormation after its stack."""
    resources = json.loads(template_file.read_text("utf-8"))["Resources"]
    return {
        f"{resource} {name}": value
        for resource, described in resources.items()
        for name, value in described.get("Properties", {}).items()
        if name.endswith("Name") and name != "MetricName"
    }


def test_no_two_stacks_of_an_account_name_anything_alike(template_file: Path, tmp_path: Path) -> None:
    make_app({**TEMPLATE_ONLY, "stackName": "Dev"}, str(tmp_path)).synth()
    ours, theirs = names(template_file), names(tmp_path / "Dev.template.json")
    assert ours.keys() == theirs.keys()
    references = {name for name, value in ours.items() if not isinstance(value, str)}
    assert {name for name in ours.keys() - references if ours[name] == theirs[name]} == set()


def test_tags_are_on_the_stack_and_on_the_table_as_on_all_else(tmp_path: Path) -> None:
    template_file = synthesize(tmp_path, {"tags": json.dumps(TAGS)})
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["artifacts"]["ImagingIndex"]["properties"]["tags"] == TAGS
    resources = json.loads(template_file.read_text("utf-8"))["Resources"].values()
    wanted = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    (table,) = (each["Properties"] for each in resources if each["Type"] == "AWS::DynamoDB::GlobalTable")
    assert table["Replicas"][0]["Tags"] == wanted
    tagged = {each["Type"] for each in resources if each.get("Properties", {}).get("Tags") == wanted}
    assert {"AWS::KMS::Key", "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::SQS::Queue"} <= tagged
