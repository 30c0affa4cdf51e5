"""Events out in the template: what they add when they are on, how the stream is read, and what the function may do."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from imaging_index.profile import toml_file
from infra import publishing
from infra.config import FUNCTION_SECONDS, ROOT, SettingError, Settings
from infra.synthesis import make_app
from tests.infra.conftest import REGION, STORE_KEY, STORE_WITH_KEY, TEMPLATE_ONLY, synthesize

Only = Callable[[Template, str], dict[str, Any]]

BUS = "AWS::Events::EventBus"
RULE = "AWS::Events::Rule"
MAPPING = "AWS::Lambda::EventSourceMapping"
QUEUE = "AWS::SQS::Queue"
POLICY = "AWS::IAM::ManagedPolicy"


def resources(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template.to_json()["Resources"]
    return found


def named(template: Template, kind: str, part: str) -> tuple[str, dict[str, Any]]:
    """The only resource of a type whose name has this in it: the name, and its properties."""
    ((name, resource),) = (each for each in template.find_resources(kind).items() if re.search(part, each[0]))
    return name, resource["Properties"]


def granted(template: Template) -> set[tuple[str, str]]:
    """What the role of the function may do: actions, each with what it is granted on."""
    _, role = named(template, "AWS::IAM::Role", "^PublishingFunctionRole")
    assert "Policies" not in role
    statements = [
        statement
        for arn in role["ManagedPolicyArns"]
        for statement in resources(template)[arn["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
    ]
    return {
        (action, _words(resource) + (f" if {_words(condition)}" if (condition := each.get("Condition")) else ""))
        for each in statements
        for action in _listed(each["Action"])
        for resource in _listed(each["Resource"])
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(value: Any) -> str:
    """A resource or condition of a template, in short."""
    text = json.dumps(value)
    text = re.sub(r'\{"Fn::GetAtt": \["([A-Za-z]+)[0-9A-F]{8}", "(\w+)"\]\}', r"\1.\2", text)
    text = re.sub(r'\{"Fn::Join": \["", \[([^]]*)\]\]\}', lambda found: found[1].replace('", "', ""), text)
    return text.replace('"', "")


# What the function may do of each stack's, whatever the settings are.
ALWAYS = {
    ("events:PutEvents", "PublishingBus.Arn"),
    ("dynamodb:DescribeStream", "StorageTable.StreamArn"),
    ("dynamodb:GetRecords", "StorageTable.StreamArn"),
    ("dynamodb:GetShardIterator", "StorageTable.StreamArn"),
    ("dynamodb:ListStreams", "*"),
    ("sqs:SendMessage", "PublishingFailureQueue.Arn"),
    ("sqs:SendMessage", "PublishingDeadLetterQueue.Arn"),
    *((f"sqs:{action}", "PublishingQueue.Arn") for action in (
        "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"
    )),
    *((f"kms:{action}", "StorageKey.Arn if {StringEquals: {kms:ViaService: [dynamodb.eu-central-1.amazonaws.com, "
       "secretsmanager.eu-central-1.amazonaws.com, sqs.eu-central-1.amazonaws.com]}}") for action in (
        "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"
    )),
    ("logs:CreateLogStream", "PublishingFunctionLogs.Arn"),
    ("logs:PutLogEvents", "PublishingFunctionLogs.Arn"),
    ("xray:PutTelemetryRecords", "*"),
    ("xray:PutTraceSegments", "*"),
}  # fmt: skip


def test_events_are_off_as_shipped_and_on_they_change_nothing_of_what_indexes(
    template: Template, events_template: Template
) -> None:
    template.resource_count_is(BUS, 0)
    off, on = resources(template), resources(events_template)
    # The dashboard has a row more.
    (dashboard,) = template.find_resources("AWS::CloudWatch::Dashboard")
    (page,) = template.find_resources("AWS::CloudWatch::CompositeAlarm")
    assert {name: each for name, each in on.items() if name in off and name not in (dashboard, page)} == {
        name: each for name, each in off.items() if name not in (dashboard, page)
    }
    added = {name for name in on.keys() - off.keys() if not name.startswith("Publishing")}
    assert all(re.match("Monitoring(Event|Study|Jobs)", name) for name in added)


def test_the_stream_is_read_from_its_oldest_change_and_what_fails_is_tried_again_then_kept(
    events_template: Template,
) -> None:
    _, mapping = named(events_template, MAPPING, "Stream")
    failures, _ = named(events_template, QUEUE, "FailureQueue")
    function, _ = named(events_template, "AWS::Lambda::Function", "^PublishingFunction")
    table, _ = named(events_template, "AWS::DynamoDB::GlobalTable", "")
    assert mapping == {
        "EventSourceArn": {"Fn::GetAtt": [table, "StreamArn"]},
        "FunctionName": {"Ref": function},
        "StartingPosition": "TRIM_HORIZON",
        # Neither pages nor markers invoke the function: its own writes least of all.
        "FilterCriteria": {"Filters": [{"Pattern": '{"dynamodb":{"Keys":{"Part":{"S":["entry"]}}}}'}]},
        "BatchSize": 100,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 1000,
        "MaximumRecordAgeInSeconds": 6 * 3600,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [failures, "Arn"]}}},
    }


def test_messages_are_hidden_longer_than_an_invocation_takes_and_parked_after_a_thousand_receipts(
    events_template: Template,
) -> None:
    _, mapping = named(events_template, MAPPING, "Messages")
    name, queue = named(events_template, QUEUE, "^PublishingQueue")
    parked, _ = named(events_template, QUEUE, "^PublishingDeadLetterQueue")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [name, "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["VisibilityTimeout"] == 6 * FUNCTION_SECONDS
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": [parked, "Arn"]}, "maxReceiveCount": 1000}


def test_all_its_queues_are_encrypted_by_the_stacks_key_and_keep_messages_for_a_fortnight(
    events_template: Template,
) -> None:
    (key,) = events_template.find_resources("AWS::KMS::Key")
    queues = [each for name, each in events_template.find_resources(QUEUE).items() if name.startswith("Publishing")]
    assert len(queues) == 3
    for queue in queues:
        assert queue["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
        assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_for_image_sets_alone_the_function_may_read_the_stream_and_put_events_and_no_more(
    bare_events_template: Template,
) -> None:
    assert granted(bare_events_template) == ALWAYS


def test_for_studies_and_jobs_it_may_read_the_table_write_its_own_markers_and_ask_healthimaging(
    events_template: Template,
) -> None:
    stores = "arn:aws:medical-imaging:eu-central-1:{Ref: AWS::AccountId}:datastore/*"
    more = {(action, _flat(resource)) for action, resource in granted(events_template) - ALWAYS}
    assert more == {
        ("dynamodb:BatchGetItem", "StorageTable.Arn"),
        ("dynamodb:GetItem", "StorageTable.Arn"),
        ("dynamodb:DescribeTable", "StorageTable.Arn"),
        ("dynamodb:Query", "StorageTable.Arn/index/*"),
        (
            "dynamodb:UpdateItem",
            "StorageTable.Arn if {ForAllValues:StringLike: {dynamodb:LeadingKeys: [study/*, job/*]}}",
        ),
        ("sqs:SendMessage", "PublishingQueue.Arn"),
        *(("s3:GetObject", f"arn:aws:s3:::{each}/*job-output-manifest.json") for each in BUCKETS),
        *(("s3:ListBucket", f"arn:aws:s3:::{each}") for each in BUCKETS),
        ("medical-imaging:SearchImageSets", stores),
        ("medical-imaging:GetImageSet", stores),
        ("medical-imaging:GetImageSet", f"{stores}/imageset/*"),
    }


BUCKETS = ("import-output", "import-output-2")


def _flat(text: str) -> str:
    return re.sub(r", (?=/)|(?<=:), |, (?=:)", "", text)


def test_healthimagings_completed_jobs_of_this_account_reach_the_queue_and_only_by_this_rule(
    events_template: Template, bare_events_template: Template
) -> None:
    _, rule = named(events_template, RULE, "JobRule")
    queue, _ = named(events_template, QUEUE, "^PublishingQueue")
    parked, _ = named(events_template, QUEUE, "^PublishingDeadLetterQueue")
    assert rule["EventPattern"] == {
        "account": [{"Ref": "AWS::AccountId"}],
        "source": ["aws.medical-imaging"],
        "detail-type": ["Import Job Completed"],
    }
    assert rule["Targets"] == [
        {
            "Id": "Queue",
            "Arn": {"Fn::GetAtt": [queue, "Arn"]},
            "DeadLetterConfig": {"Arn": {"Fn::GetAtt": [parked, "Arn"]}},
        }
    ]
    for name in (queue, parked):
        (policy,) = (
            each["Properties"]["PolicyDocument"]["Statement"]
            for each in events_template.find_resources("AWS::SQS::QueuePolicy").values()
            if each["Properties"]["Queues"] == [{"Ref": name}]
        )
        (allowed,) = (each for each in policy if each["Effect"] == "Allow")
        assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
        assert "rule/ImagingIndex-jobs" in json.dumps(allowed["Condition"])
    # Without a bucket nothing could be read of a job, and each would be a message that is parked.
    assert [name for name in bare_events_template.find_resources(RULE) if "Job" in name] == []


def test_a_rule_of_the_longest_stack_name_has_a_valid_name(tmp_path: Path) -> None:
    name = "I" + "x" * 63
    context = {"events": "on", "importOutputBuckets": '["import-output"]', "stackName": name}
    make_app({**TEMPLATE_ONLY, **context}, str(tmp_path)).synth()
    template = Template.from_string((tmp_path / f"{name}.template.json").read_text("utf-8"))
    _, rule = named(template, RULE, "JobRule")
    assert rule["Name"] == name[:59] + "-jobs"


def test_the_function_and_the_key_policy_of_data_stores_know_both_readers(tmp_path: Path) -> None:
    stores = json.dumps([{"id": STORE_WITH_KEY, "kmsKeyArn": STORE_KEY}])
    context = {"events": "on", "studyStableMinutes": "720", "dataStores": stores}
    template = Template.from_string(synthesize(tmp_path, context).read_text("utf-8"))
    _, function = named(template, "AWS::Lambda::Function", "^PublishingFunction")
    assert function["Environment"]["Variables"]["DATASTORES"] == STORE_WITH_KEY
    assert function["Environment"]["Variables"]["STUDY_STABLE_MINUTES"] == "720"
    assert any(action == "kms:Decrypt" and STORE_KEY in resource for action, resource in granted(template))
    statement = json.dumps(template.to_json()["Outputs"]["DataStoreKeyPolicyStatement"]["Value"])
    assert "PublishingFunctionRole" in statement
    assert "PipelineIndexFunctionRole" in statement


def test_the_schema_is_registered_by_a_setting_of_its_own(
    events_template: Template, bare_events_template: Template, only: Only
) -> None:
    schema = only(events_template, "AWS::EventSchemas::Schema")
    assert schema["Type"] == "JSONSchemaDraft4"
    assert json.loads(schema["Content"]) == json.loads((ROOT / "docs" / "events.schema.json").read_text("utf-8"))
    bare_events_template.resource_count_is("AWS::EventSchemas::Schema", 0)
    bare_events_template.resource_count_is("AWS::EventSchemas::Registry", 0)


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"studyStableMinutes": "30"}, "'studyStableMinutes' needs events"),
        ({"importOutputBuckets": '["import-output"]'}, "'importOutputBuckets' needs events"),
        ({"eventSchemas": "on"}, "'eventSchemas' needs events"),
        ({"events": "maybe"}, "'events' is 'maybe'. It may be off or on"),
        ({"events": "on", "studyStableMinutes": "-1"}, "from 0"),
        ({"events": "on", "studyStableMinutes": str(13 * 60)}, "to 720"),
        ({"events": "on", "studyStableMinutes": "1.5"}, "a whole number of minutes"),
        ({"events": "on", "importOutputBuckets": '["s3://import-output/"]'}, "a list of at most 10 names"),
        ({"event": "on"}, "Did you mean 'events'"),
    ],
)
def test_an_invalid_setting_is_refused_with_what_it_may_be(context: dict[str, str], says: str) -> None:
    with pytest.raises(SettingError, match=re.escape(says)):
        make_app({**TEMPLATE_ONLY, **context})


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ('[privacy]\nStudyInstanceUID = "hash"\n', "does not keep StudyInstanceUID"),
        ('[privacy]\nStudyInstanceUID = "drop"\n', "does not keep StudyInstanceUID"),
        ("", "No index finds the image sets of a study"),
    ],
)
def test_stable_studies_are_refused_when_the_profile_cannot_find_a_study(tmp_path: Path, extra: str, says: str) -> None:
    profile = tmp_path / "own.toml"
    profile.write_text(f'revision = 1\nattributes = ["StudyInstanceUID", "Modality"]\n{extra}')
    settings = Settings.from_context(
        {**_shipped(), "profile": str(profile), "events": "on", "studyStableMinutes": "30", "region": REGION}, {}
    )
    with pytest.raises(SettingError, match=says):
        publishing.check(settings, toml_file.load(profile))


def test_events_are_refused_whose_time_would_tell_by_how_many_days_dates_are_shifted() -> None:
    profile = ROOT / "profiles" / "research-pseudonymous.toml"
    context = {**_shipped(), "profile": str(profile), "region": REGION}
    publishing.check(Settings.from_context(context, {}), toml_file.load(profile))
    with pytest.raises(SettingError, match="the time of an event would tell by how many days"):
        publishing.check(Settings.from_context({**context, "events": "on"}, {}), toml_file.load(profile))


def _shipped() -> dict[str, Any]:
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    return context
