"""The AWS command line, as anybody has it, against the local cloud."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from pydicom import dcmread
from pydicom.data import get_testdata_file

from local.stack import import_folder, make_datastore


def _aws(*arguments: str) -> Any:
    """What ``aws medical-imaging ...`` prints."""
    command = [str(Path(sys.executable).with_name("aws")), "medical-imaging", *arguments, "--output", "json"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_the_aws_cli_finds_reads_and_deletes_an_imported_image_set(aws: boto3.Session, tmp_path: Path) -> None:
    file = Path(str(get_testdata_file("CT_small.dcm")))
    folder = tmp_path / "dicom"
    folder.mkdir()
    shutil.copy(file, folder)
    datastore = make_datastore(aws.client("medical-imaging"), "hospital")
    import_folder(aws.client("medical-imaging"), datastore, folder)
    dataset = dcmread(file)

    criteria = {"filters": [{"values": [{"DICOMPatientId": dataset.PatientID}], "operator": "EQUAL"}]}
    found = _aws("search-image-sets", "--datastore-id", datastore, "--search-criteria", json.dumps(criteria))
    (summary,) = found["imageSetsMetadataSummaries"]
    assert summary["DICOMTags"]["DICOMStudyInstanceUID"] == dataset.StudyInstanceUID

    names = ["--datastore-id", datastore, "--image-set-id", summary["imageSetId"]]
    document = tmp_path / "metadata.json.gz"
    _aws("get-image-set-metadata", *names, str(document))
    metadata = json.loads(gzip.decompress(document.read_bytes()))
    assert metadata["Patient"]["DICOM"]["PatientID"] == dataset.PatientID

    assert _aws("delete-image-set", *names)["imageSetState"] == "LOCKED"
    while (remaining := _aws("list-image-set-versions", *names)["imageSetPropertiesList"][0])[
        "imageSetState"
    ] == "LOCKED":
        pass
    assert remaining["imageSetState"] == "DELETED"
