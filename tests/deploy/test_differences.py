"""What an operator reads of a change before they agree to it."""

from typing import Any

from deploy import differences, grants
from deploy.template import Template

TABLE = {"Type": "AWS::DynamoDB::GlobalTable", "DeletionPolicy": "RetainExceptOnCreate", "Properties": {"Replicas": []}}


def template(settings: dict[str, str] | None = None, **resources: Any) -> Template:
    return Template({"Metadata": {"Profile": "", "Settings": settings or {}}, "Resources": resources})


def at(path: str, resource: dict[str, Any]) -> dict[str, Any]:
    return resource | {"Metadata": {"aws:cdk:path": f"Dev/{path}/Resource"}}


def policy(*actions: str, on: Any = "*") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": [*actions], "Resource": on}
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {"Statement": [statement]}}}


def test_an_update_names_settings_resources_permissions_and_what_is_kept_on_a_page() -> None:
    body = "x" * 50_000
    dashboard = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": body}}
    deployed = template(
        {"memorySize": "512", "events": "off"},
        Table=at("Storage/Table", TABLE),
        Dashboard=at("Dashboard", dashboard),
        Policy=at("Function/Policy", policy("dynamodb:GetItem", "sqs:SendMessage", on={"Ref": "Table"})),
        Queue={"Type": "AWS::SQS::Queue"},
        Logs=at("Logs", {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain"}),
    )
    wanted = template(
        {"memorySize": "600", "events": "off"},
        Table=at("Storage/Table", TABLE | {"DeletionPolicy": "Delete"}),
        Dashboard=at("Dashboard", {**dashboard, "Properties": {"DashboardBody": f"{body}x"}}),
        Policy=at("Function/Policy", policy("dynamodb:GetItem", "dynamodb:Scan", on={"Fn::GetAtt": ["Table", "Arn"]})),
        Topic={"Type": "AWS::SNS::Topic"},
    )
    assert (
        differences.of_update(deployed, wanted)
        == """
Settings:
  memorySize: 512 -> 600

New:
  SNS::Topic Topic

Changed:
  DynamoDB::GlobalTable Storage/Table: DeletionPolicy
  CloudWatch::Dashboard Dashboard: DashboardBody
  IAM::ManagedPolicy Function/Policy: PolicyDocument

Removed:
  SQS::Queue Queue

Not of the stack any more, but kept:
  Logs::LogGroup Logs

Permissions that are added:
  Function/Policy: dynamodb:Scan on Storage/Table

Permissions that are taken away:
  Function/Policy: sqs:SendMessage on Storage/Table

Deleted with the stack, as of now:
  DynamoDB::GlobalTable Storage/Table"""
    )
    assert differences.of_update(deployed, deployed) == ""


def test_a_stack_whose_template_has_no_paths_and_no_settings_differs_in_what_it_is_only() -> None:
    deployed = template(Table=TABLE, Policy=policy("dynamodb:GetItem", on={"Ref": "Table"}))
    named = template(
        {"memorySize": "512"},
        Table=at("Storage/Table", TABLE),
        Policy=at("Function/Policy", policy("dynamodb:GetItem", on={"Ref": "Table"})),
    )
    assert differences.of_update(deployed, named) == ""


def test_a_new_stack_is_counted_and_its_permissions_and_what_is_kept_are_named() -> None:
    said = differences.of_new(
        template(
            {"stackName": "Dev"},
            Table=at("Storage/Table", TABLE),
            One={"Type": "AWS::SQS::Queue"},
            Other={"Type": "AWS::SQS::Queue"},
            Policy=at("Function/Policy", policy("dynamodb:GetItem", on={"Ref": "Table"})),
        )
    )
    assert "  stackName: Dev\n" in said
    assert "New: 4 resources:\n  2 SQS::Queue, 1 DynamoDB::GlobalTable, 1 IAM::ManagedPolicy\n" in said
    assert "  Function/Policy: dynamodb:GetItem on Storage/Table\n" in said
    assert said.endswith("Kept when the stack is deleted:\n  DynamoDB::GlobalTable Storage/Table")
    assert all(len(line) <= 80 for line in said.splitlines())


def test_a_grant_is_found_wherever_a_template_can_hold_one() -> None:
    service = {"Service": "events.amazonaws.com"}
    deny = {
        "Effect": "Deny",
        "Action": "sqs:*",
        "Principal": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    resources = {
        "Queue": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"PolicyDocument": {"Statement": deny}}},
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {
                "KeyPolicy": {"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Principal": service}]}
            },
        },
        "Call": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": "apigateway"},
        },
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:admin", {"Ref": "Policy"}]}},
    }
    assert [*grants.in_words(grants.grants(resources, {name: name for name in resources}))] == [
        "Call: lambda:InvokeFunction to apigateway on f",
        "Key: kms:Decrypt to events.amazonaws.com on itself",
        "Queue: denies sqs:* to * on itself if Bool aws:SecureTransport false",
        "Role: all of arn:admin on all",
    ]
