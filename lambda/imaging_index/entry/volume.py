"""What the slices of an image set are together: a volume, or why they are none. It is arithmetic alone.

A slice's position is its ImagePositionPatient along the normal of its plane, which is row x column (PS3.3, section
C.7.6.2.1.1). SliceLocation and SpacingBetweenSlices are what somebody wrote about it, and are not read.

The tolerances are those of highdicom's `get_series_volume_positions` (release 0.28), which makes volumes of series: so
it accepts what is called `volume` here. `SAME` is Orthanc Stone's, whose viewers stack slices.
"""

from __future__ import annotations

import math
import operator
from array import array
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The distance between neighbours is the mean one but for this part of it.
REGULAR: Final = 0.01
# The cosine of the angle between the way from slice to slice and the normal is 1 but for this: 2.56 degrees.
STRAIGHT: Final = 1e-3
# The cosine of the angle between rows and columns is 0 but for this.
SQUARE: Final = 1e-4
# Slices that are not further apart are at one position, in mm.
SAME: Final = 1e-3
# Directions of rows and columns that are further from unit vectors at right angles are no directions.
_DIRECTIONS: Final = 0.02

# How many times the way across a slice the way to the next one has to be for it to be straight: more than enough.
_FAR: Final = 100

_PLANES: Final = ("sagittal", "coronal", "axial")

# The bits of a slice's key that say of which kind it is; the others are its time.
KIND_BITS: Final = 24
_KIND: Final = (1 << KIND_BITS) - 1

# What tells slices at one position apart, in the order in which it is looked at: the echo, the b-value, the temporal
# position, the acquisition, and then the time of the acquisition.
Kind = tuple[object, object, object, object]
_BY: Final = ("Echo", "BValue", "Time", "Acquisition", "Time")


class Slices(msgspec.Struct):
    """The slices of an image set, 32 bytes each, and what they have in common.

    `positions` has x, y and z of each, `keys` of each the time and the place of its kind in `kinds`. The sets have what
    differs, two of each at most. `lacking` says that a slice has no position or direction, `unusable` that one has an
    invalid one, `lost` that there were too many slices or kinds to hold.
    """

    positions: array[float] = msgspec.field(default_factory=lambda: array("d"))
    keys: array[int] = msgspec.field(default_factory=lambda: array("Q"))
    kinds: dict[Kind, int] = msgspec.field(default_factory=dict)
    directions: set[tuple[float, ...]] = msgspec.field(default_factory=set)
    grids: set[tuple[object, object]] = msgspec.field(default_factory=set)
    spacings: set[object] = msgspec.field(default_factory=set)
    lacking: bool = False
    unusable: bool = False
    lost: bool = False
    kinds_lost: bool = False


class Volume(msgspec.Struct, frozen=True):
    """What slices are together, in the words of docs/geometry.md. `unknown` says that they are too many to know."""

    word: str
    count: int | None = None
    spacing: float | None = None
    gaps: int | None = None
    orientation: str | None = None
    volumes: dict[str, int] = {}
    unknown: bool = False


def judged(slices: Slices, frames_of_reference: int, angle: float) -> Volume:
    """What slices are together, in whatever order they come.

    `frames_of_reference` is how many differ; a plane is named within `angle` degrees of it.
    """
    count = len(slices.keys)
    if slices.lost:
        return Volume("none", unknown=True)
    if not count or not slices.directions:
        return Volume("none")
    directions = next(iter(slices.directions)) if len(slices.directions) == 1 else None
    plane = _plane(directions, angle) if directions else None
    differing = max(len(slices.directions), len(slices.grids), len(slices.spacings))
    if directions is None or slices.lacking or max(differing, frames_of_reference) > 1:
        return Volume("mixed", count=count, orientation=plane)
    if count == 1:
        return Volume("single", count=1, orientation=plane)
    stack = _Stack(slices, directions)
    told = Volume("several", len(stack.groups), stack.spacing, None, plane, stack.volumes())
    if not stack.straight() or abs(_dot(directions[:3], directions[3:])) > SQUARE:
        return msgspec.structs.replace(told, word="tilted", volumes={})
    if slices.kinds_lost and len(stack.groups) < count:
        return Volume("none", unknown=True)
    if not stack.told_apart():
        return msgspec.structs.replace(told, word="duplicates", volumes={})
    gaps = stack.gaps()
    if gaps is None:
        return msgspec.structs.replace(told, word="irregular")
    word = "gaps" if gaps else "several" if len(stack.groups) < count else "volume"
    return msgspec.structs.replace(told, word=word, gaps=gaps)


def usable_directions(numbers: Sequence[float]) -> bool:
    """Whether six numbers are the directions of rows and columns: unit vectors at right angles, nearly."""
    row, column = numbers[:3], numbers[3:]
    products = (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))
    return max(map(abs, products)) <= _DIRECTIONS


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _normal(directions: Sequence[float]) -> tuple[float, float, float]:
    a, b, c, d, e, f = directions
    return (b * f - c * e, c * d - a * f, a * e - b * d)


def _plane(directions: Sequence[float], angle: float) -> str:
    """The plane whose normal is within `angle` degrees of the slices'; else `oblique`."""
    normal = _normal(directions)
    length = math.hypot(*normal)
    cosine, plane = max((abs(each) / length, name) for each, name in zip(normal, _PLANES, strict=True))
    return plane if math.degrees(math.acos(min(cosine, 1))) <= angle else "oblique"


class _Stack:
    """Two slices and more of one direction; `groups` has the places of those at one position, in their order."""

    def __init__(self, slices: Slices, directions: Sequence[float]) -> None:
        self._slices = slices
        self._x, self._y, self._z = (slices.positions[part::3] for part in range(3))
        a, b, c = _normal(directions)
        along = zip(self._x, self._y, self._z, strict=True)
        # As highdicom does it: with directions of few digits the normal is not quite of length 1.
        self._depths = array("d", (a * x + b * y + c * z for x, y, z in along))
        self._length = math.hypot(a, b, c)
        self._axis = (a, b, c)
        self.groups = self._grouped()
        self._steps = [after - before for before, after in pairwise(self._depths[each[0]] for each in self.groups)]

    def _grouped(self) -> list[list[int]]:
        order = sorted(range(len(self._depths)), key=self._depths.__getitem__)
        ascending = [self._depths[place] for place in order]
        if min(map(operator.sub, ascending[1:], ascending)) > SAME:
            return [[place] for place in order]
        groups: list[list[int]] = []
        for place, depth in zip(order, ascending, strict=True):
            if groups and depth - self._depths[groups[-1][0]] <= SAME:
                groups[-1].append(place)
            else:
                groups.append([place])
        return groups

    @property
    def spacing(self) -> float | None:
        """The median distance between neighbouring positions, if there are two."""
        return _median(self._steps) / self._length if self._steps else None

    def straight(self) -> bool:
        """Whether all slices lie along the normal, as seen from the first and from the last one."""
        if self._steps and self._within_a_column():
            return True
        ends = min(self.groups[0], key=self._point), max(self.groups[-1], key=self._point)
        return all(map(self._lies_together, self.groups)) and all(self._straight_from(end) for end in ends)

    def _within_a_column(self) -> bool:
        """Whether they do for sure: the normal is an axis, and across it nothing differs by more than SAME."""
        extents = [max(values) - min(values) for values in (self._x, self._y, self._z)]
        across = [extent for extent, part in zip(extents, self._axis, strict=True) if not part]
        of_length_1 = abs(self._length - 1) <= STRAIGHT / 2
        return of_length_1 and len(across) == 2 and max(across) <= SAME and min(self._steps) > _FAR * SAME

    def _point(self, place: int) -> tuple[float, ...]:
        return (self._depths[place], self._x[place], self._y[place], self._z[place])

    def _lies_together(self, group: Sequence[int]) -> bool:
        """Whether slices at one position are at one place of their plane, too."""
        if len(group) == 1:
            return True
        columns = ([values[place] for place in group] for values in (self._x, self._y, self._z))
        return all(max(column) - min(column) <= SAME for column in columns)

    def _straight_from(self, end: int) -> bool:
        depth, x, y, z = self._point(end)
        for place, here in enumerate(self._depths):
            along = abs(here - depth)
            way = math.hypot(self._x[place] - x, self._y[place] - y, self._z[place] - z)
            # Those at the end's own position were looked at.
            if along > SAME and not abs(along / way - 1) < STRAIGHT:
                return False
        return True

    def told_apart(self) -> bool:
        """Whether something tells the slices at each position apart."""
        several = (group for group in self.groups if len(group) > 1)
        return all(len({self._slices.keys[place] for place in group}) == len(group) for group in several)

    def gaps(self) -> int | None:
        """How many slices are missing; None when they are not a grid.

        Where slices at one position are told apart, each position is expected to have as many.
        """
        most = max(map(len, self.groups))
        fewer = sum(most - len(group) for group in self.groups)
        if not self._steps:
            return fewer
        mean = sum(self._steps) / len(self._steps)
        if max(max(self._steps) - mean, mean - min(self._steps)) <= REGULAR * mean:
            return fewer
        # Where whole slices are missing, the others are the unit.
        least = min(self._steps)
        unit = _median(step for step in self._steps if step < 1.5 * least)
        missing = 0
        for step in self._steps:
            times = round(step / unit)
            if abs(step - times * unit) > REGULAR * unit:
                return None
            missing += times - 1
        return missing * most + fewer if missing else None

    def volumes(self) -> dict[str, int]:
        """By what the slices at one position differ, and how many values of it there are.

        What differs is counted once: the times of each echo are not volumes by time as well.
        """
        kinds = [*self._slices.kinds]
        most = [1] * len(_BY)
        for group in self.groups:
            if len(group) > 1:
                keys = (self._slices.keys[place] for place in group)
                rows = {(*kinds[key & _KIND], key >> KIND_BITS) for key in keys}
                most = [max(before, _differing(rows, level)) for level, before in enumerate(most)]
        volumes = dict.fromkeys(_BY, 1)
        for name, times in zip(_BY, most, strict=True):
            volumes[name] *= times
        return {name: times for name, times in volumes.items() if times > 1}


def _median(values: Iterable[float]) -> float:
    """The median, without `statistics`, whose import takes long."""
    ascending = sorted(values)
    middle = len(ascending) // 2
    return ascending[middle] if len(ascending) % 2 else (ascending[middle - 1] + ascending[middle]) / 2


def _differing(rows: Iterable[tuple[object, ...]], level: int) -> int:
    """How many values rows have at a level, at most, of those that are alike before it."""
    return max(Counter(row[:level] for row in {row[: level + 1] for row in rows}).values())
