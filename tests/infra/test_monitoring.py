"""Alarms ring: on metrics that something sends, about things that are there, at a topic that CloudWatch may use."""

import importlib
import io
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import boto3
import pytest
from aws_cdk.assertions import Match, Template
from botocore.awsrequest import AWSResponse
from botocore.retries.standard import ExponentialBackoff
from msgspec.structs import replace

from imaging_index.faults import Fault, Yielded
from imaging_index.indexing import Outcome
from imaging_index.profile import index_names, toml_file
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.reconciling.checkpoint import Checkpoint, End, Finished
from imaging_index.reconciling.counts import Counts, Difference, Tier
from imaging_index.reconciling.run import Progress
from imaging_index.reconciling.settings import Scope
from imaging_index.table.layout import Head, Key
from infra.assembly import Assembly
from infra.config import ROOT
from infra.monitoring import QUERIES, RUNBOOK
from local.cloud import LocalCloud
from local.deployment import deploy
from proof.campaigns.refusals import event
from proof.harness.image_sets import PROFILE_FILE, delete, make_image_set, update, wait_for
from proof.harness.pipeline import Pipeline, import_handler, response
from tests.accounts import signed_in
from tests.infra.conftest import INDEX, RECONCILE, synthesize

Metric = tuple[str, str, frozenset[tuple[str, str]]]
Only = Callable[..., dict[str, Any]]

ALARM = "AWS::CloudWatch::Alarm"
DOCS = ROOT / "docs"

# What AWS sends, with the names of the dimensions that it comes under.
AWS_METRICS: Final[Mapping[str, Mapping[tuple[str, ...], set[str]]]] = {
    # Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"
    "AWS/SQS": {
        ("QueueName",): {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfMessagesSent",
        }
    },
    # AWS Lambda Developer Guide, "Types of metrics for Lambda functions"
    "AWS/Lambda": {("FunctionName",): {"Duration", "Errors", "Invocations", "Throttles"}},
    # Amazon EventBridge User Guide, "Monitoring Amazon EventBridge": of a rule of the default bus
    "AWS/Events": {("RuleName",): {"FailedInvocations", "InvocationsFailedToBeSentToDlq", "InvocationsSentToDlq"}},
    # Amazon DynamoDB Developer Guide, "DynamoDB metrics and dimensions"
    "AWS/DynamoDB": {
        ("TableName",): {"ReadThrottleEvents", "WriteThrottleEvents"},
        ("GlobalSecondaryIndexName", "TableName"): {"ReadThrottleEvents", "WriteThrottleEvents"},
    },
    # Amazon CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics"
    "AWS/Logs": {("LogGroupName",): {"IncomingBytes"}},
}
# AWS Lambda Developer Guide, "Lambda Telemetry API Event schema reference": platform.report
LAMBDA_FIELDS: Final = {
    "type",
    "record.requestId",
    "record.status",
    *(f"record.metrics.{name}" for name in ("durationMs", "initDurationMs", "maxMemoryUsedMB")),
}


@dataclass(frozen=True)
class Account:
    """The stack in a local cloud, and its function's handler in this process."""

    aws: boto3.Session
    outputs: Mapping[str, str]
    pipeline: Pipeline

    def dimensions(self) -> set[tuple[str, str]]:
        """Name and value of each dimension of AWS's that the stack's parts have."""
        table = self.aws.client("dynamodb").describe_table(TableName=self.outputs["TableName"])["Table"]
        function = self.aws.client("lambda").get_function_configuration(FunctionName=self.outputs["FunctionName"])
        return {
            *(("QueueName", url.rpartition("/")[2]) for url in self.aws.client("sqs").list_queues()["QueueUrls"]),
            *(("RuleName", rule["Name"]) for rule in self.aws.client("events").list_rules()["Rules"]),
            ("FunctionName", function["FunctionName"]),
            ("LogGroupName", function["LoggingConfig"]["LogGroup"]),
            ("TableName", table["TableName"]),
            *(("GlobalSecondaryIndexName", index["IndexName"]) for index in table["GlobalSecondaryIndexes"]),
        }

    def alarms(self) -> dict[str, Metric]:
        """What each alarm looks at."""
        found = self.aws.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
        return {
            alarm["AlarmName"]: (
                alarm["Namespace"],
                alarm["MetricName"],
                frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"]),
            )
            for alarm in found
        }

    def graphs(self) -> dict[str, Metric]:
        """What each series of the dashboard shows."""
        cloudwatch = self.aws.client("cloudwatch")
        (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
        body = json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
        shown = [
            (widget["properties"]["title"], *metric)
            for widget in body["widgets"]
            for metric in widget["properties"].get("metrics", ())
        ]
        return {
            f"{title}/{options.get('label', name)}": (
                namespace,
                name,
                frozenset(zip(dimensions[::2], dimensions[1::2], strict=True)),
            )
            for title, namespace, name, *dimensions, options in (each for each in shown if len(each) > 2)
        }


@pytest.fixture(scope="module")
def account(cloud: LocalCloud, assembly: Assembly) -> Iterator[Account]:
    environment = cloud.environment("300000000001")
    with signed_in(environment) as patched:
        aws = boto3.Session()
        outputs = deploy(assembly, environment)
        # This process stands in for Lambda.
        lambda_ = aws.client("lambda")
        for mapping in lambda_.list_event_source_mappings(FunctionName=outputs["FunctionName"])["EventSourceMappings"]:
            lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
        function = lambda_.get_function_configuration(FunctionName=outputs["FunctionName"])
        for name, value in (function["Environment"]["Variables"] | {"PROFILE": str(PROFILE_FILE)}).items():
            patched.setenv(name, value)
        yield Account(aws, outputs, Pipeline(aws, outputs, import_handler()))


class Instead:
    """Answers a client of the handler's in the place of its service, when it is told how."""

    def __init__(self, client: Any) -> None:
        self.status, self.body, self.error = 0, b"", ""
        client.meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse | None:
        # A document is no answer to GetImageSet.
        if not self.status or (self.status == 200 and not request.url.partition("?")[0].endswith("Metadata")):
            return None
        return response(request, self.status, self.body, "x-amzn-ErrorType", self.error)

    def says(self, status: int = 0, body: bytes = b'{"message": "no"}', error: str = "") -> None:
        """From now on, until it is told otherwise; without a status the service itself answers again."""
        self.status, self.body, self.error = status, body, error


def go_every_way(account: Account, folder: Path) -> None:
    """Have the handler meet whatever it can meet, once."""
    pipeline, client = account.pipeline, account.aws.client("medical-imaging")
    instead = Instead(pipeline.module._indexer._healthimaging._client)
    instead_of_dynamodb = Instead(pipeline.module._table._client)

    def tell(told: Hint | str) -> None:
        body = told if isinstance(told, str) else event(told)
        pipeline.sqs.send_message(QueueUrl=pipeline.queue, MessageBody=body)
        pipeline.run()

    def told_of(key: Key, kind: Kind = Kind.CREATED, cause: Cause = Cause.EVENT) -> Hint:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Hint(kind, cause, key.datastore_id, key.image_set_id, 1, None, now)

    def close_breaker() -> None:
        pipeline.module._breaker.note(None)

    key = make_image_set(client, folder)
    created = told_of(key)

    def head() -> Head | None:
        pipeline.drain()
        return pipeline.table.head(key)

    wait_for(head)  # indexed
    tell(created)  # a duplicate
    tell(told_of(key, Kind.UPDATING))  # under way
    tell(told_of(key, Kind.UNKNOWN))
    update(client, key, 1)
    tell(told_of(key, Kind.UPDATED))
    tell(created)  # stale
    tell("no event")  # permanent
    tell(replace(created, image_set_id="0" * 32, version=None))  # not ready
    with patch.object(pipeline.module, "_datastores", frozenset({"0" * 32})):
        tell(created)  # of another data store
    repair = told_of(key, cause=Cause.REPAIR)
    repair = replace(repair, version=2)
    instead.says(200, b"not a document")
    tell(repair)  # poison
    series = {f"1.2.{number}": {"DICOM": {"SeriesInstanceUID": f"1.2.{number}"}, "Instances": {}} for number in (8, 9)}
    whole = {"SchemaVersion": "1.1", "DatastoreID": key.datastore_id, "ImageSetID": key.image_set_id}
    document = whole | {"Study": {"DICOM": {}, "Series": series}, "Calibration": math.nan}
    instead.says(200, json.dumps(document).encode())
    tell(repair)  # several series, and not quite JSON
    for status, error in (
        (500, "InternalServerException"),
        (403, "AccessDeniedException"),
        (429, "ThrottlingException"),
    ):
        close_breaker()
        instead.says(status, error=error)
        tell(repair)  # unknown, configuration, overload
    tell(repair)  # handed back: the breaker is open
    instead.says()
    close_breaker()
    instead_of_dynamodb.says(400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}')
    tell(repair)  # overload as well, though not by HealthImaging
    instead_of_dynamodb.says()
    close_breaker()
    with patch.object(pipeline.module._indexer, "converge", side_effect=Yielded("any")):
        tell(created)
    delete(client, key)
    tell(told_of(key, Kind.DELETED))


def reconcile_every_way() -> None:
    """Report passes that found everything, and that there was nothing to compare."""
    # After the handler's import: it shares this process's metrics with it.
    sys.modules.pop("imaging_index.pass_metrics", None)
    pass_metrics = importlib.import_module("imaging_index.pass_metrics")
    counts = Counts(again=1, false_tombstones=["0" * 32])
    for difference in Difference:
        counts.found(difference, Tier.ARCHIVE, 1, 1.0)
    counts.refused.add(1, 1.0)
    now = datetime.now(UTC)
    finished = Finished(Scope.FULL, now, now, End.WHOLE, counts, dollars=1.0, seconds=1.0)
    progress = Progress(done=False, current=None, share=1, finished=[finished], blocked="too many", waited_for="a call")

    pass_metrics.stepped("0" * 32, progress)
    pass_metrics.refused("0" * 32, "no permission")
    pass_metrics.age(Checkpoint(last={Scope.FULL: finished}), now, failed=False)
    pass_metrics.nothing_to_compare()
    pass_metrics.metrics.flush_metrics()


@dataclass(frozen=True)
class Told:
    """What the function has told: each metric with its unit, the values by a metric's name, and the log's lines."""

    metrics: dict[Metric, str]
    values: dict[str, list[float]]
    lines: list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the function tells in the embedded metric format and in its log, on every way through it."""
    with redirect_stdout(io.StringIO()) as output, patch.object(ExponentialBackoff, "delay_amount", lambda *_: 0):
        go_every_way(account, tmp_path_factory.mktemp("dicom"))
        reconcile_every_way()
    found: dict[Metric, str] = {}
    values: dict[str, list[float]] = defaultdict(list)
    for line in output.getvalue().splitlines():
        record = json.loads(line)
        for group in record["_aws"]["CloudWatchMetrics"]:
            for metric in group["Metrics"]:
                values[metric["Name"]] += record[metric["Name"]]
                for names in group["Dimensions"]:
                    dimensions = frozenset((name, record[name]) for name in names)
                    found[group["Namespace"], metric["Name"], dimensions] = metric["Unit"]
    return Told(found, values, [json.loads(line) for line in account.pipeline.log.getvalue().splitlines()])


def never_sent(looked_at: Mapping[str, Metric], account: Account, told: Told) -> dict[str, Metric]:
    """Those that nothing sends: neither the function nor, of the stack's parts, AWS."""
    there = account.dimensions()

    def sent_by_aws(namespace: str, name: str, dimensions: frozenset[tuple[str, str]]) -> bool:
        names = tuple(sorted(each for each, _ in dimensions))
        return name in AWS_METRICS.get(namespace, {}).get(names, ()) and dimensions <= there

    return {
        each: metric for each, metric in looked_at.items() if metric not in told.metrics and not sent_by_aws(*metric)
    }


def test_every_alarm_looks_at_a_metric_that_is_sent(account: Account, told: Told, template: Template) -> None:
    assert never_sent(account.alarms(), account, told) == {}
    assert len(account.alarms()) == len(template.find_resources(ALARM))


def test_every_graph_shows_a_metric_that_is_sent(account: Account, told: Told) -> None:
    assert len(account.graphs()) > 40
    assert never_sent(account.graphs(), account, told) == {}


def test_the_dashboard_shows_every_outcome_of_a_hint_and_every_class_of_fault(account: Account) -> None:
    shown = {(graph.partition("/")[0], name) for graph, (_, name, _) in account.graphs().items()}
    assert {("What became of hints", outcome.value) for outcome in Outcome} <= shown
    assert {("Faults by class", f"{fault.__name__}Faults") for fault in (*Fault.__subclasses__(), Yielded)} <= shown


def test_the_documented_metrics_are_those_that_the_function_sends(told: Told) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section("monitoring.md", "Metrics"), re.MULTILINE)
    assert dict(rows) == {name: unit for (_, name, _), unit in told.metrics.items()}
    assert {(namespace, dimensions) for namespace, _, dimensions in told.metrics} == {
        ("ImagingIndex", frozenset({("service", "ImagingIndex")}))
    }


def test_throttles_are_told_apart_by_who_throttled(told: Told) -> None:
    assert sum(told.values["OverloadFaults"]) == 2
    assert sum(told.values["HealthImagingThrottles"]) == 1


def test_a_batch_that_ends_with_the_breaker_open_says_so_and_any_other_that_it_is_not(told: Told) -> None:
    # Refused once and throttled twice, and one more that was handed back.
    assert sum(told.values["BreakerOpen"]) == 4
    assert set(told.values["BreakerOpen"]) == {0, 1}
    assert len(told.values["BreakerOpen"]) == len(told.values["WriteUnits"])


def test_a_hints_age_is_told_when_it_is_received_and_again_when_it_is_put_off(told: Told) -> None:
    ends = ("Indexed", "Duplicate", "Stale", "Deleted", "Passed", "OtherDatastore", "Parked", "Deferred")
    received = sum(sum(told.values[end]) for end in ends)
    assert len(told.values["HintAge"]) == received + sum(told.values["Deferred"])
    assert min(told.values["HintAge"]) >= 0


def test_saved_queries_ask_for_fields_that_the_log_has(told: Told) -> None:
    logged = {name for line in told.lines for name in line}
    words = {"fault", "reason", "tries", "imageSetId"}
    assert words <= logged
    for name, query in QUERIES.items():
        fields = re.match(r"fields ([^|]*)\|", query)
        assert fields, name
        asked = {each.strip() for each in fields[1].split(",")} | set(re.findall(r"filter (\w+) =", query))
        assert asked - {"@timestamp"} <= logged | LAMBDA_FIELDS, name
    assert {"parked", "deferred"} <= {line["message"] for line in told.lines}


def section(file: str, heading: str) -> str:
    _, _, rest = (ROOT / "docs" / file).read_text("utf-8").partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_alarm_leads_to_a_section_of_the_runbook_and_every_section_but_the_last_is_of_an_alarm(
    dicomweb_template: Template, events_template: Template, documents_template: Template, exports_template: Template
) -> None:
    alarms = []
    for each in (dicomweb_template, events_template, documents_template, exports_template):
        alarms += each.find_resources(ALARM).values()
    alarms += dicomweb_template.find_resources("AWS::CloudWatch::CompositeAlarm").values()
    *sections, _ = re.findall(r"^## (.*)$", (ROOT / RUNBOOK).read_text("utf-8"), re.MULTILINE)
    led_to = {alarm["Properties"]["AlarmDescription"].partition(f"What to do: {RUNBOOK}#")[2] for alarm in alarms}
    assert led_to == {anchor_of(heading) for heading in sections}
    for heading in sections:
        text = section("runbook.md", heading)
        assert text.index("**Means:**") < text.index("**Look at**") < text.lower().index("**do"), heading


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{file.name}" for file in sorted(DOCS.glob("*.md")))]
)
def test_links_within_the_documents_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for path, anchor in re.findall(r"\]\((?!https:)([^)#]*)#?([^)]*)\)", text):
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), path
        if anchor:
            headings = re.findall(r"^##+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in map(anchor_of, headings), (path, anchor)


def test_the_documented_alarms_are_the_ones_that_are_made(template: Template, only: Only) -> None:
    page = json.dumps(only(template, "AWS::CloudWatch::CompositeAlarm")["AlarmRule"])
    made = set()
    for logical_id, alarm in template.find_resources(ALARM).items():
        properties = alarm["Properties"]
        name = properties["AlarmName"].split("-")[1]
        periods = f"{properties['DatapointsToAlarm']} of {properties['EvaluationPeriods']}"
        minutes = properties["Period"] // 60
        missing = {"ignore": "as before", "notBreaching": "good", "breaching": "bad"}[properties["TreatMissingData"]]
        made.add((name, "p" if logical_id in page else "", f"{periods}, {minutes} min", missing))
    row = r"^\| `(\w+)` \| (p?) ?\|.*\| ([^|]*) \| ([\w ]*) \|$"
    assert set(re.findall(row, section("monitoring.md", "Alarms"), re.MULTILINE)) == made


def test_the_table_and_each_index_have_an_alarm_of_their_own_for_throttles(template: Template) -> None:
    looked_at = {
        (each["Properties"]["MetricName"], tuple(name for name in index_of(each["Properties"])))
        for each in template.find_resources(ALARM, {"Properties": {"Namespace": "AWS/DynamoDB"}}).values()
    }
    indexes = [(), *((name,) for name in index_names.of_all(toml_file.load(PROFILE_FILE).indexes).values())]
    assert looked_at == {
        (metric, index) for metric in ("WriteThrottleEvents", "ReadThrottleEvents") for index in indexes
    }


def index_of(properties: Mapping[str, Any]) -> list[str]:
    return [each["Value"] for each in properties["Dimensions"] if each["Name"] == "GlobalSecondaryIndexName"]


def test_every_alarm_rings_at_the_topic_and_says_when_it_is_over(template: Template) -> None:
    (topic,) = template.find_resources("AWS::SNS::Topic")
    for kind in (ALARM, "AWS::CloudWatch::CompositeAlarm"):
        found = template.find_resources(kind)
        assert found
        for alarm in found.values():
            assert alarm["Properties"]["AlarmActions"] == alarm["Properties"]["OKActions"] == [{"Ref": topic}]


def test_cloudwatch_may_publish_the_stacks_alarms_at_the_encrypted_topic_and_nothing_else(
    template: Template, only: Only
) -> None:
    (topic,) = template.find_resources("AWS::SNS::Topic")
    (key,) = template.find_resources("AWS::KMS::Key")
    assert only(template, "AWS::SNS::Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    deny, allow = only(template, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    arn = ["arn:aws:cloudwatch:eu-central-1:", {"Ref": "AWS::AccountId"}, ":alarm:ImagingIndex-*"]
    assert allow == {
        "Sid": allow["Sid"],
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": topic},
        "Condition": {"ArnLike": {"aws:SourceArn": {"Fn::Join": ["", arn]}}},
    }
    # The policy names alarms by what their names begin with.
    for kind in (ALARM, "AWS::CloudWatch::CompositeAlarm"):
        template.all_resources_properties(kind, {"AlarmName": Match.string_like_regexp("^ImagingIndex-")})


def test_cloudwatch_may_use_the_key_on_no_condition_that_it_cannot_meet(template: Template, only: Only) -> None:
    (statement,) = (
        statement
        for statement in only(template, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        if statement["Principal"].get("Service") == "cloudwatch.amazonaws.com"
    )
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    assert "Condition" not in statement


def test_nobody_gets_e_mail_unless_the_setting_names_somebody(template: Template, other_template: Template) -> None:
    template.resource_count_is("AWS::SNS::Subscription", 0)
    (topic,) = other_template.find_resources("AWS::SNS::Topic")
    other_template.has_resource_properties(
        "AWS::SNS::Subscription",
        {"Protocol": "email", "Endpoint": "pacs@hospital.example.org", "TopicArn": {"Ref": topic}},
    )


@pytest.fixture(scope="module")
def other_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of a second stack, with alarms by e-mail, as a local cloud takes it."""
    context = {"stackName": "Research", "alarmEmail": "pacs@hospital.example.org", "monitoring": "basic"}
    path = synthesize(tmp_path_factory.mktemp("other"), context).with_name("Research.template.json")
    return Template.from_string(path.read_text("utf-8"))


def test_two_stacks_share_neither_metrics_nor_names(template: Template, other_template: Template, only: Only) -> None:
    def names(some: Template) -> set[str]:
        alarms = (alarm["Properties"] for alarm in some.find_resources(ALARM).values())
        own = [alarm for alarm in alarms if alarm["Namespace"] == "ImagingIndex"]
        return {
            only(some, "AWS::CloudWatch::Dashboard")["DashboardName"],
            *(alarm["AlarmName"] for alarm in own),
            *(each["Value"] for alarm in own for each in alarm["Dimensions"]),
        }

    assert not names(template) & names(other_template)
    for of in (INDEX, RECONCILE):
        variables = only(other_template, "AWS::Lambda::Function", of)["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == "Research"


def test_the_local_cloud_does_without_the_page_and_the_saved_queries_only(
    template: Template, other_template: Template
) -> None:
    def kinds(some: Template) -> set[str]:
        return {resource["Type"] for resource in some.to_json()["Resources"].values()}

    left_out = {"AWS::CloudWatch::CompositeAlarm", "AWS::Logs::QueryDefinition"}
    assert kinds(template) - kinds(other_template) == left_out
    assert len(template.find_resources(ALARM)) == len(other_template.find_resources(ALARM))
    template.resource_count_is("AWS::Logs::QueryDefinition", len(QUERIES))


def test_the_dashboard_asks_from_top_to_bottom_if_it_is_right_fresh_healthy_and_dear(
    template: Template, only: Only
) -> None:
    text = json.dumps(only(template, "AWS::CloudWatch::Dashboard")["DashboardBody"])
    asked = [
        "Objective: 99.9 % within 60 s",
        *(f"## Is it {what}?" for what in ("complete", "right", "fresh", "healthy")),
    ]
    places = [text.index(question) for question in (*asked, "## What does it cost?")]
    assert places == sorted(places)
