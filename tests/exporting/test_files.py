"""Exports replace those before them at once, or not at all."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exporting import about, files
from exporting.database import Database
from exporting.export import export
from imaging_index.entry.item import Item
from proof.harness.table_items import entry, lines
from proof.searching import archive
from tests.exporting.plain_rows import NARROW as PROFILE

STUDIES = 40


def items() -> list[Item]:
    entries = archive.entries(STUDIES * 5, 5_000)
    return [entry(each, PROFILE, each["ImageSetId"]["S"]) for each in entries]


def pieces() -> Iterator[bytes]:
    every = items()
    for start in range(0, len(every), 17):
        yield lines(every[start : start + 17])


def broken() -> Iterator[bytes]:
    yield next(pieces())
    raise KeyboardInterrupt


def ids(place: Path) -> set[str]:
    return {*pq.read_table(place, columns=["ImageSetId"])["ImageSetId"].to_pylist()}


@pytest.fixture(params=["all.parquet", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_an_export_has_each_image_set_once_and_says_what_it_is_of(place: Path) -> None:
    made = export(pieces(), PROFILE, place)
    assert ids(place) == {each["ImageSetId"]["S"] for each in items()}
    assert pq.read_table(place).num_rows == made.image_sets == STUDIES * 5
    for file in [place] if place.is_file() else [*place.rglob("*.parquet")]:
        assert about.read(file) == made
    assert (made.profile_hash, made.outdated, made.consistent) == (PROFILE.hash, 0, False)
    assert sorted(each.name for each in place.parent.iterdir()) == [place.name]


def test_an_export_of_an_empty_table_has_the_columns(place: Path) -> None:
    assert export([b"", b"\n"], PROFILE, place).image_sets == 0
    answer = Database(place).ask("SELECT count(*), count(DISTINCT PatientID) FROM series")
    assert [*answer.rows()] == [(0, 0)]


def test_a_folder_has_a_file_for_each_month_and_one_for_image_sets_without_a_date(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    export(pieces(), PROFILE, place)
    dates = {each.get("StudyDate", {"S": ""})["S"] for each in items()}
    months = {f"StudyMonth={day[:4]}-{day[4:6]}" if day else f"StudyMonth={files.UNDATED}" for day in dates}
    assert {each.name for each in place.iterdir() if each.is_dir()} == months
    for folder in place.glob("StudyMonth=2*"):
        (file,) = folder.iterdir()
        for day in pq.ParquetFile(file).read(["StudyDate"])["StudyDate"].to_pylist():
            assert f"StudyMonth={day:%Y-%m}" == folder.name
    assert json.loads((place / files.MARK).read_text())["image_sets"] == STUDIES * 5


def test_an_export_that_is_interrupted_leaves_the_one_before_whole(place: Path) -> None:
    export(pieces(), PROFILE, place)
    before = ids(place)
    with pytest.raises(KeyboardInterrupt):
        export(broken(), PROFILE, place)
    assert ids(place) == before
    assert [each.name for each in place.parent.iterdir()] == [place.name]


def test_an_export_that_is_killed_leaves_the_one_before_whole_and_the_next_one_removes_the_rest(place: Path) -> None:
    export(pieces(), PROFILE, place)
    before = ids(place)
    code = (
        "import os, signal, sys, pathlib\nfrom exporting.export import export\n"
        "from tests.exporting.test_files import PROFILE, pieces\n"
        "def killed():\n    yield from pieces()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "export(killed(), PROFILE, pathlib.Path(sys.argv[1]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(place)], check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    assert ids(place) == before
    assert len([*place.parent.iterdir()]) == 2
    export(pieces(), PROFILE, place)
    assert [each.name for each in place.parent.iterdir()] == [place.name]


def test_an_export_removes_what_a_killed_one_has_left(place: Path) -> None:
    left = place.with_name(f".{place.name}.exporting")
    (left / "spill").mkdir(parents=True)
    (left / "new.parquet").write_bytes(b"PAR1")
    export(pieces(), PROFILE, place)
    assert [each.name for each in place.parent.iterdir()] == [place.name]


def test_a_folder_that_a_killed_export_had_moved_away_is_put_back(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    export(pieces(), PROFILE, place)
    before = ids(place)
    left = place.with_name(f".{place.name}.exporting")
    left.mkdir()
    place.rename(left / "before")
    with pytest.raises(KeyboardInterrupt):
        export(broken(), PROFILE, place)
    assert ids(place) == before


def test_two_exports_to_one_place_do_not_run_at_the_same_time(place: Path) -> None:
    def meanwhile() -> Iterator[bytes]:
        yield from pieces()
        with pytest.raises(files.InUse, match="is running"):
            export(pieces(), PROFILE, place)

    assert export(meanwhile(), PROFILE, place).image_sets == STUDIES * 5
    assert len(ids(place)) == STUDIES * 5


def test_what_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "other.parquet"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    pq.write_table(pa.table({"a": [1]}), file)
    for place in (folder, file):
        with pytest.raises(about.NotOurs, match="export"):
            export(pieces(), PROFILE, place)
    assert (folder / "thesis.txt").read_text() == "mine"
    assert pq.read_table(file).num_rows == 1
    (tmp_path / "empty").mkdir()
    assert export(pieces(), PROFILE, tmp_path / "empty").image_sets == STUDIES * 5
    (tmp_path / "empty" / ".DS_Store").touch()
    assert export(pieces(), PROFILE, tmp_path / "empty").image_sets == STUDIES * 5
    (tmp_path / "empty" / "thesis.txt").write_text("mine")
    with pytest.raises(about.NotOurs, match="has other files than an export"):
        export(pieces(), PROFILE, tmp_path / "empty")
    assert (tmp_path / "empty" / "thesis.txt").read_text() == "mine"


def test_a_full_disk_leaves_the_export_before_whole(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(pieces(), PROFILE, place)
    before = ids(place)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        export(pieces(), PROFILE, place)
    assert ids(place) == before


def test_entries_of_another_profile_or_an_older_format_are_counted(tmp_path: Path) -> None:
    first, second, third, *_ = items()
    second["ProfileHash"] = {"S": "another"}
    third["Generation"] = {"S": "0000000001.000002.0002.0000"}
    made = export([lines([first, second, third])], PROFILE, tmp_path / "all.parquet")
    assert (made.image_sets, made.outdated) == (3, 2)


def test_nobody_else_looks_into_what_an_export_has_on_the_disk_meanwhile(place: Path) -> None:
    with files.beside(place) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
