"""Gathers the slices of an image set from the columns of its instances: each frame of a multi-frame object is one."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom.functional_groups import GROUPS, PER_FRAME, SHARED
from imaging_index.document.texts import decoded, present
from imaging_index.document.types import MOST_SLICES
from imaging_index.entry.frame_values import as_bytes, column, parts
from imaging_index.entry.volume import KIND_BITS, Kind, Slices, usable_directions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imaging_index.entry.conversion import Text
    from imaging_index.profile.attributes import Attribute

    Numbers = tuple[float, ...]
    # The values of an attribute in some frames; one counts for all of them.
    Column = Sequence[object]

POSITION: Final = "ImagePositionPatient"
DIRECTIONS: Final = "ImageOrientationPatient"
SPACING: Final = "PixelSpacing"
# The parts of a kind, two attributes each: scanners fill one or the other.
_KIND: Final = (
    ("EchoNumbers", "EchoTime"),
    ("DiffusionBValue", "DiffusionGradientOrientation"),
    ("TemporalPositionIdentifier", "TriggerTime"),
    ("AcquisitionNumber",),
)
_OF_KIND: Final = tuple(name for names in _KIND for name in names)
# The time of an image of one frame is in the first of these that it has, that of a frame in the second.
_TIMES: Final = ("AcquisitionTime", "AcquisitionDateTime")

# What is in the rows of pages, and which of it is one number of an image, and so a list of several frames.
_IN_ROWS: Final = frozenset({POSITION, DIRECTIONS, SPACING, "Rows", "Columns", *_OF_KIND, *_TIMES})
_OF_ONE_NUMBER: Final = frozenset({"AcquisitionNumber", "TemporalPositionIdentifier"})

# More kinds than in any series. Of more, it is not known what tells slices apart.
_MOST_KINDS: Final = 2**14
# Of what kinds are written as, so many are held.
_MOST_WRITTEN: Final = 2**12
_LATEST: Final = 1 << (64 - KIND_BITS)


class Gathering:
    """Takes the instances of an image set; `slices` has what was found."""

    def __init__(self, attributes: Iterable[Attribute]) -> None:
        """Read `attributes`, which are those of `Profile.volume`."""
        self.slices = Slices()
        # What a frame says of itself counts for more than what its object says.
        self._sources = {
            each.name: sorted(
                (source.path for source in each.sources), key=lambda path: (path[0] != PER_FRAME, -len(path))
            )
            for each in attributes
        }
        self._written: dict[tuple[object, ...], int] = {}

    def add(self, filled: Mapping[Any, list[Text]], size: int) -> None:
        """So many more instances; `filled` has the JSON texts of each column that has any."""
        columns = {name: filled[name] for name in (*self._sources, "NumberOfFrames", *GROUPS) if name in filled}
        of_several = [columns[name] for name in ("NumberOfFrames", *GROUPS) if name in columns]
        if of_several and not self.slices.lost:
            several = [any(texts) for texts in zip(*of_several, strict=True)]
            for place in compress(range(size), several):
                self._multi_frame({name: column[place] for name, column in columns.items()})
            single = [not each for each in several]
            columns = {name: [*compress(column, single)] for name, column in columns.items()}
            size = sum(single)
        if size and not self.slices.lost:
            self._single_frames(columns, size)

    def _single_frames(self, columns: Mapping[str, list[Any]], size: int) -> None:
        """Images of one frame each."""
        nothing = [None] * size
        positions = columns.get(POSITION, nothing)
        found = _points(positions)
        if found is None:
            points = [*map(_point, positions)]
            usable = [each is not None for each in points]
            if not all(usable):
                self._note_lacking(zip((decoded(as_bytes(text)) for text in positions), points, strict=True))
                columns = {name: [*compress(column, usable)] for name, column in columns.items()}
            found = [part for point in points if point for part in point]
        if not self._has_room_for(len(found) // 3):
            return
        self.slices.positions.extend(found)
        self._note_directions(_read(set(columns.get(DIRECTIONS, (None,)))))
        _note(self.slices.spacings, _read(set(columns.get(SPACING, (None,)))))
        grids = zip(*(columns.get(name, nothing) for name in ("Rows", "Columns")), strict=False)
        _note(self.slices.grids, (tuple(_read(grid)) for grid in set(grids)))
        self.slices.keys.extend(self._keys(columns, len(found) // 3))

    def _keys(self, columns: Mapping[str, list[Any]], size: int) -> Iterable[int]:
        times = [*map(_time, columns.get(_TIMES[0], [None] * size))]
        if _TIMES[1] in columns and not all(times):
            times = [time or _time(moment) for time, moment in zip(times, columns[_TIMES[1]], strict=True)]
        names = [name for name in _OF_KIND if name in columns]
        if not names:
            kind = self._kind({})
            return [time << KIND_BITS | kind for time in times]
        kinds = [self._kind_of(names, written) for written in zip(*(columns[name] for name in names), strict=True)]
        return [time << KIND_BITS | kind for time, kind in zip(times, kinds, strict=True)]

    def _kind_of(self, names: Sequence[str], written: Sequence[Text]) -> int:
        """The place of the kind that is written so; most are written like one before."""
        known = self._written.get((*names, *written))
        if known is None:
            known = self._kind(dict(zip(names, _read(written), strict=True)))
            if len(self._written) < _MOST_WRITTEN:
                self._written[*names, *written] = known
        return known

    def _kind(self, values: Mapping[str, object]) -> int:
        """The place of a kind."""
        kinds = self.slices.kinds
        echo, diffusion, temporal, acquisition = (tuple(map(values.get, names)) for names in _KIND)
        kind: Kind = (echo, diffusion, temporal, acquisition)
        if kind not in kinds and len(kinds) >= _MOST_KINDS:
            self.slices.kinds_lost = True
            return 0
        return kinds.setdefault(kind, len(kinds))

    def _multi_frame(self, texts: Mapping[str, Text]) -> None:
        """The frames of an instance that has several, or functional groups."""
        per_frame = texts.get(PER_FRAME)
        shared = decoded(as_bytes(texts.get(SHARED)))
        for frames, groups in parts(per_frame):
            if groups is None:
                self.slices = Slices(lost=True)
                return
            columns = {name: column(paths, texts, shared, groups) for name, paths in self._sources.items()}
            number = None if frames else _numbers(decoded(as_bytes(texts.get("NumberOfFrames"))))
            if number and number[0] > 1 and texts.get(POSITION) is not None:
                columns[POSITION] = ()  # that of the first frame
            self._frames(columns, frames or max(1, int(number[0]) if number else 1))

    def take_row(self, row: Mapping[str, Any]) -> None:
        """An instance as the pages have it."""
        if any(isinstance(value, dict) for value in row.values()):
            self.slices = Slices(lost=True)
            return
        columns = {name: _of_row(value, name) for name, value in row.items() if name in _IN_ROWS}
        count = max([int(row.get("NumberOfFrames") or 1), *map(len, columns.values())])
        if count > 1 and len(columns.get(POSITION, ())) == 1:
            columns[POSITION] = ()  # that of the first frame
        self._frames(columns, count)

    def _frames(self, columns: Mapping[str, Column], count: int) -> None:
        """So many frames; columns of another length have no values."""
        if self.slices.lost or not self._has_room_for(count):
            return
        whole = {name: _numbered(column, count) for name, column in columns.items() if column}
        nothing: list[Numbers | None] = [None] * count
        points = [each if each and len(each) == 3 else None for each in whole.get(POSITION, nothing)]
        usable = [each is not None for each in points]
        if not all(usable):
            self._note_lacking(zip(columns.get(POSITION, ()), points, strict=False))
        self._note_directions(set(whole.get(DIRECTIONS, nothing)))
        _note(self.slices.spacings, set(whole.get(SPACING, nothing)))
        _note(self.slices.grids, {*zip(*(whole.get(name, nothing) for name in ("Rows", "Columns")), strict=True)})
        moments = columns.get(_TIMES[1]) or columns.get(_TIMES[0], ())
        times = [_time(_text(each)) for each in moments] if len(moments) == count else [0] * count
        names = [name for name in _OF_KIND if name in whole]
        each_kind = [*zip(*(whole[name] for name in names), strict=True)] or [()] * count
        known = {values: self._kind(dict(zip(names, values, strict=True))) for values in dict.fromkeys(each_kind)}
        kinds = [known[values] for values in each_kind]
        for point, time, kind in compress(zip(points, times, kinds, strict=True), usable):
            self.slices.positions.extend(point or ())
            self.slices.keys.append(time << KIND_BITS | kind)

    def _has_room_for(self, count: int) -> bool:
        if len(self.slices.keys) + count > MOST_SLICES:
            self.slices = Slices(lost=True)
        return not self.slices.lost

    def _note_lacking(self, positions: Iterable[tuple[object, Numbers | None]]) -> None:
        self.slices.lacking = True
        self.slices.unusable |= any(point is None and present("DS", value) for value, point in positions)

    def _note_directions(self, found: Iterable[Numbers | None]) -> None:
        for each in found:
            if each is not None and len(each) == 6 and usable_directions(each):
                _note(self.slices.directions, (each,))
            else:
                self.slices.lacking = True
                self.slices.unusable |= each is not None


def of_rows(rows: Iterable[Mapping[str, Any]]) -> Slices:
    """The slices of an image set whose rows its pages have, as `entry.pages` unpacks them.

    What tells slices apart is only in the pages as far as the profile keeps it with the instances. Of more than 2,000
    frames, pages have no positions.
    """
    gathering = Gathering(())
    for row in rows:
        gathering.take_row(row)
    return gathering.slices


def _points(texts: Sequence[Any]) -> list[float] | None:
    """The coordinates in some lists of three numbers, as nearly all are written; None if there are others."""
    try:
        parts = [text[2:-2].split(b'","') for text in texts]
        points = [float(part) for x, y, z in parts for part in (x, y, z)]
    except (TypeError, ValueError):
        return None
    # Python takes more for a number than DICOM does.
    return points if math.isfinite(math.fsum(points)) and b"_" not in b"".join(texts) else None


def _point(text: Text) -> Numbers | None:
    numbers = _numbers(decoded(as_bytes(text)))
    return numbers if numbers is not None and len(numbers) == 3 else None


def _read(texts: Iterable[Text]) -> list[Numbers | None]:
    return [_numbers(decoded(as_bytes(text))) for text in texts]


def _text(value: object) -> bytes | None:
    return value.encode() if isinstance(value, str) else None


def _time(text: bytes | None) -> int:
    """A number that differs where times do; 0 for none."""
    try:
        return int(text.translate(None, b'"[] :.+-')) % _LATEST if text else 0
    except ValueError:
        return 0


def _numbers(value: object) -> Numbers | None:
    """The numbers in a JSON value, which may be one or a list; None if there are others, or none."""
    if isinstance(value, tuple):
        return value
    if type(value) is int:
        return (value,)
    parts = value if isinstance(value, list) else value.split("\\") if isinstance(value, str) else [value]
    try:
        numbers = tuple(map(_number, parts))
    except (TypeError, ValueError):
        return None
    return numbers or None


def _number(part: object) -> float:
    if not isinstance(part, str | float | int | Decimal) or isinstance(part, bool):
        raise TypeError
    if isinstance(part, str) and ("_" in part or not part.isascii()):
        raise ValueError
    number = float(part)
    if not math.isfinite(number):
        raise ValueError
    return number


def _of_row(value: Any, name: str) -> Column:
    """The values of an attribute in the frames of a page's row."""
    of_frames = isinstance(value, list) and (
        name in _OF_ONE_NUMBER or any(each is None or isinstance(each, list) for each in value)
    )
    return value if of_frames else [value]


def _numbered(column: Column, count: int) -> list[Numbers | None]:
    """The numbers of so many frames."""
    if len(column) == 1:
        return [_numbers(column[0])] * count
    return [*map(_numbers, column)] if len(column) == count else [None] * count


def _note(noted: set[Any], found: Iterable[Any]) -> None:
    """What differs, as far as two of it: it is then known that it differs."""
    for each in found:
        if len(noted) < 2:
            noted.add(each)
