"""The series that an instance refers to, in all the places of the radiology profile."""

import json
from pathlib import Path
from typing import Any

import pytest

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile import toml_file

RADIOLOGY = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")
REFERENCES = RADIOLOGY.find("ReferencedSeries")
assert REFERENCES
PATHS = [source.path for source in REFERENCES.sources]
READER = Reader(RADIOLOGY)


def referring(path: tuple[str, ...], uid: str) -> dict[str, Any]:
    """A data set that refers to a series at a path."""
    return {path[0]: uid if len(path) == 1 else [referring(path[1:], uid)]}


def build(*instances: dict[str, Any]) -> dict[str, Any]:
    """The entry of a series with these instances."""
    series = {"Instances": {f"1.2.{number}": {"DICOM": each} for number, each in enumerate(instances)}}
    document = {"Study": {"Series": {"1.2": series}}}
    return plain(entry.build(READER, [json.dumps(document).encode()]).attributes)


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_series_is_found_in_each_place_of_references(path: tuple[str, ...]) -> None:
    assert build(referring(path, "1.2.3 "))["ReferencedSeries"] == ["1.2.3"]


def test_the_series_of_all_places_and_items_are_found_once() -> None:
    evidence = "PertinentOtherEvidenceSequence"
    studies = [{"ReferencedSeriesSequence": [{"SeriesInstanceUID": uid} for uid in uids]} for uids in ("12", "23")]
    instance = {evidence: studies} | referring(("ReferencedSeriesSequence", "SeriesInstanceUID"), "4")
    assert build(instance, instance)["ReferencedSeries"] == ["1", "2", "3", "4"]


# Longer than a block of the reader.
IMAGES: list[dict[str, Any]] = [{"Rows": 2, "Comment": "x" * 1000} for _ in range(200)]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("kind", [{}, {"Rows": 2, "NumberOfFrames": "3"}], ids=["no pixels", "frames"])
def test_references_are_found_among_very_many_images_of_one_frame(kind: dict[str, Any], path: tuple[str, ...]) -> None:
    referrer = kind | referring(path, "1.2.3")
    assert build(*IMAGES, referrer, *IMAGES)["ReferencedSeries"] == ["1.2.3"]
    assert build(*IMAGES, referrer, *IMAGES, kind | referring(path, "7"))["ReferencedSeries"] == ["1.2.3", "7"]


def test_an_image_of_one_frame_refers_to_series_of_its_own_and_other_studies() -> None:
    first = {"Rows": 2} | referring(("ReferencedSeriesSequence", "SeriesInstanceUID"), "1")
    path = ("StudiesContainingOtherReferencedInstancesSequence", "ReferencedSeriesSequence", "SeriesInstanceUID")
    found = build(*IMAGES, first, *IMAGES, {"Rows": 2} | referring(path, "2"))
    assert found["ReferencedSeries"] == ["1", "2"]


def test_no_image_of_one_frame_is_read_for_references_of_other_objects() -> None:
    odd = {"Rows": 2} | referring(("SourceImageEvidenceSequence", "ReferencedSeriesSequence", "SeriesInstanceUID"), "1")
    assert "ReferencedSeries" not in build(*IMAGES, odd)
