"""The figures of a report are those of the archive, and its picture is one that can be opened anywhere."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from cli.main import application
from exporting.database import Database
from exporting.export import export
from exporting.picture import picture
from exporting.report import Report, Vendor, report
from imaging_index.profile import toml_file
from proof.harness.built import content
from proof.harness.table_items import entry, lines

PROFILE = toml_file.parse("""
revision = 1
attributes = ["StudyInstanceUID", "StudyDate", "Modality", "Manufacturer", "SliceThickness", "BodyPartExamined"]
""")
SVG = "{http://www.w3.org/2000/svg}"


def archive(folder: Path, *image_sets: tuple[str, dict[str, Any], list[str]], of: Any = PROFILE) -> Path:
    """An export of image sets: each its study's day, values of its series, and the thickness of its slices."""
    items = []
    for number, (day, series, thickness) in enumerate(image_sets):
        instances = [{"SliceThickness": each} for each in thickness] or [{}]
        study = {"StudyInstanceUID": f"1.{number}"} | ({"StudyDate": day} if day else {})
        items.append(entry(content(of, *instances, study=study, series=series).attributes, of, str(number)))
    place = folder / "all.parquet"
    export([lines(items)], of, place)
    return place


def figures(place: Path) -> Report:
    return report(Database(place))


def test_studies_are_counted_by_month_and_modality(tmp_path: Path) -> None:
    ct, mr = {"Modality": "CT"}, {"Modality": "MR"}
    found = figures(archive(tmp_path, *((day, ct, []) for day in ("20240105", "20240131", "20240301", "")),
                            ("20240131", mr, []), ("20240131", {}, [])))  # fmt: skip
    assert found.unit == "month"
    assert found.studies == {"2024-01": {"CT": 2, "MR": 1, "none given": 1}, "2024-03": {"CT": 1}}
    assert found.modalities == ["CT", "MR", "none given"]


def test_of_many_modalities_and_years_the_rare_ones_are_together_and_months_are_years(tmp_path: Path) -> None:
    modalities = [*"AABBCCDDEEFFGHI"]
    found = figures(
        archive(tmp_path, *(("19990101" if each == "A" else "20240505", {"Modality": each}, []) for each in modalities))
    )
    assert (found.unit, found.modalities) == ("year", [*"ABCDEF", "others"])
    assert found.studies == {"1999-01": {"A": 2}, "2024-01": dict.fromkeys("BCDEF", 2) | {"others": 3}}


def test_the_thickness_of_slices_is_by_vendor(tmp_path: Path) -> None:
    siemens = [("20240105", {"Manufacturer": "SIEMENS"}, [str(each), "90"]) for each in (1, 2, 3, 4, 5)]
    found = figures(archive(tmp_path, *siemens, ("20240105", {}, ["2"]), ("20240105", {"Manufacturer": "GE"}, [])))
    first, second = found.vendors
    assert (first.name, first.series) == ("SIEMENS", 5)
    assert first.thickness == pytest.approx([1.2, 2, 3, 4, 4.8])
    assert (second.name, second.series, second.thickness) == ("none given", 1, [2, 2, 2, 2, 2])


def test_the_share_of_image_sets_without_a_value_is_there_for_each_attribute(tmp_path: Path) -> None:
    found = figures(archive(tmp_path, ("20240105", {"Modality": "CT"}, []), ("", {"Modality": "CT"}, ["1"])))
    assert [*found.missing.items()] == [
        ("BodyPartExamined", 1), ("Manufacturer", 1), ("SliceThickness", 0.5), ("StudyDate", 0.5), ("Modality", 0),
        ("StudyInstanceUID", 0),
    ]  # fmt: skip


def test_a_picture_has_all_figures_and_fetches_nothing(tmp_path: Path) -> None:
    place = archive(
        tmp_path,
        ("20240105", {"Modality": "CT", "Manufacturer": "<script>&"}, ["1"]),
        ("20250105", {"Modality": "MR"}, ["3"]),
    )
    drawn = CliRunner().invoke(application, ["report", "--from", str(place), "--to", str(tmp_path / "report.svg")])
    assert drawn.stdout == f"Written: {tmp_path / 'report.svg'}\n"
    text = (tmp_path / "report.svg").read_text("utf-8")
    root = ElementTree.fromstring(text)  # noqa: S314  it is our own
    titles = {each.text for each in root.iter(f"{SVG}title")}
    assert {"2024-01 CT: 1", "2025-01 MR: 1", "BodyPartExamined: 100.0%"} <= titles
    assert "<script>&: 1, 1, 1, 1, 1" in titles
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {"svg", "rect", "text", "line", "title"}
    assert "href" not in text


def test_hashed_days_and_thicknesses_are_in_no_chart(tmp_path: Path) -> None:
    hashed = toml_file.parse("""
revision = 1
attributes = ["StudyInstanceUID", "StudyDate", "Modality", "Manufacturer", "SliceThickness"]
[privacy]
StudyDate = "hash"
SliceThickness = "hash"
""")
    found = figures(archive(tmp_path, ("20240105", {"Modality": "CT", "Manufacturer": "A"}, ["2"]), of=hashed))
    assert (found.image_sets, found.studies, found.vendors) == (1, {}, [])
    assert found.missing["StudyDate"] == 0


def texts(drawn: str) -> list[ElementTree.Element]:
    return [*ElementTree.fromstring(drawn).iter(f"{SVG}text")]  # noqa: S314


@pytest.mark.parametrize(("most", "labels"), [(1, "01"), (3, "0123"), (7, "02468")])
def test_studies_are_counted_by_whole_numbers_up_to_the_highest_bar_or_beyond(most: int, labels: str) -> None:
    found = Report(
        image_sets=most, as_of="2026-01-01", unit="month", studies={"2024-01": {"CT": most}}, modalities=["CT"],
        vendors=[], missing={},
    )  # fmt: skip
    assert "".join(str(each.text) for each in texts(picture(found)) if each.get("text-anchor") == "end") == labels


def test_every_label_is_within_the_picture_and_attributes_that_all_have_are_counted() -> None:
    longest = "PerformedProtocolCodeSequence.ConceptNameCodeSequence.CodeMeaning"
    found = Report(
        image_sets=2, as_of="2026-01-01", unit="month", studies={}, modalities=[],
        vendors=[Vendor("Manufacturer of Medical Imaging Systems", 123_456, [1, 1, 2, 3, 4])],
        missing={longest: 0.5, "Modality": 0, "PatientID": 0},
    )  # fmt: skip
    every = texts(picture(found))
    assert any("2 attributes have one in all" in str(each.text) for each in every)
    assert not any(each.text == "Modality" for each in every)
    for each in every:
        if each.get("text-anchor") == "end":
            # Wide letters of a sans-serif face take about six tenths of its size.
            assert float(each.get("x", 0)) > len(str(each.text)) * 0.6 * float(each.get("font-size", 0))


def test_an_empty_archive_and_a_profile_without_these_attributes_have_a_picture(tmp_path: Path) -> None:
    other = toml_file.parse('revision = 1\nattributes = ["PatientID"]')
    (tmp_path / "other").mkdir()
    for place in (archive(tmp_path), archive(tmp_path / "other", ("", {}, []), of=other)):
        found = figures(place)
        assert not found.studies
        assert not found.vendors
        ElementTree.fromstring(picture(found))  # noqa: S314
