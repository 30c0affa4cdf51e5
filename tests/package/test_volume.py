"""What the slices of an image set are together: a volume, or the word for why they are none."""

import json
import random
import re
import shlex
import sys
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry import slices as slices_module
from imaging_index.entry.conversion import Flaws
from imaging_index.entry.deriving import geometry
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.entry.slices import Gathering, of_rows
from imaging_index.profile.derived import VOLUME
from imaging_index.profile.profile import Profile, ProfileError
from imaging_index.profile.toml_file import parse
from imaging_index.searching.grammar import parse as parse_conditions

NAMES = [each.name for each in VOLUME]
FLAWS = {"InvalidAttributes", "TruncatedAttributes"}


def profile(more: str = "", names: Iterable[str] = NAMES) -> Profile:
    return parse(f"revision = 1\nattributes = {json.dumps(['Modality', *names])}\n{more}")


READER = Reader(profile())
AXIAL = ["1", "0", "0", "0", "1", "0"]
CORONAL = ["1", "0", "0", "0", "0", "-1"]
SAGITTAL = ["0", "1", "0", "0", "0", "-1"]


def slices(positions: Iterable[Any], directions: list[str] = AXIAL, **values: Any) -> list[dict[str, Any]]:
    """Images of one frame whose positions are numbers on the z axis, or three numbers."""
    points = [each if isinstance(each, tuple) else (-1.5, 2, each) for each in positions]
    return [
        {
            "ImagePositionPatient": [f"{part:.10g}" for part in point],
            "ImageOrientationPatient": directions,
            "Rows": 5,
            "Columns": 6,
            "PixelSpacing": ["0.5", "0.5"],
        }
        | values
        for point in points
    ]


def frames(positions: list[Any], contents: list[dict[str, Any]] | None = None, padding: int = 0) -> dict[str, Any]:
    """One instance of several frames."""
    groups = [
        {
            "PlanePositionSequence": [{"ImagePositionPatient": position}],
            "FrameContentSequence": [content],
            "FrameVOILUTSequence": [{"WindowCenterWidthExplanation": ["x" * padding]}],
        }
        for position, content in zip(positions, contents or [{}] * len(positions), strict=True)
    ]
    shared = {
        "PlaneOrientationSequence": [{"ImageOrientationPatient": AXIAL}],
        "PixelMeasuresSequence": [{"PixelSpacing": ["0.5", "0.5"]}],
    }
    return {
        "Rows": 5,
        "Columns": 6,
        "NumberOfFrames": str(len(positions)),
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": groups,
    }


def content(
    instances: list[dict[str, Any]], reader: Reader = READER, series: list[dict[str, Any]] | None = None
) -> entry.Content:
    """Of an image set of some instances, in as many series as are said."""
    several = series or [{}]
    each = {
        f"1.2.{place}": {
            "DICOM": values,
            "Instances": {f"1.{n}": {"DICOM": v} for n, v in enumerate(instances) if n % len(several) == place},
        }
        for place, values in enumerate(several)
    }
    body = json.dumps({"Study": {"DICOM": {}, "Series": each}}, separators=(",", ":")).encode()
    return entry.build(reader, (body[start : start + 50_000] for start in range(0, len(body), 50_000)), b"key")


def found(instances: list[dict[str, Any]], reader: Reader = READER, **more: Any) -> dict[str, Any]:
    """What the entry has of the geometry."""
    attributes = plain(content(instances, reader, **more).attributes)
    return {name: value for name, value in attributes.items() if name in {*NAMES, *FLAWS}}


def word(instances: list[dict[str, Any]], **more: Any) -> str:
    text: str = found(instances, **more)["VolumeGeometry"]
    return text


def test_slices_at_equal_distances_are_a_volume_in_whatever_order_they_come() -> None:
    instances = slices(number * 1.25 for number in range(40))
    expected = {
        "VolumeGeometry": "volume",
        "SliceSpacing": pytest.approx(1.25),
        "SliceCount": 40,
        "SliceGaps": 0,
        "Orientation": "axial",
    }
    assert found(instances) == expected
    random.Random(1).shuffle(instances)
    assert found(instances) == expected


def test_neither_the_slice_location_nor_the_written_spacing_counts() -> None:
    instances = slices(range(5))
    for number, each in enumerate(instances):
        each |= {"SliceLocation": str(number**2), "SpacingBetweenSlices": "7"}
    assert (found(instances)["VolumeGeometry"], found(instances)["SliceSpacing"]) == ("volume", 1)


@pytest.mark.parametrize(
    ("positions", "expected", "spacing", "gaps"),
    [
        ([0, 1, 2, 4, 5], "gaps", 1, 1),
        ([0, 1, 2, 5, 6, 8], "gaps", 1, 3),
        ([0, 1, 2.3, 3, 4], "irregular", 1, None),
        ([0, 1, 1, 2], "duplicates", 1, None),
        ([0, 1, 1.0005, 2], "duplicates", 1, None),
        ([0, 1, 2.005, 3], "volume", 1, 0),
        ([0, 1, 2.05, 3], "irregular", 1, None),
        ([7], "single", None, None),
        ([(0, 0, 0), (0, 0.5, 1), (0, 1, 2)], "tilted", 1, None),
        ([(0, 0, 0), (0, 0.001, 1), (0, -0.002, 2)], "volume", 1, 0),
        ([(0, 0, 0), (5, 0, 0), (0, 0, 1)], "tilted", 1, None),
        ([(0, 0, 0), (0, 0, 50), (0, 1, 50), (0, 0, 100)], "tilted", 50, None),
        ([(0, 0, 0), (0, 0, 1), (0, 0.05, 99), (0, 0, 100)], "tilted", 1, None),
    ],
)
def test_each_fault_has_its_word(positions: list[Any], expected: str, spacing: Any, gaps: Any) -> None:
    instances = slices(positions)
    geometry = found(instances)
    assert geometry["VolumeGeometry"] == expected
    assert geometry.get("SliceGaps") == gaps
    assert geometry.get("SliceSpacing") == (spacing and pytest.approx(spacing, abs=0.01))
    for _ in range(5):
        random.Random(2).shuffle(instances)
        assert found(instances) == geometry


@pytest.mark.parametrize(
    "change",
    [
        {"Rows": 7},
        {"Columns": 7},
        {"PixelSpacing": ["0.5", "0.6"]},
        {"PixelSpacing": None},
        {"ImageOrientationPatient": CORONAL},
        {"ImageOrientationPatient": ["1", "0", "0", "0", "0.9999", "0.0141"]},
        {"ImageOrientationPatient": None},
        {"ImagePositionPatient": None},
        {"ImagePositionPatient": []},
    ],
)
def test_slices_that_are_not_alike_are_mixed(change: dict[str, Any]) -> None:
    instances = slices(range(5))
    instances[3] |= change
    geometry = found(instances)
    assert geometry["VolumeGeometry"] == "mixed"
    assert ("Orientation" in geometry) == (not change.get("ImageOrientationPatient"))
    assert FLAWS.isdisjoint(geometry)


def test_series_of_several_frames_of_reference_are_mixed() -> None:
    instances = slices(range(6))
    assert word(instances, series=[{"FrameOfReferenceUID": "1.2"}, {"FrameOfReferenceUID": "1.2"}]) == "volume"
    assert word(instances, series=[{"FrameOfReferenceUID": "1.2"}, {"FrameOfReferenceUID": "1.3"}]) == "mixed"


@pytest.mark.parametrize("wrong", [["a", "1", "2"], ["1", "2"], ["1_0", "2", "3"], ["NaN", "2", "3"], "1", {"a": 1}])
def test_a_position_that_is_no_number_is_named(wrong: Any) -> None:
    instances = slices(range(5))
    instances[3]["ImagePositionPatient"] = wrong
    geometry = found(instances)
    assert geometry["VolumeGeometry"] == "mixed"
    assert "VolumeGeometry" in geometry["InvalidAttributes"]
    assert found(instances[3:4]).pop("VolumeGeometry") == "none"


@pytest.mark.parametrize("wrong", [["1", "0", "0", "1", "0", "0"], ["2", "0", "0", "0", "1", "0"], ["0"] * 6, ["1"]])
def test_directions_that_are_none_are_named(wrong: list[str]) -> None:
    geometry = found(slices(range(5), wrong))
    assert (geometry["VolumeGeometry"], geometry["InvalidAttributes"][-1:]) == ("none", ["VolumeGeometry"])


def test_what_has_no_position_is_no_volume_and_nothing_is_wrong_with_it() -> None:
    assert found([{"Modality": "SR"}, {}]) == {"VolumeGeometry": "none"}
    assert found([]) == {"VolumeGeometry": "none"}


TOLD_APART: dict[str, list[dict[str, Any]]] = {
    "Echo": [{"EchoNumbers": ["1"]}, {"EchoNumbers": ["2"]}],
    "BValue": [{"DiffusionBValue": 0}, {"DiffusionBValue": 800.5}],
    "Time": [{"AcquisitionTime": "081500.5"}, {"AcquisitionTime": "081501"}],
    "Acquisition": [{"AcquisitionNumber": "1"}, {"AcquisitionNumber": "2"}],
}


@pytest.mark.parametrize("by", TOLD_APART)
def test_slices_at_one_position_that_something_tells_apart_are_several_volumes(by: str) -> None:
    instances = [each for values in TOLD_APART[by] for each in slices(range(3), **values)]
    geometry = found(instances)
    expected = {"VolumeGeometry": "several", "SliceCount": 3, "SliceGaps": 0, f"VolumesBy{by}": 2}
    assert geometry == expected | {"SliceSpacing": 1, "Orientation": "axial"}
    geometry = found(instances[1:])
    assert (geometry["VolumeGeometry"], geometry["SliceGaps"], geometry[f"VolumesBy{by}"]) == ("gaps", 1, 2)


@pytest.mark.parametrize(
    "pair",
    [
        [{"EchoTime": "10"}, {"EchoTime": "20"}],
        [{"DiffusionGradientOrientation": [1, 0, 0]}, {"DiffusionGradientOrientation": [0, 1, 0]}],
        [{"TemporalPositionIdentifier": "1"}, {"TemporalPositionIdentifier": "2"}],
        [{"TriggerTime": "10"}, {"TriggerTime": "20.5"}],
        [{"AcquisitionDateTime": "20240101081500"}, {"AcquisitionDateTime": "20240102081500"}],
    ],
)
def test_scanners_tell_slices_apart_in_other_ways_too(pair: list[dict[str, Any]]) -> None:
    assert word([each for values in pair for each in slices(range(3), **values)]) == "several"
    same = [each for values in (pair[0], pair[0]) for each in slices(range(3), **values)]
    assert word(same) == "duplicates"


def test_a_position_without_slices_is_missing_in_each_of_several_volumes() -> None:
    geometry = found([each for values in TOLD_APART["Echo"] for each in slices([0, 1, 3, 4], **values)])
    assert (geometry["VolumeGeometry"], geometry["SliceGaps"], geometry["VolumesByEcho"]) == ("gaps", 2, 2)


def test_rows_and_columns_that_are_not_quite_at_right_angles_are_tilted() -> None:
    assert word(slices(range(4), ["1", "0", "0", "0.00005", "1", "0"])) == "volume"
    assert word(slices(range(4), ["1", "0", "0", "0.005", "0.9999875", "0"])) == "tilted"


def test_slices_that_too_many_kinds_tell_apart_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices_module, "_MOST_KINDS", 3)
    several = [each for number in range(4) for each in slices(range(2), AcquisitionNumber=str(number))]
    assert found(several) == {"VolumeGeometry": "none", "TruncatedAttributes": ["VolumeGeometry"]}
    assert word([each | {"AcquisitionNumber": str(n)} for n, each in enumerate(slices(range(9)))]) == "volume"


def test_the_time_of_each_echo_is_not_counted_as_a_volume_by_time() -> None:
    instances = [
        each
        for echo in range(3)
        for phase in range(4)
        for each in slices(range(5), EchoTime=f"{echo}", TriggerTime=f"{phase}", AcquisitionTime=f"08{phase}0{echo}")
    ]
    geometry = found(instances)
    assert {name: value for name, value in geometry.items() if name.startswith("VolumesBy")} == {
        "VolumesByEcho": 3,
        "VolumesByTime": 4,
    }


def test_times_of_slices_do_not_make_several_volumes_of_one() -> None:
    instances = slices(range(6))
    for number, each in enumerate(instances):
        each |= {"AcquisitionTime": f"0815{number:02}", "AcquisitionNumber": str(number)}
    assert found(instances).keys().isdisjoint(name for name in NAMES if name.startswith("VolumesBy"))
    assert word(instances) == "volume"


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        (AXIAL, "axial"),
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
        (["1", "0", "0", "0", "0.98769", "0.15643"], "axial"),  # 9 degrees
        (["1", "0", "0", "0", "0.98163", "0.19081"], "oblique"),  # 11 degrees
    ],
)
def test_a_plane_is_named_within_ten_degrees(directions: list[str], expected: str) -> None:
    assert found(slices([(0, 0, 0)], directions))["Orientation"] == expected


def test_the_profile_says_within_which_angle_a_plane_is_named() -> None:
    instances = slices([(0, 0, 0)], ["1", "0", "0", "0", "0.98163", "0.19081"])
    assert found(instances, Reader(profile("[geometry]\nangle = 12.5\n")))["Orientation"] == "axial"
    assert profile("[geometry]\nangle = 12.5\n").hash != profile().hash == profile("[geometry]\nangle = 10\n").hash
    for wrong in ("angle = 0", "angle = 46", 'angle = "5"', "angle = true", "angles = 5"):
        with pytest.raises(ProfileError, match=r"\[geometry\] with angle = 10"):
            profile(f"[geometry]\n{wrong}\n")


@pytest.mark.parametrize("padding", [0, 200])
@pytest.mark.parametrize("count", [30, 2_500])
def test_each_frame_is_a_slice_also_where_pages_have_none_of_it(count: int, padding: int) -> None:
    positions = [["0", "0", f"{number * 0.8:.4f}"] for number in range(count)]
    random.Random(count).shuffle(positions)
    expected = {"VolumeGeometry": "volume", "SliceCount": count, "SliceGaps": 0, "Orientation": "axial"}
    assert found([frames(positions, padding=padding)]) == expected | {"SliceSpacing": Decimal("0.8")}
    contents = [{"FrameAcquisitionNumber": 1 + number // 5} for number in range(count)]
    times = [["0", "0", str(number % 5)] for number in range(count)]
    geometry = found([frames(times, contents, padding=padding)])
    assert (geometry["VolumeGeometry"], geometry["VolumesByAcquisition"]) == ("several", count // 5)


@pytest.mark.parametrize("padding", [0, 200, 60_000])
def test_frames_at_one_position_are_as_many_as_they_are(padding: int) -> None:
    positions = [["0", "0", "7"]] * 12
    assert found([frames(positions, padding=padding)])["VolumeGeometry"] == "duplicates"
    contents = [{"FrameAcquisitionNumber": number} for number in range(12)]
    geometry = found([frames(positions, contents, padding=padding)])
    assert (geometry["VolumeGeometry"], geometry["VolumesByAcquisition"]) == ("several", 12)


@pytest.mark.parametrize("padding", [0, 60_000])
def test_a_frame_without_a_position_among_equal_ones_is_not_like_them(padding: int) -> None:
    positions = [["0", "0", "7"], ["0", "0", "7"], None, ["0", "0", "7"]] * 3
    assert word([frames(positions, padding=padding)]) == "mixed"


def test_frames_of_several_instances_are_slices_of_one_stack() -> None:
    assert word([frames([["0", "0", str(z)] for z in range(3)]), *slices([(0, 0, 3), (0, 0, 4)])]) == "volume"
    assert word([frames([["0", "0", "1"], None, ["0", "0", "3"]]), *slices([(0, 0, 4)])]) == "mixed"


def test_of_several_frames_with_one_position_at_the_top_it_is_that_of_the_first() -> None:
    dose = slices([0])[0] | {"NumberOfFrames": "30", "GridFrameOffsetVector": ["0", "1"]}
    assert found([dose]) == {"VolumeGeometry": "none"}


def test_a_hundred_thousand_slices_take_32_bytes_each_and_one_more_is_too_many() -> None:
    instances = slices(range(1_000))
    size, times = 1_000, 100
    text = {name: json.dumps(value, separators=(",", ":")).encode() for name, value in instances[0].items()}
    gathering = Gathering(profile().volume)
    pages: list[dict[str, Any]] = [
        {name: [value] * size for name, value in text.items()}
        | {
            "ImagePositionPatient": [b'["0","0","%d"]' % (page * size + number) for number in range(size)],
            "AcquisitionTime": [b'"%06d.%d"' % (page, number) for number in range(size)],
        }
        for page in range(times)
    ]
    for page in pages:
        gathering.add(page, size)
    gathered = gathering.slices
    assert len(gathered.keys) == 100_000
    assert len(gathered.kinds) == len(gathered.directions) == 1
    held = sum(map(sys.getsizeof, (gathered.positions, gathered.keys)))
    assert held <= 32 * 100_000 * 1.15  # an array grows by an eighth at a time
    item = geometry(gathered, [], 10, Flaws())
    assert (item["VolumeGeometry"], item["SliceCount"]) == ({"S": "volume"}, {"N": "100000"})
    gathering.add({name: column[:1] for name, column in pages[0].items()}, 1)
    flaws = Flaws()
    assert geometry(gathering.slices, [], 10, flaws) == {"VolumeGeometry": {"S": "none"}}
    assert flaws.truncated == {"VolumeGeometry"}


def test_the_pages_say_the_same_as_the_document() -> None:
    kept = '[instances]\nkeep = ["PixelSpacing", "EchoTime", "DiffusionBValue", "AcquisitionTime", "TriggerTime"]\n'
    reader = Reader(profile(kept))
    several = [each for values in TOLD_APART["Time"] for each in slices(range(3), **values)]
    positions = [["0", "0", str(number % 10)] for number in range(20)]
    contents = [{"FrameAcquisitionNumber": 1 + number // 10} for number in range(20)]
    every: list[list[dict[str, Any]]] = [
        slices(range(9)),
        slices([0, 1, 3]),
        several,
        [frames(positions, contents)],
        [frames([["0", "0", "1"], None])],
        [slices([0])[0] | {"NumberOfFrames": "30"}],
        [{}],
        [*slices([1, 2]), {"Rows": 5}],
        slices([1, 2]) + slices([3], Rows=6),
    ]
    for instances in every:
        whole = content(instances, reader)
        rows, _ = unpack(whole.pages)
        item = geometry(of_rows(rows), [], 10, Flaws())
        assert item == {name: value for name, value in whole.attributes.items() if name in NAMES}


def test_the_page_about_it_has_every_word_and_questions_that_can_be_asked() -> None:
    page = (Path(__file__).parents[2] / "docs/geometry.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \|", page.partition("## The words")[2], re.MULTILINE)
    assert sorted(rows) == sorted(
        ["none", "mixed", "single", "tilted", "duplicates", "gaps", "irregular", "several", "volume"]
    )
    assert all(f"`{name}`" in page for name in NAMES)
    questions = re.findall(r"^imaging-index search (.*)", page, re.MULTILINE)
    asked = profile(names=[*NAMES, "BodyPartExamined"])
    assert len([parse_conditions(shlex.split(each), asked, date(2024, 1, 1)) for each in questions]) == 4


def test_what_is_not_selected_is_neither_derived_nor_read() -> None:
    assert profile(names=()).volume == ()
    assert found(slices(range(3)), Reader(profile(names=["SliceCount"]))) == {"SliceCount": 3}


@pytest.mark.parametrize("private", ["ImagePositionPatient", "ImageOrientationPatient", "PlanePositionSequence"])
def test_nothing_is_derived_from_private_positions(private: str) -> None:
    assert found(slices(range(3)), Reader(profile(f'[privacy]\n{private} = "drop"\n'))) == {}


def test_what_is_private_tells_no_slices_apart() -> None:
    instances = [each for values in TOLD_APART["Time"] for each in slices(range(3), **values)]
    assert word(instances, reader=Reader(profile('[privacy]\nAcquisitionTime = "hash"\n'))) == "duplicates"


@pytest.mark.parametrize(("policy", "expected"), [("uid", "mixed"), ("drop", "volume"), ("hash", "volume")])
def test_dropped_frames_of_reference_are_not_compared_and_mapped_ones_are(policy: str, expected: str) -> None:
    reader = Reader(profile(f'[privacy]\nFrameOfReferenceUID = "{policy}"\n'))
    several = [{"FrameOfReferenceUID": "1.2.1"}, {"FrameOfReferenceUID": "1.2.2"}]
    assert word(slices(range(4)), reader=reader, series=several) == expected
