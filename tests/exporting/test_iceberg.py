"""An Iceberg table equals DynamoDB's after whatever has changed, and only what has changed is written."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import boto3
import msgspec
import pytest

from exporting import iceberg
from exporting.iceberg import Warehouse
from exporting.rows import RowsReader, Wrapping
from imaging_index.entry.item import Item
from proof.searching import archive
from tests.exporting.plain_rows import entry, lines

PROFILE = archive.PROFILE
# A thousand take minutes.
CHANGES = int(os.environ.get("ICEBERG_CHANGES", "60"))
ROUNDS = 3


@pytest.fixture(params=["s3-tables", "folder"])
def warehouse(request: pytest.FixtureRequest, aws: boto3.Session, tmp_path: Path) -> Warehouse:
    if request.param == "folder":
        return iceberg.in_folder(tmp_path / "warehouse", "research")
    # The local cloud has the files in a bucket of this name, which is of one account alone.
    name = f"research-{os.environ['AWS_ACCESS_KEY_ID']}"
    bucket = aws.client("s3tables").create_table_bucket(name=name)["arn"]
    return iceberg.in_s3_tables(aws, bucket, "research")


def table(warehouse: Warehouse) -> list[dict[str, Any]]:
    return _sorted(warehouse.catalog.load_table((warehouse.namespace, iceberg.TABLE)).scan().to_arrow().to_pylist())


def snapshots(warehouse: Warehouse) -> list[Any]:
    return [*warehouse.catalog.load_table((warehouse.namespace, iceberg.TABLE)).metadata.snapshots]


def expected(items: Iterable[Item]) -> list[dict[str, Any]]:
    return _sorted(RowsReader(PROFILE).read(lines(items)).to_pylist())


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["ImageSetId"]))


class Archive:
    """A table of entries that change at random; removed image sets have a tombstone, or nothing after a while."""

    def __init__(self) -> None:
        self._chance = Random(18)
        self._new = archive.entries(5_000, 5_000)
        self.entries: dict[str, Item] = {}
        self.touched: set[str] = set()

    def change(self, times: int) -> None:
        for _ in range(times):
            what = self._chance.choice(["create", "create", "update", "delete", "correct"])
            if what == "create" or not self.entries:
                item = next(self._new)
                self.entries[item["ImageSetId"]["S"]] = entry(item, PROFILE, item["ImageSetId"]["S"])
                self.touched.add(item["ImageSetId"]["S"])
                continue
            image_set = self._chance.choice([*self.entries])
            self.touched.add(image_set)
            item = self.entries.pop(image_set)
            if what == "correct":
                self.entries[image_set] = item | {"IsPrimary": {"BOOL": not item["IsPrimary"]["BOOL"]}}
            if what == "update":
                version = int(item["ImageSetVersion"]["N"]) + 1
                self.entries[image_set] = item | {
                    "ImageSetVersion": {"N": str(version)},
                    "Generation": {"S": f"{version:010}.000002.0003.0000"},
                    "StudyDescription": {"S": f"after {version}"},
                }

    def changes(self) -> Iterator[bytes]:
        """What DynamoDB exports of the changes since the last call."""
        for image_set in self.touched:
            keys = {"ImageSet": {"S": f"{'d' * 32}/{image_set}"}, "Part": {"S": "entry"}}
            change: dict[str, Any] = {"Metadata": {"WriteTimestampMicros": {"N": "1"}}, "Keys": keys}
            if image_set in self.entries:
                change["NewImage"] = self.entries[image_set]
            elif self._chance.random() < 0.5:
                change["NewImage"] = keys | {"Generation": {"S": "~"}, "ImageSetId": {"S": image_set}}
            yield msgspec.json.encode(change) + b"\n"
            page = {"Keys": keys | {"Part": {"S": "page/1/a/0000"}}, "NewImage": {"Content": {"B": "AAAA"}}}
            yield msgspec.json.encode(page) + b"\n"
        self.touched.clear()


def test_the_table_equals_dynamodbs_after_each_scan(warehouse: Warehouse) -> None:
    current = Archive()
    for _ in range(ROUNDS):
        current.change(CHANGES // ROUNDS)
        about = iceberg.bring_up_to_date(warehouse, [lines(current.entries.values())], RowsReader(PROFILE), PROFILE)
        assert table(warehouse) == expected(current.entries.values())
        assert about.image_sets == len(current.entries)
    before = snapshots(warehouse)
    iceberg.bring_up_to_date(warehouse, [lines(current.entries.values())], RowsReader(PROFILE), PROFILE)
    assert snapshots(warehouse) == before


def test_the_table_equals_dynamodbs_after_each_export_of_changes(tmp_path: Path) -> None:
    warehouse = iceberg.in_folder(tmp_path / "warehouse", "research")
    current = Archive()
    current.change(CHANGES // ROUNDS)
    items = [lines({"Item": item} for item in current.entries.values())]
    reader = RowsReader(PROFILE, Wrapping.FULL)
    iceberg.bring_up_to_date(warehouse, items, reader, PROFILE, as_of="2026-01-01T00:00:00Z")
    current.touched.clear()
    reader = RowsReader(PROFILE, Wrapping.INCREMENTAL)
    for day in range(1, ROUNDS):
        current.change(CHANGES // ROUNDS)
        about = iceberg.bring_up_to_date(
            warehouse,
            current.changes(),
            reader,
            PROFILE,
            since=f"2026-01-{day:02}T00:00:00Z",
            as_of=f"2026-01-{day + 1:02}T00:00:00Z",
        )
        assert table(warehouse) == expected(current.entries.values())
        assert (about.image_sets, about.consistent) == (len(current.entries), True)
        assert iceberg.about_of(warehouse) == about


def test_changes_that_do_not_go_on_where_the_table_ends_are_refused(tmp_path: Path) -> None:
    warehouse = iceberg.in_folder(tmp_path / "warehouse", "research")
    assert iceberg.about_of(warehouse) is None
    current = Archive()
    current.change(4)
    reader = RowsReader(PROFILE, Wrapping.INCREMENTAL)
    with pytest.raises(iceberg.Gap, match="is empty"):
        iceberg.bring_up_to_date(warehouse, current.changes(), reader, PROFILE, since="2026-01-01T00:00:00Z")
    whole = [lines(current.entries.values())]
    iceberg.bring_up_to_date(warehouse, whole, RowsReader(PROFILE), PROFILE, as_of="2026-01-01T00:00:00Z")
    before = table(warehouse)
    with pytest.raises(iceberg.Gap, match="is of 2026-01-01"):
        iceberg.bring_up_to_date(warehouse, current.changes(), reader, PROFILE, since="2026-01-02T00:00:00Z")
    assert table(warehouse) == before


def test_an_interrupted_export_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    warehouse = iceberg.in_folder(tmp_path / "warehouse", "research")
    current = Archive()
    current.change(20)
    iceberg.bring_up_to_date(warehouse, [lines(current.entries.values())], RowsReader(PROFILE), PROFILE)
    before = table(warehouse)
    current.change(20)

    def broken() -> Iterator[bytes]:
        yield lines(current.entries.values())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        iceberg.bring_up_to_date(warehouse, broken(), RowsReader(PROFILE), PROFILE)
    assert table(warehouse) == before
