"""Unpacks a document's body, gzip or plain, into blocks of text, within the bounds on bytes."""

import codecs
import itertools
from collections.abc import Iterable, Iterator
from typing import Final

from isal import isal_zlib
from isal.igzip_lib import IsalError

from imaging_index.faults import Poison

# What a document may at most be, packed or plain; beyond it is a hostile one. (The service's quota is 50 MB of metadata
# an image set.)
MOST_BYTES: Final = 256 * 2**20
# Of a member each 64 KiB, as block-wise packers write them, a document of the largest size has 4,096.
MOST_MEMBERS: Final = 100_000

_GZIP: Final = b"\x1f\x8b"
_MEMBER_OF_GZIP: Final = 31  # zlib's wbits for a gzip header and trailer
# What one call did not take is copied for the next: of small pieces that is little.
_PACKED_PIECE: Final = 16 * 2**10


def blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The plain text of a body, gzip or plain itself, in blocks of about `size` bytes: at least half, but for the last.

    A byte order mark before it is passed over, as RFC 8259 (section 8.1) lets readers do.

    Raises:
        Poison: the body is broken gzip, or larger than `MOST_BYTES`.
    """
    gathered: list[bytes] = []
    length = 0
    for plain in _without_mark(_within_bounds(_plain(_within_bounds(pieces), size))):
        gathered.append(plain)
        length += len(plain)
        if length >= size / 2:
            yield b"".join(gathered)
            gathered, length = [], 0
    if length:
        yield b"".join(gathered)


def _within_bounds(pieces: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MOST_BYTES:
            raise Poison(f"the document is larger than {MOST_BYTES} bytes")
        yield piece


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(codecs.BOM_UTF8):
            break
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from pieces


def _plain(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The plain bytes of a body. Its first two bytes decide whether it is gzip: the Content-Encoding may be wrong."""
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        if len(head) >= len(_GZIP):
            break
    whole = itertools.chain((head,), rest)
    return _gunzip(whole, size) if head.startswith(_GZIP) else whole


def _gunzip(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """One or more gzip members; zeros may follow them, as gzip's manual has it, and anything else is an error."""
    member = isal_zlib.decompressobj(_MEMBER_OF_GZIP)
    members = 1
    try:
        for piece in pieces:
            for start in range(0, len(piece), _PACKED_PIECE):
                left = piece[start : start + _PACKED_PIECE]
                while left:
                    if member.eof:
                        left = left.lstrip(b"\0")
                        if not left:
                            break
                        if members == MOST_MEMBERS:
                            raise Poison(f"the document has more than {MOST_MEMBERS} members of gzip")
                        member = isal_zlib.decompressobj(_MEMBER_OF_GZIP)
                        members += 1
                    # A small piece may hold a gigabyte of zeros: no more than a block of it at a time.
                    yield (plain := member.decompress(left, size))
                    while len(plain) == size and not member.unconsumed_tail and not member.eof:
                        yield (plain := member.decompress(b"", size))
                    left = member.unused_data if member.eof else member.unconsumed_tail
    except IsalError:  # type: ignore[misc]  # isal's stub says Any
        raise Poison("the document is not whole gzip") from None
    if not member.eof:
        raise Poison("the document's gzip ends too early")
