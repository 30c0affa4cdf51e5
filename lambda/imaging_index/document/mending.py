"""Mends what other JSON readers let through: words for no number, and halves of characters."""

import re
from typing import Final

from imaging_index.document.structure import BACKSLASH, NO_TEXT, QUOTE, cut_at_quotes

# No parser of a VR accepts this: the value is left out, and its keyword is listed as invalid.
UNUSABLE: Final = b"false"

# What some encoders write where JSON has no number, and a half of a surrogate pair without the other.
_WORDS: Final = (b"-Infinity", b"Infinity", b"NaN")
_HALF: Final = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)
_REPLACEMENT: Final = rb"\\ufffd"


def mended(text: bytes) -> tuple[bytes, int]:
    """JSON of what other readers let through, and how many texts it cost; one that is not here whole stays what it is.

    What `NO_TEXT` and its like are in, is no JSON in any case.
    """
    if any(sign in text for sign in (b"\0", b"\1", b"\2")):
        return text, 0
    parts = cut_at_quotes(text)
    outside = b'"'.join(parts[::2])
    for word in _WORDS:
        outside = outside.replace(word, UNUSABLE)
    parts[::2] = outside.split(b'"')
    inside = b'"'.join(parts[1::2])
    place = number = spoilt = 0
    for half in _HALF.finditer(inside):
        number += inside.count(b'"', place, half.start())
        place = half.start()
        following = parts[2 * number + 2].lstrip() if 2 * number + 2 < len(parts) else b""
        if following and parts[2 * number + 1] != NO_TEXT:
            key = following.startswith(b":")
            parts[2 * number + 1] = _HALF.sub(_REPLACEMENT, parts[2 * number + 1]) if key else NO_TEXT
            spoilt += 1
    whole = b'"'.join(parts).replace(b'"%b"' % NO_TEXT, UNUSABLE)
    return whole.replace(BACKSLASH, rb"\\").replace(QUOTE, rb"\""), spoilt


def mended_key(written: bytes) -> bytes:
    """A key's JSON text without its quotes, with a replacement character for each half of a character."""
    return _HALF.sub(_REPLACEMENT, written.replace(rb"\\", BACKSLASH)).replace(BACKSLASH, rb"\\")
