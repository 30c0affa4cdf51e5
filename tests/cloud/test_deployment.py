"""The stack in the local cloud, by our own deployment."""

import dataclasses
import json
from pathlib import Path

import boto3
import pytest

from infra.assembly import Assembly
from local.deployment import DeploymentError, deploy, destroy, synth


def test_what_the_tests_deploy_is_what_app_py_gives(assembly: Assembly, tmp_path: Path) -> None:
    given = synth(tmp_path, context={"maximumConcurrency": "2"})
    assert given.template.read_text("utf-8") == assembly.template.read_text("utf-8")
    assert given.stack_name == assembly.stack_name
    uploads = [{(each.bucket, each.key, each.path.name) for each in some.assets} for some in (given, assembly)]
    assert uploads[0] == uploads[1]
    assert len(uploads[0]) == 2  # the template, and the functions' package under its hash


def test_the_outputs_name_what_really_exists(
    assembly: Assembly, environment: dict[str, str], aws: boto3.Session
) -> None:
    outputs = deploy(assembly, environment)
    table = aws.client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["ImageSet", "Part"]
    patient = next(index for index in table["GlobalSecondaryIndexes"] if "PatientID" in str(index["KeySchema"]))
    assert len(patient["KeySchema"]) == 4
    sqs = aws.client("sqs")
    for queue in ("QueueUrl", "DeadLetterQueueUrl", "RuleDeadLetterQueueUrl"):
        assert sqs.get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=["QueueArn"])["Attributes"]
    function = aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert function["Environment"]["Variables"]["TABLE_NAME"] == outputs["TableName"]


def test_a_destroyed_stack_leaves_no_resource_and_can_be_deployed_again(
    assembly: Assembly, environment: dict[str, str], aws: boto3.Session
) -> None:
    deploy(assembly, environment)
    destroy(assembly, environment)
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("events").list_rules()["Rules"] == []
    deploy(assembly, environment)


def test_deploying_twice_is_an_error_that_names_the_stack(assembly: Assembly, environment: dict[str, str]) -> None:
    deploy(assembly, environment)
    with pytest.raises(DeploymentError, match=r"refused the stack ImagingIndex: .*already exists"):
        deploy(assembly, environment)


def test_destroying_what_is_not_there_is_an_error_that_names_the_stack(
    assembly: Assembly, environment: dict[str, str]
) -> None:
    with pytest.raises(DeploymentError, match="no stack ImagingIndex to delete"):
        destroy(assembly, environment)


def test_a_resource_that_fails_is_named_with_the_reason(
    assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    template = json.loads(assembly.template.read_text())
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "taken"}}
    template["Resources"] |= {"First": bus, "Second": bus | {"DependsOn": "First"}}
    changed = tmp_path / assembly.template.name
    changed.write_text(json.dumps(template))
    broken = dataclasses.replace(
        assembly,
        template=changed,
        assets=tuple(
            dataclasses.replace(asset, path=changed) if asset.path == assembly.template else asset
            for asset in assembly.assets
        ),
    )
    with pytest.raises(DeploymentError, match=r"Second \(AWS::Events::EventBus\): .*already exists"):
        deploy(broken, environment)


def test_a_setting_that_cannot_be_is_shown_with_the_apps_own_message(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"could not be synthesized.*\n.*maximumConcurrency"):
        synth(tmp_path, context={"maximumConcurrency": "1"})
