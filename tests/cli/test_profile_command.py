"""`imaging-index profile check` and `show`."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import application

BROKEN = sorted((Path(__file__).parent / "broken_profiles").glob("*.toml"))
DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "profile.md").read_text("utf-8")


def run(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(application, ["profile", *arguments])
    return ended.exit_code, ended.stdout, ended.stderr


def test_there_are_ten_broken_profiles() -> None:
    assert len(BROKEN) == 10


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_all_that_is_wrong_with_a_profile_is_told_as_the_documentation_shows_it(path: Path) -> None:
    status, printed, errors = run("check", str(path))
    assert (status, printed) == (1, "")
    heading = path.stem[3:].replace("-", " ")
    assert f"# {heading}\n{errors.strip()}\n" in DOCUMENTATION


def test_the_shipped_profiles_can_be_used() -> None:
    for name in ("radiology", "minimal"):
        status, printed, _ = run("check", name)
        assert status == 0
        assert printed.startswith(f"{name} can be used: revision ")


def test_what_is_shown_has_every_attribute_with_its_place_in_dicom() -> None:
    status, printed, _ = run("show", "radiology", "--json")
    assert status == 0
    rows = {row["attribute"]: row for row in json.loads(printed)}
    assert len(rows) == 64
    assert rows["PatientID"] == {
        "attribute": "PatientID",
        "tag": "(0010,0020)",
        "vr": "LO",
        "vm": "1",
        "level": "Patient",
        "stored": "text",
        "indexes": "patient",
    }
    assert rows["SliceThickness"]["stored"] == "least and greatest number"
    assert rows["BValue"]["level"] == "Instance"
    assert re.search(r"PatientID +\(0010,0020\)", run("show", "radiology")[1])


def test_a_retired_keyword_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text('revision = 1\nattributes = ["StudyComments", "PatientID"]\n')
    status, _, errors = run("check", str(tmp_path / "old.toml"))
    assert status == 0
    assert "'StudyComments' is retired" in errors
