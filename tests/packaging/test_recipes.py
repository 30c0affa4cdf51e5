"""The recipes of docs/python.md, run as they are printed against a deployed stack."""

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from imaging_index.searching import Index
from imaging_index.searching.errors import SearchError, UnavailableError
from infra.assembly import Assembly
from infra.config import ROOT
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for

PAGE = (ROOT / "docs/python.md").read_text("utf-8")
TODAY = datetime.now().astimezone().date()
# Each instance of a scan that is made for the recipes: study, series, and what it says.
JANE = {"PatientID": "P1234", "PatientName": "Doe^Jane", "PatientSex": "F", "PatientBirthDate": "19700101"}
CHEST = {"BodyPartExamined": "CHEST", "StudyDescription": "Chest CT", "SliceThickness": "1"}
LAST = JANE | {"StudyDate": f"{TODAY:%Y%m%d}", "AccessionNumber": "A2024001", "StudyID": "1"}
SCANS: list[tuple[str, str, dict[str, str]]] = [
    ("1.2.1", "1.2.1.1", LAST | CHEST | {"Modality": "CT", "SeriesDescription": "thin"}),
    ("1.2.1", "1.2.1.1", LAST | CHEST | {"Modality": "CT", "SeriesDescription": "thin"}),
    ("1.2.1", "1.2.1.2", LAST | CHEST | {"Modality": "PT", "SeriesDescription": "fused", "SliceThickness": "5"}),
    ("1.2.2", "1.2.2.1", JANE | {"StudyDate": "20200315", "Modality": "MR", "StudyDescription": "Knee"}),
    (
        "1.2.3",
        "1.2.3.1",
        {"PatientID": "P2", "PatientName": "Janssen^Donald", "StudyDate": "20210101", "Modality": "CT"},
    ),
]
SECRET: Any = "SECRET"
# Of the first study, but another patient's: HealthImaging keeps it apart.
OTHER = {"PatientID": "P9999", "PatientName": "Roe^Ann", "PatientSex": "M", "SeriesDescription": "apart"}
CONFLICTING = ("1.2.1", "1.2.1.3", LAST | OTHER | {"Modality": "CT"})


def recipes() -> Iterator[tuple[int, str]]:
    """The page's blocks of Python, with the line that each begins at."""
    for match in re.finditer(r"```py\n(.*?)```", PAGE, re.DOTALL):
        yield PAGE[: match.start(1)].count("\n"), match[1]


def scan(folder: Path, scans: list[tuple[str, str, dict[str, str]]]) -> Path:
    folder.mkdir()
    for number, (study, series, attributes) in enumerate(scans, 1):
        dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID(study), UID(series)
        dataset.AccessionNumber = dataset.StudyID = dataset.PatientSex = dataset.PatientBirthDate = ""
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{series}.{number}")
        dataset.save_as(folder / f"{number}.dcm")
    return folder


@pytest.fixture
def datastore(aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path) -> str:
    """A data store with the scans in it, which are in the table of a deployed stack."""
    deploy(assembly, environment)
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, scan(tmp_path / "scans", SCANS))
    import_folder(client, datastore, scan(tmp_path / "conflicting", [CONFLICTING]))
    wait_for(lambda: Index().count(level="image-set", all_copies=True) == 5)
    return datastore


def test_every_recipe_of_the_page_runs_and_finds_what_it_says(datastore: str, aws: boto3.Session) -> None:
    names: dict[str, Any] = {}
    printed: list[str] = []
    names["print"] = lambda *values: printed.append(" ".join(map(str, values)))
    for line, block in recipes():
        exec(compile("\n" * line + block, "docs/python.md", "exec"), names)  # noqa: S102  # from the repository

    assert printed[:2] == [f"{TODAY:%Y%m%d} ('CT', 'PT') 2 3", "20200315 ('MR',) 1 1"]
    assert names["cts"] == ["A2024001"]
    assert sorted(names["series"]) == [("CT", "apart", 1), ("CT", "thin", 2), ("PT", "fused", 1)]
    assert names["study"].value("StudyInstanceUID") == "1.2.1"
    assert names["patients"] == {"P1234", "P2"}
    assert [store for store, _ in names["thin"]] == [datastore]
    assert (names["total"], names["by_modality"]) == (1, {"CT": 3, "PT": 1, "MR": 1})
    pages = [[row.value("StudyInstanceUID") for row in names[each]] for each in ("page", "rest")]
    assert pages == [["1.2.1", "1.2.3"], ["1.2.2"]]
    assert "entries" in printed[2]
    assert [row.value("StudyInstanceUID") for row in names["rows"]] == ["1.2.1"]
    assert [(uid, others) for uid, _, others in names["suspicious"]] == [("1.2.1", 1)]
    assert names["numbers"] == [1, 2]

    # By boto3 alone.
    moments = [item["StudyMoment"]["S"][:8] for item in names["of_patient"]]
    assert moments == [f"{TODAY:%Y%m%d}", f"{TODAY:%Y%m%d}", "20200315"]
    assert names["last_cts"] == {"1.2.1"}
    assert sorted(names["series_of_study"]) == ["1.2.1.1", "1.2.1.2", "1.2.1.3"]
    assert {item["StudyInstanceUID"]["S"] for item in names["of_order"]} == {"1.2.1"}
    assert "ImageType" in names["entry"].keys() - names["of_order"][0].keys()

    # And what the page does not show.
    index = Index(session=aws, datastores=[datastore])
    (study,) = index.study("1.2.1")
    assert (study.counts and study.counts.image_sets, study.non_primary) == (3, 0)
    tomorrow = TODAY + timedelta(days=1)
    assert [row.value("StudyID") for row in index.search(since=TODAY, until=tomorrow)] == ["1"]
    found = index.search(order="name")
    assert [row.value("PatientName") for row in itertools.islice(found, 1)] == ["Doe^Jane"]
    assert [row.value("PatientName") for row in found] == ["Doe^Jane", "Doe^Jane", "Janssen^Donald"]
    assert index.show(datastore, "0" * 32) is None
    assert index.count("PatientID=nobody") == 0
    with pytest.raises(SearchError, match=r"more than 1 entries to count\. Add a condition") as refused:
        index.count("StudyDescription=*SECRET*", budget=1)
    assert "SECRET" not in str(refused.value)


def test_what_cannot_be_asked_is_a_sentence_without_the_value(
    environment: dict[str, str], aws: boto3.Session, assembly: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError, match=r"There is no stack ImagingIndex in this account and region\. Check"):
        Index()
    deploy(assembly, environment)
    index = Index(datastores=["a" * 32])
    for ask, sentence in (
        (lambda: index.search("SECRET"), "Write a condition as Keyword=value"),
        (lambda: index.search("PatientID=SECRET", level=SECRET), "The level is one of image-set, series"),
        (lambda: index.search("PatientID=SECRET", order=SECRET), "The order is one of date, arrived, name"),
        (lambda: index.search(since="SECRET"), "Write StudyDate as a day"),
        (lambda: index.search(arrived="SECRET"), "Write a span like 90m"),
        (lambda: index.search("StudyDate=20240101", since="2024"), "There are two conditions on StudyDate"),
        (lambda: index.search(cursor="SECRET"), "This is not a cursor"),
        (lambda: index.show("SECRET", "a" * 32), "The ids of a data store and of an image set are 32"),
        (lambda: Index(datastores=["SECRET"]), "A data store's id is 32"),
    ):
        with pytest.raises(SearchError, match=sentence) as refused:
            ask()
        assert "SECRET" not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "SECRET")
    with pytest.raises(UnavailableError, match="AWS_ENDPOINT_URL is not a valid address"):
        Index()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UnavailableError, match="Nothing answers at"):
        Index(session=aws)


def test_the_grammar_is_imported_without_any_client_of_aws() -> None:
    program = "import sys, imaging_index.searching.grammar; print(*(m for m in sys.modules if 'boto' in m))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
