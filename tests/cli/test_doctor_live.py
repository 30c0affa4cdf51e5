"""`imaging-index doctor --live` against the local cloud: a sound stack, and faults that are planted."""

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from cli.deployed import Stack
from cli.doctor import report
from cli.doctor.finding import warning
from cli.main import application
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import throttles_off, wait_for
from proof.harness.pipeline import response
from tests.assemblies import synth_here

# Of CT_small.dcm.
MARKERS = ("1CT1", "CompressedSamples", "1.3.6.1.4.1.5962")


@pytest.fixture(scope="module")
def outputs(environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A stack with events on and an image set, in a data store with a key of its own."""
    session = boto3.Session()
    client, kms = session.client("medical-imaging"), session.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    with throttles_off(environment_of_module["AWS_ENDPOINT_URL"]):
        store = client.create_datastore(datastoreName="own", clientToken="own", kmsKeyArn=key)["datastoreId"]
        wait_for(lambda: client.get_datastore(datastoreId=store)["datastoreProperties"]["datastoreStatus"] == "ACTIVE")
    listed = json.dumps([{"id": store, "kmsKeyArn": key}, {"id": make_datastore(client, "empty")}])
    assembly = synth_here(tmp_path_factory.mktemp("assembly"), events="on", dataStores=listed)
    outputs = deploy(assembly, environment_of_module)
    folder = tmp_path_factory.mktemp("files")
    shutil.copy(str(get_testdata_file("CT_small.dcm")), folder)
    import_folder(client, store, folder)
    wait_for(lambda: entries(session, outputs))
    return dict(outputs)


@pytest.fixture
def session(outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The session that the command uses."""
    assert outputs
    session = boto3.Session()
    monkeypatch.setattr("cli.deployed.Session", lambda **_: session)
    return session


def entries(session: boto3.Session, outputs: dict[str, str]) -> list[Any]:
    items = session.client("dynamodb").scan(TableName=outputs["TableName"])["Items"]
    return [item for item in items if item["Part"]["S"] == "entry"]


def live(folder: Path, wait: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The self-test's findings that are not as they should be, by part, and the report."""
    file = folder / "report.json"
    options = ["--live", "--json", "--report", str(file), "--wait", str(wait)]
    ended = CliRunner().invoke(application, ["doctor", *options], catch_exceptions=False)
    text = file.read_text("utf-8")
    assert not any(marker in ended.output + text for marker in MARKERS)
    bad = {each["part"]: each for each in json.loads(ended.stdout) if each["status"] != "ok"}
    assert all(each["next"] for each in bad.values())
    assert ended.exit_code == any(each["status"] == "failure" for each in bad.values())
    return bad, json.loads(text)


def made(session: boto3.Session, outputs: dict[str, str]) -> list[Any]:
    """The rules on the bus, the queues, and how many items the table has."""
    rules = session.client("events").list_rules(EventBusName=outputs["EventBusName"])["Rules"]
    queues = session.client("sqs").list_queues()["QueueUrls"]
    return [rules, queues, len(session.client("dynamodb").scan(TableName=outputs["TableName"])["Items"])]


def test_a_hint_of_its_own_goes_the_whole_way_and_leaves_nothing_behind(
    session: boto3.Session, outputs: dict[str, str], tmp_path: Path
) -> None:
    before, (entry,) = made(session, outputs), entries(session, outputs)
    bad, report = live(tmp_path, wait=60)
    assert not bad
    (after,) = entries(session, outputs)
    assert after["Cause"]["S"] == "repair"
    assert after["Generation"]["S"] > entry["Generation"]["S"]
    of_a_write = {"Attempt", "Cause", "EventTime", "Generation", "IndexedAt"}
    assert {name: after[name] for name in after.keys() - of_a_write} == {
        name: entry[name] for name in entry.keys() - of_a_write
    }
    assert made(session, outputs) == before

    steps = {each["part"]: each["found"] for each in report["findings"]}
    assert "which has a key of its own" in steps["live hint"]
    assert "study" in steps["live search"]
    assert report["seconds"].keys() == {"entry", "search", "event"}
    assert max(len(index["partition"]) for index in report["indexes"].values()) > 1
    assert report["resources"]["AWS::DynamoDB::GlobalTable"] == 1
    text = json.dumps(report)
    account = session.client("sts").get_caller_identity()["Account"]
    for secret in (account, "ImagingIndex", *(entry[name]["S"] for name in ("DatastoreId", "ImageSetId"))):
        assert secret not in text
    assert "<id 1>" in text


def test_a_hint_that_is_lost_is_a_failure_that_says_where_to_look(session: boto3.Session, tmp_path: Path) -> None:
    events = session.client("events")
    (rule,) = events.list_rules()["Rules"]
    events.disable_rule(Name=rule["Name"])
    try:
        bad, report = live(tmp_path, wait=1)
    finally:
        events.enable_rule(Name=rule["Name"])
    assert bad.keys() == {"rule", "live hint"}
    assert "changed no entry in 1 s" in bad["live hint"]["found"]
    assert "kms:ViaService" in bad["live hint"]["next"]
    assert any(each["part"] == "live hint" and each["status"] == "failure" for each in report["findings"])


def test_what_indexes_events_and_limits_lack_is_named(
    session: boto3.Session, outputs: dict[str, str], tmp_path: Path
) -> None:
    def nothing_found(request: Any, **_: Any) -> Any:
        if b'"IndexName": "study' not in request.body:
            return None
        body = {"Items": [], "Count": 0, "ConsumedCapacity": {"CapacityUnits": 0.5}}
        return response(request, 200, json.dumps(body).encode(), "Content-Type", "application/x-amz-json-1.0")

    def new_account(request: Any, **_: Any) -> Any:
        body = {"AccountLimit": {"ConcurrentExecutions": 5}, "AccountUsage": {}}
        return response(request, 200, json.dumps(body).encode(), "Content-Type", "application/json")

    session.events.register("before-send.dynamodb.Query", nothing_found)
    session.events.register("before-send.lambda.GetAccountSettings", new_account)
    functions = session.client("lambda")
    mappings = functions.list_event_source_mappings(FunctionName=outputs["EventFunctionName"])["EventSourceMappings"]
    (stream,) = (each["UUID"] for each in mappings if ":dynamodb:" in each["EventSourceArn"])
    functions.update_event_source_mapping(UUID=stream, Enabled=False)
    try:
        bad, _ = live(tmp_path, wait=3)
    finally:
        functions.update_event_source_mapping(UUID=stream, Enabled=True)
    assert {"limits", "live search", "live event"} <= bad.keys()
    assert bad["limits"]["status"] == "warning"
    assert "runs 5 functions" in bad["limits"]["found"]
    assert bad["live search"]["found"] == "The entry is not found by study."
    assert "1 change of an entry came without an event" in bad["live event"]["found"]


def test_a_missing_permission_is_a_warning_and_the_report_is_written(session: boto3.Session, tmp_path: Path) -> None:
    def refuse(request: Any, **_: Any) -> Any:
        body = json.dumps({"__type": "AccessDeniedException", "message": "no"}).encode()
        return response(request, 400, body, "x-amzn-ErrorType", "AccessDeniedException")

    session.events.register("before-send.eventbridge.PutEvents", refuse)
    bad, report = live(tmp_path, wait=1)
    assert bad["live hint"]["status"] == "warning"
    assert "PutEvents" in bad["live hint"]["next"]
    assert report["findings"]


def test_an_interrupted_self_test_leaves_nothing_behind(
    session: boto3.Session, outputs: dict[str, str], tmp_path: Path
) -> None:
    before, during = made(session, outputs), []

    def interrupt(**_: Any) -> None:
        during.append(made(boto3.Session(), outputs))
        raise KeyboardInterrupt

    session.events.register("before-send.eventbridge.PutEvents", interrupt)
    ended = CliRunner().invoke(application, ["doctor", "--live", "--report", str(tmp_path / "report.json")])
    assert ended.exit_code
    assert during[0] != before
    assert made(session, outputs) == before
    assert not [*tmp_path.iterdir()]


def test_a_report_has_no_part_of_a_stacks_name_that_cloudformation_cut() -> None:
    class Session:
        region_name = "eu-central-1"

        def client(self, _: str) -> Any:
            raise NoCredentialsError

    description = {"StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/x/y"}
    stack = Stack(Session(), "SaintMaryHospitalOfSpringfieldIndexOfImages", description)  # type: ignore[arg-type]
    made = {
        "Queue": "https://sqs/123456789012/SaintMaryHospitalOfSprin-Queue-1A",
        "Bucket": "saintmaryhospital-bucket-2b",
    }
    vars(stack)["resources"] = {name: {"PhysicalResourceId": each, "ResourceType": name} for name, each in made.items()}
    found = [("queue", warning(f"{each.rpartition('/')[2]} of {stack.name}.", each)) for each in made.values()]
    written = report.of(stack, found, {})
    assert "saint" not in written.lower()
    assert [each["found"] for each in json.loads(written)["findings"]] == [
        "<Queue> of <stack>.",
        "<Bucket> of <stack>.",
    ]
