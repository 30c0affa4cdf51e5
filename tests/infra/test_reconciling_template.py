"""The schedule, and the function that compares: when it runs, what it is given, and what it may do."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from imaging_index import metric_names
from imaging_index.entry.entry import FORMAT
from imaging_index.profile import toml_file
from imaging_index.reconciling.counts import Difference
from infra.config import ROOT
from tests.infra.conftest import INDEX, PLAIN_STORE, RECONCILE, STORE_KEY, STORE_WITH_KEY, owned, synthesize

Only = Callable[..., dict[str, Any]]

SCHEDULE = "AWS::Scheduler::Schedule"
REVISION = toml_file.load(ROOT / "profiles" / "radiology.toml").revision


def arn_of(logical_id: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def granted(template: Template, of: str) -> dict[str, list[Any]]:
    """Every action that the policies of a construct allow, with what they allow it on."""
    found: dict[str, list[Any]] = {}
    for policy in owned(template, "AWS::IAM::ManagedPolicy", of).values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, resources = (
                value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
            )
            for action in actions:
                found.setdefault(action, []).extend(resources)
    return found


def data_store_arn(path: str) -> dict[str, Any]:
    account = {"Ref": "AWS::AccountId"}
    return {"Fn::Join": ["", ["arn:aws:medical-imaging:eu-central-1:", account, f":datastore/{path}"]]}


@pytest.fixture(scope="module")
def unscheduled(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of a stack that compares by the command only."""
    path = synthesize(tmp_path_factory.mktemp("unscheduled"), {"reconcileMinutes": "0"})
    return Template.from_string(path.read_text("utf-8"))


def test_the_schedule_invokes_the_function_every_ten_minutes_and_repeats_nothing(
    template: Template, only: Only
) -> None:
    (function,) = owned(template, "AWS::Lambda::Function", RECONCILE)
    (role,) = owned(template, "AWS::IAM::Role", "ReconcilingSchedulerRole")
    schedule = only(template, SCHEDULE)
    assert schedule["ScheduleExpression"] == "rate(10 minutes)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule.get("State", "ENABLED") == "ENABLED"
    assert schedule["Target"] == {
        "Arn": arn_of(function),
        "RoleArn": arn_of(role),
        "Input": "{}",
        "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0},
    }
    template.has_resource_properties(
        "AWS::Lambda::EventInvokeConfig", {"FunctionName": {"Ref": function}, "MaximumRetryAttempts": 0}
    )


def test_the_scheduler_may_invoke_that_function_only_and_for_this_account_only(template: Template, only: Only) -> None:
    (function,) = owned(template, "AWS::Lambda::Function", RECONCILE)
    assert granted(template, "ReconcilingInvokingPolicy") == {"lambda:InvokeFunction": [arn_of(function)]}
    (statement,) = only(template, "AWS::IAM::Role", "ReconcilingSchedulerRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_without_a_schedule_nothing_invokes_the_function_and_no_pass_is_missed(
    template: Template, unscheduled: Template
) -> None:
    unscheduled.resource_count_is(SCHEDULE, 0)
    assert owned(unscheduled, "AWS::Lambda::Function", RECONCILE)

    def alarms(of: Template) -> set[str]:
        return {each["Properties"]["AlarmName"] for each in of.find_resources("AWS::CloudWatch::Alarm").values()}

    assert alarms(template) - alarms(unscheduled) == {"ImagingIndex-NoPass"}


def test_the_function_has_ten_minutes_and_is_given_what_is_deployed(template: Template, only: Only) -> None:
    function = only(template, "AWS::Lambda::Function", RECONCILE)
    assert function["Handler"] == "imaging_index.handlers.reconcile.handler"
    assert function["Timeout"] == 600
    queue = template.find_outputs("QueueUrl")["QueueUrl"]["Value"]
    assert function["Environment"]["Variables"] == {
        "TABLE_NAME": template.find_outputs("TableName")["TableName"]["Value"],
        "QUEUE_URL": queue,
        "DATASTORES": "all",
        "GENERATION": f"{REVISION}.{FORMAT}",
        "MAXIMUM_CONCURRENCY": "8",
        "FULL_DAYS": "7",
        "DOLLARS": "1.0",
        "MEAN_MEGABYTES": "5.0",
        "POWERTOOLS_SERVICE_NAME": "ImagingIndex",
        "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    template.has_output("Generation", {"Value": f"{REVISION}.{FORMAT}"})
    (logical_id,) = owned(template, "AWS::Lambda::Function", RECONCILE)
    template.has_output("ReconcileFunctionName", {"Value": {"Ref": logical_id}})


def test_both_functions_run_the_same_package(template: Template, only: Only) -> None:
    index, reconcile = (only(template, "AWS::Lambda::Function", of)["Code"] for of in (INDEX, RECONCILE))
    assert index == reconcile


def test_the_settings_reach_the_function(tmp_path: Path, only: Only) -> None:
    given = {"reconcileMinutes": "1", "reconcileFullDays": "0", "reconcileDollars": "2.5", "meanSize": "40"}
    template = Template.from_string(synthesize(tmp_path, given).read_text("utf-8"))
    assert only(template, SCHEDULE)["ScheduleExpression"] == "rate(1 minute)"
    variables = only(template, "AWS::Lambda::Function", RECONCILE)["Environment"]["Variables"]
    assert (variables["FULL_DAYS"], variables["DOLLARS"], variables["MEAN_MEGABYTES"]) == ("0", "2.5", "40.0")


def test_the_function_may_compare_correct_and_send_but_never_read_a_document(template: Template) -> None:
    (table,) = template.find_resources("AWS::DynamoDB::GlobalTable")
    (key,) = template.find_resources("AWS::KMS::Key")
    (group,) = owned(template, "AWS::Logs::LogGroup", RECONCILE)
    queue = template.find_outputs("QueueUrl")["QueueUrl"]["Value"]["Ref"]
    assert granted(template, RECONCILE) == {
        "dynamodb:BatchGetItem": [arn_of(table)],
        "dynamodb:BatchWriteItem": [arn_of(table)],
        "dynamodb:GetItem": [arn_of(table)],
        "dynamodb:PutItem": [arn_of(table)],
        "dynamodb:Query": [arn_of(table)],
        "dynamodb:Scan": [arn_of(table)],
        "dynamodb:UpdateItem": [arn_of(table)],
        "sqs:GetQueueAttributes": [arn_of(queue)],
        "sqs:SendMessage": [arn_of(queue)],
        "medical-imaging:GetImageSet": [data_store_arn("*"), data_store_arn("*/imageset/*")],
        "medical-imaging:ListDatastores": ["*"],
        "medical-imaging:SearchImageSets": [data_store_arn("*")],
        "kms:Decrypt": [arn_of(key)],
        "kms:DescribeKey": [arn_of(key)],
        "kms:Encrypt": [arn_of(key)],
        "kms:GenerateDataKey": [arn_of(key)],
        "kms:ReEncryptFrom": [arn_of(key)],
        "kms:ReEncryptTo": [arn_of(key)],
        "logs:CreateLogStream": [arn_of(group)],
        "logs:PutLogEvents": [arn_of(group)],
        "xray:PutTelemetryRecords": ["*"],
        "xray:PutTraceSegments": ["*"],
    }


def test_only_listed_data_stores_may_be_compared_and_no_others_be_listed(listed_template: Template) -> None:
    found = granted(listed_template, RECONCILE)
    stores = (PLAIN_STORE, STORE_WITH_KEY)
    assert found["medical-imaging:SearchImageSets"] == [data_store_arn(store) for store in stores]
    assert found["medical-imaging:GetImageSet"] == [
        data_store_arn(path) for store in stores for path in (store, f"{store}/imageset/*")
    ]
    assert "medical-imaging:ListDatastores" not in found
    assert STORE_KEY in found["kms:Decrypt"]


def test_the_roles_hold_these_policies_alone(template: Template, only: Only) -> None:
    for role_of, policies_of in ((RECONCILE, RECONCILE), ("ReconcilingSchedulerRole", "ReconcilingInvokingPolicy")):
        role = only(template, "AWS::IAM::Role", role_of)
        policies = owned(template, "AWS::IAM::ManagedPolicy", policies_of)
        assert {each["Ref"] for each in role["ManagedPolicyArns"]} == set(policies)
        assert "Policies" not in role


def test_a_lack_of_passes_is_as_bad_as_an_old_one(template: Template) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "AlarmName": "ImagingIndex-NoPass",
            "MetricName": "SincePass",
            "Threshold": 3600,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "breaching",
            "Dimensions": Match.array_with([{"Name": "service", "Value": "ImagingIndex"}]),
        },
    )


@pytest.mark.parametrize(
    ("name", "metric", "comparison", "threshold"),
    [
        ("Drift", "StillDifferent", "GreaterThanOrEqualToThreshold", 1),
        ("FalseTombstone", "FalseTombstone", "GreaterThanOrEqualToThreshold", 1),
        ("MoneyRefused", "TierDollarsRefused", "GreaterThanThreshold", 0),
        ("GhostsRefused", "GhostsRefused", "GreaterThanOrEqualToThreshold", 1),
    ],
)
def test_an_alarm_rings_for_the_first_that_a_person_has_to_look_at(
    template: Template, name: str, metric: str, comparison: str, threshold: int
) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "AlarmName": f"ImagingIndex-{name}",
            "MetricName": metric,
            "Statistic": "Maximum",
            "ComparisonOperator": comparison,
            "Threshold": threshold,
            "EvaluationPeriods": 1,
        },
    )


def test_the_dashboards_first_row_shows_every_difference_the_passes_and_the_dollars(
    template: Template, only: Only
) -> None:
    _, parts = only(template, "AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"]
    body = "".join(part for part in parts if isinstance(part, str))
    first = body.split('"markdown":"## ')[1]
    assert first.startswith("Is it complete?")
    assert set(re.findall(r'"ImagingIndex","(\w+)"', first)) == {
        *(metric_names.of_difference(each.value) for each in Difference),
        *("StillDifferent", "GhostsRefused", "SincePass", "PassSeconds", "TierDollars", "TierDollarsRefused"),
    }
