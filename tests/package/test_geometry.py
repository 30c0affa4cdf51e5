"""Where instances and frames lie, as the pages have it."""

import itertools
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.pages import unpack
from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError

PROFILE = 'revision = 1\nattributes = ["Modality", "SliceThickness"]\n'
READER = Reader(toml_file.parse(PROFILE))
POSITION, ORIENTATION = "ImagePositionPatient", "ImageOrientationPatient"
AXIAL = ["1", "0", "0", "0", "1", "0"]


def rows(*instances: dict[str, Any], reader: Reader = READER, frames: int = 1) -> list[dict[str, Any]]:
    every = {
        f"1.2.{number:05d}": {"DICOM": values, "ImageFrames": [{"ID": f"{frame:032x}"} for frame in range(frames)]}
        for number, values in enumerate(instances)
    }
    document = {"Study": {"DICOM": {}, "Series": {"1.2": {"DICOM": {}, "Instances": every}}}}
    body = json.dumps(document).encode()
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    return unpack(entry.build(reader, pieces, b"key").pages)[0]


def multi_frame(positions: list[Any], *, padding: int = 0, **shared: Any) -> dict[str, Any]:
    groups = [
        {
            "PlanePositionSequence": [{POSITION: position}],
            "FrameContentSequence": [{"FrameAcquisitionNumber": 1 + number % 2}],
            "PixelMeasuresSequence": [{"SliceThickness": "1"}],
        }
        for number, position in enumerate(positions)
    ]
    for group in groups:
        group["FrameVOILUTSequence"] = [{"WindowCenterWidthExplanation": ["x" * (padding // len(groups))]}]
    return {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": groups}


def test_an_instance_has_its_place_and_what_tells_it_from_others_there() -> None:
    values = {
        POSITION: ["-158.135803", "-179.035797 ", "75"],
        ORIENTATION: AXIAL,
        "AcquisitionNumber": "2 ",
        "TemporalPositionIdentifier": "3",
        "EchoNumbers": ["1 "],
    }
    (row,) = rows(values)
    assert row[POSITION] == [Decimal("-158.135803"), Decimal("-179.035797"), 75]
    assert row[ORIENTATION] == [1, 0, 0, 0, 1, 0]
    assert (row["AcquisitionNumber"], row["TemporalPositionIdentifier"], row["EchoNumbers"]) == (2, 3, [1])
    assert {POSITION, ORIENTATION, "EchoNumbers"}.isdisjoint(rows({"Rows": 1})[0])


@given(st.lists(st.sampled_from(["1", "-0.5", "1.50", "+2", "007", "1e3", ".5", "2.", "-0", "0.1234567890123456789"])))
def test_numbers_are_the_same_however_they_are_written(written: list[str]) -> None:
    (row,) = rows({POSITION: written})
    assert row.get(POSITION) == ([Decimal(each) for each in written] or None)
    assert rows({POSITION: [f"{each} " for each in written]}) == [row]


@pytest.mark.parametrize(
    "wrong", ["1", ["a", "b", "c"], [None], [["1"]], {"a": 1}, "1\\2\\3", [1.5, 2, 3], ["NaN"], "x"]
)
def test_what_is_no_place_is_left_out_or_read_as_it_is(wrong: Any) -> None:
    usable: list[Any] | None = {"1": [1], "1\\2\\3": [1, 2, 3]}.get(wrong) if isinstance(wrong, str) else None
    if wrong == [1.5, 2, 3]:
        usable = [Decimal("1.5"), 2, 3]
    (row,) = rows({POSITION: wrong, "Rows": 5})
    assert row.get(POSITION) == usable
    assert row["Rows"] == 5


@pytest.mark.parametrize("padding", [0, 600_000])
@pytest.mark.parametrize("count", [2, 40, 2_000])
def test_each_frame_has_its_place_in_the_order_of_the_frames_also_in_a_large_instance(count: int, padding: int) -> None:
    chance = random.Random(count)
    places = [[str(chance.randrange(5)), "-1.5", str(number % 7)] for number in range(count)]
    orientation = {"PlaneOrientationSequence": [{ORIENTATION: AXIAL}]}
    (row,) = rows(multi_frame(places, padding=padding, **orientation), frames=count)
    assert row[POSITION] == [[Decimal(part) for part in place] for place in places]
    assert row[ORIENTATION] == [Decimal(part) for part in AXIAL]
    assert row["AcquisitionNumber"] == [1 + number % 2 for number in range(count)]


@pytest.mark.parametrize("padding", [0, 600_000])
def test_a_frame_without_a_place_keeps_its_turn(padding: int) -> None:
    (row,) = rows(multi_frame([["1", "2", "3"], None, ["4", "5", "6"]], padding=padding))
    assert row[POSITION] == [[1, 2, 3], None, [4, 5, 6]]


@pytest.mark.parametrize("padding", [0, 600_000])
def test_frames_at_one_place_have_it_once(padding: int) -> None:
    (row,) = rows(multi_frame([["1", "2", "3"]] * 5, padding=padding))
    assert row[POSITION] == [1, 2, 3]


def test_of_more_than_2000_frames_the_geometry_is_summed_up() -> None:
    places = [[str(number % 100), "0", str(number)] for number in range(2_001)]
    (row,) = rows(multi_frame(places), frames=2_001)
    assert row[POSITION] == {"Min": [0, 0, 0], "Max": [99, 0, 2_000], "Distinct": 2_001}
    assert row["AcquisitionNumber"] == {"Min": 1, "Max": 2, "Distinct": 2}


def test_the_geometry_is_not_there_when_the_profile_does_not_want_it() -> None:
    values = {POSITION: ["1", "2", "3"], "EchoNumbers": ["1"]}
    for text in ("[instances]\ngeometry = false\n", f'[privacy]\n{POSITION} = "drop"\nEchoNumbers = "hash"\n'):
        (row,) = rows(values, reader=Reader(toml_file.parse(PROFILE + text)))
        assert {POSITION, "EchoNumbers"}.isdisjoint(row)
    assert toml_file.parse(f"instances = false\n{PROFILE}").instances.geometry == ()
    with pytest.raises(ProfileError, match="geometry = false"):
        toml_file.parse(f'{PROFILE}[instances]\ngeometry = "yes"\n')


def test_what_is_private_in_a_path_of_the_geometry_takes_its_attribute_out() -> None:
    text = f'{PROFILE}[privacy]\nPlanePositionSequence = "drop"\n'
    assert POSITION not in {each.name for each in toml_file.parse(text).instances.geometry}


def test_the_geometry_of_very_many_instances_is_as_small_as_promised() -> None:
    values = [
        {POSITION: ["-158.1", "-179.0", f"{number * 1.25:.6f}"], ORIENTATION: AXIAL, "AcquisitionNumber": "1"}
        for number in range(1_000)
    ]
    document = {
        "Study": {
            "DICOM": {},
            "Series": {"1.2": {"DICOM": {}, "Instances": {f"1.2.{n}": {"DICOM": v} for n, v in enumerate(values)}}},
        }
    }
    body = [json.dumps(document).encode()]
    off = Reader(toml_file.parse(f"{PROFILE}[instances]\ngeometry = false\n"))
    sizes = [sum(map(len, entry.build(reader, body).pages)) for reader in (READER, off)]
    assert sizes[0] - sizes[1] <= 32 * 1_000, list(itertools.pairwise(sizes))
