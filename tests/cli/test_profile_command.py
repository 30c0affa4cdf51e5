"""`imaging-index profile check` and `show`."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import profiles
from cli.cost.sizes import measure
from cli.main import application
from cli.output import screen
from cli.profiles import load
from imaging_index.profile import toml_file
from infra import profile_lock

BROKEN = sorted((Path(__file__).parent / "broken_profiles").glob("*.toml"))
SHIPPED = sorted(file.stem for file in (Path(__file__).parents[2] / "profiles").glob("*.toml"))
DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "profile.md").read_text("utf-8")


def run(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(application, ["profile", *arguments])
    return ended.exit_code, ended.stdout, ended.stderr


def test_there_are_thirteen_broken_profiles() -> None:
    assert len(BROKEN) == 13


@pytest.mark.parametrize("text", ["attributes = " + "[" * 5000, "revision = " + "9" * 5000])
def test_toml_that_python_does_not_follow_is_one_line_and_no_traceback(text: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.toml").write_text(text)
    status, printed, errors = run("check", str(tmp_path / "hostile.toml"))
    assert (status, printed) == (1, "")
    assert errors.startswith("The profile has brackets nested by the hundred")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_all_that_is_wrong_with_a_profile_is_told_as_the_documentation_shows_it(path: Path) -> None:
    status, printed, errors = run("check", str(path))
    assert (status, printed) == (1, "")
    heading = path.stem[3:].replace("-", " ")
    assert f"# {heading}\n{errors.strip()}\n" in DOCUMENTATION


def test_the_shipped_profiles_can_be_used() -> None:
    for name in SHIPPED:
        status, printed, _ = run("check", name)
        assert status == 0
        assert printed.startswith(f"{name} is valid: revision ")


def test_what_is_shown_has_every_attribute_with_its_place_in_dicom() -> None:
    status, printed, _ = run("show", "radiology", "--json")
    assert status == 0
    rows = {row["attribute"]: row for row in json.loads(printed)["attributes"]}
    assert len(rows) == 64
    assert rows["PatientID"] == {
        "attribute": "PatientID",
        "tag": "(0010,0020)",
        "vr": "LO",
        "vm": "1",
        "level": "Patient",
        "stored": "text",
        "indexes": ["patient"],
    }
    assert rows["SliceThickness"]["stored"] == "min and max number"
    assert rows["PixelSpacing"]["stored"] == "min and max number of each component"
    assert rows["ImageType"]["stored"] == "list of distinct texts, each as a whole"
    assert rows["SOPClassUID"]["stored"] == "list of distinct texts"
    assert rows["BValue"]["level"] == "Instance"
    assert rows["StudyDate"]["indexes"] == rows["StudyTime"]["indexes"] == ["patient", "date"]
    assert rows["PatientName"]["indexes"] == ["name"]
    shown = run("show", "radiology")[1]
    assert re.match(r"\s*Attribute +Tag +VR +VM +Level +Stored +Indexes", shown)
    assert re.search(r"PatientID +\(0010,0020\)", shown)
    assert re.search(r"StudyDate .* patient, date", shown)


def test_each_index_is_shown_with_what_it_holds_and_its_name_in_dynamodb(tmp_path: Path) -> None:
    indexes = {index["index"]: index for index in json.loads(run("show", "radiology", "--json")[1])["indexes"]}
    assert indexes["date"] == {
        "index": "date",
        "name_in_dynamodb": "date",
        "partition": ["DatastoreId"],
        "sort": ["StudyMoment", "ImageSetId"],
        "holds": "all",
    }
    assert indexes["series"]["holds"] == "keys"
    assert len(indexes["arrived"]["holds"]) == 20
    shown = run("show", "radiology")[1]
    assert re.search(r"Index +Name in DynamoDB +Partition +Sort +Holds", shown)
    assert re.search(rf"series +{re.escape(indexes['series']['name_in_dynamodb'])} +SeriesInstanceUID", shown)
    (tmp_path / "none.toml").write_text('revision = 1\nattributes = ["PatientID"]\n')
    assert json.loads(run("show", str(tmp_path / "none.toml"), "--json")[1])["indexes"] == []
    assert "Holds" not in run("show", str(tmp_path / "none.toml"))[1]


@pytest.mark.parametrize(("name", "new", "again"), [("minimal", 7, 4), ("radiology", 11, 6), ("research", 8, 6)])
def test_what_a_profile_costs_is_shown_and_is_what_entries_take(name: str, new: int, again: int) -> None:
    assert json.loads(run("show", name, "--json")[1])["write_units"] == {"new": new, "again": again}
    sentence = f"takes about {new} write units when it is new, and {again} when it is indexed again."
    shown = " ".join(run("show", name)[1].split())
    assert sentence in shown
    assert f"A million new ones cost {new * 0.625:.2f} dollars." in shown
    measured = measure(load(name))
    assert new == measured.entry_units + measured.index_units + 1
    assert measured.entry_bytes < 2_048


def test_the_places_that_the_lists_of_indexes_take_are_counted() -> None:
    assert run("check", "radiology")[1].strip() == (
        "radiology is valid: revision 2, 64 attributes, 8 indexes that list 96 of 100 attributes."
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_in_a_narrow_window_no_keyword_is_split_but_behind_a_dot(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "width", width)
    printed = run("show", "radiology")[1]
    assert max(map(len, printed.splitlines())) <= width
    words = {*printed.replace(",", " ").split()}
    profile = profiles.load("radiology")
    keys = {key for index in profile.indexes.values() for key in (*index.keys, *(index.holds or ()))}
    for name in (*(attribute.name for attribute in profile.attributes), *keys):
        first, *others = name.split(".")
        assert name in words or {f"{first}.", *others} <= words
    # A table as long as there is room for its words.
    assert bool(re.search(r"^Attribute +Tag ", printed, re.MULTILINE)) is (width >= 80)


def test_a_profile_that_would_not_be_synthesized_is_refused_and_its_lock_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('revision = 1\nattributes = ["PatientID"]\n')
    assert run("check", str(path))[0] == 0
    assert not path.with_suffix(".lock").exists()
    profile_lock.check(path, toml_file.load(path))
    locked = path.with_suffix(".lock").read_text()
    path.write_text('revision = 1\nattributes = ["PatientID", "Modality"]\n')
    status, printed, errors = run("check", str(path))
    assert (status, printed) == (1, "")
    assert "Write revision = 2" in errors
    path.write_text('revision = 2\nattributes = ["PatientID", "Modality"]\n')
    assert run("check", str(path))[0] == 0
    assert path.with_suffix(".lock").read_text() == locked


@pytest.mark.parametrize("name", ["nope", "profiles/radiology", "./mine"])
def test_an_unknown_name_is_answered_with_the_shipped_profiles(name: str) -> None:
    status, _, errors = run("check", name)
    assert status == 1
    assert errors == (
        f"There is no profile {name}. The shipped ones are {', '.join(SHIPPED[:-1])} and {SHIPPED[-1]}. To use a file "
        "of your own, give a path that ends in .toml.\n"
    )


def test_what_replaces_values_is_shown() -> None:
    rows = json.loads(run("show", "research-pseudonymous", "--json")[1])["attributes"]
    stored = {row["attribute"]: row["stored"] for row in rows}
    assert stored["PatientID"] == "token"
    assert stored["StudyInstanceUID"] == "text, another UID"
    assert stored["AcquisitionDate"] == "min and max date, shifted"
    assert (stored["PatientAge"], stored["PatientAgeYears"]) == ("text, capped", "number, capped")
    assert stored["PatientSex"] == "text"


def test_a_retired_keyword_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text('revision = 1\nattributes = ["StudyComments", "PatientID"]\n')
    status, _, errors = run("check", str(tmp_path / "old.toml"))
    assert status == 0
    assert "'StudyComments' is retired" in errors
