"""Parquet files, written beside those of the export before and put into their place at once.

So an export that is killed leaves the one before whole, and the next one removes what it has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from exporting.about import NotOurs, check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from exporting.about import About
    from exporting.spill import Piece

# Says what a folder is. Tools that read folders of Parquet pass over names that begin so.
MARK: Final = "_export.json"
UNDATED: Final = "__HIVE_DEFAULT_PARTITION__"  # as whatever reads Hive's folders has it
_MONTH: Final = "StudyMonth="
_OF_MACOS: Final = ".DS_Store"  # which it makes of itself where somebody looks into a folder
_BEFORE: Final = "before"
_LEVEL: Final = 3  # of zstd: more takes twice the time for a hundredth of the size
# The dictionary of most columns fits: a study's UID is stored once.
_DICTIONARY: Final = 8 * 2**20
# These differ in nearly every row, where a dictionary is of no use.
_ALL_DIFFER: Final = frozenset(
    {"ImageSetId", "SeriesInstanceUID", "EventTime", "IndexedAt", "FirstIndexedAt", "FrameBytes"}
)


class InUse(Exception):  # noqa: N818
    """Another export to the same place is running."""


@contextlib.contextmanager
def beside(place: Path) -> Iterator[Path]:
    """An empty folder beside a place, on the same disk, for an export to it. Nobody else can look into it.

    Raises:
        InUse: another export to that place is running.
        OSError: the disk is full, or cannot be written to.
    """
    folder = place.with_name(f".{place.name}.exporting")
    folder.mkdir(0o700, parents=True, exist_ok=True)
    # A process that is killed lets go of the lock.
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InUse(f"Another export to {place} is running. Wait until it has ended.") from None
        try:
            _clear(folder, place)
            yield folder
        finally:
            _put_back(folder, place)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def write_file(place: Path, beside: Path, pieces: Iterable[Piece], schema: pa.Schema) -> None:
    """Write all rows into one file, which replaces the one before."""
    new = beside / "new.parquet"
    with writer(new, schema) as file:
        for piece in pieces:
            file.write_table(piece.rows)
    new.replace(place)


def write_folder(place: Path, beside: Path, pieces: Iterable[Piece], schema: pa.Schema, about: About) -> None:
    """Write a file for each month of StudyDate, in folders as Hive names them, which replace the folder before."""
    new = beside / "new"
    new.mkdir()
    with contextlib.ExitStack() as opened:
        files: dict[str | None, pq.ParquetWriter] = {}

        def file_of(month: str | None) -> pq.ParquetWriter:
            if month not in files:
                folder = new / f"{_MONTH}{month or UNDATED}"
                folder.mkdir()
                files[month] = opened.enter_context(writer(folder / "0.parquet", schema))
            return files[month]

        for piece in pieces:
            for month, rows in piece.by_month():
                file_of(month).write_table(rows)
        if not files:
            file_of(None)  # so that there are columns to ask about
    (new / MARK).write_bytes(msgspec.json.encode(about))
    if place.exists():
        place.rename(beside / _BEFORE)
    new.rename(place)


def check_replaceable(place: Path) -> None:
    """Check that nothing is lost when an export replaces what is at a place.

    Raises:
        NotOurs: it is no export, and not an empty folder either.
    """
    if place.is_dir():
        names = {each.name for each in place.iterdir()} - {_OF_MACOS}
        if names and (MARK not in names or not all(name == MARK or name.startswith(_MONTH) for name in names)):
            raise NotOurs(f"{place} has other files than an export. Name a new folder, or one of an export.")
    elif place.exists():
        check(place)


def writer(file: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """What writes a file as small as an export's are."""
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in _leaves(schema) if name not in _ALL_DIFFER],
        dictionary_pagesize_limit=_DICTIONARY,
    )


def _leaves(schema: pa.Schema) -> list[str]:
    """The paths of a schema's columns as Parquet has them."""
    none = schema.empty_table()
    buffer = pa.BufferOutputStream()
    pq.write_table(none, buffer)
    parquet = pq.ParquetFile(pa.BufferReader(buffer.getvalue())).schema
    return [parquet.column(place).path for place in range(len(parquet.names))]


def _clear(folder: Path, place: Path) -> None:
    """Remove what a killed export has left, but for the export before, whose place it had already cleared."""
    _put_back(folder, place)
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _put_back(folder: Path, place: Path) -> None:
    if (folder / _BEFORE).exists() and not place.exists():
        (folder / _BEFORE).rename(place)
