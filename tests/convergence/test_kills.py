"""Killed functions leave nothing wrong behind, and nothing at all once their messages came again."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from imaging_index.queue.hint import Kind
from imaging_index.table.layout import Key
from local.cloud import LocalCloud
from proof.campaigns import kills
from proof.campaigns.kills import Scenario, Stage
from proof.harness.image_sets import PROFILE, hint, throttles_off
from proof.harness.pipeline import response
from proof.simulation import truth

if TYPE_CHECKING:
    from imaging_index.table.reading import ImageSet

INSTANCES = 10_000


@pytest.fixture
def client(aws: boto3.Session, cloud: LocalCloud) -> Iterator[Any]:
    with throttles_off(cloud.endpoint):
        yield aws.client("medical-imaging")


def test_a_kill_before_or_after_any_call_in_any_order_of_three_hints_changes_nothing_in_the_end(
    aws: boto3.Session, client: Any, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    stage = Stage(aws, client, rows=2, requests=2)
    # Each scenario in half of the orders; make prove: in all.
    killed = {
        name: kills.singles(stage, each, kills.ORDERS[number % 2 :: 2])
        for number, (name, each) in enumerate(kills.scenarios(client, tmp_path).items())
    }
    record_property("single kills", f"{sum(killed.values())}, in ten scenarios and three orders of each")
    # Before a call nothing has happened since the one before was answered: the first of a delivery is its own case.
    assert sum(killed.values()) >= 400
    assert min(killed.values()) >= 3 * 3 * (1 + 2)  # orders, hints, before the first call and after two at least


def test_a_second_kill_changes_nothing_either(
    aws: boto3.Session, client: Any, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    stage = Stage(aws, client, rows=2, requests=2)
    update = kills.scenarios(client, tmp_path)["update"]
    record_property("pairs of kills", kills.pairs(stage, update, orders=kills.ORDERS[:1]))


def test_a_large_image_set_is_whole_at_every_kill_and_complete_in_the_end(aws: boto3.Session, client: Any) -> None:
    stage, scenario = large(aws, client)
    points = stage.run(scenario, [0])
    operations = [point.operation for point in points if point.after]
    # Each of the ten pages is written, and each old one deleted, by a call of its own.
    assert operations.count("BatchWriteItem") == 20
    for point in kills.that_differ(points):
        stage.run(scenario, [0], [point])


def test_a_reader_of_a_large_image_set_finds_it_whole_after_every_step(aws: boto3.Session, client: Any) -> None:
    stage, scenario = large(aws, client)
    found: list[ImageSet | None] = []
    stage.executioner.watch(lambda: found.append(stage.observer.read(scenario.key)))
    stage.run(scenario, [0])
    versions = [int(each.entry["ImageSetVersion"]["N"]) for each in found if each]
    assert len(versions) == len(found) >= 24
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}
    sizes = {(int(each.entry["ImageSetVersion"]["N"]), len(each.instances)) for each in found if each}
    assert sizes == {(1, INSTANCES), (2, INSTANCES - 1)}


def large(aws: boto3.Session, client: Any) -> tuple[Stage, Scenario]:
    """An image set whose second version has one instance less, and a description more."""
    key = Key("0" * 32, "1" * 32)
    documents = {version: document(key, INSTANCES + 1 - version, f"version {version}") for version in (1, 2)}

    def answer(request: Any, **_: Any) -> AWSResponse:
        version = int(request.url.rpartition("=")[2])
        return response(request, 200, documents[version], "Content-Type", "application/json")

    client.meta.events.register("before-send.medical-imaging.GetImageSetMetadata", answer)
    one, two = (
        truth.indexed(key, truth.content([documents[version]], PROFILE), version, PROFILE) for version in (1, 2)
    )
    created = ((hint(key, Kind.CREATED, 2), PROFILE),)
    return Stage(aws, client, rows=1000, requests=1), Scenario(key, one, created, two)


def document(key: Key, instances: int, description: str) -> bytes:
    """A metadata document of one series."""
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    series = {
        "DICOM": {"SeriesInstanceUID": "1.2.3", "Modality": "CT"},
        "Instances": {
            f"1.2.3.{number}": {
                "DICOM": {"SOPInstanceUID": f"1.2.3.{number}", "SOPClassUID": sop_class, "InstanceNumber": number},
                "ImageFrames": [{"ID": f"{number:032x}"}],
            }
            for number in range(1, instances + 1)
        },
    }
    whole = {
        "SchemaVersion": "1.1",
        "DatastoreID": key.datastore_id,
        "ImageSetID": key.image_set_id,
        "Patient": {"DICOM": {"PatientID": "large"}},
        "Study": {"DICOM": {"StudyInstanceUID": "1.2", "StudyDescription": description}, "Series": {"1.2.3": series}},
    }
    return gzip.compress(json.dumps(whole).encode())
