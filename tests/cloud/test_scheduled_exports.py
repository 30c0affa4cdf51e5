"""A stack that exports its table by a schedule, in the local cloud: what is asked for, and what becomes of it.

The local cloud keeps the schedule and does not make its call. DynamoDB there takes the call and writes nothing: these
tests write what AWS documents.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli import deployed
from cli.doctor import exports
from cli.doctor.finding import Status
from cli.main import application
from local.deployment import deploy
from tests.assemblies import synth_here
from tests.exporting.test_point_in_time import NEXT_NOON, NOON, every, put

EARLIER, LATER, BEGUN = (f"AWSDynamoDB/0176{number}600000-a1b2c3d4" for number in (7225, 7312, 7398))


class Exporting:
    """The stack, and its parts that are about exports."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self.aws = boto3.Session()
        self.bucket = outputs["ExportsBucketName"]
        dynamodb = self.aws.client("dynamodb")
        self.table = dynamodb.describe_table(TableName=outputs["TableName"])["Table"]["TableArn"]

    def schedule(self) -> Any:
        """The schedule of exports as Scheduler has it."""
        client = self.aws.client("scheduler")
        (group,) = deployed.find("ImagingIndex").ids("AWS::Scheduler::ScheduleGroup", of="Exporting")
        (found,) = client.list_schedules(GroupName=group)["Schedules"]
        return client.get_schedule(GroupName=group, Name=found["Name"])

    def findings(self) -> list[tuple[Status, str]]:
        """What `doctor` says of exports."""
        return [(each.status, each.found) for each in exports.exports(deployed.find("ImagingIndex"))]

    def write(self, folder: str, items: int, moment: str) -> None:
        """Write an export of some entries as DynamoDB does."""
        lines = [{"Item": each} for each in every()[:items]]
        put(self.aws.client("s3"), folder, self.table, [lines], bucket=self.bucket, exportTime=moment)


@pytest.fixture(scope="module")
def stack(environment_of_module: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Exporting:
    folder = tmp_path_factory.mktemp("exports")
    return Exporting(deploy(synth_here(folder / "assembly", exportDays="1"), environment_of_module))


def export(*arguments: str | Path) -> Any:
    return CliRunner().invoke(application, ["export", *map(str, arguments)])


def test_dynamodb_takes_what_the_schedule_asks_for_and_the_same_attempt_once(stack: Exporting) -> None:
    target = stack.schedule()["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:dynamodb:exportTableToPointInTime"
    client: Any = stack.aws.client("dynamodb")
    # Scheduler fills in the moment, which is that of the schedule in each attempt.
    made = []
    for moment in ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"):
        asked = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", moment))
        made.append(client.export_table_to_point_in_time(**asked)["ExportDescription"])
    assert {(each["TableArn"], each["S3Bucket"], each["S3SseAlgorithm"]) for each in made} == {
        (stack.table, stack.bucket, "KMS")
    }
    first, again, next_one = (each["ExportArn"] for each in made)
    assert first == again != next_one


def test_latest_is_the_last_export_that_is_finished(stack: Exporting, tmp_path: Path) -> None:
    place = tmp_path / "all.parquet"
    none = export("--from", "latest", "--to", place)
    assert (none.exit_code, "There is no finished export in" in none.output) == (1, True)
    assert stack.findings() == [(Status.OK, f"No export is due in {stack.bucket} yet.")]

    stack.write(LATER, 30, NEXT_NOON)
    stack.write(EARLIER, 20, NOON)
    stack.aws.client("s3").put_object(Bucket=stack.bucket, Key=f"{BEGUN}/_started", Body=b"")
    said = json.loads(export("--from", "latest", "--to", place, "--json").stdout)
    assert (said["image_sets"] + said["left_out"], said["as_of"], said["consistent"]) == (30, NEXT_NOON, True)
    assert pq.read_table(place).num_rows == said["image_sets"]
    ((status, found),) = stack.findings()
    assert (status, found.startswith("DynamoDB finished an export ")) == (Status.OK, True)


def test_doctor_names_an_export_that_is_overdue_and_a_schedule_that_is_disabled_or_gone(
    stack: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.write(EARLIER, 1, NOON)
    with monkeypatch.context() as patched:
        patched.setattr(exports, "_TAKES", timedelta(days=-2))
        ((status, found),) = stack.findings()
        assert (status, "DynamoDB finished the last export" in found) == (Status.FAILURE, True)

    client: Any = stack.aws.client("scheduler")
    known = {name: value for name, value in stack.schedule().items() if name in ("Name", "GroupName", "Target")}
    client.update_schedule(
        **known, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, State="DISABLED"
    )
    ((status, found),) = stack.findings()
    assert (status, "is disabled: nothing is exported" in found) == (Status.FAILURE, True)
    client.delete_schedule(Name=known["Name"], GroupName=known["GroupName"])
    ((status, found),) = stack.findings()
    assert (status, "is gone: nothing is exported" in found) == (Status.FAILURE, True)


def test_a_stack_without_the_schedule_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, stack: Exporting, tmp_path: Path
) -> None:
    found = deployed.find("ImagingIndex")
    del found.outputs["ExportsBucketName"]
    monkeypatch.setattr(deployed, "find", lambda _: found)
    refused = export("--from", "latest", "--to", tmp_path / "all.parquet")
    assert (refused.exit_code, "Set exportDays and deploy" in refused.output) == (1, True)
    assert stack.findings() == []  # of a stack that does not export
