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
_DOCUMENTS = {"documents": "s3", "documentsDespitePrivacy": "on"}


def synth_retained(folder: Path, **context: str) -> Assembly:
    """A stack whose data is kept, with a secret and a bucket of documents."""
    (folder / "hashing.toml").write_text(HASHING)
    return synth_here(
        folder / "assembly", removalPolicy="retain", profile=str(folder / "hashing.toml"), **(_DOCUMENTS | context)
    )


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
        # Not the CDK's own.
        "buckets": [
            name for each in aws.client("s3").list_buckets()["Buckets"] if "documents" in (name := each["Name"])
        ],
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
    assert kept(aws).keys() == {"buckets", "tables", "keys", "log groups", "secrets"}
    (bucket,) = (name for name in kept(aws)["buckets"] if "documentsbucket" in name)
    aws.client("s3").put_object(Bucket=bucket, Key="documents/one.json.gz", Body=b"{}")
    said = Remains(aws.client("cloudformation"), "ImagingIndex").of_last_time()
    commands = [line.strip() for line in said.splitlines() if line.startswith("  aws ")]
    for command in commands:
        subprocess.run([Path(sys.executable).with_name("aws"), *command.split()[1:]], check=True, capture_output=True)
    assert kept(aws) == {}


def test_a_stack_in_which_no_update_can_begin_is_named_with_the_way_out() -> None:
    with pytest.raises(DeployError, match="aws cloudformation continue-update-rollback --stack-name Dev"):
        remains_of("UPDATE_ROLLBACK_FAILED").refuse_unless_whole()


def test_the_table_of_a_stack_that_was_in_use_has_no_command_that_deletes_it() -> None:
    with pytest.raises(DeployError, match=r"aws cloudformation delete-stack --stack-name Dev\n$"):
        remains_of("DELETE_FAILED").refuse_unless_whole()
    with pytest.raises(DeployError, match="aws dynamodb delete-table --table-name Index"):
        remains_of("ROLLBACK_FAILED").refuse_unless_whole()


def remains_of(status: str) -> Remains:
    """What is left of a stack in some status, which has kept its table."""

    class CloudFormation:
        def describe_stacks(self, **_: str) -> Any:
            return {"Stacks": [{"StackStatus": status}]}

        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, **_: str) -> Any:
            kind, table = "AWS::DynamoDB::GlobalTable", {"PhysicalResourceId": "Index", "LogicalResourceId": "Table"}
            return [{"StackEvents": [table | {"ResourceType": kind, "ResourceStatus": "DELETE_SKIPPED"}]}]

    client: Any = CloudFormation()
    return Remains(client, "Dev")
