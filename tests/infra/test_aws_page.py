"""docs/aws.md has a row for each resource type and each permission of the template, with all settings on."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.config import ROOT

PAGE = (ROOT / "docs" / "aws.md").read_text("utf-8")

# What a policy is in, by its resource's type and its property.
POLICIES = {
    ("AWS::IAM::ManagedPolicy", "PolicyDocument"): "role",
    ("AWS::KMS::Key", "KeyPolicy"): "key policy",
    ("AWS::SQS::QueuePolicy", "PolicyDocument"): "queue policy",
    ("AWS::SNS::TopicPolicy", "PolicyDocument"): "topic policy",
    ("AWS::ApiGateway::RestApi", "Policy"): "API policy",
    ("AWS::IAM::Role", "AssumeRolePolicyDocument"): "trust policy",
}


@pytest.fixture(scope="session")
def resources(
    template_file: Path,
    listed_template_file: Path,
    dicomweb_file: Path,
    private_dicomweb_file: Path,
    events_file: Path,
) -> list[Mapping[str, Any]]:
    """The resources of all stacks that the tests synthesize, which together have all that the settings can add."""
    files = (template_file, listed_template_file, dicomweb_file, private_dicomweb_file, events_file)
    return [each for file in files for each in json.loads(file.read_text("utf-8"))["Resources"].values()]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading of any level, without its header."""
    section = re.split(rf"^#+ {re.escape(heading)}$", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    (table, *_) = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in table.splitlines()]
    assert len({len(row) for row in cells}) == 1
    return [row for row in cells[2:] if row]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def permissions(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The actions of a resource's policies, each with what the policy is in."""
    properties = resource.get("Properties", {})
    for (kind, name), place in POLICIES.items():
        if resource["Type"] == kind and name in properties:
            for statement in listed(properties[name]["Statement"]):
                yield from ((action, place) for action in listed(statement["Action"]))
    if resource["Type"] == "AWS::Lambda::Permission":
        yield properties["Action"], "function policy"


def test_each_resource_type_has_a_row_and_no_row_is_left_over(resources: list[Mapping[str, Any]]) -> None:
    documented = [row[0].strip("`") for row in rows("Resource types")]
    assert sorted(documented) == sorted({each["Type"] for each in resources})


def test_each_permission_has_a_row_and_no_row_is_left_over(resources: list[Mapping[str, Any]]) -> None:
    documented = {(action, row[1]) for row in rows("Permissions") for action in re.findall(r"`([^`]+)`", row[0])}
    assert documented == {each for resource in resources for each in permissions(resource)}


def test_the_tests_that_the_page_names_exist() -> None:
    modules = [*(ROOT / "tests").rglob("*.py")]
    tests = {
        name for each in modules for name in re.findall(r"^def (test_\w+)\(", each.read_text("utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 40
    assert named <= tests, named - tests


def test_the_controls_that_would_refuse_the_stack_are_these(resources: list[Mapping[str, Any]]) -> None:
    """Each with what it looks at, as the Controls Reference Guide has it."""

    def of(kind: str) -> list[Mapping[str, Any]]:
        return [each["Properties"] for each in resources if each["Type"] == kind]

    refused = {
        "CT.CLOUDWATCH.PR.2": any(each["RetentionInDays"] < 365 for each in of("AWS::Logs::LogGroup")),
        "CT.SQS.PR.1": any({"RedrivePolicy", "RedriveAllowPolicy"}.isdisjoint(each) for each in of("AWS::SQS::Queue")),
        "CT.LAMBDA.PR.3": any("VpcConfig" not in each for each in of("AWS::Lambda::Function")),
        "CT.KMS.PR.3": any(
            all(each["Effect"] != "Deny" for each in key["KeyPolicy"]["Statement"]) for key in of("AWS::KMS::Key")
        ),
        # Others that look at what the stack has, and let it pass.
        "CT.CLOUDWATCH.PR.1": any(not each.get("AlarmActions") for each in of("AWS::CloudWatch::Alarm")),
        "CT.CLOUDWATCH.PR.3": any("KmsKeyId" not in each for each in of("AWS::Logs::LogGroup")),
        "CT.KMS.PR.1": any(not each["EnableKeyRotation"] for each in of("AWS::KMS::Key")),
        "CT.SQS.PR.2": any("KmsMasterKeyId" not in each for each in of("AWS::SQS::Queue")),
    }
    assert {row[0] for row in rows("Before the first deployment")} == {name for name, yes in refused.items() if yes}
