"""Gathers the functional groups of an instance that has very many frames, as they stream by.

Of most macros the frames say the same, and that is held once. What pages have of each frame, and what the geometry of a
volume is derived from, is also held frame by frame, up to bounds.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from imaging_index.document.mending import UNUSABLE
from imaging_index.document.types import MOST_IN_ORDER, MOST_SLICES, RUNS_OF_FRAMES, Shapes, in_order, of_each_slice
from imaging_index.profile.schema import MOST_OF_AN_ATTRIBUTE

# What is held of the geometry of one instance's frames, in bytes: a place and a direction take 200.
_MOST_IN_ORDER_BYTES: Final = 4 * 2**20
# The same, where a volume is derived from it and not more frames are in the pages.
_MOST_OF_SLICES: Final = 16 * 2**20
# What is held of one instance's functional groups, in bytes.
_MOST_OF_MACROS: Final = 32 * 2**20

_NULL: Final = b"null"


class Frames:
    """Takes the items of one PerFrameFunctionalGroupsSequence."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        # Of each macro the JSON lists of its values in some frames, how many values and bytes they have.
        self._parts: dict[str, list[bytes]] = {macro: [] for macro in shapes.macros}
        self._counts = dict.fromkeys(self._parts, 0)
        self._sizes = dict.fromkeys(self._parts, 0)
        # Of some macros what the frames of a run say, or once what all of them say, and then how many they are.
        self._each: dict[str, list[tuple[bytes, int]]] = {macro: [] for macro in sorted(shapes.in_order)}
        self._runs: list[int] = []
        self._size = 0
        self._most = (MOST_SLICES, _MOST_OF_SLICES) if shapes.of_slices else (MOST_IN_ORDER, _MOST_IN_ORDER_BYTES)

    def take(self, items: list[Any]) -> None:
        """The functional groups of some more frames."""
        groups = [*filter(_is_item, items)]
        # What is no item has no macro, and is named when it is typed.
        others = [_NULL if each is None else UNUSABLE for each in items if not _is_item(each)]
        for macro, texts in self._by_macro(groups):
            if groups and (held := self._each.get(macro)) is not None:
                each = [*texts]
                distinct = dict.fromkeys(each)
                held.append((each[0], len(groups)) if len(distinct) == 1 else (b",".join(each), 0))
                self._size += len(held[-1][0])
                values = [*dict.fromkeys((*distinct, *others))]
            else:
                values = [*dict.fromkeys((*texts, *others))]
            self._counts[macro] += len(values)
            self._sizes[macro] += sum(map(len, values))
            self._parts[macro].append(b"[%b]" % b",".join(values))
        self._runs += [len(groups)] if groups else []
        if sum(self._runs) > self._most[0] or self._size > self._most[1]:
            self._each = {}
        for macro in sorted(self._parts, key=self._sizes.__getitem__, reverse=True):
            if self._counts[macro] > MOST_OF_AN_ATTRIBUTE or sum(self._sizes.values()) > _MOST_OF_MACROS:
                self._parts[macro], self._sizes[macro] = [], 0
                self._counts[macro] = MOST_OF_AN_ATTRIBUTE + 1

    def found(self) -> list[tuple[str, bytes]] | None:
        """Each macro with the JSON list of its values in some frames.

        A macro of which too much differs is `UNUSABLE`.
        """
        found = [
            (macro, part)
            for macro, parts in self._parts.items()
            for part in (parts if self._counts[macro] <= MOST_OF_AN_ATTRIBUTE else [UNUSABLE])
        ]
        if self._each:
            found.append((RUNS_OF_FRAMES, msgspec.json.encode(self._runs)))
        if sum(self._runs) <= MOST_IN_ORDER and self._size <= _MOST_IN_ORDER_BYTES:
            found += [(in_order(macro), b"[%b]" % _together(held)) for macro, held in self._each.items()]
        else:
            found += [(of_each_slice(macro), b"[%b]" % text) for macro, held in self._each.items() for text, _ in held]
        return found or None

    def _by_macro(self, groups: list[Any]) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Of some frames' functional groups, for each macro the JSON of its values in them: once, if none has it."""
        for macro, get in self._shapes.macros.items():
            raws = [*map(get, groups)]
            if not any(raws):
                yield macro, [_NULL for _ in raws[:1]]
            elif macro not in self._shapes.reduced:
                yield macro, (_NULL if raw is None else bytes(raw) for raw in raws)
            elif raws.count(raws[0]) == len(raws):
                yield macro, [self._selected(macro, raws[0])]
            else:
                yield macro, (self._selected(macro, raw) for raw in raws)

    def _selected(self, macro: str, raw: msgspec.Raw | None) -> bytes:
        """Of what a macro says of a frame, what the profile selects: of that, many frames say the same."""
        if raw is None:
            return _NULL
        text = bytes(raw)
        if text.count(b'":') == 1 and text.startswith(self._shapes.alone.get(macro, _NULL)):
            return text
        try:
            return msgspec.json.encode(self._shapes.reduced[macro].decode(raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return text  # no list of items: it is named when it is typed


def _is_item(group: Any) -> bool:
    return isinstance(group, msgspec.Struct)


def _together(runs: list[tuple[bytes, int]]) -> bytes:
    """What the frames of all runs say, or once what all of them say alike."""
    if len({text for text, _ in runs}) == 1 and all(times for _, times in runs):
        return runs[0][0]
    return b",".join(b",".join([text] * times) if times else text for text, times in runs)
