"""A first deployment that fails: CloudFormation removes what it has made, and what stayed is named."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.errors import DeployError
from deploy.remains import Remains
from infra.assembly import Assembly
from local.deployment import DeploymentError, deploy
from tests.assemblies import synth_here

HASHING = 'revision = 1\nattributes = ["PatientID"]\n[privacy]\nPatientID = "hash"\n'


def synth_retained(folder: Path, **context: str) -> Assembly:
    """A stack whose data is kept, with a secret."""
    (folder / "hashing.toml").write_text(HASHING)
    return synth_here(folder / "assembly", removalPolicy="retain", profile=str(folder / "hashing.toml"), **context)


def broken(assembly: Assembly) -> Assembly:
    """The same with one more resource, which waits in vain for a signal when all others are made."""
    template = json.loads(assembly.template.read_text("utf-8"))
    others = [*template["Resources"]]
    template["Resources"]["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    template["Resources"]["Broken"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"},
        "DependsOn": others,
    }
    assembly.template.write_text(json.dumps(template), "utf-8")
    return assembly


def kept(aws: boto3.Session) -> dict[str, list[str]]:
    """What a stack might leave, without keys that are going to be deleted."""
    keys = [each["KeyId"] for each in aws.client("kms").list_keys()["Keys"]]
    states = {each: aws.client("kms").describe_key(KeyId=each)["KeyMetadata"]["KeyState"] for each in keys}
    found = {
        "tables": aws.client("dynamodb").list_tables()["TableNames"],
        "keys": [each for each, state in states.items() if state != "PendingDeletion"],
        "log groups": [each["logGroupName"] for each in aws.client("logs").describe_log_groups()["logGroups"]],
        "secrets": [each["ARN"] for each in aws.client("secretsmanager").list_secrets()["SecretList"]],
    }
    return {name: each for name, each in found.items() if each}


def test_a_stack_that_make_deploy_cannot_complete_leaves_nothing(
    aws: boto3.Session, environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(DeploymentError, match="ROLLBACK_COMPLETE"):
        deploy(broken(synth_retained(tmp_path, protected="off")), environment)
    assert kept(aws) == {}
    assert Remains(aws.client("cloudformation"), "ImagingIndex").of_last_time() == ""


def test_what_stays_of_another_deployment_is_named_with_commands_that_remove_it(
    aws: boto3.Session, environment: dict[str, str], tmp_path: Path
) -> None:
    # As the policies were, so that all of it stays.
    assembly = broken(synth_retained(tmp_path))
    assembly.template.write_text(assembly.template.read_text("utf-8").replace("RetainExceptOnCreate", "Retain"))
    with pytest.raises(DeploymentError, match="ROLLBACK"):
        deploy(assembly, environment)
    assert kept(aws).keys() == {"tables", "keys", "log groups", "secrets"}
    said = Remains(aws.client("cloudformation"), "ImagingIndex").of_last_time()
    commands = [line.strip() for line in said.splitlines() if line.startswith("  aws ")]
    for command in commands:
        subprocess.run([Path(sys.executable).with_name("aws"), *command.split()[1:]], check=True, capture_output=True)
    assert kept(aws) == {}


def test_a_stack_in_which_no_update_can_begin_is_named_with_the_way_out() -> None:
    class CloudFormation:
        def describe_stacks(self, **_: str) -> Any:
            return {"Stacks": [{"StackStatus": "UPDATE_ROLLBACK_FAILED"}]}

    remains: Any = Remains(CloudFormation(), "Dev")  # type: ignore[arg-type]
    with pytest.raises(DeployError, match="aws cloudformation continue-update-rollback --stack-name Dev"):
        remains.refuse_unless_whole()
