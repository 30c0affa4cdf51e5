"""`imaging-index inspect`: what a document would become, from a file or standard input, without a deployment."""

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import application

MARKER = "CANARY"
DOCUMENT: dict[str, Any] = {
    "DatastoreID": "a" * 32,
    "ImageSetID": "b" * 32,
    "Patient": {"DICOM": {"PatientID": MARKER, "PatientName": f"{MARKER}^Anna"}},
    "Study": {
        "DICOM": {"StudyDate": "1993.04.30", "StudyInstanceUID": "1.2"},
        "Series": {
            "1.2.3": {
                "DICOM": {"Modality": "CT", "SeriesNumber": "2 "},
                "Instances": {
                    f"1.2.3.{number}": {
                        "DICOM": {"InstanceNumber": f"{number} ", "SliceThickness": "0.10"},
                        "ImageFrames": [{"ID": f"{number:032}"}],
                    }
                    for number in range(3)
                },
            }
        },
    },
}


COMMAND = [sys.executable, "-c", "from cli.main import main; main()", "inspect"]


def inspect(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command in this process: one of its own takes half a second to start."""
    ended = CliRunner().invoke(application, ["inspect", *arguments], input=stdin)
    return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout_bytes, ended.stderr_bytes)


@pytest.mark.parametrize("packed", [False, True])
def test_a_document_from_a_file_or_standard_input_is_printed_as_plain_json(tmp_path: Path, packed: bool) -> None:
    content = json.dumps(DOCUMENT).encode()
    (tmp_path / "document").write_bytes(gzip.compress(content) if packed else content)
    from_file = inspect(str(tmp_path / "document"), "--json")
    from_input = inspect("-", "--json", stdin=(tmp_path / "document").read_bytes())
    assert (from_file.returncode, from_input.returncode) == (0, 0)
    assert from_file.stdout == from_input.stdout
    printed = json.loads(from_file.stdout)
    assert printed.keys() == {"entry", "instances", "pages"}
    assert printed["pages"] == 1
    entry = printed["entry"]
    assert (entry["PatientID"], entry["StudyDate"], entry["SeriesNumber"]) == (MARKER, "19930430", 2)
    assert entry["SliceThickness"] == {"Min": 0.1, "Max": 0.1}
    assert entry["StudyMoment"] == "19930430000000"
    assert [row["InstanceNumber"] for row in printed["instances"]] == [0, 1, 2]
    assert printed["instances"][2]["Frames"] == [f"{2:032}"]


def test_a_summary_is_one_line_of_counts_without_any_value() -> None:
    printed = inspect("-", "--summary", stdin=json.dumps(DOCUMENT).encode()).stdout.decode()
    assert printed.count("\n") == 1
    assert printed.startswith("3 instances, 3 frames, ")
    assert ", 1 page of " in printed
    assert MARKER not in printed


def test_without_json_a_table_is_shown() -> None:
    printed = inspect("-", stdin=json.dumps(DOCUMENT).encode()).stdout.decode()
    assert "PatientName" in printed
    assert f"{MARKER}^Anna" in printed


def test_whole_values_are_shown_with_backslashes_between_their_components() -> None:
    document = json.loads(json.dumps(DOCUMENT))
    for number, node in enumerate(document["Study"]["Series"]["1.2.3"]["Instances"].values()):
        node["DICOM"] |= (
            {"PixelSpacing": ["0.5", str(number % 2)], "ImageType": ["ORIGINAL", "AXIAL"]} if number else {}
        )
    document["Patient"]["DICOM"]["PatientID"] = "A1\\A2"
    content = json.dumps(document).encode()
    printed = inspect("-", stdin=content).stdout.decode()
    for shown in (
        "Min 0.5\\0, Max 0.5\\1, Values 0.5\\0 | 0.5\\1, Missing 1",
        "ORIGINAL\\AXIAL",
        "A1 | A2",
        "ImageType 1",
    ):
        assert shown in printed
    assert json.loads(inspect("-", "--json", stdin=content).stdout)["entry"]["PixelSpacing"]["Values"] == [
        [0.5, 0],
        [0.5, 1],
    ]


@pytest.mark.parametrize(
    "content", [b"", b"no JSON " + MARKER.encode(), gzip.compress(json.dumps(DOCUMENT).encode())[:-20], b"[1, 2]"]
)
def test_an_unusable_document_is_one_line_on_standard_error_without_its_values(content: bytes) -> None:
    ended = inspect("-", "--json", stdin=content)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.decode().count("\n") == 1
    assert MARKER.encode() not in ended.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_changes_nothing(packed: bool) -> None:
    content = json.dumps(DOCUMENT).encode("utf-8-sig")
    marked = inspect("-", "--json", stdin=gzip.compress(content) if packed else content)
    plain = inspect("-", "--json", stdin=json.dumps(DOCUMENT).encode())
    assert (marked.returncode, marked.stdout, marked.stderr) == (0, plain.stdout, b"")


@pytest.mark.parametrize("key", ["DatastoreID", "ImageSetID"])
@pytest.mark.parametrize("told", [None, MARKER, "b" * 32 + "\n", ["b" * 32]])
def test_a_document_that_the_function_would_refuse_is_shown_and_called_so(key: str, told: Any) -> None:
    ended = inspect("-", "--json", stdin=json.dumps({**DOCUMENT, key: told}).encode())
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["entry"]["PatientID"] == MARKER
    assert ended.stderr.decode() == (
        f"The index would refuse this document: its {key} is missing or invalid. HealthImaging's ids are 32 "
        "lower-case letters and digits.\n"
    )


def test_so_is_one_that_names_neither_data_store_nor_image_set() -> None:
    unnamed = {"Patient": DOCUMENT["Patient"], "Study": DOCUMENT["Study"]}
    ended = inspect("-", stdin=json.dumps(unnamed).encode())
    assert ended.returncode == 0
    assert MARKER in ended.stdout.decode()
    assert [" ".join(line.split()[:9]) for line in ended.stderr.decode().splitlines()] == [
        "The index would refuse this document: its DatastoreID is",
        "The index would refuse this document: its ImageSetID is",
    ]


def test_a_document_that_the_function_would_take_is_shown_without_a_word_on_standard_error() -> None:
    content = json.dumps(DOCUMENT).encode()
    ended = subprocess.run([*COMMAND, "-", "--json"], input=content, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == inspect("-", "--json", stdin=content).stdout


def test_a_file_or_profile_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = inspect(str(tmp_path / "none"))
    assert ended.returncode == 1
    assert b"cannot be read" in ended.stderr
    ended = inspect("-", "--profile", str(tmp_path / "none.toml"), stdin=b"{}")
    assert ended.returncode == 1
    assert b"none.toml cannot be read" in ended.stderr


def test_a_dicom_file_is_called_one_and_told_how_to_be_imported(tmp_path: Path) -> None:
    content = bytes(128) + b"DICM" + MARKER.encode()
    (tmp_path / "ct.dcm").write_bytes(content)
    for argument, name in ((str(tmp_path / "ct.dcm"), str(tmp_path / "ct.dcm")), ("-", "Standard input")):
        ended = inspect(argument, stdin=content)
        assert (ended.returncode, ended.stdout) == (1, b"")
        assert ended.stderr.decode().startswith(f"{name} is a DICOM file")
        assert b"imaging-index local up --dicom" in ended.stderr
        assert MARKER.encode() not in ended.stderr


def test_a_document_on_standard_input_that_cannot_be_indexed_is_called_so() -> None:
    assert inspect("-", stdin=b"{").stderr.startswith(b"Standard input cannot be indexed: ")


def test_wrong_usage_has_exit_status_2() -> None:
    assert inspect().returncode == 2
    ended = inspect("-", "--summary", "--json", stdin=json.dumps(DOCUMENT).encode())
    assert (ended.returncode, ended.stdout) == (2, b"")


# DEL, the controls of C1, of which one begins a command as ESC [ does, and marks that turn the direction of writing.
OBEYED = "".join(
    map(chr, (0x7F, *range(0x80, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)


@pytest.mark.parametrize("options", [["--json"], []])
def test_what_a_terminal_obeys_never_reaches_it(tmp_path: Path, options: list[str]) -> None:
    text = f'A\x1b[2J\x07{OBEYED}"{OBEYED}é山\u200d'
    document = json.loads(json.dumps(DOCUMENT))
    document["Patient"]["DICOM"]["PatientID"] = text
    (tmp_path / "document").write_text(json.dumps(document), "utf-8")
    terminal, its_end = pty.openpty()
    command = [*COMMAND, str(tmp_path / "document"), *options]
    printed = b""
    with subprocess.Popen(command, stdout=its_end, stderr=its_end) as running:
        os.close(its_end)
        while chunk := _read(terminal):
            printed += chunk
    os.close(terminal)
    assert running.returncode == 0
    shown = printed.decode()
    assert not {*OBEYED} & {*shown}
    assert "[2J" in shown
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    if options:
        assert json.loads(shown)["entry"]["PatientID"] == text
        assert "é山" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError:  # so ends a terminal on Linux
        return b""
