"""`imaging-index show` in the local cloud."""

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from cli.main import application
from cli.output import Failure
from cli.showing import geometry_of, parts
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from imaging_index.searching.question import Level
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for
from tests.cli.fake_search import item, row

STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


def show(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in this process: one of its own takes half a second to start."""
    ended = CliRunner().invoke(application, ["show", *arguments])
    return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)


def test_an_image_set_and_a_study_are_shown_as_the_table_has_them(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    outputs = deploy(assembly, environment)
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path)
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, tmp_path)
    (found,) = client.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    table = TableWriter(aws.client("dynamodb"), outputs["TableName"])
    key = Key(datastore, found["imageSetId"])
    wait_for(lambda: table.head(key))

    printed = show(str(key)).stdout
    assert "CompressedSamples^CT1" in printed
    assert printed.endswith("\n1 instance\n")
    assert "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322" in show(str(key), "--instances").stdout
    whole = json.loads(show(str(key), "--json").stdout)
    assert whole["entry"]["PatientID"] == "1CT1"
    assert [each["SOPInstanceUID"] for each in whole["instances"]] == [
        "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
    ]
    # From the positions in the pages: the profile does not select what is derived of them.
    assert "VolumeGeometry" not in whole["entry"]
    geometry = json.loads(show(str(key), "--geometry", "--json").stdout)["geometry"]
    assert geometry == {"VolumeGeometry": "single", "SliceCount": 1, "Orientation": "axial"}
    assert "single" in show(str(key), "--geometry").stdout
    of_study = show("--study", STUDY).stdout
    tables = of_study.split("\n\n")[:3]
    study, of_series, of_image_sets = ([*csv.DictReader(io.StringIO(each), delimiter="\t")] for each in tables)
    assert (study[0]["StudyInstanceUID"], study[0]["NumberOfStudyRelatedInstances"]) == (STUDY, "1")
    assert [each["SeriesInstanceUID"] for each in of_series] == [whole["entry"]["SeriesInstanceUID"]]
    assert [each["ImageSetId"] for each in of_image_sets] == [key.image_set_id]
    assert of_study.endswith("\n1 series, 1 image set, 1 instance\n")
    (record,) = json.loads(show("--study", STUDY, "--json").stdout)
    assert record["counts"] == {"studies": 1, "series": 1, "imageSets": 1, "instances": 1}
    (series,) = record["series"]
    assert series["attributes"]["Modality"] == "CT"
    assert [each["ImageSetId"] for each in series["entries"]] == [key.image_set_id]
    assert json.loads(show("--study", "1.2.3", "--json").stdout) == []

    (page,) = table._parts(key, "page/~")
    dynamodb = aws.client("dynamodb")
    dynamodb.delete_item(TableName=outputs["TableName"], Key={"ImageSet": {"S": str(key)}, "Part": {"S": page}})
    for arguments, status, sentence in (
        ([str(key)], 1, "The pages of this image set are not complete."),
        ([str(Key(datastore, "0" * 32))], 1, "The table has no entry of this image set."),
        (["--study", "1.2.3"], 1, "The table has no image set of this study."),
        (["--study", "1.2*"], 2, "StudyInstanceUID takes no * and no ?"),
        (["any"], 2, "Write an image set as DATASTORE/IMAGESET"),
        ([], 2, "Give either an image set"),
        ([str(key), "--study", STUDY], 2, "Give either an image set"),
        (["--study", STUDY, "--instances"], 2, "--instances is for one image set"),
    ):
        ended = show(*arguments)
        assert (ended.returncode, ended.stdout) == (status, ""), arguments
        assert sentence in ended.stderr
    table.put_tombstone(key, "2024-01-31T00:00:00Z")
    assert "This image set was deleted." in show(str(key)).stderr


def test_a_study_has_its_series_in_the_order_of_their_numbers_each_with_its_image_sets() -> None:
    def of(number: int, series: int | None) -> Item:
        return item(number, StudyInstanceUID="1.2.3", SeriesInstanceUID=f"1.2.3.{series}", SeriesNumber=series)

    study = row(of(1, 10), of(2, 9), of(3, 10), of(4, None))
    series = parts(study, Level.SERIES)
    assert [(each.value("SeriesNumber"), len(each.entries)) for each in series] == [(None, 1), (9, 1), (10, 2)]
    assert [each.counts and each.counts.instances for each in series] == [10, 10, 20]
    assert len(parts(study, Level.IMAGE_SET)) == 4


def test_pages_without_positions_are_no_answer_about_the_geometry() -> None:
    placed = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    for without in ("[instances]\ngeometry = false\n", '[privacy]\nImagePositionPatient = "drop"\n'):
        profile = toml_file.parse(f'revision = 1\nattributes = ["Modality"]\n{without}')
        with pytest.raises(Failure, match="The pages have no positions"):
            geometry_of(profile, [{"Rows": 512}])
        # Those of an entry that another profile has made.
        assert geometry_of(profile, [placed])["VolumeGeometry"] == "single"
    profile = toml_file.parse('revision = 1\nattributes = ["Modality"]\n')
    assert geometry_of(profile, [{"Rows": 512}])["VolumeGeometry"] == "none"
