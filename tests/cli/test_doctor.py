"""`imaging-index doctor`: a healthy stack, and one that is broken in one place after the other."""

import contextlib
import functools
import io
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
import pytest
from msgspec import structs
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from cli import deployed
from cli.deployed import Stack
from cli.doctor import entries
from cli.main import application
from imaging_index.profile import index_names
from imaging_index.profile.privacy import Policy
from imaging_index.reconciling.checkpoint import End, Finished
from imaging_index.reconciling.counts import Counts
from imaging_index.reconciling.keeping import InTable
from imaging_index.reconciling.pacing import MachineClock
from imaging_index.reconciling.settings import Scope
from imaging_index.table.checkpoints import Checkpoints
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import throttles_off, wait_for
from proof.harness.pipeline import response
from tests.assemblies import synth_here

# The package tells all programs where its data is, and the AWS CLI 2 cannot use them.
with mock.patch.dict(os.environ):
    from awscli.clidriver import create_clidriver

    AWS_CLI_DATA = os.environ["AWS_DATA_PATH"]

MARKERS = ("1CT1", "CompressedSamples")


@pytest.fixture
def session(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The session that the command uses. A command makes one client of a service, since that takes long."""

    def of_command(**_: Any) -> Any:
        return SimpleNamespace(client=functools.cache(aws.client))

    monkeypatch.setattr("cli.deployed.Session", of_command)
    return aws


@pytest.fixture
def outputs(assembly: Assembly, environment: dict[str, str], session: boto3.Session, tmp_path: Path) -> dict[str, str]:
    """A deployed stack with one indexed image set."""
    outputs = deploy(assembly, environment)
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path)
    client = session.client("medical-imaging")
    import_folder(client, make_datastore(client, "hospital"), tmp_path)
    dynamodb = session.client("dynamodb")
    wait_for(lambda: dynamodb.scan(TableName=outputs["TableName"])["Count"])
    return outputs


def doctor(*arguments: str) -> tuple[int, list[dict[str, str]]]:
    """The exit status and the findings; whatever is printed holds nothing of the document."""
    ended = CliRunner().invoke(application, ["doctor", "--json", *arguments])
    assert not any(marker in ended.output for marker in MARKERS)
    return ended.exit_code, json.loads(ended.stdout)


def wrong(*arguments: str) -> dict[str, dict[str, str]]:
    """What is not as it should be, by part."""
    status, findings = doctor(*arguments)
    bad = {each["part"]: each for each in findings if each["status"] != "ok"}
    # There is one thing in each part, but for the two queues of dead letters: it is not also as it should be.
    assert not {each["part"] for each in findings if each["status"] == "ok"} & bad.keys() - {"dead letters"}
    assert status == any(each["status"] == "failure" for each in bad.values())
    assert all(each["next"] for each in bad.values())
    return bad


def test_a_healthy_stack_is_ok_in_every_part_and_each_break_is_named_with_what_mends_it(
    session: boto3.Session, outputs: dict[str, str]
) -> None:
    status, findings = doctor()
    assert status == 0
    assert {each["status"] for each in findings} == {"ok"}
    assert [each["part"] for each in findings if each["part"] != "dead letters"] == [
        *("stack", "data stores", "rule", "queue", "mapping", "function", "reconcile", "table", "indexes", "entries"),
        "key",
    ]
    shown = CliRunner().invoke(application, ["doctor"])
    assert shown.exit_code == 0
    assert "0 failures, 0 warnings" in shown.stdout

    functions = session.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=outputs["FunctionName"])["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    bad = wrong()
    assert bad.keys() == {"mapping"}
    run(bad["mapping"]["next"])
    assert not wrong()

    rules = session.client("events")
    (rule,) = rules.list_rules()["Rules"]
    rules.disable_rule(Name=rule["Name"])
    bad = wrong()
    assert bad.keys() == {"rule"}
    run(bad["rule"]["next"])
    assert not wrong()

    functions.put_function_concurrency(FunctionName=outputs["FunctionName"], ReservedConcurrentExecutions=0)
    bad = wrong()
    assert bad.keys() == {"function"}
    run(bad["function"]["next"])
    assert not wrong()

    dynamodb = session.client("dynamodb")
    (patient,) = (
        index["IndexName"]
        for index in dynamodb.describe_table(TableName=outputs["TableName"])["Table"]["GlobalSecondaryIndexes"]
        if index_names.declared(index["IndexName"]) == "patient"
    )
    drop: Any = [{"Delete": {"IndexName": patient}}]
    dynamodb.update_table(TableName=outputs["TableName"], GlobalSecondaryIndexUpdates=drop)
    bad = wrong()
    assert bad.keys() == {"indexes"}
    assert f"{patient} is gone" in bad["indexes"]["found"]
    run(bad["indexes"]["next"])
    assert not wrong()

    sqs = session.client("sqs")
    sqs.send_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody="{}")
    bad = wrong()
    assert bad.keys() == {"dead letters"}
    assert bad["dead letters"]["found"].startswith("1 dead letter of the queue")
    assert "Permanent: Not an event of HealthImaging" in bad["dead letters"]["next"]
    sqs.purge_queue(QueueUrl=outputs["DeadLetterQueueUrl"])

    for part, output in (
        ("queue", "QueueUrl"),
        ("dead letters", "RuleDeadLetterQueueUrl"),
        ("dead letters", "DeadLetterQueueUrl"),
    ):
        given = sqs.get_queue_attributes(QueueUrl=outputs[output], AttributeNames=["All"])["Attributes"]
        sent_to = rule["Arn"] in given["Policy"]
        assert sent_to is (output != "DeadLetterQueueUrl")
        for policy in ("", given["Policy"].replace(rule["Arn"], f"{rule['Arn']}s")) if sent_to else ():
            sqs.set_queue_attributes(QueueUrl=outputs[output], Attributes={"Policy": policy})
            bad = wrong()
            assert bad.keys() == {part}
            assert "does not let the rule send" in bad[part]["found"]
            run(bad[part]["next"])
            assert not wrong()
        sqs.delete_queue(QueueUrl=outputs[output])
        bad = wrong()
        assert bad.keys() == {part}
        assert "is gone" in bad[part]["found"]
        run(bad[part]["next"])
        assert not wrong()
        again = sqs.get_queue_attributes(QueueUrl=outputs[output], AttributeNames=["All"])["Attributes"]
        for name in ("KmsMasterKeyId", "MessageRetentionPeriod", "RedrivePolicy", "VisibilityTimeout", "Policy"):
            assert plain(again.get(name)) == plain(given.get(name)), name

    kms = session.client("kms")
    (key,) = (each["KeyId"] for each in kms.list_keys()["Keys"])
    kms.schedule_key_deletion(KeyId=key)
    bad = wrong()
    assert bad.keys() == {"key"}
    run(bad["key"]["next"])
    assert not wrong()

    for target in rules.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
        rules.remove_targets(Rule=rule["Name"], Ids=[target["Id"]])
    assert wrong().keys() == {"rule"}
    rules.delete_rule(Name=rule["Name"])
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    functions.delete_function(FunctionName=outputs["FunctionName"])
    bad = wrong()
    assert bad.keys() == {"rule", "mapping", "function"}
    assert "is gone" in bad["rule"]["found"]


def test_a_schedule_that_is_disabled_or_does_not_compare_is_named_with_what_mends_it(
    session: boto3.Session, outputs: dict[str, str]
) -> None:
    assert not wrong()
    client = session.client("scheduler")
    (schedule,) = client.list_schedules()["Schedules"]
    given: Any = client.get_schedule(Name=schedule["Name"])
    names = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    client.update_schedule(**{name: given[name] for name in names}, State="DISABLED")
    bad = wrong()
    assert bad.keys() == {"reconcile"}
    assert "is disabled" in bad["reconcile"]["found"]
    run(bad["reconcile"]["next"])
    assert not wrong()
    again: Any = client.get_schedule(Name=schedule["Name"])
    assert {name: again[name] for name in names} == {name: given[name] for name in names}

    (store,) = session.client("medical-imaging").list_datastores()["datastoreSummaries"]
    finish_a_pass(session, outputs, store["datastoreId"], before=timedelta(minutes=59))
    assert not wrong()
    finish_a_pass(session, outputs, store["datastoreId"], before=timedelta(minutes=61))
    bad = wrong()
    assert bad.keys() == {"reconcile"}
    assert f"The last pass over {store['datastoreId']} ended 1:01:" in bad["reconcile"]["found"]
    finish_a_pass(session, outputs, store["datastoreId"], before=timedelta(0))

    client.delete_schedule(Name=schedule["Name"])
    assert "is gone" in wrong()["reconcile"]["found"]


def finish_a_pass(session: boto3.Session, outputs: dict[str, str], datastore: str, *, before: timedelta) -> None:
    """Have the last pass over a data store be one that ended a while ago."""
    now = datetime.now(UTC)
    last = Finished(Scope.INCREMENTAL, now - before, now - before, End.WHOLE, Counts(), 0, 0)
    checkpoints = Checkpoints(session.client("dynamodb"), outputs["TableName"])
    keeper = InTable(checkpoints, datastore, "test", MachineClock())
    kept = keeper.take()
    kept.checkpoint.last = {Scope.INCREMENTAL: last}
    keeper.save(kept)
    keeper.release()


def test_with_events_each_part_of_what_announces_is_looked_at(
    environment: dict[str, str], session: boto3.Session, tmp_path: Path
) -> None:
    settings = {"events": "on", "studyStableMinutes": "1", "importOutputBuckets": '["out"]', "reconcileMinutes": "0"}
    outputs = deploy(synth_here(tmp_path, **settings), environment)
    make_datastore(session.client("medical-imaging"), "hospital")
    status, findings = doctor()
    assert (status, {each["status"] for each in findings}) == (0, {"ok"})
    assert "reconcileMinutes" in next(each["found"] for each in findings if each["part"] == "reconcile")
    assert "events" in [each["part"] for each in findings]

    functions, name = session.client("lambda"), outputs["EventFunctionName"]
    for mapping in functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        bad = wrong()
        gets = "changes of the table" if ":dynamodb:" in mapping["EventSourceArn"] else "studies and import jobs"
        assert bad["events"]["found"] == f"The function gets no {gets}: the event source mapping is Disabled."
        run(bad["events"]["next"])
        assert not wrong()

    rules = session.client("events")
    (rule,) = (each["Name"] for each in rules.list_rules()["Rules"] if each["Name"].endswith("-jobs"))
    rules.disable_rule(Name=rule)
    bad = wrong()
    assert "no import job is announced" in bad["events"]["found"]
    run(bad["events"]["next"])
    assert not wrong()

    sqs = session.client("sqs")
    for output, found in (
        ("EventFailureQueueUrl", "1 message of changes that were given up"),
        ("EventDeadLetterQueueUrl", "1 message of studies and import jobs that could not be checked"),
    ):
        sqs.send_message(QueueUrl=outputs[output], MessageBody="{}")
        bad = wrong()
        assert bad.keys() == {"events"}
        assert bad["events"]["found"].startswith(found)
        sqs.purge_queue(QueueUrl=outputs[output])
        assert not wrong()

    for hours, is_wrong in ((0.9, False), (1.1, True)):
        value: Any = {"MetricName": "IteratorAge", "Value": hours * 3_600_000, "Timestamp": datetime.now(UTC)}
        value["Dimensions"] = [{"Name": "FunctionName", "Value": name}]
        session.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[value])
        bad = wrong()
        assert bool(bad) is is_wrong
    assert "1:06:00 behind the table" in bad["events"]["found"]

    rules.delete_event_bus(Name=outputs["EventBusName"])
    functions.delete_function(FunctionName=name)
    _, findings = doctor()
    left = [each["found"] for each in findings if each["part"] == "events"]
    assert any("The bus ImagingIndex is gone" in each for each in left)
    assert any(f"The function {name} is gone" in each for each in left)


def test_entries_of_another_profile_are_counted_and_are_a_failure_where_the_deployed_one_drops_or_hashes(
    session: boto3.Session, outputs: dict[str, str]
) -> None:
    dynamodb = session.client("dynamodb")
    (entry,) = (each for each in dynamodb.scan(TableName=outputs["TableName"])["Items"] if "ProfileHash" in each)

    def made_by(profile_hash: str, revision: int) -> None:
        version, _, entry_format, repair = entry["Generation"]["S"].split(".")
        generation = f"{version}.{revision:06d}.{entry_format}.{repair}"
        changed: Any = {"ProfileHash": {"S": profile_hash}, "Generation": {"S": generation}}
        dynamodb.put_item(TableName=outputs["TableName"], Item=entry | changed)

    made_by("of an older profile", 1)
    bad = wrong()
    assert bad.keys() == {"entries"}
    assert bad["entries"]["status"] == "warning"
    assert bad["entries"]["found"] == "Of all 1 entry, other profiles have made 1."
    assert bad["entries"]["next"] == "imaging-index reconcile --full --apply --stack ImagingIndex"
    # reconcile would leave it alone.
    revision = int(outputs["Generation"].partition(".")[0])
    made_by("of another profile of the same revision", revision)
    assert wrong()["entries"]["next"].startswith(f"Write revision = {revision + 1} in the profile")

    described = deployed.find("ImagingIndex").profile
    private = structs.replace(described, private={"PatientName": Policy.DROP})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Stack, "profile", private)
        bad = wrong()
    assert bad["entries"]["status"] == "failure"
    assert "may contain what the deployed one does not keep" in bad["entries"]["found"]

    # Its look is bounded: of a table that is larger it says so.
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(entries, "_CALLS", 1)
        session.events.register("provide-client-params.dynamodb.Scan", lambda params, **_: params | {"Limit": 1})
        (found,) = (each["found"] for each in doctor()[1] if each["part"] == "entries")
    assert "the first" in found


def plain(attribute: str | None) -> Any:
    """A queue's attribute, of which some are JSON."""
    try:
        return json.loads(attribute or "null")
    except ValueError:
        return attribute


def run(command: str) -> None:
    """Run what was printed: the shell reads its words, and the AWS CLI runs in this process.

    As a program the CLI takes a second to start.
    """
    words = f"aws() {{ printf '%s\\0' \"$@\"; printf '\\036'; }}\n{command}"
    read = subprocess.run(["sh", "-c", words], check=True, capture_output=True, text=True).stdout
    for each in read.split("\36")[:-1]:
        with mock.patch.dict(os.environ, AWS_DATA_PATH=AWS_CLI_DATA), contextlib.redirect_stdout(io.StringIO()):
            assert create_clidriver().main(each.split("\0")[:-1]) == 0


@pytest.mark.parametrize(
    ("message", "found", "next_step"),
    [
        ("User is not authorized to perform: kms:Decrypt on the key", "own key", "kmsKeyArn"),
        ("User is not authorized", "GetImageSetMetadata answers AccessDenied", "medical-imaging:GetImageSetMetadata"),
    ],
)
def test_a_data_store_that_refuses_is_named_with_whose_right_is_missing(
    session: boto3.Session, outputs: dict[str, str], message: str, found: str, next_step: str
) -> None:
    assert outputs

    def refuse(request: Any, **_: Any) -> Any:
        body = json.dumps({"message": message}).encode()
        return response(request, 403, body, "x-amzn-ErrorType", "AccessDeniedException")

    session.events.register("before-send.medical-imaging.GetImageSetMetadata", refuse)
    bad = wrong()
    assert bad.keys() == {"data stores"}
    assert found in bad["data stores"]["found"]
    assert next_step in bad["data stores"]["next"]


def test_what_may_not_be_asked_is_a_warning_that_names_the_permission(
    session: boto3.Session, outputs: dict[str, str]
) -> None:
    assert outputs

    def refuse(request: Any, **_: Any) -> Any:
        body = json.dumps({"__type": "AccessDeniedException", "message": "no"}).encode()
        return response(request, 400, body, "x-amzn-ErrorType", "AccessDeniedException")

    session.events.register("before-send.kms.DescribeKey", refuse)
    bad = wrong()
    assert bad.keys() == {"key"}
    assert bad["key"]["status"] == "warning"
    assert "DescribeKey" in bad["key"]["next"]


def test_a_key_that_is_gone_is_a_failure(session: boto3.Session, outputs: dict[str, str]) -> None:
    assert outputs

    def refuse(request: Any, **_: Any) -> Any:
        body = json.dumps({"__type": "NotFoundException", "message": "no"}).encode()
        return response(request, 400, body, "x-amzn-ErrorType", "NotFoundException")

    session.events.register("before-send.kms.DescribeKey", refuse)
    bad = wrong()
    assert bad.keys() == {"key"}
    assert bad["key"]["status"] == "failure"
    assert "is gone" in bad["key"]["found"]


def test_a_data_stores_own_key_is_asked_whether_it_lets_the_function_in_and_the_secret_whether_it_stays(
    assembly: Assembly, environment: dict[str, str], session: boto3.Session, tmp_path: Path
) -> None:
    kms, client = session.client("kms"), session.client("medical-imaging")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    with throttles_off(environment["AWS_ENDPOINT_URL"]):
        store = client.create_datastore(datastoreName="own", clientToken="own", kmsKeyArn=key)["datastoreId"]
        wait_for(lambda: client.get_datastore(datastoreId=store)["datastoreProperties"]["datastoreStatus"] == "ACTIVE")

    deploy(assembly, environment)
    unlisted = wrong()["data stores"]
    assert "has a key of its own" in unlisted["found"]
    assert f'{{"id": "{store}", "kmsKeyArn": "{key}"}}' in unlisted["next"]

    listed = json.dumps([{"id": store, "kmsKeyArn": key}])
    profile = tmp_path / "hashing.toml"
    profile.write_text('revision = 1\nattributes = ["PatientID", "Modality"]\n[privacy]\nPatientID = "hash"\n')
    # With events a stack has another rule, and other mappings, than those that are looked at.
    events = {"events": "on", "importOutputBuckets": '["job-output"]'}
    own = synth_here(tmp_path / "assembly", stackName="Listed", dataStores=listed, profile=str(profile), **events)
    outputs = deploy(own, environment)
    statement = json.loads(outputs["DataStoreKeyPolicyStatement"])
    others = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:user/boss"}, "Action": "kms:*", "Resource": "*"}
    for statements, lets_in in (([others], False), ([others, statement], True)):
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
        bad = wrong("--stack", "Listed")
        assert ("data stores" in bad) is not lets_in
        if not lets_in:
            assert bad["data stores"]["next"].endswith(outputs["DataStoreKeyPolicyStatement"])

    def of_another_key(request: Any, **_: Any) -> Any:
        told = {"datastoreId": store, "datastoreStatus": "ACTIVE", "kmsKeyArn": f"{key}-of-another"}
        return response(request, 200, json.dumps({"datastoreProperties": told}).encode(), "Content-Type", "text/json")

    session.events.register("before-send.medical-imaging.GetDatastore", of_another_key)
    bad = wrong("--stack", "Listed")
    assert bad.keys() == {"data stores"}
    assert f'"kmsKeyArn": "{key}-of-another"' in bad["data stores"]["next"]
    session.events.unregister("before-send.medical-imaging.GetDatastore", of_another_key)

    reconciled = CliRunner().invoke(application, ["reconcile", "--stack", "Listed", "--apply", "--most-dollars", "0"])
    assert reconciled.exit_code == 0, reconciled.output

    secrets = session.client("secretsmanager")
    (secret,) = (each["ARN"] for each in secrets.list_secrets()["SecretList"])
    assert not wrong("--stack", "Listed")
    secrets.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    bad = wrong("--stack", "Listed")
    assert bad.keys() == {"secret"}
    run(bad["secret"]["next"])
    assert not wrong("--stack", "Listed")
