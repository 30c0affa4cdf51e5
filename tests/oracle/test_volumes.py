"""The geometry of volumes agrees with highdicom, which makes volumes of series: another library's word for the same.

highdicom is asked with the values that it has of its own accord. What it refuses is never called a volume here.
"""

from __future__ import annotations

import json
import math
import random
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pydicom.data
import pytest
from highdicom.spatial import get_series_volume_positions, get_volume_positions
from pydicom import Dataset, dcmread

from imaging_index.dicom.dictionary import Level
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile.derived import VOLUME
from imaging_index.profile.toml_file import parse
from local.healthimaging.conversion import convert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Instances = list[dict[str, Any]]

READER: Final = Reader(parse(f"revision = 1\nattributes = {json.dumps([each.name for each in VOLUME])}\n"))
# Rows and columns of axial, coronal and sagittal slices.
PLANES: Final[list[tuple[list[float], list[float]]]] = [
    ([1, 0, 0], [0, 1, 0]),
    ([1, 0, 0], [0, 0, -1]),
    ([0, 1, 0], [0, 0, -1]),
]
MR: Final = "1.2.840.10008.5.1.4.1.1.4"


def found(instances: Iterable[dict[str, Any]], series: dict[str, Any]) -> dict[str, Any]:
    """What the entry of an image set has."""
    each = {f"1.2.{number}": {"DICOM": values} for number, values in enumerate(instances)}
    document = {"Study": {"DICOM": {}, "Series": {"1.2": {"DICOM": series, "Instances": each}}}}
    return plain(entry.build(READER, [json.dumps(document, separators=(",", ":")).encode()]).attributes)


def highdicoms(instances: Instances) -> float | None:
    """highdicom's spacing of the slices, None where it makes no volume of them."""
    datasets = []
    for values in instances:
        dataset = Dataset()
        dataset.SOPClassUID = MR
        dataset.ImagePositionPatient = values["ImagePositionPatient"]
        dataset.ImageOrientationPatient = values["ImageOrientationPatient"]
        datasets.append(dataset)
    spacing: float | None = get_series_volume_positions(datasets)[0]
    return spacing


def intact(chance: random.Random) -> Instances:
    """The slices of a volume of any direction, spacing and size, in no order, as a scanner writes them."""
    row: list[float] = [chance.gauss(0, 1) for _ in range(3)]
    other: list[float] = [chance.gauss(0, 1) for _ in range(3)]
    if chance.random() < 0.4:
        row, other = chance.choice(PLANES)
    row = unit(row)
    normal = unit(cross(row, other))
    column = cross(normal, row)
    spacing = chance.choice([0.4, 0.625, 1, 1.25, 3, 5, chance.uniform(0.2, 8)])
    origin = [chance.uniform(-300, 300) for _ in range(3)]
    directions = [f"{part:.10f}" for part in (*row, *column)]
    instances = [
        {
            "ImagePositionPatient": written(o + n * spacing * part for o, part in zip(origin, normal, strict=True)),
            "ImageOrientationPatient": directions,
            "PixelSpacing": ["0.7", "0.7"],
            "Rows": 64,
            "Columns": 64,
        }
        for n in range(chance.randrange(4, 24))
    ]
    chance.shuffle(instances)
    return instances


def unit(vector: Iterable[float]) -> list[float]:
    parts = [*vector]
    return [part / math.hypot(*parts) for part in parts]


def cross(one: list[float], other: list[float]) -> list[float]:
    (a, b, c), (d, e, f) = one, other
    return [b * f - c * e, c * d - a * f, a * e - b * d]


def written(position: Iterable[float]) -> list[str]:
    return [f"{part:.6f}" for part in position]


def in_order(instances: Instances) -> Instances:
    directions = [float(part) for part in instances[0]["ImageOrientationPatient"]]
    normal = cross(directions[:3], directions[3:])

    def along(instance: dict[str, Any]) -> float:
        return sum(float(part) * n for part, n in zip(instance["ImagePositionPatient"], normal, strict=True))

    return sorted(instances, key=along)


def moved(instance: dict[str, Any], vector: Iterable[float]) -> None:
    instance["ImagePositionPatient"] = written(
        float(part) + more for part, more in zip(instance["ImagePositionPatient"], vector, strict=True)
    )


def step(instances: Instances) -> list[float]:
    """The way from the first slice to the second."""
    first, second = ([*map(float, each["ImagePositionPatient"])] for each in instances[:2])
    return [after - before for before, after in zip(first, second, strict=True)]


def without_a_slice(instances: Instances, chance: random.Random) -> Instances:
    del instances[chance.randrange(1, len(instances) - 1)]
    return instances


def with_a_slice_twice(instances: Instances, chance: random.Random) -> Instances:
    return [*instances, dict(chance.choice(instances))]


def with_a_slice_elsewhere(instances: Instances, chance: random.Random) -> Instances:
    share = chance.choice([-1, 1]) * chance.uniform(0.03, 0.4)
    moved(instances[chance.randrange(1, len(instances) - 1)], [share * part for part in step(instances)])
    return instances


def sheared(instances: Instances, chance: random.Random) -> Instances:
    """As by a tilted gantry: each slice is further along its rows."""
    row = [float(part) for part in instances[0]["ImageOrientationPatient"][:3]]
    slope = math.tan(math.radians(chance.uniform(4, 30))) * math.hypot(*step(instances))
    for number, each in enumerate(instances):
        moved(each, [number * slope * part for part in row])
    return instances


def twice_at_two_times(instances: Instances, _: random.Random) -> Instances:
    return [each | {"TemporalPositionIdentifier": str(time)} for time in (1, 2) for each in instances]


def of_two_directions(instances: Instances, _: random.Random) -> Instances:
    one = instances[1]["ImageOrientationPatient"]
    instances[1]["ImageOrientationPatient"] = [*one[3:], *one[:3]]
    return instances


def of_two_stacks(instances: Instances, chance: random.Random) -> Instances:
    """Two volumes in one series, the second between the slices of the first."""
    away = chance.uniform(0.1, 0.4)
    second = [dict(each) for each in instances]
    for each in second:
        moved(each, [away * part for part in step(instances)])
    return [*instances, *second]


def spread_unevenly(instances: Instances, chance: random.Random) -> Instances:
    """Each slice further from the last one than that from the one before."""
    way, growth = step(instances), chance.uniform(0.05, 0.2)
    for number, each in enumerate(instances):
        moved(each, [growth * number**2 / 2 * part for part in way])
    return instances


BROKEN: Final[dict[str, tuple[str, Callable[[Instances, random.Random], Instances]]]] = {
    "without a slice": ("gaps", without_a_slice),
    "a slice twice": ("duplicates", with_a_slice_twice),
    "a slice elsewhere": ("irregular", with_a_slice_elsewhere),
    "sheared": ("tilted", sheared),
    "two times": ("several", twice_at_two_times),
    "two directions": ("mixed", of_two_directions),
    "two stacks": ("irregular", of_two_stacks),
    "uneven": ("irregular", spread_unevenly),
}
EACH: Final = 25  # of each way of breaking them: 200
INTACT: Final = 300


def test_300_volumes_of_any_direction_are_volumes_to_both() -> None:
    for seed in range(INTACT):
        instances = intact(random.Random(seed))
        geometry = found(instances, {})
        spacing = highdicoms(instances)
        assert spacing is not None, seed
        assert (geometry["VolumeGeometry"], int(geometry["SliceCount"])) == ("volume", len(instances)), seed
        assert float(geometry["SliceSpacing"]) == pytest.approx(spacing, rel=0.001), seed


@pytest.mark.parametrize("how", BROKEN)
def test_200_broken_volumes_are_volumes_to_neither_and_have_the_word_for_what_is_wrong(how: str) -> None:
    word, broken = BROKEN[how]
    for seed in range(EACH):
        chance = random.Random(seed)
        instances = broken(in_order(intact(chance)), chance)
        chance.shuffle(instances)
        assert highdicoms(instances) is None, seed
        assert found(instances, {})["VolumeGeometry"] == word, seed


def test_slices_that_are_hardly_a_volume_are_one_to_highdicom_wherever_they_are_here() -> None:
    words: Counter[str] = Counter()
    for seed in range(150):
        chance = random.Random(seed)
        instances = in_order(intact(chance))[:8]
        length = math.hypot(*step(instances))
        for each in instances:
            moved(each, [chance.gauss(0, 0.004 * length) for _ in range(3)])
        moved(instances[1], [chance.gauss(0, 0.02 * length) for _ in range(3)])
        word = found(instances, {})["VolumeGeometry"]
        words[word] += 1
        assert word != "volume" or highdicoms(instances) is not None, seed
    assert words.keys() == {"volume", "irregular", "tilted"}, words


def pydicoms() -> dict[str, list[Dataset]]:
    """The series of pydicom's files."""
    series: dict[str, list[Dataset]] = defaultdict(list)
    for path in sorted(Path(pydicom.data.__file__).parent.rglob("*")):
        if path.is_file():
            try:
                dataset = dcmread(path, stop_before_pixels=True)
            except Exception:  # noqa: S112  some of them are broken
                continue
            if "SeriesInstanceUID" in dataset:
                series[str(dataset.SeriesInstanceUID)].append(dataset)
    return series


def test_every_series_of_pydicoms_has_a_word_and_no_volume_is_one_that_highdicom_refuses() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom says of wrong values that they are
        words = {}
        for uid, datasets in pydicoms().items():
            levels = [convert(dataset).levels for dataset in datasets]
            geometry = found((each[Level.INSTANCE] for each in levels), levels[0][Level.SERIES])
            words[uid] = word = geometry["VolumeGeometry"]
            positions = [each.get("ImagePositionPatient") for each in datasets]
            directions = [each.get("ImageOrientationPatient") for each in datasets]
            if word == "volume":
                spacing, _ = get_volume_positions(positions, directions[0])
                assert all(each == directions[0] for each in directions)
                assert float(geometry["SliceSpacing"]) == pytest.approx(spacing, rel=0.001)
            elif word == "none":
                frames = [each for each in datasets if "NumberOfFrames" not in each]
                assert not any("ImagePositionPatient" in each for each in frames)
    assert words.keys() == pydicoms().keys()
    assert Counter(words.values()) == {"none": 32, "single": 8, "mixed": 5, "duplicates": 2, "gaps": 1, "volume": 1}
