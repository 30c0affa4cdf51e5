"""What is printed for people: nothing that identifies is cut."""

import io
import json
from importlib.metadata import version

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import application
from cli.output import (
    Failure,
    counted,
    print_json,
    print_json_array,
    screen,
    studies_table,
)


@pytest.mark.parametrize("patient_id", ["1CT1", "11-05-25-142825", "ABCDEFGHIJKLMNOPQRST"])
def test_names_and_descriptions_give_way_before_the_patients_id(patient_id: str) -> None:
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
    console.print(studies_table([entry]))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert patient_id in shown
    assert "2024-01-31" in shown


def test_of_several_values_where_dicom_allows_one_all_are_shown() -> None:
    entry = {
        "PatientID": "A1",
        "PatientIDValues": ["A1", "A2"],
        "StudyDateValues": ["20240101", "20240102"],
        "InstanceCount": 3,
        "ImageSetId": "b" * 32,
    }
    with screen.capture() as capture:
        screen.print(studies_table([entry]))
    assert "A1\\A2" in capture.get()
    assert "20240101\\20240102" in capture.get()


def test_into_a_file_nothing_is_cut() -> None:
    assert not screen.is_terminal
    with screen.capture() as capture:
        screen.print(studies_table([{"PatientName": "A" * 300, "InstanceCount": 1, "ImageSetId": "b" * 32}]))
    assert "A" * 300 in capture.get()


def test_no_table_lets_through_what_a_terminal_obeys() -> None:
    obeyed = "\x1b\x7f\x85\x9b\u061c\u200e\u202e\u2066"
    names = ("PatientName", "PatientID", "StudyDate", "Modality", "SeriesDescription", "StudyDescription", "ImageSetId")
    with screen.capture() as capture:
        screen.print(studies_table([{**dict.fromkeys(names, f"A{obeyed}B"), "InstanceCount": 1}]))
    assert not {*obeyed} & {*capture.get()}
    assert "A········B" in capture.get()


def test_what_fails_is_told_line_by_line_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    Failure("line 1: [b]x[/b] \x1b[2J\x9b2J\u202e\nline 2")
    told = capsys.readouterr().err
    assert told == "line 1: [b]x[/b] ·[2J·2J·\nline 2\n"


@pytest.mark.parametrize("value", ["\x85", "\\\x9b", "\u202ea\u2066", "\x7f", "\u061c\u200f"])
def test_json_stays_the_same_value_and_escapes_what_a_terminal_obeys(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({value: value})
    print_json_array([value, value])
    one, *several = capsys.readouterr().out.splitlines()
    assert json.loads(one) == {value: value}
    assert json.loads("".join(several)) == [value, value]
    assert all(character.isprintable() for line in (one, *several) for character in line)


def test_one_thing_is_in_the_singular() -> None:
    assert [counted(number, "page") for number in (0, 1, 2)] == ["0 pages", "1 page", "2 pages"]


def test_the_version_is_that_of_the_project() -> None:
    ended = CliRunner().invoke(application, ["--version"])
    assert (ended.exit_code, ended.output) == (0, f"{version('imaging-index')}\n")
