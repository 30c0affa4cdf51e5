"""An Iceberg table equals DynamoDB's after whatever has changed, and only what has changed is written."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from exporting import iceberg
from exporting.iceberg import Warehouse
from exporting.rows import RowsReader, Wrapping
from proof.campaigns import iceberg_tables
from proof.campaigns.iceberg_tables import Archive, rows
from tests.exporting.plain_rows import NARROW as PROFILE

# `make prove` has all columns of radiology, and a thousand changes.
CHANGES = int(os.environ.get("ICEBERG_CHANGES", "40"))
ROUNDS = 3


@pytest.fixture
def in_s3_tables(aws: boto3.Session) -> Warehouse:
    # The local cloud has the files in a bucket of this name, which is of one account alone.
    name = f"research-{os.environ['AWS_ACCESS_KEY_ID']}"
    return iceberg.in_s3_tables(aws, aws.client("s3tables").create_table_bucket(name=name)["arn"], "research")


@pytest.fixture
def in_folder(tmp_path: Path) -> Warehouse:
    return iceberg.in_folder(tmp_path / "warehouse", "research")


def snapshots(warehouse: Warehouse) -> list[Any]:
    return [*warehouse.catalog.load_table((warehouse.namespace, iceberg.TABLE)).metadata.snapshots]


def bring(warehouse: Warehouse, current: Archive, **moments: Any) -> None:
    iceberg.bring_up_to_date(warehouse, current.whole(), RowsReader(PROFILE), PROFILE, **moments)


def test_the_table_equals_dynamodbs_after_each_scan(in_folder: Warehouse) -> None:
    report = iceberg_tables.scanned(in_folder, CHANGES, ROUNDS, PROFILE)
    assert report.harms == []
    assert min(report.done.values()) > 0


def test_the_table_in_s3_tables_equals_dynamodbs_after_each_export_of_changes(in_s3_tables: Warehouse) -> None:
    report = iceberg_tables.incremental(in_s3_tables, CHANGES, ROUNDS, PROFILE)
    assert report.harms == []
    assert min(report.done.values()) > 0


def test_nothing_is_written_if_nothing_has_changed(in_folder: Warehouse) -> None:
    current = Archive(PROFILE)
    current.change(20)
    bring(in_folder, current)
    before = snapshots(in_folder)
    bring(in_folder, current)
    assert snapshots(in_folder) == before


def test_changes_that_do_not_go_on_where_the_table_ends_are_refused(in_folder: Warehouse) -> None:
    assert iceberg.about_of(in_folder) is None
    current = Archive(PROFILE)
    current.change(4)
    reader = RowsReader(PROFILE, Wrapping.INCREMENTAL)
    with pytest.raises(iceberg.Gap, match="is empty"):
        iceberg.bring_up_to_date(in_folder, current.changes(), reader, PROFILE, since="2026-01-01T00:00:00Z")
    bring(in_folder, current, as_of="2026-01-01T00:00:00Z")
    before = rows(in_folder)
    with pytest.raises(iceberg.Gap, match="is of 2026-01-01"):
        iceberg.bring_up_to_date(in_folder, current.changes(), reader, PROFILE, since="2026-01-02T00:00:00Z")
    assert rows(in_folder) == before


def test_an_interrupted_export_leaves_the_table_as_it_was(in_folder: Warehouse) -> None:
    current = Archive(PROFILE)
    current.change(20)
    bring(in_folder, current)
    before = rows(in_folder)
    current.change(20)

    def broken() -> Iterator[bytes]:
        yield from current.whole()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        iceberg.bring_up_to_date(in_folder, broken(), RowsReader(PROFILE), PROFILE)
    assert rows(in_folder) == before
