"""Cursors: where a search ended, as text that continues this search and no other.

A cursor holds where the index is to be read on, which is the sort attributes of an entry, and the rows that could come
again. It is part of the answer, and as confidential.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Equal, Like
from imaging_index.searching.ranking import Rank  # noqa: TC001  msgspec reads it

if TYPE_CHECKING:
    from imaging_index.searching.matching import Test
    from imaging_index.searching.question import Question

_VERSION: Final = 1
# A text that was sent may unfold to anything.
_LONGEST: Final = 1 << 20


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a search ended.

    Attributes:
        question: the digest of the question.
        index: the name of the index that is read.
        positions: of the queries, for each of the streams that are read one after the other.
        shown: the digests of the rows that were shown and could come again.
        entries: how many entries of each stream are read from there to be sorted; None where rows come as the index
            has them.
        after: the last of these rows that was shown.
    """

    question: str
    index: str
    positions: list[list[dict[str, str] | None]]
    shown: list[str]
    entries: list[int] | None = None
    after: Rank | None = None
    version: int = _VERSION


def encode(place: Place) -> str:
    """The cursor of a place: letters, digits, `-` and `_`."""
    return base64.urlsafe_b64encode(zlib.compress(msgspec.msgpack.encode(place), 9)).decode().rstrip("=")


def decode(cursor: str, question: Question) -> Place:
    """The place of a cursor.

    Raises:
        SearchError: it is damaged, or of another question.
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.msgpack.decode(zlib.decompressobj().decompress(packed, _LONGEST), type=Place)
    except (binascii.Error, ValueError, zlib.error, msgspec.MsgspecError):
        raise SearchError("This is not a cursor. Copy it whole, as the search before printed it.") from None
    if place.version != _VERSION or place.question != digest_of(question):
        raise SearchError(
            "This cursor is of another search. Repeat the search that printed it with the same conditions and options."
        )
    return place


def digest_of(question: Question) -> str:
    """Stands for everything that must be the same when a search goes on, which is not the limit nor the budget."""
    conditions = [
        (each.attribute, each.vr, _said(each.test), each.exact, each.negated, each.every)
        for each in question.conditions
    ]
    said = (
        sorted(question.datastores),
        conditions,
        question.level,
        question.order,
        question.reverse,
        question.all_copies,
        question.index,
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _said(test: Test) -> str:
    match test:
        case Equal():
            return f"Equal({sorted(map(repr, test.keys))})"
        case Like():
            return f"Like({test.pattern.pattern})"
    return repr(test)
