"""The structure of a piece of JSON text: its texts, its last border between members, and its open brackets."""

import itertools
from typing import Final

from imaging_index.faults import Poison

# Only what is larger than LARGE is looked into: no document has levels of that size by the dozen.
_DEEPEST: Final = 64
_NOT_BRACKETS: Final = bytes({*range(256)} - {*b"[]{}"})
_NOT_SIGNS: Final = bytes({*range(256)} - {*b'[]{},"'})
_STEPS: Final = [(byte in b"[{") - (byte in b"]}") for byte in range(256)]
_TAIL: Final = 512
# Most is not deeper.
_USUAL_DEPTH: Final = 6
# Control characters, which JSON never contains, replace an escaped backslash, an escaped quote and an unusable text.
BACKSLASH, QUOTE, NO_TEXT = b"\0\0", b"\1\1", b"\2"


def cut_at_quotes(text: bytes) -> list[bytes]:
    """JSON cut at the quotes of its texts: by turns what is outside and inside of them, with its length unchanged."""
    if b"\\" in text:
        text = text.replace(rb"\\", BACKSLASH).replace(rb"\"", QUOTE)
    return text.split(b'"')


def last_comma(text: bytes) -> int:
    """Where the last comma between two members is in their JSON, or -1. The last member may be cut off."""
    pieces = cut_at_quotes(text)
    # Of each text a quote is left.
    signs = b'"'.join(pieces[::2]).translate(None, _NOT_SIGNS)
    end = len(signs.rstrip(b'"'))
    depth = sum(map(signs.count, (b"[", b"{"))) - sum(map(signs.count, (b"]", b"}")))
    if not depth and signs[end - 1 : end] in (b"]", b"}"):
        # The last member is here whole: before its last bracket it is cut off like any other.
        end, depth = end - 1, 1
    comma = signs.rfind(b",", 0, _opening_of_last(signs, end, depth) if depth else end)
    if comma < 0:
        return -1
    texts = signs.count(b'"', 0, comma)
    following = signs.find(b'"', comma)
    later = signs.count(b",", comma, following if following >= 0 else len(signs))
    return sum(map(len, pieces[: 2 * texts])) + 2 * texts + len(pieces[2 * texts].rsplit(b",", later)[0])


def _opening_of_last(signs: bytes, end: int, depth: int) -> int:
    """Where the outermost of `depth` brackets that are open at `end` was opened: most often not far from there."""
    size = _TAIL
    while True:
        start = max(0, end - size)
        depths = [*itertools.accumulate(map(_STEPS.__getitem__, signs[start:end]), initial=0)]
        least = min(depths)
        if depths[-1] - least == depth:
            return start + len(depths) - 1 - depths[::-1].index(least)
        if not start:
            raise no_json()
        size *= 8


def unclosed(opened: bytes, text: bytes) -> bytes:
    """The brackets that are open behind a text which holds none in quotes, after those that were before it."""
    left = opened + text.translate(None, _NOT_BRACKETS)
    for _ in range(_USUAL_DEPTH):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    try:
        depths = bytes(itertools.accumulate(map(_STEPS.__getitem__, left), initial=0))
    except ValueError:  # a byte holds no more
        raise too_deep() from None
    if depths[-1] > _DEEPEST:
        raise too_deep()
    return bytes(left[depths.rfind(depth)] for depth in range(depths[-1]))


def no_json() -> Poison:
    return Poison("the document is not HealthImaging's JSON")


def too_deep() -> Poison:
    return Poison("the document is nested too deeply")
