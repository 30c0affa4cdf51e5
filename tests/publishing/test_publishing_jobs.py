"""Import jobs in the function that announces: when one is announced, comes again, or is given up."""

import json
from collections import Counter
from typing import Any

import pytest

from proof.publishing.function import DATASTORE, EPOCH
from proof.publishing.given import UID, failing, index, invoke, job, manifest, message
from proof.publishing.world import Snapshot, World
from proof.simulation.memory import refusal


def test_a_job_is_announced_when_all_its_image_sets_are_there_newer_or_gone(world: World) -> None:
    for number in (1, 2, 3):
        index(world, number)
    world.table.write(f"{DATASTORE}/{3:032d}", "entry", {"Generation": {"S": "~"}})
    manifest(world, versions={1: 1, 2: 2, 3: 1}, numberOfFilesWithCustomerError=2, numberOfFilesWithServerError=1)
    assert invoke(message(job())) == ["m"]
    index(world, 2, ImageSetVersion={"N": "3"})
    world.now = EPOCH + 100
    assert invoke(message(job()), message(job())) == []
    (event,) = world.happened
    assert event.detail == {
        "datastoreId": DATASTORE,
        "jobId": "a" * 32,
        "key": f"{DATASTORE}/{'a' * 32}",
        "imageSetCount": 3,
        "goneCount": 1,
        "instanceCount": 21,
        "refusedFileCount": 3,
        "seconds": pytest.approx(100, abs=5),
    }


def test_a_job_that_imported_nothing_is_announced_at_once(world: World) -> None:
    manifest(world)
    assert invoke(message(job())) == []
    assert world.happened[0].detail["imageSetCount"] == 0


def test_a_manifest_without_versions_waits_for_healthimagings_own(world: World) -> None:
    index(world, 1)
    world.image_sets[f"{1:032d}"].append(Snapshot(UID, 2, EPOCH))
    manifest(world, imageSetsSummary=[{"imageSetId": f"{1:032d}"}])
    assert invoke(message(job())) == ["m"]
    index(world, 1, ImageSetVersion={"N": "2"})
    assert invoke(message(job())) == []
    assert len(world.happened) == 1


def test_a_job_that_is_not_there_after_an_hour_is_counted(world: World, counted: Counter[str]) -> None:
    manifest(world, versions={1: 1})
    for later, waiting in ((100, 0), (3_500, 0), (3_700, 1), (90_000, 2)):
        world.now = EPOCH + later
        assert invoke(message(job())) == ["m"]
        assert counted["JobsWaiting"] == waiting


@pytest.mark.parametrize(
    "others",
    [job(account="1" * 12), job(detail={"datastoreId": "e" * 32}), {"detail-type": "Import Job Failed", "detail": {}}],
)
def test_a_job_of_another_account_or_data_store_is_let_go(world: World, others: Any, counted: Counter[str]) -> None:
    manifest(world)
    assert invoke(message(others)) == []
    assert (world.happened, world.parked, +counted) == ([], [], Counter())


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("{", {}),
        ("[]", {}),
        ("Doe^Jane", {}),
        ("[" * 100_000, {}),
        ('{"jobSummary": {"jobId": 1}}', {}),
        (None, {"jobId": "b" * 32}),
        (None, {"datastoreId": "e" * 32}),
        (None, {"imageSetsSummary": [{"imageSetId": "Doe^Jane"}]}),
        (None, {"imageSetsSummary": [{"imageSetId": "1" * 32, "imageSetVersion": "one"}]}),
        (" " * (64 * 2**20 + 1), {}),
    ],
)
def test_a_manifest_that_is_of_no_use_parks_the_job(
    world: World, text: str | None, more: dict[str, Any], counted: Counter[str]
) -> None:
    manifest(world, text, **more)
    assert invoke(message(job())) == []
    assert [json.loads(body)["detail"]["jobId"] for body in world.parked] == ["a" * 32]
    assert (world.happened, counted["Parked"], counted["PermanentFaults"]) == ([], 1, 1)
    assert not any("Doe" in line for line in counted)


def test_a_manifest_that_is_missing_has_the_job_come_again(world: World, counted: Counter[str]) -> None:
    assert invoke(message(job())) == ["m"]
    assert counted["NotReadyFaults"] == 1
    folder = f"out/{DATASTORE}-DicomImport-{'a' * 32}/"
    manifest(world)
    world.objects[f"bucket/{folder}job-output-manifest.json"] = world.objects.pop("bucket/out/job-output-manifest.json")
    assert invoke(message(job())) == []
    assert len(world.happened) == 1


def test_a_bucket_that_may_not_be_read_is_named_by_its_setting_and_never_parks_a_job(
    world: World, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(world, monkeypatch, "get_object", refusal("GetObject", "AccessDenied", 403))
    assert invoke(message(job(), received=900, age=300_000)) == ["m"]
    assert (world.parked, counted["ConfigurationFaults"]) == ([], 1)
    assert any("importOutputBuckets" in line for line in counted)
