"""The handler in this process, fed from the real queue as Lambda feeds it: what comes back, and what is parked."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pydicom
import pytest
from botocore.awsrequest import AWSResponse
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.queue import delivery
from imaging_index.table.layout import Key
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.pipeline import Pipeline, import_handler, response

MARKER = "CANARY^MARKER"


@pytest.fixture
def pipeline(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    outputs = deploy(assembly, environment)
    client = aws.client("lambda")
    for mapping in client.list_event_source_mappings(FunctionName=outputs["FunctionName"])["EventSourceMappings"]:
        client.delete_event_source_mapping(UUID=mapping["UUID"])
    configuration = client.get_function_configuration(FunctionName=outputs["FunctionName"])
    for name, value in configuration["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PROFILE", str(Path(__file__).parents[2] / "profiles" / "radiology.toml"))
    monkeypatch.setattr(delivery, "pause", lambda *_: 0)
    monkeypatch.setattr(delivery, "_LEAST_AGE", {})
    return Pipeline(aws, outputs, import_handler())


@pytest.fixture
def image_sets(aws: boto3.Session, pipeline: Pipeline, tmp_path: Path) -> list[Key]:  # noqa: ARG001  its queue hears
    """Six image sets, each of its own study, whose patient is the marker."""
    for number in range(6):
        dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.PatientName = MARKER
        dataset.save_as(tmp_path / f"{number}.dcm")
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, tmp_path)
    found = client.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    return [Key(datastore, each["imageSetId"]) for each in found]


def answer_with(pipeline: Pipeline, bodies: dict[str, Callable[[], bytes]]) -> None:
    """Have HealthImaging answer with other metadata documents, by image set id."""

    def before_send(request: Any, **_: Any) -> AWSResponse | None:
        for image_set_id, body in bodies.items():
            if f"/imageSet/{image_set_id}/getImageSetMetadata" in request.url:
                return response(request, 200, body(), "Content-Type", "application/json")
        return None

    client = pipeline.module._indexer._healthimaging._client
    client.meta.events.register("before-send.medical-imaging.GetImageSetMetadata", before_send)


def document(key: Key, **changes: Any) -> bytes:
    whole = {
        "SchemaVersion": "1.1",
        "DatastoreID": key.datastore_id,
        "ImageSetID": key.image_set_id,
        "Patient": {"DICOM": {"PatientName": MARKER}},
        "Study": {"DICOM": {}, "Series": {}},
    }
    return json.dumps(whole | changes).encode()


def test_a_document_that_cannot_be_read_is_parked_after_three_tries_and_the_rest_is_indexed(
    pipeline: Pipeline, image_sets: list[Key], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third, fourth, *good = image_sets
    answer_with(
        pipeline,
        {
            first.image_set_id: lambda: b"\x1f\x8b" + MARKER.encode(),
            second.image_set_id: lambda: gzip.compress(b'{"Patient": ' + MARKER.encode()),
            third.image_set_id: lambda: gzip.compress(document(good[0])),
            fourth.image_set_id: lambda: gzip.compress(document(fourth))[:-9],
        },
    )
    pipeline.drain()
    for key in good:
        found = pipeline.table.read(key)
        assert found is not None
        assert found.entry["PatientName"] == {"S": MARKER}
    parked = pipeline.parked()
    assert {json.loads(each["Body"])["detail"]["imagesetId"] for each in parked} == {
        key.image_set_id for key in (first, second, third, fourth)
    }
    for each in parked:
        attributes = {name: value["StringValue"] for name, value in each["MessageAttributes"].items()}
        assert attributes == {"ErrorClass": "Poison", "Attempts": "3", "RequestId": "request"}
    metrics = capsys.readouterr()
    assert '"fault":"Poison"' in pipeline.log.getvalue()
    assert '"PoisonFaults":[1.0,1.0,1.0,1.0]' in metrics.out
    for text in (pipeline.log.getvalue(), metrics.out, metrics.err, json.dumps([each["Body"] for each in parked])):
        assert MARKER not in text


def test_a_document_without_a_study_uid_or_with_two_series_is_indexed(
    pipeline: Pipeline, image_sets: list[Key]
) -> None:
    bare, double, *_ = image_sets
    series = {
        uid: {"DICOM": {"SeriesInstanceUID": uid, "Modality": modality}, "Instances": {f"{uid}.1": {"DICOM": {}}}}
        for uid, modality in (("1.2.9", "MR"), ("1.2.8", "CT"))
    }
    answer_with(
        pipeline,
        {
            bare.image_set_id: lambda: document(bare, Patient={"DICOM": {"PatientID": "P1"}}),
            double.image_set_id: lambda: document(double, Study={"DICOM": {}, "Series": series}),
        },
    )
    pipeline.drain()
    types = pipeline.table.describe().key_types
    for index, condition in (("patient", {"PatientID": "P1", "DatastoreId": bare.datastore_id}),):
        (found,) = pipeline.table.query(index, condition, types)
        assert found["ImageSetId"] == {"S": bare.image_set_id}
    for index in ("date", "arrived"):
        ids = {
            item["ImageSetId"]["S"] for item in pipeline.table.query(index, {"DatastoreId": bare.datastore_id}, types)
        }
        assert ids == {key.image_set_id for key in image_sets}
    (held,) = pipeline.table.query("series", {"SeriesInstanceUID": "1.2.8"}, types)
    assert held["ImageSetId"] == {"S": double.image_set_id}
    (found,) = pipeline.table.entries([double]).items
    assert found["Modality"] == {"S": "CT"}
    assert found["SeriesInstanceUIDs"] == {"L": [{"S": "1.2.8"}, {"S": "1.2.9"}]}
    assert found["InstanceCount"] == {"N": "2"}


def test_hints_of_another_data_store_are_let_go(
    pipeline: Pipeline, image_sets: list[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.module, "_datastores", frozenset({"0" * 32}))
    pipeline.drain()
    assert pipeline.parked() == []
    assert all(pipeline.table.head(key) is None for key in image_sets)


def test_without_time_left_nothing_is_begun_and_everything_comes_back(
    pipeline: Pipeline, image_sets: list[Key]
) -> None:
    pipeline.milliseconds = 1_000
    messages, failed = pipeline.run()
    assert messages
    assert failed == {message["MessageId"] for message in messages}
    assert all(pipeline.table.head(key) is None for key in image_sets)
    pipeline.milliseconds = 60_000
    pipeline.drain()
    assert all(pipeline.table.head(key) for key in image_sets)


def test_when_aws_throttles_or_refuses_the_rest_of_the_batch_is_not_tried_and_nothing_is_parked(
    pipeline: Pipeline, image_sets: list[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(request: Any, **_: Any) -> AWSResponse:
        asked.append(request.url)
        return response(request, 403, b'{"message": "no"}', "x-amzn-ErrorType", "AccessDeniedException")

    events = pipeline.module._indexer._healthimaging._client.meta.events
    events.register("before-send.medical-imaging.GetImageSetMetadata", refuse, unique_id="refuse")
    for _ in range(4):
        asked.clear()
        monkeypatch.setattr(pipeline.module._breaker, "_until", 0.0)
        messages, failed = pipeline.run()
        assert len(messages) > 1
        assert failed == {message["MessageId"] for message in messages}
        assert len(asked) == 1
    events.unregister("before-send.medical-imaging.GetImageSetMetadata", unique_id="refuse")
    monkeypatch.setattr(pipeline.module._breaker, "_until", 0.0)
    pipeline.drain()
    assert pipeline.parked() == []
    assert all(pipeline.table.head(key) for key in image_sets)
