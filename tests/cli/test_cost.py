"""`imaging-index cost`: its write units are those that DynamoDB counts, and its bill adds up."""

import contextlib
import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pydicom.data
import pytest
from typer.testing import CliRunner

from bench.pipeline import write_files
from cli import profiles
from cli.cost import sizes
from cli.main import application
from imaging_index.queue.hint import Kind
from imaging_index.reconciling import tiers
from imaging_index.table.layout import Key
from infra.assembly import Assembly
from infra.config import EVENT_FUNCTION_MB, ROOT
from infra.prices import Prices
from local.capacity import item_size
from local.cloud import LocalCloud
from local.deployment import deploy
from local.healthimaging.importing import folder
from local.stack import import_folder, make_datastore, metrics
from proof.harness.image_sets import (
    PROFILE,
    delete,
    deliver,
    hint,
    indexer,
    make_image_set,
    make_table,
    throttles_off,
    update,
    wait_for,
)
from tests.assemblies import synth_here


def cost(*options: object) -> Any:
    ended = CliRunner().invoke(application, ["cost", "--json", *map(str, options)])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.output)


def volume(count: int) -> list[str | int]:
    return ["--studies", count, "--series", count, "--instances", count]


def part(told: Any, name: str) -> Any:
    (found,) = [each for each in told["parts"] if each["name"] == name]
    return found


@pytest.fixture(autouse=True)
def _session_of_this_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


class Counted:
    """What the function has done, by the metrics in its log."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._before: Counter[str] = Counter()

    def write_units(self, **done: int) -> float:
        """The write units that DynamoDB reported, once so much is done since this was last asked."""
        wait_for(lambda: all(self._since()[name] >= times for name, times in done.items()))
        units = self._since()["WriteUnits"]
        self._before = metrics(self._function)
        return units

    def _since(self) -> Counter[str]:
        return metrics(self._function) - self._before


def test_the_write_units_are_those_that_the_local_cloud_counts_for_new_changed_and_deleted_image_sets(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], cloud: LocalCloud, tmp_path: Path
) -> None:
    counted = Counted(deploy(assembly, environment)["FunctionName"])
    write_files(tmp_path, 60)
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, tmp_path)
    new = counted.write_units(Indexed=60)
    pages = client.get_paginator("search_image_sets").paginate(datastoreId=datastore)
    keys = [Key(datastore, each["imageSetId"]) for page in pages for each in page["imageSetsMetadataSummaries"]]
    with throttles_off(cloud.endpoint):
        for key in keys[:8]:
            update(client, key, version=1)
        changed = counted.write_units(Indexed=8)
        for key in keys[8:16]:
            delete(client, key)
        deleted = counted.write_units(Deleted=8)
    told = [cost(*volume(60), *more)["use"]["write_units"] for more in ([], ["--updates", 8], ["--deletions", 8])]
    assert told[0] == pytest.approx(new, rel=0.1)
    assert told[1] - told[0] == pytest.approx(changed, rel=0.1)
    assert told[2] - told[0] == pytest.approx(deleted, rel=0.1)


@pytest.mark.filterwarnings("ignore:Expected explicit VR")
def test_a_sample_of_ones_own_files_tells_the_write_units_of_any_mix(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    counted = Counted(deploy(assembly, environment)["FunctionName"])
    client = aws.client("medical-imaging")
    copy_each_instance_once(Path(pydicom.data.__file__).parent, tmp_path)
    imported = import_folder(client, make_datastore(client, "hospital"), tmp_path)
    numbers = ("--studies", 1, "--series", imported.image_sets, "--instances", imported.files)
    told = cost(*numbers, "--sample", tmp_path)
    assert told["sizes"]["image_sets"] == imported.image_sets
    assert told["use"]["write_units"] == pytest.approx(counted.write_units(Indexed=imported.image_sets), rel=0.03)


def copy_each_instance_once(source: Path, target: Path) -> None:
    """An instance that comes again would make a second version of its image set."""
    seen: set[str] = set()
    for number, (_, path) in enumerate(folder(source)):
        with contextlib.suppress(Exception):  # what is no DICOM
            uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
            if uid not in seen:
                seen.add(uid)
                shutil.copy(path, target / f"{number}.dcm")


@pytest.mark.parametrize("instances", [1, 40, 300])
def test_pages_are_as_large_as_is_said(aws: boto3.Session, tmp_path: Path, instances: int) -> None:
    client = aws.client("medical-imaging")
    key = make_image_set(client, tmp_path, instances)
    table = make_table(aws)
    deliver(indexer(client, table), [hint(key, Kind.CREATED, 1)])
    items = aws.client("dynamodb").scan(TableName=table._name)["Items"]
    (page,) = [item_size(item) for item in items if item["Part"]["S"] != "entry"]
    assert sizes.measure(PROFILE).page(instances) == pytest.approx(page, rel=0.1)


def test_sizes_are_those_of_dynamodbs_guide() -> None:
    text, number = {"S": "é"}, {"N": "-12.56"}
    assert item_size({"ab": text}) == 2 + 2
    assert item_size({"a": number}) == 1 + 4
    assert item_size({"a": {"B": b"123"}, "b": {"BOOL": True}}) == 1 + 3 + 1 + 1
    assert item_size({"a": {"L": [text, number]}}) == 1 + 3 + (1 + 2) + (1 + 4)
    assert item_size({"a": {"M": {"Min": number}}}) == 1 + 3 + (1 + 3 + 4)


def test_indexing_grows_with_what_comes_and_what_stands_does_not() -> None:
    one, two = cost(*volume(10_000)), cost(*volume(20_000))
    assert two["by_kind"]["indexing"] == pytest.approx(2 * one["by_kind"]["indexing"])
    assert two["by_kind"]["keeping"] == pytest.approx(2 * one["by_kind"]["keeping"])
    assert two["by_kind"]["standing"] == one["by_kind"]["standing"]
    assert one["total"] == pytest.approx(math.fsum(each["dollars"] for each in one["parts"]))
    full = cost(*volume(10_000), "--existing", 10_000)
    assert full["by_kind"]["keeping"] == pytest.approx(3 * one["by_kind"]["keeping"])
    # A function that has much to do begins anew less often.
    assert part(cost(*volume(10**6)), "Lambda: INIT")["quantity"] < 20 * part(one, "Lambda: INIT")["quantity"]
    assert two["by_kind"]["comparing"] > one["by_kind"]["comparing"]
    long = cost("--studies", 1, "--series", 1, "--instances", 2000)
    page = long["sizes"]["page_bytes"] + 1000 * long["sizes"]["instance_bytes"]
    assert long["use"]["write_units"] == 10 + 2 * math.ceil(page / 1024)
    assert 3 < long["sizes"]["geometry_bytes"] < 8


def test_the_bill_follows_the_profile(tmp_path: Path) -> None:
    minimal, radiology = cost(*volume(1000), "--profile", "minimal"), cost(*volume(1000))
    # The entry and its copy in `date` take two units each, what six indexes hold one each, the page one.
    assert radiology["use"]["write_units"] == 1000 * (2 * 2 + 6 + 1)
    assert minimal["use"]["write_units"] == 1000 * (1 + 5 + 1)
    text = (Path(profiles.__file__).parents[1] / "profiles" / "minimal.toml").read_text()
    hashing = tmp_path / "hashing.toml"
    hashing.write_text(f'{text}\n[privacy]\nAccessionNumber = "hash"\nSOPClassUID = "drop"\n')
    told = cost(*volume(1000), "--profile", hashing)
    assert part(told, "Secret of the tokens")["dollars"] == pytest.approx(4.80)
    assert not [each for each in minimal["parts"] if each["name"].startswith("Secret")]


def test_what_is_written_again_is_charged_in_the_indexes_that_it_changes(tmp_path: Path) -> None:
    entry, page = 2, 1
    sizes = cost(*volume(1))["sizes"]
    assert sizes["index_units"] == 2 + 6
    assert sizes["index_units_changed"] == 2 + 5, "other values change nothing in an index of keys"
    assert sizes["index_units_again"] == 2, "the same values change an index that holds all, and no other"
    update = cost(*volume(1000), "--updates", 1000)["use"]["write_units"] - cost(*volume(1000))["use"]["write_units"]
    assert update == 1000 * (entry + 2 + 5 + 2 * page)
    text = (Path(profiles.__file__).parents[1] / "profiles" / "radiology.toml").read_text()
    own = tmp_path / "own.toml"
    own.write_text(text.replace('holds = "keys"', 'holds = ["IndexedAt"]'))
    sizes = cost(*volume(1), "--profile", own)["sizes"]
    assert (sizes["index_units_changed"], sizes["index_units_again"]) == (2 + 6, 2 + 1)


def test_kept_documents_are_stored_written_and_listed_and_make_a_revision_cheap() -> None:
    without = cost(*volume(1_000_000), "--updates", 10_000, "--deletions", 1_000)
    kept = cost(*volume(1_000_000), "--updates", 10_000, "--deletions", 1_000, "--documents", 6.3)
    assert part(kept, "S3: writing documents")["quantity"] == 1_010_000
    assert part(kept, "S3: listing old documents")["quantity"] == 11_000
    stored = part(kept, "S3: documents")
    assert stored["quantity"] == pytest.approx((1_000_000 - 1_000) / 2 * 6300 / 2**30 * 12)
    assert stored["dollars"] == pytest.approx(stored["quantity"] * Prices().s3_gb_month)
    assert {each["name"] for each in without["parts"]} < {each["name"] for each in kept["parts"]}
    own = {name for name in (each["name"] for each in kept["parts"]) if "S3" in name or "ocuments" in name}
    others = [each for each in kept["parts"] if each["name"] not in own]
    assert others == without["parts"]
    assert kept["reading_anew"] < without["reading_anew"] / 100
    assert "from the bucket where they are kept" in " ".join(
        CliRunner().invoke(application, ["cost", *map(str, volume(10)), "--documents", "6"]).output.split()
    )


def test_scheduled_exports_cost_by_the_size_of_the_table_and_how_often_it_is_exported() -> None:
    without, weekly = (cost(*volume(1_000_000), "--export-days", days) for days in (0, 7))
    table_gb = without["use"]["backed_up_bytes"] / 2**30
    exported, stored = part(weekly, "DynamoDB: exports"), part(weekly, "S3: exports, at most")
    assert exported["quantity"] == pytest.approx(table_gb * 365 / 7)
    assert exported["dollars"] == pytest.approx(exported["quantity"] * Prices().export_gb)
    assert stored["quantity"] == pytest.approx(table_gb * 3 * 12)
    others = [each for each in weekly["parts"] if "exports" not in each["name"]]
    assert others == without["parts"]


def test_what_stands_is_what_the_stack_has(assembly: Assembly) -> None:
    resources = json.loads(assembly.template.read_text())["Resources"].values()

    def properties(kind: str) -> list[Any]:
        return [each["Properties"] for each in resources if each["Type"] == kind]

    told = cost(*volume(1000), "--seconds", 1)
    assert part(told, "Alarms")["quantity"] == 12 * len(properties("AWS::CloudWatch::Alarm"))
    assert part(told, "Dashboard")["quantity"] == 12 * len(properties("AWS::CloudWatch::Dashboard"))
    assert part(told, "Key")["quantity"] == 12 * len(properties("AWS::KMS::Key"))
    (memory,) = {each["MemorySize"] for each in properties("AWS::Lambda::Function")}
    assert part(told, "Lambda time")["quantity"] == 1000 * memory / 1024


def test_events_are_in_the_bill_only_if_they_are_asked_for_and_cost_what_their_parts_do() -> None:
    numbers = ["--studies", 1000, "--series", 5000, "--instances", 5000, "--updates", 300, "--deletions", 200]
    off, on = cost(*numbers), cost(*numbers, "--events")
    stable, jobs = cost(*numbers, "--stable-studies"), cost(*numbers, "--jobs", 10)
    assert (off["announced"], off["by_kind"]["announcing"]) == (None, 0)
    assert [each for each in on["parts"] if each["kind"] not in ("announcing", "standing")] == [
        each for each in off["parts"] if each["kind"] != "standing"
    ]
    assert on["announced"] == dict.fromkeys(on["announced"], 0) | {"chunks": 5500, "invocations": 5500}
    # A marker and a message for each change; another marker, an event and a search for each time of being stable.
    told = stable["announced"]
    assert (told["messages"], told["sqs_requests"], told["write_units"]) == (5500, 3 * 5500, 5500 + 1500)
    assert (told["chunks"], told["searches"], told["invocations"]) == (5500 + 1500, 1500, 2 * 5500)
    told = jobs["announced"]
    assert (told["messages"], told["manifests"], told["write_units"], told["chunks"]) == (10, 20, 10, 5510)
    for each in (on, stable, jobs):
        assert each["total"] == pytest.approx(math.fsum(part["dollars"] for part in each["parts"]))
        assert each["total"] > off["total"] + 12 * 8 * 0.10


def test_an_event_of_more_than_64_kb_counts_for_each_64_kb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_CHUNK", 100)
    assert cost(*volume(10), "--events")["announced"]["chunks"] > 40


def test_what_events_cost_without_changes_is_what_they_add_to_the_stack(assembly: Assembly, tmp_path: Path) -> None:
    def resources(of: Assembly, kind: str) -> list[Any]:
        found = json.loads(of.template.read_text())["Resources"].values()
        return [each["Properties"] for each in found if each["Type"] == kind]

    with_events = synth_here(tmp_path, events="on", studyStableMinutes="5")
    told = cost(*volume(1000), "--stable-studies")
    kind = "AWS::CloudWatch::Alarm"
    assert part(told, "Alarms of events")["quantity"] == 12 * (
        len(resources(with_events, kind)) - len(resources(assembly, kind))
    )
    (memory,) = {
        each["MemorySize"]
        for each in resources(with_events, "AWS::Lambda::Function")
        if "BUS_NAME" in each["Environment"]["Variables"]
    }
    assert memory == EVENT_FUNCTION_MB


def test_the_bill_and_reconcile_know_the_same_prices_of_healthimagings_tiers() -> None:
    prices = Prices()
    assert (prices.frequent_gb_month, prices.archive_gb_month) == (tiers.FREQUENT_GB_MONTH, tiers.ARCHIVE_GB_MONTH)


def test_numbers_that_cannot_be_and_a_sample_without_dicom_are_told(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague")
    numbers = ["--studies", "2", "--series", "1", "--instances", "1"]
    good = ["--studies", "1", "--series", "1", "--instances", "1"]
    for wrong, status, sentence in (
        (numbers, 2, "at least as many series"),
        ([*good, "--deletions", "3", "--existing", "1"], 2, "3 image sets cannot be deleted: 1 exist and 1 are new"),
        ([*good, "--jobs", "2"], 2, "at least as many series as import jobs"),
        ([*good, "--sample", str(tmp_path)], 1, "holds no DICOM files"),
        ([*good, "--sample", str(tmp_path / "none")], 1, "There is no folder"),
        ([*good, "--profile", "none"], 1, "There is no profile none"),
    ):
        ended = CliRunner().invoke(application, ["cost", *wrong])
        assert ended.exit_code == status
        assert sentence in " ".join(ended.output.split())


def test_the_keys_first_two_rotations_are_in_the_bill_of_the_second_and_of_later_years() -> None:
    told = cost(*volume(10))
    assert told["rotations"] == [12.0, 24.0]
    page = (ROOT / "docs" / "cost.md").read_text("utf-8")
    fixed = round(told["by_kind"]["standing"])
    assert f"| ${fixed} | ${fixed} | ${fixed} |" in page
    assert f"${fixed + 12} in the second year, and ${fixed + 24} in each later one" in page


def test_hints_that_are_sent_by_putevents_are_said_to_be_charged() -> None:
    said = " ".join((ROOT / "docs" / "cost.md").read_text("utf-8").split())
    assert f"by PutEvents are custom events, and cost ${Prices().own_event * 1e6:.2f} a million" in said


def test_the_table_ends_with_the_sum() -> None:
    ended = CliRunner().invoke(application, ["cost", *map(str, volume(10**6))])
    assert ended.exit_code == 0
    assert f"{cost(*volume(10**6))['total']:,.2f}" in ended.output
    assert "no free tier" in ended.output
