"""`imaging-index search` against the deployed stack, with the real search."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from cli.main import application
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness import canary
from proof.harness.image_sets import wait_for

Runner = Callable[..., Any]

CT, MR = "1CT1", "4MR1"
STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


@pytest.fixture
def datastore(aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path) -> str:
    """A data store with three studies in the deployed stack's index: a CT, an MR, and one without a date."""
    outputs = deploy(assembly, environment)
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(str(get_testdata_file(name)), folder)
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyDate, dataset.PatientID, dataset.PatientName, dataset.AccessionNumber = "", "NODATE", "Roe^Jane", ""
    dataset.StudyTime = ""
    request = pydicom.Dataset()
    request.AccessionNumber = "ACC77"
    dataset.RequestAttributesSequence = [request]
    dataset.save_as(folder / "undated.dcm")
    client = aws.client("medical-imaging")
    made = make_datastore(client, "hospital")
    import_folder(client, made, folder)
    table = TableReader(aws.client("dynamodb"), outputs["TableName"])
    types = table.describe().key_types
    wait_for(lambda: len(list(table.query("arrived", {"DatastoreId": made}, types))) == 3)
    return made


def search(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(application, ["search", *arguments], input=stdin)


def found(*arguments: str) -> list[str]:
    ended = search(*arguments, "--json")
    assert ended.exit_code == 0, (arguments, ended.stderr)
    assert ended.stderr == ""
    return [row["attributes"]["PatientID"] for row in json.loads(ended.stdout)["rows"]]


def test_studies_are_found_listed_counted_and_what_is_wrong_is_one_sentence(
    datastore: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command as it is installed.
    command = [sys.executable, "-c", "from cli.main import main; main()", "search"]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 4
    assert "3 studies. Read 3 entries of the index date in " in ended.stderr

    for conditions, ids in (
        ([], [MR, CT, "NODATE"]),
        (["PatientID=1CT1"], [CT]),
        (["PatientID= 1ct1 "], [CT]),
        (["StudyDate=2004.01.19"], [CT]),
        (["--from", "2004-01-19", "--to", "20040119"], [CT]),
        (["PatientName=compressedsamples^c*"], [CT]),
        (["StudyDate=2004", "--datastore", datastore, "--reverse"], [CT, MR]),
        ([f"StudyInstanceUID={STUDY}"], [CT]),
        (["--arrived", "1d", "Modality=MR"], [MR]),
        (["PatientID=nobody"], []),
        (["Modality=CT,US", "Rows=128", "ImageType=axial"], [CT, "NODATE"]),
        (["PatientName=~ct1", "Rows=100..200"], [CT]),
        (["Modality!=CT"], [MR]),
        (["StudyDescription=E*1"], [CT, "NODATE"]),
        (["StudyDescription=E*1", "--exact"], []),
        (["StudyDate="], ["NODATE"]),
        (["00080060=MR"], [MR]),
        (["AccessionNumber=ACC77"], ["NODATE"]),
        (["--limit", "1"], [MR]),
        (["--sort", "name"], [CT, MR, "NODATE"]),
    ):
        assert found(*conditions) == ids, conditions
    for level in ("image-set", "series", "study", "patient"):
        assert sorted(found("--level", level)) == sorted([CT, MR, "NODATE"])

    # A page, and the next one.
    first = json.loads(search("--limit", "1", "--json").stdout)["report"]
    assert found("--limit", "2", "--cursor", first["cursor"]) == [CT, "NODATE"]
    assert search("--limit", "1", "--cursor", first["cursor"], "Modality=CT").exit_code == 2

    assert search("--count", "Modality=CT").stdout == "2\n"
    assert search("--count", "--by", "Year").stdout.splitlines() == ["Year\tCount", "2004\t2", "undated\t1"]
    assert "1 image set without a usable study date matches as well" in search("--from", "2000").stderr
    assert "This reads about " in search("--scan", "--yes", "Modality=CT").stderr
    assert "RequestAttributesSequence.AccessionNumber was looked into" in search("AccessionNumber=ACC77").stderr
    assert "No entry has this PatientID." in search("PatientID=nobody").stderr
    listed = search("PatientID=@-", stdin="1CT1\nnobody\n")
    assert [line.split("\t")[:2] for line in listed.stdout.splitlines()[1:]] == [["1CT1", "one"], ["nobody", "none"]]
    assert listed.exit_code == 1
    dicom = json.loads(search("PatientID=1CT1", "--dicom-json").stdout)
    assert (dicom[0]["00080061"]["Value"], dicom[0]["00201208"]["Value"]) == (["CT"], [1])

    for wrong, sentence in (
        (["Rows=CT"], "Rows is a number"),
        (["--index", "none"], "There is no index 'none'."),
        (["--index", "patient", "Modality=CT"], "The index patient needs a whole value of PatientID."),
        (["StudyDate=20049999"], "a day that no calendar has"),
        (["StudyInstanceUID=1.2*"], "StudyInstanceUID takes no *"),
        (["--cursor", "abc"], "This is not a cursor."),
    ):
        refused = search(*wrong)
        assert (refused.exit_code, refused.stdout) == (2, ""), wrong
        assert sentence in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    monkeypatch.setattr("cli.search.questions.BUDGET", 2)
    cut = search("PatientID=?MR?")
    assert cut.exit_code == 0
    assert "The search ended after " in cut.stderr
    whole = json.loads(search("PatientID=?MR?", "--scan", "--yes", "--json").stdout)
    assert (len(whole["rows"]), whole["report"]["ended"]) == (1, "all")
    assert search("--stack", "None").exit_code == 1
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert "There is no stack ImagingIndex in eu-west-3." in search().stderr


def test_no_value_of_a_query_is_anywhere_but_in_the_answer(datastore: str) -> None:
    # What the local cloud logs, and what this process logs and sends, is looked through after each test.
    marker, uid = f"{canary.MARKER}1", f"1.2.{canary.NUMBER}"
    for arguments in (
        [f"PatientID={marker}"],
        [f"PatientName=~{marker}", "--explain"],
        [f"PatientName={marker}^*", "--count"],
        [f"StudyDescription=*{marker}*", "--csv"],
        [f"AccessionNumber={marker}", "--dicom-json"],
        [f"StudyInstanceUID={uid}", "--explain", "--datastore", datastore],
        [f"PatientBirthDate={canary.DAY}", "--from", "2004"],
        [f"Rows={marker}"],
        [f"{marker}=1"],
        [f"PatientID={marker}", "--cursor", marker],
        [f"PatientID={marker}", "--index", "name", "--level", "patient"],
        [f"StudyInstanceUID={marker}*"],
    ):
        ended = search(*arguments)
        told = ended.stderr + canary.told(ended.exception)
        assert isinstance(ended.exception, SystemExit | None), told
        if arguments != [f"{marker}=1"]:
            assert not canary.found(told), arguments
        assert not canary.found(ended.stdout), arguments
    listed = search("PatientID=@-", "--csv", stdin=f"{marker}\n")
    assert marker in listed.stdout
    assert not canary.found(listed.stderr)
