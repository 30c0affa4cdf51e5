"""Packs instances into pages, a compressed column for each value, and unpacks them as rows."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from isal import isal_zlib

from imaging_index.document.types import KEPT

Columns = dict[str, list[Any]]

# A page stays below DynamoDB's 400 kB an item even when it does not compress at all.
_PLAIN_A_PAGE: Final = 390_000  # bytes
# What a row may have of values that the profile keeps, as JSON. The rest of it, of at most 1,024 bytes a value, and one
# frame's id leave a page room for as much.
LARGEST_KEPT: Final = 250_000  # bytes

_MEMBER_OF_GZIP: Final = 31  # zlib's wbits for a gzip header and trailer

COLUMNS: Final = ("SeriesInstanceUID", *KEPT, "Frames")
_json: Final = msgspec.json.Encoder(decimal_format="number")


class Pages:
    """The pages of an image set in the making.

    `packed` has them in order. `checksum` is of their plain content, so that it does not depend on the compressor.
    """

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self._checksum = hashlib.blake2b(digest_size=16)

    @property
    def checksum(self) -> str:
        """32 hexadecimal digits."""
        return self._checksum.hexdigest()

    def add(self, columns: Columns) -> None:
        """Pack some rows, of which all columns of `COLUMNS` must be there."""
        for plain in _fitting(columns):
            self._checksum.update(plain)
            # Smaller than zlib's level 6 makes it, and ten times as fast.
            self.packed.append(isal_zlib.compress(plain, level=1, wbits=_MEMBER_OF_GZIP))

    def with_series(self, names: Mapping[str, str]) -> "Pages":
        """The same pages, with other words for some SeriesInstanceUIDs."""
        renamed = Pages()
        for page in self.packed:
            columns = _columns(gzip.decompress(page))
            columns["SeriesInstanceUID"] = [names.get(name, name) for name in columns["SeriesInstanceUID"]]
            renamed.add(columns)
        return renamed


def leave_out_what_does_not_fit(columns: Columns) -> set[str]:
    """Take the largest values out of rows whose values together are larger than `LARGEST_KEPT`; the names of these."""
    if len(_json.encode(columns)) <= LARGEST_KEPT:
        return set()
    sizes = {name: [len(_json.encode(value)) for value in column] for name, column in columns.items()}
    left_out = set()
    for row in range(len(next(iter(columns.values())))):
        size = sum(column[row] for column in sizes.values())
        for name in sorted(columns, key=lambda name: sizes[name][row], reverse=True):
            if size <= LARGEST_KEPT:
                break
            size -= sizes[name][row]
            columns[name][row] = None
            left_out.add(name)
    return left_out


def _fitting(columns: Columns) -> Iterator[bytes]:
    """Pages of the rows: one, or as many as it takes when they are large, in which an instance may go on.

    Of a row that goes on with the frames of the one before, the other columns have null.
    """
    plain = _json.encode(columns)
    rows = len(columns["Frames"])
    if len(plain) <= _PLAIN_A_PAGE:
        yield plain
    elif rows > 1:
        middle = rows // 2
        yield from _fitting({name: column[:middle] for name, column in columns.items()})
        yield from _fitting({name: column[middle:] for name, column in columns.items()})
    elif len(frames := columns["Frames"][0]) > 1:
        middle = len(frames) // 2
        yield from _fitting(columns | {"Frames": [frames[:middle]]})
        yield from _fitting({name: [None] for name in columns} | {"Frames": [frames[middle:]]})
    else:
        yield plain


def unpack(pages: Iterable[bytes]) -> tuple[list[dict[str, Any]], str]:
    """The instances in `pages` (the content of every page, in order), and the checksum of their plain content.

    They come by series, then by InstanceNumber, then by UID, whatever their order in the document.

    Raises:
        ValueError: when a page is not what `Pages` packs.
    """
    checksum = hashlib.blake2b(digest_size=16)
    rows: list[dict[str, Any]] = []
    for page in pages:
        try:
            plain = gzip.decompress(page)
            columns = _columns(plain)
            packed = list(zip(*columns.values(), strict=True))
        except (OSError, EOFError, zlib.error, ValueError):
            raise ValueError("a page is not what was packed") from None
        if not columns.keys() >= set(COLUMNS):
            raise ValueError("a page is not what was packed")
        checksum.update(plain)
        for values in packed:
            row = dict(zip(columns, values, strict=True))
            if rows and row["SeriesInstanceUID"] is None:
                rows[-1]["Frames"] += row["Frames"]
            else:
                rows.append(row)
    rows.sort(key=_place)
    return [{name: value for name, value in row.items() if value is not None} for row in rows], checksum.hexdigest()


# Numbers in the digits that they have: a DS may have more than a float.
_decoder: Final = msgspec.json.Decoder(Columns, float_hook=Decimal)


def _columns(plain: bytes) -> Columns:
    return _decoder.decode(plain)


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    number = row["InstanceNumber"]
    return row["SeriesInstanceUID"], number is None, number or 0, row["SOPInstanceUID"] or "", row["Frames"]
