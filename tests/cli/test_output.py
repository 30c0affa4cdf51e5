"""What is printed for people: nothing that identifies is cut."""

import io
from collections.abc import Callable
from importlib.metadata import version

import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from cli.main import application
from cli.output import Entry, counted, image_sets_table, screen, studies_table


@pytest.mark.parametrize("table", [image_sets_table, studies_table])
@pytest.mark.parametrize("patient_id", ["1CT1", "11-05-25-142825", "ABCDEFGHIJKLMNOPQRST"])
def test_names_and_descriptions_give_way_before_the_patients_id(table: object, patient_id: str) -> None:
    entry = {
        "PatientName": "Featherstonehaugh^Bartholomew",
        "PatientID": patient_id,
        "StudyDate": "20240131",
        "Modality": "CT",
        "SeriesDescription": "Thorax with contrast, late phase",
        "InstanceCount": 3,
        "ImageSetId": "b" * 32,
    }
    console = Console(width=80, file=io.StringIO())
    assert callable(table)
    console.print(table([entry]))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert patient_id in shown
    assert "2024-01-31" in shown
    assert "Bartholomew" not in shown or table is studies_table


@pytest.mark.parametrize("table", [image_sets_table, studies_table])
def test_of_several_values_where_dicom_allows_one_all_are_shown(table: Callable[[list[Entry]], Table]) -> None:
    entry = {
        "PatientID": "A1",
        "PatientIDValues": ["A1", "A2"],
        "StudyDateValues": ["20240101", "20240102"],
        "InstanceCount": 3,
        "ImageSetId": "b" * 32,
    }
    with screen.capture() as capture:
        screen.print(table([entry]))
    assert "A1\\A2" in capture.get()
    assert "20240101\\20240102" in capture.get()


def test_into_a_file_nothing_is_cut() -> None:
    assert not screen.is_terminal
    with screen.capture() as capture:
        screen.print(studies_table([{"PatientName": "A" * 300, "InstanceCount": 1, "ImageSetId": "b" * 32}]))
    assert "A" * 300 in capture.get()


def test_one_thing_is_in_the_singular() -> None:
    assert [counted(number, "page") for number in (0, 1, 2)] == ["0 pages", "1 page", "2 pages"]


def test_the_version_is_that_of_the_project() -> None:
    ended = CliRunner().invoke(application, ["--version"])
    assert (ended.exit_code, ended.output) == (0, f"{version('imaging-index')}\n")
