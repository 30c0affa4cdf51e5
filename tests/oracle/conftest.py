"""pydicom's own files, imported and indexed by the deployed stack in a local cloud: the whole of what a user runs."""

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pydicom.data
import pytest
from mypy_boto3_medical_imaging import HealthImagingClient
from pydicom import dcmread

from imaging_index.table.layout import Key
from imaging_index.table.reading import ImageSet, TableReader
from infra.assembly import Assembly
from local.cloud import LocalCloud
from local.deployment import deploy
from proof.harness.image_sets import wait_for


@dataclass(frozen=True)
class Indexed:
    """What became of a folder: the files of each image set in the order of their import, and what the table holds."""

    folder: Path
    files: dict[str, list[str]]
    image_sets: dict[str, ImageSet]


@pytest.fixture(scope="session")
def indexed(assembly: Assembly, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """Every file that pydicom ships, and some variants of one, all the way into DynamoDB."""
    folder = tmp_path_factory.mktemp("dicom")
    shutil.copytree(Path(pydicom.data.__file__).parent, folder, dirs_exist_ok=True)
    _write_variants(folder)
    output = tmp_path_factory.mktemp("output")
    with LocalCloud() as cloud, mock.patch.dict(os.environ, cloud.environment()):
        aws = boto3.Session()  # the default one keeps the first account that this process has had
        table = TableReader(aws.client("dynamodb"), deploy(assembly, os.environ)["TableName"])
        datastore, files, versions = _import(aws.client("medical-imaging"), folder, output)
        yield Indexed(folder, files, _once_indexed(table, datastore, versions))


def _write_variants(folder: Path) -> None:
    """What no file of pydicom's has: series whose instances disagree, at the series and in what they are grouped by."""
    variants: list[dict[str, Any]] = [
        {
            "SeriesDescription": " of the first ",
            "ImageType": ["DERIVED", "", "OTHER"],
            "EchoTime": None,
            "StationName": ["MR2", "MR1 ", "MR2"],
            "SeriesDate": ["20240102", "20240101"],
            "ViewPosition": ["PA", "AP"],
        },
        {
            "SeriesDescription": "of the second",
            "KVP": "1.20E+2 ",
            "MagneticFieldStrength": ["3", "1.5"],
            "ViewPosition": ["AP", "AP"],
        },
        {"AccessionNumber": "another", "SoftwareVersions": ["", "2"], "ReferringPhysicianName": "  Roe^Jane"},
        {"SeriesNumber": 77, "StudyTime": "25"},
        {"StudyDate": "2004.01.19"},
        {"PatientID": "another"},
    ]
    for number, changes in enumerate(variants):
        dataset = dcmread(folder / "test_files/MR_small.dcm")
        uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SOPInstanceUID": f"1.2.3.4.{number}"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom says of the wrong values that they are
            for keyword, value in (uids | changes).items():
                setattr(dataset, keyword, value)
            dataset.save_as(folder / f"variant{number}.dcm")


def _import(
    client: HealthImagingClient, folder: Path, output: Path
) -> tuple[str, dict[str, list[str]], dict[str, int]]:
    """The data store that the folder was imported into; its image sets' files, and their versions."""
    datastore = client.create_datastore(datastoreName="oracle", clientToken="datastore")["datastoreId"]
    wait_for(lambda: client.get_datastore(datastoreId=datastore)["datastoreProperties"]["datastoreStatus"] == "ACTIVE")
    job = client.start_dicom_import_job(
        clientToken="job",
        datastoreId=datastore,
        dataAccessRoleArn="arn:aws:iam::000000000000:role/import",
        inputS3Uri=folder.as_uri(),
        outputS3Uri=output.as_uri(),
    )["jobId"]

    def ended() -> bool:
        properties = client.get_dicom_import_job(datastoreId=datastore, jobId=job)["jobProperties"]
        return properties["jobStatus"] in ("COMPLETED", "FAILED")

    wait_for(ended)
    (success,) = output.rglob("success.ndjson")
    files: dict[str, list[str]] = {}
    for line in success.read_text("utf-8").splitlines():
        imported = json.loads(line)
        files.setdefault(imported["importResponse"]["imageSetId"], []).append(imported["inputFile"])
    (manifest,) = output.rglob("job-output-manifest.json")
    summaries = json.loads(manifest.read_text("utf-8"))["jobSummary"]["imageSetsSummary"]
    return datastore, files, {summary["imageSetId"]: summary["imageSetVersion"] for summary in summaries}


def _once_indexed(table: TableReader, datastore: str, versions: dict[str, int]) -> dict[str, ImageSet]:
    """What the table holds of each image set, once that is the version which the import made."""
    found: dict[str, ImageSet] = {}

    def complete() -> bool:
        for image_set_id in versions.keys() - found.keys():
            read = table.read(Key(datastore, image_set_id))
            if read and int(read.entry["ImageSetVersion"]["N"]) == versions[image_set_id]:
                found[image_set_id] = read
        return found.keys() == versions.keys()

    wait_for(complete)
    return found
