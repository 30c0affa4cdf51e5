"""`imaging-index search` against the deployed stack."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from cli.main import application
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for


def search(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from cli.main import main; main()", "search", *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


def test_image_sets_are_found_by_each_index_and_what_cannot_be_asked_is_told(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outputs = deploy(assembly, environment)
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(str(get_testdata_file(name)), tmp_path)
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, tmp_path)
    table = TableReader(aws.client("dynamodb"), outputs["TableName"])
    types = table.describe().key_types
    wait_for(lambda: len(list(table.query("arrived", {"DatastoreId": datastore}, types))) == 2)

    def found(*arguments: str) -> list[str]:
        ended = search(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return sorted(entry["PatientID"] for entry in json.loads(ended.stdout))

    assert found("PatientID=1CT1") == ["1CT1"]
    assert found("PatientID= 1CT1 ") == ["1CT1"]
    assert found("StudyDate=2004.01.19") == ["1CT1"]
    assert found("PatientName=compressedsamples^c*") == ["1CT1"]
    assert found("StudyDate=20040101-20041231") == ["1CT1", "4MR1"]
    assert found("StudyDate=20040119", "--datastore", datastore) == ["1CT1"]
    assert found("StudyInstanceUID=1.3.6.1.4.1.5962.1.2.1.20040119072730.12322") == ["1CT1"]
    assert found("--index", "arrived") == ["1CT1", "4MR1"]
    assert found("PatientID=nobody") == []
    assert found("Modality=CT,US") == ["1CT1"]
    assert found("Modality=CT", "StudyDate=2004", "Rows=128", "ImageType=axial") == ["1CT1"]
    assert found("PatientName=~ct1", "Rows=100..200") == ["1CT1"]
    assert found("Modality!=CT") == ["4MR1"]
    assert found("StudyDescription=E*1") == ["1CT1"]
    assert found("StudyDescription=E*1", "--exact") == []
    assert found("00080060=MR", "--scan") == ["4MR1"]

    shown = search("PatientID=1CT1").stdout
    assert "2004-01-19" in shown
    assert shown.endswith("\n1 image set\n")
    assert search("--index", "arrived").stdout.endswith("\n2 image sets\n")
    for wrong, status, told in (
        (["Rows=CT"], 2, "Rows is a number"),
        (["Modalty=CT"], 2, "The profile does not select Modalty. Did you mean Modality?"),
        (["--index", "none"], 2, "There is no index 'none'."),
        (["--index", "patient", "Modality=CT"], 2, "The index patient needs a whole value of PatientID."),
        (["--stack", "None", "PatientID=1"], 1, "There is no stack None in us-east-1."),
        ([], 2, "Give a condition"),
        (["PatientID"], 2, "Write a condition as"),
        (["StudyDate=20049999"], 2, "a day that no calendar has"),
        (["StudyInstanceUID=1.2*"], 2, "StudyInstanceUID takes no * and no ?"),
        (["PatientID=1CT1", "--datastore", "hospital"], 2, "A data store's id is 32"),
    ):
        ended = search(*wrong)
        assert (ended.returncode, ended.stdout) == (status, ""), wrong
        assert told in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    monkeypatch.setattr("cli.searching.BUDGET", 1)
    cut = CliRunner().invoke(application, ["search", "PatientID=?MR?"])
    assert cut.exit_code == 0
    assert "The search ended after 1 entries, back to the study date 2004-01-19." in cut.stderr
    whole = CliRunner().invoke(application, ["search", "PatientID=?MR?", "--scan", "--json"])
    assert (len(json.loads(whole.stdout)), whole.stderr) == (1, "")
    elsewhere = search("PatientID=1CT1", AWS_REGION="eu-west-3", AWS_DEFAULT_REGION="us-east-1")
    assert "There is no stack ImagingIndex in eu-west-3." in elsewhere.stderr
