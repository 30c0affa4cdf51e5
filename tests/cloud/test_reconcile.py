"""Reconcile in the local cloud: the real template, the command, the function of the schedule."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from typer.testing import CliRunner

from bench.pipeline import write_files
from cli.main import application
from imaging_index.reconciling import tiers
from imaging_index.reconciling.counts import Tier
from imaging_index.reconciling.keeping import Status, status
from imaging_index.reconciling.settings import LEAST_BYTES, Scope
from imaging_index.table.checkpoints import Checkpoints
from local.deployment import ROOT, deploy
from local.stack import import_folder
from proof.campaigns import drifted
from proof.harness.image_sets import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.assembly import Assembly
    from local.cloud import LocalCloud

DOLLARS = tiers.dollars(Tier.ARCHIVE, None, datetime.now(UTC), LEAST_BYTES)


class Deployed(drifted.Stage):
    """The stack, and its parts that tests look at."""

    def __init__(self, cloud: "LocalCloud", account: str, aws: boto3.Session, outputs: dict[str, str]) -> None:
        super().__init__(cloud, account, aws, outputs)
        self.aws, self.outputs = aws, outputs

    def status(self) -> Status:
        """How far reconciling has come."""
        return status(Checkpoints(self.aws.client("dynamodb"), self.outputs["TableName"]), self.datastore)

    def lose(self, folder: "Path", count: int) -> None:
        """Import image sets whose events are all lost."""
        write_files(folder, count)
        with self.losing():
            import_folder(self.client, self.datastore, folder)

    @contextlib.contextmanager
    def crowded(self) -> "Iterator[None]":
        """The queue has room for thirty hints and is not worked off: a pass with more cannot end."""
        functions, sqs = self.aws.client("lambda"), self.aws.client("sqs")
        (mapping,) = functions.list_event_source_mappings(FunctionName=self.outputs["FunctionName"])[
            "EventSourceMappings"
        ]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        # Another event follows such a one: nothing is done about it.
        detail = {"datastoreId": self.datastore, "imageSetId": "0" * 32, "imageSetVersion": "1"}
        event = json.dumps(
            {"source": "aws.medical-imaging", "detail-type": "Image Set Updating", "detail": detail}, sort_keys=True
        )
        for _ in range(27):
            entries: Any = [{"Id": str(number), "MessageBody": event} for number in range(10)]
            sqs.send_message_batch(QueueUrl=self.outputs["QueueUrl"], Entries=entries)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def invoke(self) -> None:
        """Invoke the function of the schedule."""
        answer = self.aws.client("lambda").invoke(FunctionName=self.outputs["ReconcileFunctionName"], Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.fixture
def stage(
    cloud: "LocalCloud", assembly: "Assembly", aws: boto3.Session, environment: dict[str, str]
) -> "Iterator[Deployed]":
    found = Deployed(cloud, environment["AWS_ACCESS_KEY_ID"], aws, deploy(assembly, environment))
    yield found
    found.settings(archiveAfterSeconds=30 * 86400)


def run(*options: str, status: int = 0) -> str:
    """What the command prints, on one line."""
    ended = CliRunner().invoke(application, ["reconcile", *options])
    assert ended.exit_code == status, ended.output
    return " ".join(ended.output.split())


def test_one_pass_puts_lost_events_and_deletions_right_with_exactly_the_planned_calls(
    stage: Deployed, tmp_path: "Path", record_property: "Callable[[str, object], None]"
) -> None:
    report = drifted.run(stage, tmp_path, 200)
    assert not report.harms
    assert report.missing > 100
    record_property("image sets reconciled in the local cloud", f"{report.missing} of {report.image_sets}")


def test_the_schedule_compares_what_has_changed_and_leaves_an_archive_to_a_person(
    stage: Deployed, tmp_path: "Path"
) -> None:
    stage.lose(tmp_path, 3)
    scheduler = stage.aws.client("scheduler")
    (schedule,) = scheduler.list_schedules()["Schedules"]
    deployed = scheduler.get_schedule(Name=schedule["Name"])
    assert deployed["ScheduleExpression"] == "rate(10 minutes)"
    # Its next ten minutes are over.
    now = datetime.now(UTC) - timedelta(seconds=1)
    scheduler.update_schedule(
        Name=schedule["Name"],
        ScheduleExpression=f"at({now:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow=deployed["FlexibleTimeWindow"],
        Target=deployed["Target"],
    )
    checkpoint = wait_for(lambda: (found := stage.status().checkpoint).last and found)
    assert checkpoint.last.keys() == {Scope.INCREMENTAL}
    assert checkpoint.full is None
    wait_for(lambda: stage.entries() == stage.image_sets())


def test_a_killed_command_holds_its_lease_for_a_while_and_the_schedule_then_goes_on_with_its_pass(
    stage: Deployed, tmp_path: "Path"
) -> None:
    stage.lose(tmp_path, 90)
    command = [sys.executable, "-m", "cli", "reconcile", "--full", "--apply", "--most-dollars", "1"]
    with stage.crowded(), subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as killed:
        wait_for(lambda: stage.status().checkpoint.full)
        killed.send_signal(signal.SIGKILL)
    left = stage.status()
    assert left.holder is not None
    assert f"process {killed.pid}" in left.holder
    said = run("--full", "--apply", "--most-dollars", "1", status=1)
    assert f"{left.holder} is reconciling already; its lease ends at" in said
    assert left.holder in run("--status")

    # As after two minutes, in which the hints that it had sent are handled.
    stage.drain()
    stage.aws.client("dynamodb").update_item(
        TableName=stage.outputs["TableName"],
        Key={"ImageSet": {"S": f"reconcile/{stage.datastore}"}, "Part": {"S": "checkpoint"}},
        UpdateExpression="SET LeaseUntil = :past",
        ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00.000000Z"}},
    )
    stage.invoke()
    ended = stage.status()
    assert left.checkpoint.full is not None
    assert ended.checkpoint.last[Scope.FULL].began == left.checkpoint.full.began
    assert (ended.checkpoint.full, ended.holder) == (None, None)
    stage.drain()
    assert stage.entries() == stage.image_sets()
    # What the killed run had got to is compared again, and no document is read again.
    assert stage.counted()["GetImageSetMetadata"] == 90


def test_ctrl_c_keeps_what_was_reached_and_the_next_command_goes_on_without_asking_again(
    stage: Deployed, tmp_path: "Path"
) -> None:
    stage.lose(tmp_path, 90)
    stage.settings(archiveAfterSeconds=0)
    command = [sys.executable, "-m", "cli", "reconcile", "--full", "--apply", "--most-dollars", "0.9"]
    with stage.crowded(), subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as stopped:
        wait_for(lambda: stage.status().checkpoint.full)
        stopped.send_signal(signal.SIGINT)
        _, said = stopped.communicate()
    assert stopped.returncode == 1
    assert " ".join(said.split()).startswith("Stopped. What was reached is kept: the schedule goes on with it")
    left = stage.status()
    assert left.holder is None
    assert left.checkpoint.full is not None
    assert left.checkpoint.full.most_dollars == 0.9

    run("--apply")
    ended = stage.status().checkpoint
    assert ended.full is None
    assert ended.last[Scope.FULL].began == left.checkpoint.full.began
    stage.drain()
    assert stage.entries() == stage.image_sets()


def test_the_dollars_of_the_plan_are_those_of_the_tier_changes_and_a_budget_is_kept(
    stage: Deployed, tmp_path: "Path"
) -> None:
    stage.lose(tmp_path, 12)
    stage.settings(archiveAfterSeconds=0)
    plan = drifted.command("--plan")
    tallies: Any = plan["datastores"][0]["passes"][0]["counts"]["differences"]["Missing"]
    assert tallies.keys() == {Tier.ARCHIVE}
    assert plan["dollars"] == pytest.approx(12 * DOLLARS)
    assert plan["datastores"][0]["takes"]["bytes"] == 12 * LEAST_BYTES
    dear = drifted.command("--plan", "--mean-size", "500")
    assert dear["dollars"] == pytest.approx(100 * plan["dollars"])
    assert stage.counted("accessed") == {}

    said = run("--apply", "--mean-size", "500", status=1)
    assert (
        f"this would add ${dear['dollars']:,.2f} to HealthImaging's bill for storage, and there is nobody to ask"
        in said
    )
    assert stage.counted("accessed") == {}

    spent = json.loads(
        CliRunner().invoke(application, ["reconcile", "--json", "--apply", "--most-dollars", str(5.5 * DOLLARS)]).stdout
    )["spent"]
    stage.drain()
    assert stage.counted("accessed") == {Tier.ARCHIVE: 5}
    assert spent == pytest.approx(5 * DOLLARS)

    run("--full", "--apply", "--most-dollars", "1")
    stage.drain()
    assert stage.counted("accessed") == {Tier.ARCHIVE: 12}
    assert stage.entries() == stage.image_sets()


def test_what_cannot_be_compared_is_said_in_a_sentence(stage: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = run("--datastore", "0" * 32, status=1)
    assert nowhere == f"HealthImaging has no data store {'0' * 32} here. Check its id and the region."
    stage.settings(jobSeconds=600)
    stage.client.delete_datastore(datastoreId=stage.datastore)
    going = run("--datastore", stage.datastore, status=1)
    assert going == f"The data store {stage.datastore} is being made or deleted. Try again when it is ACTIVE."
    assert run("--full", "--apply", "--most-dollars", "0", "--datastore", stage.datastore, status=1) == going
    # The function logs it, and goes on with other data stores.
    stage.invoke()
    stage.settings(jobSeconds=0.05)
    stage.aws.client("dynamodb").delete_table(TableName=stage.outputs["TableName"])
    assert "failed at GetItem" in run("--status", "--datastore", stage.datastore, status=1)
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "Nothing answers at http://127.0.0.1:9" in run(status=1)
