"""What DynamoDB exports to S3 is read from its manifests and files, in the layout that AWS documents."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli import deployed
from cli.deployed import Stack
from cli.main import application
from exporting import iceberg, point_in_time
from exporting.point_in_time import NoExport, PointInTimeExport, requested, windows
from imaging_index.entry.item import Item
from proof.harness.image_sets import make_table
from proof.harness.table_items import entry
from proof.searching import archive
from tests.exporting.plain_rows import NARROW as PROFILE

FULL = "2026/AWSDynamoDB/01767225600000-full"
CHANGES = "2026/AWSDynamoDB/01767312000000-changes"
NOON = "2026-01-01T12:00:00.000Z"
NEXT_NOON = "2026-01-02T12:00:00.000Z"


class OneTable(Stack):
    """A stack of a table alone."""

    profile = PROFILE


def every() -> list[Item]:
    return [entry(each, PROFILE, each["ImageSetId"]["S"]) for each in archive.entries(40, 4_000)]


def bucket_of(table: str) -> str:
    """A bucket's name, which no other account has."""
    return f"exports-{table.split(':')[4]}"


def put(
    s3: Any, folder: str, table: str, files: Iterable[list[dict[str, Any]]], *, bucket: str = "", **summary: Any
) -> str:
    """Write an export as DynamoDB does: two manifests, and gzip files of lines."""
    bucket = bucket or bucket_of(table)
    manifest: list[dict[str, Any]] = []
    for number, lines in enumerate(files):
        # Those of changes are in a folder beside, which all exports share.
        data = f"{folder}/data" if "exportTime" in summary else f"{folder.rpartition('/')[0]}/data"
        key = f"{data}/{number:026}.json.gz"
        s3.put_object(
            Bucket=bucket, Key=key, Body=gzip.compress("".join(json.dumps(each) + "\n" for each in lines).encode())
        )
        manifest.append({"itemCount": len(lines), "md5Checksum": "x", "etag": "x-1", "dataFileS3Key": key})
    s3.put_object(Bucket=bucket, Key=f"{folder}/_started", Body=b"")
    listed = f"{folder}/manifest-files.json"
    s3.put_object(Bucket=bucket, Key=listed, Body="\n".join(map(json.dumps, manifest)).encode())
    whole = {
        "version": "2023-08-01",
        "exportArn": f"{table}/export/{folder.rpartition('/')[2]}",
        "startTime": "2026-01-03T00:00:00.000Z",
        "endTime": "2026-01-03T00:05:00.000Z",
        "tableArn": table,
        "tableId": "12345a12-abcd-123a-ab12-1234abc12345",
        "s3Bucket": bucket,
        "s3Prefix": "2026",
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": listed,
        "billedSizeBytes": 1,
        "itemCount": sum(each["itemCount"] for each in manifest),
        "outputFormat": "DYNAMODB_JSON",
    }
    s3.put_object(Bucket=bucket, Key=f"{folder}/manifest-summary.json", Body=json.dumps(whole | summary).encode())
    return f"s3://{bucket}/{folder}"


@pytest.fixture
def table(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ARN of a stack's table, and a bucket."""
    name = make_table(aws)._name
    arn = aws.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    outputs = {"Outputs": [{"OutputKey": "TableName", "OutputValue": name}]}
    monkeypatch.setattr(deployed, "find", lambda _: OneTable(aws, "research", outputs))
    aws.client("s3").create_bucket(Bucket=bucket_of(arn))
    return arn


def put_full(s3: Any, table: str) -> str:
    items = every()
    page = items[0] | {"Part": {"S": "page/0000000001.000002.0003.0000/a/0000"}, "Content": {"B": "AAAA" * 100_000}}
    gone = {"ImageSet": {"S": "a/b"}, "Part": {"S": "entry"}, "Generation": {"S": "~"}, "ImageSetId": {"S": "b"}}
    lines = [{"Item": each} for each in (*items[:20], page, *items[20:], gone)]
    return put(s3, FULL, table, [lines[:21], [], lines[21:]], exportTime=NOON)


def put_changes(s3: Any, table: str) -> str:
    changed, deleted, tombstoned, *_ = every()
    changed |= {"Generation": {"S": "0000000002.000002.0003.0000"}, "StudyDescription": {"S": "after"}}
    lines = []
    for item, image in ((changed, changed), (deleted, None), (tombstoned, {"Generation": {"S": "~"}})):
        keys = {"ImageSet": item["ImageSet"], "Part": {"S": "entry"}}
        change = {"Metadata": {"WriteTimestampMicros": {"N": "1767300000000000"}}, "Keys": keys}
        lines.append(change | ({"NewImage": keys | image} if image else {}))
    window = {"exportFromTime": NOON, "exportToTime": NEXT_NOON, "outputView": "NEW_IMAGE"}
    return put(s3, CHANGES, table, [lines], exportType="INCREMENTAL_EXPORT", **window)


def export(*arguments: str | Path) -> Any:
    return CliRunner().invoke(application, ["export", *map(str, arguments)])


def test_a_full_export_becomes_parquet_of_one_moment(aws: boto3.Session, table: str, tmp_path: Path) -> None:
    address = put_full(aws.client("s3"), table)
    place = tmp_path / "all.parquet"
    said = json.loads(export("--from", address, "--to", place, "--json").stdout)
    assert (said["image_sets"], said["as_of"], said["consistent"]) == (40, NOON, True)
    assert {*pq.read_table(place)["ImageSetId"].to_pylist()} == {each["ImageSetId"]["S"] for each in every()}


def test_an_export_of_changes_brings_an_iceberg_table_up_to_date(
    aws: boto3.Session, table: str, tmp_path: Path
) -> None:
    s3, to = aws.client("s3"), f"iceberg:{tmp_path / 'warehouse'}"
    changes = put_changes(s3, table)
    assert "is empty: what changed between is missing" in export("--from", changes, "--to", to).output
    assert export("--from", put_full(s3, table), "--to", to).exit_code == 0
    said = json.loads(export("--from", changes, "--to", to, "--json").stdout)
    assert (said["image_sets"], said["as_of"]) == (38, NEXT_NOON)
    catalog, namespace = iceberg.in_folder(tmp_path / "warehouse", "research")
    rows = catalog.load_table((namespace, iceberg.TABLE)).scan().to_arrow().to_pylist()
    items = every()
    assert {each["ImageSetId"] for each in rows} == {each["ImageSetId"]["S"] for each in (items[0], *items[3:])}
    (first,) = (each for each in rows if each["ImageSetId"] == items[0]["ImageSetId"]["S"])
    assert first["StudyDescription"] == "after"


def test_what_cannot_be_read_is_said_in_a_sentence(aws: boto3.Session, table: str, tmp_path: Path) -> None:
    s3, place, bucket = aws.client("s3"), tmp_path / "all.parquet", bucket_of(table)
    ion = put(s3, "AWSDynamoDB/ion", table, [], exportTime=NOON, outputFormat="ION")
    other = put(s3, "AWSDynamoDB/other", f"{table}-other", [], exportTime=NOON)
    s3.put_object(Bucket=bucket, Key="AWSDynamoDB/broken/manifest-summary.json", Body=b"{}")
    for address, sentence in (
        (ion, "is in Amazon Ion"),
        (other, "is an export of another table"),
        (f"s3://{bucket}/AWSDynamoDB/broken", "cannot be read"),
        (f"s3://{bucket}/AWSDynamoDB/none", "has not finished"),
        (f"s3://{bucket}/none", "Name DynamoDB's export by its folder"),
    ):
        refused = export("--from", address, "--to", place)
        assert (refused.exit_code, sentence in refused.output) == (1, True), refused.output
    assert export("--from", put_changes(s3, table), "--to", place).exit_code == 2
    assert export("--since", "--to", place).exit_code == 2
    assert not place.exists()


def test_changes_are_exported_in_spans_that_dynamodb_takes() -> None:
    now = datetime(2026, 1, 3, 12, tzinfo=UTC)
    assert windows(now - timedelta(minutes=14), now) == []
    assert windows(now - timedelta(hours=2), now) == [(now - timedelta(hours=2), now)]
    first, second = windows(now - timedelta(hours=48, minutes=10), now)
    assert (first[1], second[1]) == (second[0], now - timedelta(minutes=10))
    assert first[1] - first[0] == second[1] - second[0] == timedelta(hours=24)


class FakeDynamoDB:
    """DynamoDB, which takes two looks to make an export, and then ends in one state."""

    def __init__(self, status: str) -> None:
        self._states = ["IN_PROGRESS", "IN_PROGRESS", status]
        self.asked: dict[str, Any] = {}

    def export_table_to_point_in_time(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return self.describe_export(ExportArn="arn")

    def describe_export(self, ExportArn: str) -> dict[str, Any]:  # noqa: N803
        described = {"ExportArn": ExportArn, "ExportStatus": self._states.pop(0), "FailureCode": "S3AccessDenied"}
        return {"ExportDescription": described | {"ExportManifest": "daily/AWSDynamoDB/0123-ab/manifest-summary.json"}}


def test_dynamodb_is_asked_for_an_export_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_in_time, "_POLL", 0)
    client: Any = FakeDynamoDB("COMPLETED")
    window = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    assert requested(client, "arn:table", "exports/daily", window) == "s3://exports/daily/AWSDynamoDB/0123-ab"
    assert client.asked == {
        "TableArn": "arn:table",
        "S3Bucket": "exports",
        "S3Prefix": "daily",
        "ExportType": "INCREMENTAL_EXPORT",
        "IncrementalExportSpecification": {
            "ExportFromTime": window[0],
            "ExportToTime": window[1],
            "ExportViewType": "NEW_IMAGE",
        },
    }
    failing: Any = FakeDynamoDB("FAILED")
    with pytest.raises(NoExport, match="S3AccessDenied"):
        requested(failing, "arn:table", "exports")
    assert failing.asked == {"TableArn": "arn:table", "S3Bucket": "exports"}


def test_an_export_knows_its_moments(aws: boto3.Session, table: str) -> None:
    s3 = aws.client("s3")
    full, changes = (PointInTimeExport(s3, each) for each in (put_full(s3, table), put_changes(s3, table)))
    assert (full.as_of, full.since, full.items) == (NOON, None, 42)
    assert (changes.as_of, changes.since, changes.items) == (NEXT_NOON, NOON, 3)
