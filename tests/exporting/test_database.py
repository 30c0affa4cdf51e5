"""Questions over an export: what they see, and what they cannot do."""

import csv
import io
import json
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec import structs
from rich.console import Console
from typer.testing import CliRunner

from cli.main import application
from cli.research import asking
from exporting import about
from exporting import database as of_exports
from exporting.database import Database, Refused
from exporting.export import export
from imaging_index.profile import toml_file
from proof.harness.built import content
from proof.harness.image_sets import wait_for
from proof.harness.table_items import entry, lines

PROFILE = toml_file.parse("""
revision = 1
attributes = [
  "PatientID", "PatientName", "StudyDate", "SeriesInstanceUID", "SliceThickness", "PixelSpacing", "ImageType"
]
""")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of two primary image sets and one that is not."""
    items = []
    for number, thickness in enumerate((["1", "2"], ["3"], ["4"])):
        made = content(
            PROFILE,
            *(
                {"SliceThickness": each, "PixelSpacing": ["0.5", "0.25"], "ImageType": ["A", each]}
                for each in thickness
            ),
            patient={"PatientID": "P1", "PatientName": "Roe^Jane=X"},
            study={"StudyDate": "20240102"},
            series={"SeriesInstanceUID": f"1.{number}"},
        )
        items.append(entry(made.attributes, PROFILE, str(number)) | {"IsPrimary": {"BOOL": number < 2}})
    file = tmp_path_factory.mktemp("export") / "it's.parquet"
    export([lines(items)], PROFILE, file)
    return file


def sql(place: Path, *arguments: str) -> Any:
    return CliRunner().invoke(application, ["sql", "--from", str(place), *arguments])


def test_a_series_has_single_values_or_else_the_bounds_and_all_of_them(place: Path) -> None:
    first, second = (
        Database(place)
        .ask(
            "SELECT SeriesInstanceUID, SliceThickness, SliceThickness_min, SliceThickness_max, PixelSpacing, "
            "ImageType, ImageType_all, PatientName, Modality, StudyDate FROM series ORDER BY ALL"
        )
        .rows()
    )
    assert first[:4] == ("1.0", None, 1, 2)
    assert [*map(float, first[4])] == [0.5, 0.25]
    assert first[5:] == (None, ["A\\1", "A\\2"], "Roe^Jane", None, date(2024, 1, 2))
    assert second[:4] == ("1.1", 3, 3, 3)
    assert second[5] == "A\\3"


def test_no_column_is_there_twice_and_idc_indexs_have_its_names(place: Path) -> None:
    names = {view: Database(place).ask(f'FROM "{view}"').names for view in ("series", "index")}
    for columns in names.values():
        assert len({*map(str.lower, columns)}) == len(columns)
        assert not [each for each in columns if each.endswith("_1")]
    assert {"collection_id", "instanceCount", "series_size_MB", "Modality"} <= {*names["index"]}
    assert "InstanceCount" in names["series"]


@pytest.mark.parametrize(
    "question",
    [
        "DROP VIEW series",
        "CREATE TABLE mine AS FROM series",
        "INSERT INTO series VALUES (1)",
        "COPY series TO 'stolen.csv'",
        "SELECT 1; DROP VIEW series",
        "SELECT 1; SELECT 2",
        "SET enable_external_access = true",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "EXPLAIN ANALYZE CREATE TABLE mine AS FROM series",
        "PRAGMA version",
        "PREPARE mine AS FROM series",
        "EXPORT DATABASE 'mine'",
        "WITH gone AS (DELETE FROM series RETURNING *) FROM gone",
        "SELECT * FROM query('DROP VIEW series')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('https://example.org/a.parquet')",
        "SELECT nothing FROM series",
        "SELEC 1",
        "",
    ],
)
def test_what_is_not_a_question_over_the_export_is_refused(question: str, place: Path, tmp_path: Path) -> None:
    before = place.read_bytes()
    with pytest.raises(Refused):
        [*Database(place).ask(question).rows()]
    assert place.read_bytes() == before
    assert not [*tmp_path.iterdir()]


def test_what_a_question_overflows_to_is_not_the_current_folder_whose_files_it_cannot_read(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "mine.txt").write_text("mine")
    database = Database(place)
    with pytest.raises(Refused, match="Permission Error"):
        [*database.ask("SELECT * FROM read_text('.tmp/mine.txt')").rows()]
    ((overflow,),) = database.ask("SELECT current_setting('temp_directory')").rows()
    assert Path(overflow).stat().st_mode & 0o077 == 0
    database.close()
    assert not Path(overflow).exists()


@pytest.mark.parametrize(
    ("name", "other"), [("a[1].parquet", "a1.parquet"), ("b?.parquet", "bb.parquet"), ("c[d]", "cd"), ("e*", "ef")]
)
def test_an_export_is_read_whose_name_is_a_pattern_and_not_what_that_fits(
    name: str, other: str, tmp_path: Path
) -> None:
    for to in (name, other):
        made = content(PROFILE, {}, patient={"PatientID": to})
        export([lines([entry(made.attributes, PROFILE)])], PROFILE, tmp_path / to)
    assert [*Database(tmp_path / name).ask("SELECT PatientID FROM image_sets").rows()] == [(name,)]


def test_a_damaged_or_removed_file_is_not_taken_for_a_mistake_in_the_question(place: Path, tmp_path: Path) -> None:
    whole = place.read_bytes()
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(whole[:4] + b"\xff" * 400 + whole[404:])
    export([], PROFILE, tmp_path / "removed")
    removed = Database(tmp_path / "removed")
    shutil.rmtree(tmp_path / "removed")
    for database in (Database(damaged), removed):
        with pytest.raises(Refused, match="A file of the export cannot be read"):
            [*database.ask("SELECT * FROM image_sets").rows()]


def test_a_question_that_takes_too_much_memory_is_not_taken_for_one_about_values(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(of_exports._CONFIG, "memory_limit", "30MB")
    monkeypatch.setitem(of_exports._CONFIG, "max_temp_directory_size", "1MB")
    with pytest.raises(Refused, match="more memory than there is"):
        [*Database(place).ask("SELECT list(i) FROM range(10_000_000) AS numbers(i)").rows()]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT PatientID::INT FROM image_sets",
        "SELECT count(*) FROM image_sets WHERE strptime(PatientID, '%Y') IS NOT NULL",
        "SELECT error(PatientName.Alphabetic) FROM image_sets",
        "SELECT regexp_matches('a', PatientID || '(') FROM image_sets",
    ],
)
def test_no_error_quotes_a_value_of_the_export(question: str, place: Path) -> None:
    ended = sql(place, question)
    assert ended.exit_code == 2
    assert "some value does not allow" in " ".join(ended.stderr.split())
    assert not re.search("P1|Roe", ended.output)


def test_answers_are_a_table_csv_or_json(place: Path) -> None:
    question = (
        "SELECT SeriesInstanceUID, SliceThickness_max AS thickest, StudyDate, PixelSpacing FROM series ORDER BY 1"
    )
    assert "2024-01-02" in sql(place, question).stdout
    rows = [*csv.reader(io.StringIO(sql(place, question, "--csv").stdout))]
    assert rows[:2] == [
        ["SeriesInstanceUID", "thickest", "StudyDate", "PixelSpacing"],
        ["1.0", "2", "2024-01-02", "[0.5,0.25]"],
    ]
    first, _ = json.loads(sql(place, question, "--json").stdout)
    assert first == {
        "SeriesInstanceUID": "1.0", "thickest": 2, "StudyDate": "2024-01-02", "PixelSpacing": [0.5, 0.25]
    }  # fmt: skip
    refused = sql(place, "DROP VIEW series")
    assert (refused.exit_code, "begins with SELECT" in refused.output) == (2, True)
    assert sql(place, "SELECT CAST(PatientID AS INTEGER) FROM series").exit_code == 2
    assert sql(place, question, "--csv", "--json").exit_code == 2


def test_a_table_of_many_rows_ends_after_a_hundred_and_says_so(place: Path) -> None:
    long = sql(place, "SELECT * FROM range(150)")
    assert "The first 100 of 150 rows. --csv and --json print all." in long.output
    assert len(sql(place, "SELECT * FROM range(150)", "--csv").stdout.splitlines()) == 151


def test_a_table_loses_nothing_in_a_narrow_window_and_a_wide_one_shows_each_row_from_top_to_bottom(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "screen", Console(highlight=False, width=30))
    assert "".join(sql(place, "SELECT repeat('x', 50) AS long").stdout.split()).count("x") == 50
    question = "SELECT SeriesInstanceUID AS uid, Modality, StudyDate, SliceThickness_max AS thickest FROM series"
    wide = sql(place, f"{question} ORDER BY uid").stdout
    rows = [line.split() for line in wide.splitlines()]
    assert [row[1] for row in rows if row and row[0] in ("Row", "uid", "thickest")] == [
        "1", "1.0", "2", "2", "1.1", "3"
    ]  # fmt: skip


def test_what_is_no_export_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "none.parquet", tmp_path / "empty"):
        refused = sql(place, "SELECT 1")
        assert (refused.exit_code, "imaging-index export" in refused.output) == (1, True)


def test_an_export_of_an_older_format_of_entries_is_read_with_a_warning(place: Path, tmp_path: Path) -> None:
    rows = pq.read_table(place)
    older = structs.replace(about.read(place), entry_format=2)
    pq.write_table(rows.replace_schema_metadata(older.metadata), tmp_path / "older.parquet")
    answer = sql(tmp_path / "older.parquet", "SELECT count(*) AS n FROM series", "--json")
    assert "before the format of entries changed. Export again." in answer.output
    assert '"n":2' in answer.output


def test_a_folder_has_an_attribute_that_is_named_like_its_months(tmp_path: Path) -> None:
    own = toml_file.parse('revision = 1\nattributes = ["Modality"]\n[named.StudyMonth]\nfrom = ["StudyDescription"]\n')
    made = content(own, {}, study={"StudyDescription": "May"})
    export([lines([entry(made.attributes, own)])], own, tmp_path / "all")
    assert [*Database(tmp_path / "all").ask("SELECT StudyMonth FROM image_sets").rows()] == [("May",)]


def test_a_copy_of_an_export_in_s3_is_removed_when_the_command_is_ended(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = []

    class S3:
        def client(self, _: str) -> Any:
            return self

        def download_file(self, _bucket: str, _key: str, file: str) -> None:
            copies.append(Path(shutil.copy(place, file)))
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(asking, "Session", S3)
    with pytest.raises(KeyboardInterrupt):
        asking.ask("SELECT 1", "s3://bucket/all.parquet", csv=False, json=False)
    assert not copies[0].parent.exists()


@pytest.mark.parametrize(
    "question",
    [
        "SELECT sum(hash(a.range * b.range)) FROM range(1_000_000) a, range(1_000_000) b",
        "SELECT 1 FROM range(1_000_000) a, range(1_000_000) b WHERE hash(a.range * b.range) = 0",
    ],
    ids=["at once", "while it is read"],
)
def test_a_long_question_ends_when_the_command_is_ended_and_nothing_of_it_stays(
    question: str, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def end() -> None:
        wait_for(lambda: [*tmp_path.iterdir()])
        time.sleep(0.5)  # DuckDB works by then; if it does not yet, it is ended as well
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end).start()
    with pytest.raises(KeyboardInterrupt):
        asking.ask(question, str(place), csv=False, json=False)
    assert not [*tmp_path.iterdir()]
