"""The forms in which a search prints its rows: for people, in a pipe, and for programs."""

import csv
import importlib
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydicom
import pytest
from msgspec import structs
from rich.console import Console

from cli.search.columns import LEGEND, of_level
from cli.search.dicom_json import elements
from cli.search.text import print_rows
from imaging_index.searching.question import Level
from imaging_index.searching.report import Ended, Report
from proof.harness.image_sets import PROFILE
from tests.cli.fake_search import STORE, Fake, fake, item, row

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "search.schema.json").read_text("utf-8"))
LEVELS = [*map(str, Level)]

LATE = item(
    2, PatientName="Ümit^Ayşe=山田^太郎", Modality="MR", SliceThickness={"Min": 1, "Max": Decimal("2.5"), "Missing": 1}
)
OTHER = item(3, StudyInstanceUID="1.2.2", PatientID="P2", PatientName="Ümit^Ayşe", ImageType=["ORIGINAL\\PRIMARY"])
ODD = item(4, StudyDescription='=HYPERLINK("x"),\t\x1b[2J', PatientName=None, StudyDate=None)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Fake:
    answers = fake(monkeypatch)
    answers.rows = [[row(item(1)), row(LATE, OTHER, possible=True, non_primary=2), row(ODD, whole=None)]]
    return answers


def check(printed: Any) -> Any:
    """What was printed as JSON, which is as the schema says."""
    importlib.import_module("jsonschema").validate(printed, SCHEMA)
    return printed


def of_level_rows(level: str) -> list[Any]:
    return [row(item(1), level=Level(level)), row(LATE, OTHER, level=Level(level), possible=True)]


@pytest.mark.parametrize("level", LEVELS)
def test_json_of_each_level_is_as_the_schema_says(searches: Fake, level: str) -> None:
    searches.rows = [of_level_rows(level)]
    ended = searches.run("--level", level, "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    printed = check(json.loads(ended.stdout))
    first = printed["rows"][0]
    assert first["level"] == level
    assert first["counts"] == {"studies": 1, "series": 1, "imageSets": 1, "instances": 10}
    assert first["attributes"]["PatientID"] == "P1"
    assert ("Modality" in first["attributes"]) is (level in ("image-set", "series"))
    assert ("InstanceCount" in first["attributes"]) is (level == "image-set")
    assert printed["report"]["dollars"] == 3.125e-07


def test_json_says_what_is_uncertain_unknown_or_conflicting(searches: Fake) -> None:
    first, second, third = json.loads(searches.run("--json").stdout)["rows"]
    assert (first["possible"], first["conflicts"], first["leftOut"]) == (False, {}, None)
    assert (second["possible"], second["leftOut"], second["modalities"]) == (True, 2, ["CT", "MR"])
    assert second["conflicts"] == {"PatientName": ["Ümit^Ayşe", "Ümit^Ayşe=山田^太郎"]}
    assert second["imageSets"] == [f"{2:032}", f"{3:032}"]
    assert (third["counts"], third["modalities"]) == (None, None)
    assert "StudyDate" not in third["attributes"]


def test_every_part_of_a_report_is_in_the_schema(searches: Fake) -> None:
    searches.rows = [[]]
    searches.reports = [
        Report(index="date", ended=Ended.BUDGET, cursor="abc", read_back_to="20240101000000", matched={"StudyDate": 0})
    ]
    report = check(json.loads(searches.run("StudyDate=today", "--json", "--explain").stdout))["report"]
    assert {*report} == {*SCHEMA["$defs"]["report"]["properties"]} - {"alsoLookedInto"}
    assert report["explain"]["estimated"]["entries"] == 7


def test_json_of_counts_and_of_the_values_of_a_file_is_as_the_schema_says(searches: Fake) -> None:
    counted = check(json.loads(searches.run("--count", "--by", "Year,Modality", "--json").stdout))
    assert counted["count"] == 3
    assert counted["groups"][0] == {"group": {"Year": "2024", "Modality": "CT"}, "count": 2}
    assert check(json.loads(searches.run("--count", "--json").stdout))["groups"] == []
    *groups, last = map(json.loads, searches.run("--count", "--by", "Year", "--jsonl").stdout.splitlines())
    check({"groups": groups, **last})
    listed = check(json.loads(searches.run("PatientID=@-", "--json", stdin="P1\nP2\nP0\n").stdout))["values"]
    assert [(each["value"], each["found"], len(each["rows"])) for each in listed] == [
        ("P1", "one", 1),
        ("P2", "one", 1),
        ("P0", "none", 0),
    ]


def test_the_report_names_the_attribute_that_was_looked_into_as_well(searches: Fake) -> None:
    searches.rows, searches.reports = [[], [row(item(1))]], [Report(), Report()]
    report = check(json.loads(searches.run("AccessionNumber=A", "--json").stdout))["report"]
    assert report["alsoLookedInto"] == "RequestAttributesSequence.AccessionNumber"


def test_jsonl_has_a_row_a_line_and_the_report_in_the_last(searches: Fake) -> None:
    *rows, last = map(json.loads, searches.run("--jsonl").stdout.splitlines())
    check({"rows": rows, **last})
    assert len(rows) == 3
    assert [*last] == ["report"]


def test_json_without_rows_is_json(searches: Fake) -> None:
    searches.rows = [[]]
    searches.reports[0].matched = {"Modality": 0}
    printed = check(json.loads(searches.run("Modality=CT", "--json").stdout))
    assert printed["rows"] == []
    assert "Modality" in printed["report"]["why"][0]
    (line,) = searches.run("--jsonl").stdout.splitlines()
    assert [*json.loads(line)] == ["report"]


@pytest.mark.parametrize("level", LEVELS)
def test_csv_is_read_back_with_exactly_the_values(searches: Fake, level: str) -> None:
    odd = row(item(4, PatientName='=HYPERLINK("x"),\r\n\t\x1b[2J'), level=Level(level))
    searches.rows = [[odd]]
    printed = searches.run("--csv", "--level", level).stdout_bytes.decode()
    assert printed.count("\r\n") == 3
    (read,) = csv.DictReader(io.StringIO(printed, newline=""))
    assert read["PatientName"] == '=HYPERLINK("x"),\r\n\t\x1b[2J'
    assert (read["PatientID"], read["Possible"]) == ("P4", "")


def test_in_a_pipe_there_is_one_line_of_names_and_a_line_with_tabs_for_each_row(searches: Fake) -> None:
    ended = searches.run()
    names, *lines = (line.split("\t") for line in ended.stdout.splitlines())
    assert {len(line) for line in lines} == {len(names)}
    assert len(lines) == 3
    first, second, third = (dict(zip(names, line, strict=True)) for line in lines)
    assert (first["DatastoreId"], first["StudyInstanceUID"], first["StudyDate"]) == (STORE, "1.2.1", "20240101")
    assert (first["NumberOfStudyRelatedSeries"], first["NumberOfStudyRelatedInstances"]) == ("1", "10")
    assert (second["ModalitiesInStudy"], second["Possible"]) == ("CT | MR", "yes")
    assert second["PatientName"] == "Ümit^Ayşe | Ümit^Ayşe=山田^太郎"
    assert (third["NumberOfStudyRelatedSeries"], third["StudyDescription"]) == ("", '=HYPERLINK("x"),··[2J')
    assert "\x1b" not in ended.output


def test_long_values_are_whole_in_a_pipe(searches: Fake) -> None:
    searches.rows = [[row(item(1, StudyDescription="A" * 900))]]
    assert "A" * 900 in searches.run().stdout


def test_shown_attributes_replace_the_columns_behind_those_that_say_which_row_it_is(searches: Fake) -> None:
    ended = searches.run("--show", "bodypartexamined,00080060", "--show", "SliceThickness")
    names, _, second, _ = (line.split("\t") for line in ended.stdout.splitlines())
    assert names == [
        *("DatastoreId", "StudyInstanceUID", "BodyPartExamined", "Modality", "SliceThickness"),
        *("Possible", "NotPrimary"),
    ]
    assert second[3:5] == ["MR", "1..2.5 (1 without)"]
    (shown,) = searches.shown
    assert {"BodyPartExamined", "Modality", "SliceThickness"} <= {*(shown or ())}
    printed = json.loads(searches.run("--show", "Modality", "--json").stdout)
    assert [each["attributes"] for each in printed["rows"]] == [{"Modality": each} for each in ("CT", "MR", "CT")]


def test_of_a_profile_that_selects_less_no_more_is_asked_for(searches: Fake) -> None:
    few = ("StudyInstanceUID", "PatientID")
    chosen = tuple(each for each in PROFILE.attributes if each.name in few)
    searches.stack.profile = structs.replace(PROFILE, attributes=chosen)
    assert searches.run().exit_code == 0
    assert {*(searches.shown[0] or ())} == {*few}


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.PATIENT, Level.IMAGE_SET])
def test_on_a_terminal_nothing_that_identifies_is_cut_and_what_is_uncertain_is_noted(
    level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr("cli.search.text.screen", console)
    rows = [
        row(item(1, PatientID="11-05-25-142825", PatientName="Featherstonehaugh^Bartholomew"), level=level),
        row(item(2, IsPrimary=False), item(2, PatientSex="F"), item(2, PatientSex="M"), level=level, possible=True),
        row(item(4, IsPrimary=False), level=level),
        row(item(3, StudyDescription="\x1b[2J\u202e"), level=level, non_primary=3),
    ]
    print_rows(rows, of_level(level, (), screen=True))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "11-05-25-142825" in shown
    assert "Bartholomew" not in shown
    assert ("2024-01-01" in shown) is (level is not Level.PATIENT)
    assert not {"\x1b[2J", "\u202e"} & {*shown.split()}
    marks = [line.split()[-1] for line in shown.splitlines() if {"P2", "P3", "P4"} & {*line.split()}]
    assert marks == ["?!", "-", "+3"]
    assert "? possible match" in shown
    assert max(map(len, shown.replace(LEGEND, "").splitlines())) <= 80


def test_a_uid_that_is_shown_is_whole_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=100, file=io.StringIO(), force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr("cli.search.text.screen", console)
    uid = "1.2.826.0.1.3680043.8.498.64108189007039777171766333999874882472"
    rows = [row(item(1, StudyInstanceUID=uid))]
    print_rows(rows, of_level(Level.STUDY, ["StudyInstanceUID", "StudyDescription"], screen=True))
    assert isinstance(console.file, io.StringIO)
    assert uid in console.file.getvalue()


def test_beside_a_token_of_a_hashed_value_the_other_columns_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr("cli.search.text.screen", console)
    token = "0123456789abcdef" * 4
    print_rows([row(item(1, PatientID=token, StudyDescription=None))], of_level(Level.STUDY, (), screen=True))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "2024-01-01" in shown
    assert "Images" in shown
    lines = [line.split() for line in shown.splitlines()]
    pieces = [piece for line in lines for piece in line if len(piece) > 3 and piece in token]
    assert token in "".join(pieces)


def dicom(printed: Any) -> pydicom.Dataset:
    return pydicom.Dataset.from_json(printed)


def test_dicom_json_is_read_by_pydicom_with_the_counts_of_the_whole_study(searches: Fake) -> None:
    ended = searches.run("--dicom-json")
    assert ended.exit_code == 0
    first, second, third = map(dicom, json.loads(ended.stdout))
    assert (first.PatientID, first.StudyInstanceUID, first.StudyDate) == ("P1", "1.2.1", "20240101")
    assert (first.ModalitiesInStudy, second.ModalitiesInStudy) == ("CT", ["CT", "MR"])
    assert (second.NumberOfStudyRelatedSeries, second.NumberOfStudyRelatedInstances) == (2, 20)
    assert (second.PatientName.alphabetic, second.PatientName.ideographic) == ("Ümit^Ayşe", "山田^太郎")
    # What is not known is left out: an empty ModalitiesInStudy breaks viewers.
    assert not {"ModalitiesInStudy", "NumberOfStudyRelatedSeries", "PatientName"} & {each.keyword for each in third}
    assert "possible" in ended.stderr


def test_no_element_of_dicom_json_is_empty(searches: Fake) -> None:
    searches.rows = [[row(item(1, StudyDescription="", Modality=None))]]
    (only,) = json.loads(searches.run("--dicom-json").stdout)
    assert all(element["Value"] for element in only.values())


def test_dicom_json_has_of_the_instances_only_what_all_of_them_have() -> None:
    values = {
        "Rows": {"Min": 512, "Max": 512},
        "Columns": {"Min": 256, "Max": 512},
        "KVP": {"Min": 120, "Max": 120, "Missing": 2},
        "ImageType": ["ORIGINAL\\PRIMARY\\AXIAL"],
        "ViewPosition": ["AP", "PA"],
        "ConvolutionKernel": ["B30f"],
        "MissingIn": {"ConvolutionKernel": 1},
        "PixelSpacing": {"Min": [1, 2], "Max": [1, 2]},
        "BValue": {"Min": 0, "Max": 0},
    }
    found = elements(row(item(1, **values), level=Level.IMAGE_SET), None, PROFILE)
    dataset = dicom(json.loads(json.dumps(found, default=int)))
    assert (dataset.Rows, dataset.ImageType, dataset.PixelSpacing) == (512, ["ORIGINAL", "PRIMARY", "AXIAL"], [1, 2])
    assert not {"Columns", "KVP", "ViewPosition", "ConvolutionKernel"} & {each.keyword for each in dataset}


def test_dicom_json_puts_the_values_of_one_sequence_into_its_items() -> None:
    values = {
        "RequestAttributesSequence.RequestedProcedureID": ["R1", "", "R3"],
        "RequestAttributesSequence.AccessionNumber": ["", "A2", "A3"],
    }
    dataset = dicom(elements(row(item(1, **values), level=Level.SERIES), [*values], PROFILE))
    ids = [
        (each.get("RequestedProcedureID"), each.get("AccessionNumber")) for each in dataset.RequestAttributesSequence
    ]
    assert ids == [("R1", None), (None, "A2"), ("R3", "A3")]
