"""Questions over an export: what they see, and what they cannot do."""

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec import structs
from typer.testing import CliRunner

from cli.main import application
from exporting import about
from exporting.database import Database, Refused
from exporting.export import export
from imaging_index.profile import toml_file
from proof.harness.built import content
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
