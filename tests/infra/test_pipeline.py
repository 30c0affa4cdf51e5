import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from tests.infra.conftest import HASHING, INDEX, owned, synthesize

Only = Callable[..., dict[str, Any]]

PLAIN_STORE = "0123456789abcdef0123456789abcdef"
STORE_WITH_KEY = "fedcba9876543210fedcba9876543210"


def queue(template: Template, name: str) -> tuple[str, dict[str, Any]]:
    """Logical id and properties of the queue that an output gives the URL of."""
    url = template.find_outputs(name)[name]["Value"]
    return url["Ref"], template.find_resources("AWS::SQS::Queue")[url["Ref"]]["Properties"]


def arn_of(logical_id: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def statements(template: Template) -> list[Any]:
    """The statements of the function's policies."""
    policies = owned(template, "AWS::IAM::ManagedPolicy", INDEX).values()
    return [statement for each in policies for statement in each["Properties"]["PolicyDocument"]["Statement"]]


def permissions(template: Template) -> dict[str, list[Any]]:
    """Every action that the function may do, with what it may do it on."""
    granted: dict[str, list[Any]] = {}
    for statement in statements(template):
        assert statement["Effect"] == "Allow"
        actions, resources = (
            value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
        )
        for action in actions:
            granted.setdefault(action, []).extend(resources)
    return granted


def data_store_arn(path: str) -> dict[str, Any]:
    account = {"Ref": "AWS::AccountId"}
    return {"Fn::Join": ["", ["arn:aws:medical-imaging:eu-central-1:", account, f":datastore/{path}"]]}


def test_the_rule_takes_image_set_events_of_the_service_and_of_our_own_replays_in_this_account(
    template: Template, only: Only
) -> None:
    # Nothing else may be asked for: the id's spelling varies, and a primary mark or a version is not in every event.
    assert only(template, "AWS::Events::Rule")["EventPattern"] == {
        "account": [{"Ref": "AWS::AccountId"}],
        "source": ["aws.medical-imaging", "imaging-index.replay"],
        "detail-type": [{"prefix": "Image Set "}],
    }


def test_listed_data_stores_are_the_only_ones_that_the_rule_lets_through(listed_template: Template, only: Only) -> None:
    pattern = only(listed_template, "AWS::Events::Rule")["EventPattern"]
    assert pattern["detail"] == {"datastoreId": [PLAIN_STORE, STORE_WITH_KEY]}


def test_the_rule_fills_the_queue_and_what_it_cannot_deliver_goes_to_a_queue_of_its_own(
    template: Template, only: Only
) -> None:
    (target,) = only(template, "AWS::Events::Rule")["Targets"]
    assert target["Arn"] == arn_of(queue(template, "QueueUrl")[0])
    assert target["DeadLetterConfig"]["Arn"] == arn_of(queue(template, "RuleDeadLetterQueueUrl")[0])
    assert queue(template, "RuleDeadLetterQueueUrl")[0] != queue(template, "DeadLetterQueueUrl")[0]


@pytest.mark.parametrize("name", ["QueueUrl", "RuleDeadLetterQueueUrl"])
def test_only_the_rule_may_send_to_the_queues_it_writes(template: Template, name: str) -> None:
    logical_id, _ = queue(template, name)
    rule = {"Fn::Join": ["", ["arn:aws:events:eu-central-1:", {"Ref": "AWS::AccountId"}, ":rule/ImagingIndex"]]}
    template.has_resource_properties(
        "AWS::SQS::QueuePolicy",
        {
            "Queues": [{"Ref": logical_id}],
            "PolicyDocument": {
                "Statement": [
                    Match.object_like({"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": arn_of(logical_id),
                        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
                    },
                ]
            },
        },
    )


def test_the_rule_is_made_when_the_queues_already_let_it_send(template: Template) -> None:
    ((logical_id, rule),) = template.find_resources("AWS::Events::Rule").items()
    assert rule["Properties"]["Name"] == "ImagingIndex"  # what the queues' policies name
    policies = template.find_resources("AWS::SQS::QueuePolicy")
    written = {queue(template, name)[0] for name in ("QueueUrl", "RuleDeadLetterQueueUrl")}
    for name, policy in policies.items():
        assert logical_id not in json.dumps(policy)
        (guarded,) = policy["Properties"]["Queues"]
        assert (name in rule["DependsOn"]) is (guarded["Ref"] in written)


def test_eventbridge_may_use_the_key_on_no_condition_that_it_cannot_meet(template: Template, only: Only) -> None:
    (statement,) = (
        statement
        for statement in only(template, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        if statement["Principal"].get("Service") == "events.amazonaws.com"
    )
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert "Condition" not in statement


def test_every_queue_keeps_its_messages_for_two_weeks_and_refuses_plain_http(template: Template) -> None:
    template.all_resources_properties("AWS::SQS::Queue", {"MessageRetentionPeriod": 14 * 24 * 3600})
    guarded = {
        policy["Properties"]["Queues"][0]["Ref"]
        for policy in template.find_resources("AWS::SQS::QueuePolicy").values()
        if any(
            statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        )
    }
    assert guarded == set(template.find_resources("AWS::SQS::Queue"))


def test_a_message_is_hidden_for_six_invocations_and_leaves_the_queue_after_a_thousand_tries(
    template: Template, only: Only
) -> None:
    _, properties = queue(template, "QueueUrl")
    assert properties["VisibilityTimeout"] == 6 * only(template, "AWS::Lambda::Function", INDEX)["Timeout"] == 360
    assert properties["RedrivePolicy"] == {
        "deadLetterTargetArn": arn_of(queue(template, "DeadLetterQueueUrl")[0]),
        "maxReceiveCount": 1000,
    }


def test_the_queue_hands_out_ten_messages_and_takes_back_the_ones_that_failed(template: Template, only: Only) -> None:
    mapping = only(template, "AWS::Lambda::EventSourceMapping")
    assert mapping["EventSourceArn"] == arn_of(queue(template, "QueueUrl")[0])
    assert mapping["BatchSize"] == 10
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 8}


def test_the_function_is_told_where_everything_is(template: Template, only: Only) -> None:
    function = only(template, "AWS::Lambda::Function", INDEX)
    assert function["Handler"] == "imaging_index.handlers.index.handler"
    assert function["Environment"]["Variables"] == {
        "TABLE_NAME": template.find_outputs("TableName")["TableName"]["Value"],
        "QUEUE_URL": {"Ref": queue(template, "QueueUrl")[0]},
        "DEAD_LETTER_QUEUE_URL": {"Ref": queue(template, "DeadLetterQueueUrl")[0]},
        "DATASTORES": "all",
        "PROFILE": "profile.toml",
        "POWERTOOLS_SERVICE_NAME": "ImagingIndex",
        "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_the_function_knows_the_listed_data_stores(listed_template: Template, only: Only) -> None:
    variables = only(listed_template, "AWS::Lambda::Function", INDEX)["Environment"]["Variables"]
    assert variables["DATASTORES"] == f"{PLAIN_STORE},{STORE_WITH_KEY}"


def test_the_function_runs_traced_and_logs_json_into_its_own_group(template: Template, only: Only) -> None:
    (group,) = owned(template, "AWS::Logs::LogGroup", INDEX)
    function = only(template, "AWS::Lambda::Function", INDEX)
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": group}}


def test_settings_reach_what_they_are_about(listed_template: Template, only: Only) -> None:
    function = only(listed_template, "AWS::Lambda::Function", INDEX)
    assert (function["Architectures"], function["MemorySize"]) == (["x86_64"], 1024)
    assert only(listed_template, "AWS::Logs::LogGroup", INDEX)["RetentionInDays"] == 7
    assert only(listed_template, "AWS::Lambda::EventSourceMapping")["ScalingConfig"] == {"MaximumConcurrency": 40}


def test_the_function_may_do_what_the_write_protocol_does_and_nothing_else(template: Template) -> None:
    (table,) = template.find_resources("AWS::DynamoDB::GlobalTable")
    (key,) = template.find_resources("AWS::KMS::Key")
    (group,) = owned(template, "AWS::Logs::LogGroup", INDEX)
    image_sets = [data_store_arn("*"), data_store_arn("*/imageset/*")]
    queue_arn = arn_of(queue(template, "QueueUrl")[0])
    assert permissions(template) == {
        "dynamodb:GetItem": [arn_of(table)],
        "dynamodb:PutItem": [arn_of(table)],
        "dynamodb:Query": [arn_of(table)],
        "dynamodb:BatchWriteItem": [arn_of(table)],
        "sqs:ReceiveMessage": [queue_arn],
        "sqs:DeleteMessage": [queue_arn],
        "sqs:GetQueueAttributes": [queue_arn],
        "sqs:ChangeMessageVisibility": [queue_arn],
        "sqs:SendMessage": [arn_of(queue(template, "DeadLetterQueueUrl")[0])],
        "medical-imaging:GetImageSet": image_sets,
        "medical-imaging:GetImageSetMetadata": image_sets,
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


def test_the_function_may_use_the_key_through_what_keeps_its_data_only(template: Template) -> None:
    (key,) = template.find_resources("AWS::KMS::Key")
    (statement,) = (statement for statement in statements(template) if statement["Resource"] == arn_of(key))
    services = ["dynamodb", "secretsmanager", "sqs"]
    through = [f"{service}.eu-central-1.amazonaws.com" for service in services]
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": through}}


def test_the_functions_role_holds_those_two_policies_alone(template: Template, only: Only) -> None:
    policies = owned(template, "AWS::IAM::ManagedPolicy", INDEX)
    assert len(policies) == 2
    role = only(template, "AWS::IAM::Role", INDEX)
    assert role["ManagedPolicyArns"] == [{"Ref": policy} for policy in policies]
    assert "Policies" not in role
    template.resource_count_is("AWS::IAM::Policy", 0)


def test_only_listed_data_stores_may_be_read_both_as_stores_and_by_their_image_sets(listed_template: Template) -> None:
    granted = permissions(listed_template)
    assert granted["medical-imaging:GetImageSet"] == granted["medical-imaging:GetImageSetMetadata"]
    assert granted["medical-imaging:GetImageSet"] == [
        data_store_arn(PLAIN_STORE),
        data_store_arn(f"{PLAIN_STORE}/imageset/*"),
        data_store_arn(STORE_WITH_KEY),
        data_store_arn(f"{STORE_WITH_KEY}/imageset/*"),
    ]


def test_of_25_data_stores_with_keys_of_their_own_each_policy_is_within_iams_quota(tmp_path: Path) -> None:
    # The longest of all ARNs: of a region of GovCloud, whose partition is long as well, and of a stack's longest name.
    region = "us-gov-west-1"
    stores = [
        {
            "id": f"{number:032}",
            "kmsKeyArn": f"arn:aws-us-gov:kms:{region}:111122223333:key/{number:08}-1111-2222-3333-444455556666",
        }
        for number in range(25)
    ]
    (tmp_path / "hashing.toml").write_text(HASHING)
    name = "S" * 64
    context = {
        "region": region,
        "stackName": name,
        "profile": str(tmp_path / "hashing.toml"),
        "dataStores": json.dumps(stores),
    }
    synthesize(tmp_path, context)
    template = Template.from_string((tmp_path / f"{name}.template.json").read_text("utf-8"))
    known = {"AWS::AccountId": "111122223333", "AWS::Partition": "aws-us-gov", "AWS::Region": region}

    def resolved(value: Any) -> Any:
        """As CloudFormation would have it, with ARNs of the longest kind."""
        match value:
            case {"Fn::Join": [between, parts]}:
                return between.join(map(resolved, parts))
            case {"Ref": str(name_of)} if name_of in known:
                return known[name_of]
            case {"Ref": str(logical_id)} | {"Fn::GetAtt": [str(logical_id), _]}:
                return f"arn:aws-us-gov:secretsmanager:{region}:111122223333:secret:{name}-{logical_id}-{'X' * 19}"
            case dict():
                return {key: resolved(each) for key, each in value.items()}
            case list():
                return [resolved(each) for each in value]
        return value

    lengths = [
        # IAM User Guide, "IAM and AWS STS quotas": white space does not count.
        len(json.dumps(resolved(policy["Properties"]["PolicyDocument"]), separators=(",", ":")))
        for policy in template.find_resources("AWS::IAM::ManagedPolicy").values()
    ]
    assert max(lengths) <= 6144, lengths
    assert sum(lengths) > 6144, lengths
