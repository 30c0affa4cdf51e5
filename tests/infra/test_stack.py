"""Several stacks in one account and region, and what tells them and their costs apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.template import Template
from infra import assembly
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


def test_the_template_says_what_the_settings_are_and_not_where_a_profile_of_ones_own_is(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('revision = 1\nattributes = ["Modality"]\n')
    template_file = synthesize(tmp_path, {"profile": str(tmp_path / "own.toml"), "tags": json.dumps(TAGS)})
    settings = json.loads(template_file.read_text("utf-8"))["Metadata"]["Settings"]
    assert settings["profile"] == "own.toml"
    assert settings["dataStores"] == "all"
    assert json.loads(settings["tags"]) == TAGS
    # What `make deploy` sets itself, or what would be unset.
    assert settings.keys().isdisjoint({"indexes", "protected", "alarmEmail"})


@pytest.mark.parametrize(
    ("context", "stack", "table"),
    [
        ({}, False, True),
        ({"terminationProtection": "on"}, True, True),
        # As `make deploy` makes a stack that is not complete yet.
        ({"terminationProtection": "on", "protected": "off"}, False, False),
    ],
)
def test_a_stack_is_protected_by_setting_and_the_table_unless_the_stack_is_being_made(
    tmp_path: Path, context: dict[str, str], stack: bool, table: bool
) -> None:
    template_file = synthesize(tmp_path, context)
    assert assembly.read(tmp_path).is_protected is stack
    assert Template(json.loads(template_file.read_text("utf-8"))).is_protected is table


def test_an_assembly_can_say_otherwise_of_its_stack(tmp_path: Path) -> None:
    synthesize(tmp_path, {})
    for on in (True, False):
        assembly.protect(tmp_path, on=on)
        assert assembly.read(tmp_path).is_protected is on


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
