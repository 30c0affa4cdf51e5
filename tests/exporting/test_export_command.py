"""`imaging-index export` from a table in the local cloud."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from msgspec import structs
from typer.testing import CliRunner

from cli import deployed
from cli.deployed import Stack
from cli.main import application
from cli.output import Failure
from cli.research import exporting
from cli.research.destination import Files
from cli.research.s3_object import Object
from exporting import about, iceberg
from exporting.database import Database
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from infra.config import ROOT
from proof.harness.built import content
from proof.harness.image_sets import make_table
from proof.harness.table_items import entry
from proof.searching import archive
from tests.exporting.plain_rows import NARROW as PROFILE

PSEUDONYMOUS = toml_file.load(ROOT / "profiles" / "research-pseudonymous.toml")
TABLE_BUCKET = "arn:aws:s3tables:us-east-1:000000000000:bucket/research"


class OneTable(Stack):
    """A stack of a table alone."""

    profile = PROFILE


@pytest.fixture
def entries(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """The entries of a table, which also has the tombstone of another image set, and a page."""
    every = [entry(each, PROFILE, each["ImageSetId"]["S"]) for each in archive.entries(60, 6_000)]
    table = make_table(aws)._name
    page = every[0] | {"Part": {"S": "page/0000000001.000002.0003.0000/a/0000"}, "Content": {"B": b"\0" * 300_000}}
    gone = {"ImageSet": {"S": "a/b"}, "Part": {"S": "entry"}, "Generation": {"S": "~"}, "ImageSetId": {"S": "b"}}
    client: Any = aws.client("dynamodb")
    puts = [{"PutRequest": {"Item": item}} for item in (*every, page, gone)]
    for start in range(0, len(puts), 25):
        assert not client.batch_write_item(RequestItems={table: puts[start : start + 25]})["UnprocessedItems"]
    outputs = {"Outputs": [{"OutputKey": "TableName", "OutputValue": table}]}
    monkeypatch.setattr(deployed, "find", lambda name: OneTable(aws, name, outputs))
    return every


def export(*arguments: str | Path) -> Any:
    return CliRunner().invoke(application, ["export", *map(str, arguments)])


def test_an_export_has_the_tables_entries_and_says_how_many(entries: list[Item], tmp_path: Path) -> None:
    place = tmp_path / "all.parquet"
    assert export("--to", place).stdout == f"Exported 60 image sets to {place}.\n"
    assert {*pq.read_table(place)["ImageSetId"].to_pylist()} == {each["ImageSetId"]["S"] for each in entries}
    said = json.loads(export("--to", place, "--json").stdout)
    assert (said["image_sets"], said["profile_hash"], said["consistent"]) == (60, PROFILE.hash, False)


def test_the_instances_are_exported_from_the_pages_of_their_entries(
    aws: boto3.Session, entries: list[Item], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table: Any = aws.client("dynamodb")
    position = {"ImagePositionPatient": ["-1.5", "0", "2.25"], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    instances = [{"InstanceNumber": number, "Rows": 512, "Modality": "CT"} | position for number in (2, 1)]
    made = content(PROFILE, *instances, series={"SeriesInstanceUID": "1.2"})
    generation = {"Generation": {"S": "0000000001.000002.0003.0000"}, "Attempt": {"S": "a"}}
    whole = {"Pages": {"N": str(len(made.pages))}, "PagesChecksum": {"S": made.checksum}} | generation
    item = entry(made.attributes, PROFILE, "b" * 32) | whole
    damaged = entry(made.attributes, PROFILE, "c" * 32) | whole
    page = {"ImageSet": item["ImageSet"], "Part": {"S": "page/0000000001.000002.0003.0000/a/0000"}}
    other = page | {"Part": {"S": "page/0000000001.000002.0003.0000/b/0000"}, "Content": {"B": b"of another attempt"}}
    for put in (item, damaged, page | {"Content": {"B": made.pages[0]}}, other):
        table.put_item(TableName=deployed.find("").outputs["TableName"], Item=put)
    answer = export("--to", tmp_path / "all.parquet", "--instances")
    assert "Exported 2 instances to" in answer.stdout
    assert "The instances of 61 image sets are not among them" in answer.output
    question = "SELECT ImageSetId, InstanceNumber, Rows, ImagePositionPatient FROM instances ORDER BY InstanceNumber"
    rows = [*Database(tmp_path / "all.parquet").ask(question).rows()]
    assert rows == [("b" * 32, number, 512, [-1.5, 0, 2.25]) for number in (1, 2)]
    # Those of an export before are not taken for its own.
    item = pq.read_table(tmp_path / "all.parquet")
    later = structs.replace(about.read(tmp_path / "all.parquet"), as_of="2026-01-01T00:00:00Z")
    pq.write_table(item.replace_schema_metadata(later.metadata), tmp_path / "all.parquet")
    refused = CliRunner().invoke(application, ["sql", "--from", str(tmp_path / "all.parquet"), question])
    assert (refused.exit_code, "Export again with --instances." in refused.output) == (2, True)
    asked = CliRunner().invoke(application, ["sql", "--from", str(tmp_path / "all.parquet"), "SELECT 1"])
    assert (asked.exit_code, asked.stderr) == (0, "")
    assert export("--to", tmp_path / "all.parquet", "--instances").exit_code == 0
    assert export("--to", f"iceberg:{tmp_path}", "--instances").exit_code == 2
    assert len(entries) == 60
    # The pages of entries that another profile made have clear UIDs.
    monkeypatch.setattr(OneTable, "profile", PSEUDONYMOUS)
    assert "Exported 0 instances to" in export("--to", tmp_path / "all.parquet", "--instances").stdout


def test_an_export_to_s3_tables_is_an_iceberg_table_of_the_stack(
    aws: boto3.Session, entries: list[Item], tmp_path: Path
) -> None:
    name = f"tables-{os.environ['AWS_ACCESS_KEY_ID']}"
    bucket = aws.client("s3tables").create_table_bucket(name=name)["arn"]
    for to in (f"s3-tables:{bucket}", f"iceberg:{tmp_path / 'warehouse'}"):
        assert export("--to", to, "--stack", "Imaging-Index").stdout == f"Exported 60 image sets to {to}.\n"
    for warehouse in (
        iceberg.in_s3_tables(aws, bucket, "imaging_index"),
        iceberg.in_folder(tmp_path / "warehouse", "imaging_index"),
    ):
        rows = warehouse.catalog.load_table(("imaging_index", "image_sets")).scan().to_arrow()
        assert {*rows["ImageSetId"].to_pylist()} == {each["ImageSetId"]["S"] for each in entries}


def test_an_export_to_s3_is_asked_about_there(aws: boto3.Session, entries: list[Item]) -> None:
    s3, bucket = aws.client("s3"), f"research-{os.environ['AWS_ACCESS_KEY_ID']}"
    s3.create_bucket(Bucket=bucket)
    place = f"s3://{bucket}/exports/all.parquet"
    for _ in range(2):
        assert export("--to", place).stdout == f"Exported 60 image sets to {place}.\n"
    question = "SELECT count(DISTINCT ImageSetId) AS n FROM image_sets"
    answer = CliRunner().invoke(application, ["sql", question, "--from", place, "--json"])
    assert json.loads(answer.stdout) == [{"n": 60}]
    s3.put_object(Bucket=bucket, Key="mine.parquet", Body=b"mine")
    assert "is not an export" in export("--to", f"s3://{bucket}/mine.parquet").output
    refused = CliRunner().invoke(application, ["sql", question, "--from", f"s3://{bucket}/none.parquet"])
    assert (refused.exit_code, "There is no such object" in refused.output) == (1, True)
    refused = export("--to", "s3://no-such-bucket/all.parquet")
    assert (refused.exit_code, "There is no bucket no-such-bucket in S3." in refused.output) == (1, True)
    none = export("--to", place, "--from", "s3://no-such-bucket/AWSDynamoDB/01767225600000-a1b2c3d4").output
    assert "no bucket of that name" in " ".join(none.split())
    assert len(entries) == 60


def test_an_object_that_s3_refuses_is_named_with_the_permissions() -> None:
    class S3:
        def client(self, _: str) -> Any:
            return self

        def head_object(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    session: Any = S3()
    with pytest.raises(Failure, match="You need s3:GetObject on it, s3:PutObject"):
        Object(session, "bucket", "all.parquet").write([], PROFILE)


def test_where_nothing_can_be_written_a_sentence_says_what_to_do(
    entries: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.parquet").write_text("mine")
    refused = export("--to", tmp_path / "mine.parquet")
    assert (refused.exit_code, "is not an export of Imaging Index" in refused.output) == (1, True)
    assert export("--to", "ftp://a/b.parquet").exit_code == 2

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Files, "write", full)
    refused = export("--to", tmp_path / "all.parquet")
    assert refused.exit_code == 1
    assert "The disk is full, so nothing was exported to" in refused.output
    assert len(entries) == 60


def test_an_export_that_another_one_overtakes_says_so(
    entries: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise iceberg.CATALOG_ERRORS[0]

    monkeypatch.setattr(iceberg, "bring_up_to_date", overtaken)
    refused = export("--to", f"iceberg:{tmp_path / 'warehouse'}")
    assert (refused.exit_code, "so the table is as it was" in refused.output) == (1, True)
    assert len(entries) == 60


def test_in_aws_a_scan_says_what_it_takes_and_asks(
    entries: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_LOCAL", ("http://elsewhere",))
    refused = export("--to", tmp_path / "all.parquet")
    assert refused.exit_code == 2
    assert "This scans the table, which takes about" in refused.output
    assert export("--to", tmp_path / "all.parquet", "--yes").exit_code == 0
    assert len(entries) == 60


@pytest.mark.parametrize("to", ["iceberg:warehouse", f"s3-tables:{TABLE_BUCKET}"])
def test_snapshots_do_not_tell_when_the_rows_of_a_profile_that_shifts_dates_arrived(
    entries: list[Item], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, to: str
) -> None:
    assert entries
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(OneTable, "profile", PSEUDONYMOUS)
    told = export("--to", to)
    assert told.exit_code == 1
    assert "Export to a file or a folder instead." in told.stderr
    assert not [*tmp_path.iterdir()]


def test_an_export_of_a_pseudonymous_profile_has_the_codes_of_what_was_done_and_no_entry_of_another_one(
    entries: list[Item], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert entries
    place = tmp_path / "all.parquet"
    assert json.loads(export("--to", place, "--json").stdout)["deidentification"] == []
    monkeypatch.setattr(OneTable, "profile", PSEUDONYMOUS)
    told = export("--to", place)
    assert "Not exported: 60 image sets with an entry of another profile" in " ".join(told.stderr.split())
    said = json.loads(export("--to", place, "--json").stdout)
    assert (said["image_sets"], said["left_out"], pq.read_table(place).num_rows) == (0, 60, 0)
    stack = deployed.find("")
    stack.outputs["ProfileHash"] = "of another version"
    with monkeypatch.context() as patch:
        patch.setattr(deployed, "find", lambda _: stack)
        assert "Export with that version" in export("--to", place).stderr
    # PS3.16, CID 7050: Basic Application Confidentiality Profile, Modified Dates.
    assert {"113100", "113107"} <= {*said["deidentification"]}
    assert json.loads(pq.read_schema(place).metadata[b"imaging_index"])["deidentification"] == said["deidentification"]
