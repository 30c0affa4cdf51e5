"""The values of attributes in the frames of one instance, from the JSON of its functional groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.dicom.functional_groups import SHARED
from imaging_index.document.texts import decoded
from imaging_index.document.types import RUNS_OF_FRAMES, in_order, of_each_slice
from imaging_index.entry.conversion import inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imaging_index.entry.conversion import Text

# The macro of positions (PS3.3, section C.7.6.16.2.3), and what is before each of them.
_POSITIONS: Final = "PlanePositionSequence"
_POSITION: Final = "ImagePositionPatient"
_BEFORE_POSITION: Final = b'[{"%b":["' % _POSITION.encode()


def parts(per_frame: Text) -> Iterator[tuple[int, Any]]:
    """How many frames functional groups are of, and what they are: a list; by macros if they are very many.

    Without any, 0 and nothing; None if they were too many to hold.
    """
    if not isinstance(per_frame, tuple):
        groups = decoded(per_frame)
        yield (len(groups), groups) if isinstance(groups, list) else (0, {})
        return
    macros = dict.fromkeys(macro for macro, _ in per_frame)
    for of_all in (in_order, of_each_slice):
        known = {of_all(macro): macro for macro in macros}
        found: dict[str, list[bytes]] = {}
        for name, part in per_frame:
            if name in known:
                found.setdefault(known[name], []).append(part)
        if found:
            runs = [run for name, text in per_frame if name == RUNS_OF_FRAMES for run in msgspec.json.decode(text)]
            for count, *several in zip([sum(runs)] if of_all is in_order else runs, *found.values(), strict=True):
                yield count, {macro: _unpacked(macro, part) for macro, part in zip(found, several, strict=True)}
            return
    yield 0, None


def column(paths: Iterable[Sequence[str]], texts: Mapping[str, Text], shared: object, groups: Any) -> Sequence[object]:
    """The values of an attribute in some frames, from the first of its places that has one."""
    for first, *path in paths:
        if not path:
            found = [decoded(as_bytes(texts.get(first)))]
        elif first == SHARED:
            found = inside(path, [shared])
        elif isinstance(groups, dict):
            found = inside(path[1:], groups.get(path[0], []))
        else:
            found = inside(path, [groups])
        if any(each is not None for each in found):
            return found
    return ()


def as_bytes(text: Text) -> bytes | None:
    return text if isinstance(text, bytes) else None


def _unpacked(macro: str, part: bytes) -> list[Any]:
    """The values of a macro in some frames, of which there are so many that positions are read without JSON."""
    if macro == _POSITIONS and (points := _positions(part)):
        return [[{_POSITION: point}] for point in points]
    try:
        found: list[Any] = msgspec.json.decode(part)
    except (ValueError, RecursionError):
        return []
    return found


def _positions(part: bytes) -> list[tuple[float, float, float]] | None:
    """The positions of some frames, written as nearly all are; None if there are others."""
    first, *points = part.split(_BEFORE_POSITION)
    try:
        found = [(float(x), float(y), float(z[: z.index(b'"')])) for x, y, z in (each.split(b'","') for each in points)]
    except ValueError:
        return None
    length = sum(map(len, points)) + len(points) * len(_BEFORE_POSITION)
    rests = {each[each.rfind(b'"') :] for each in points}
    if first != b"[" or length + 1 != len(part) or not rests <= {b'"]}],', b'"]}]]'} or b"_" in part:
        return None
    return found if math.isfinite(math.fsum(part for point in found for part in point)) else None
