"""An export: items -> rows -> files by month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

from exporting import files
from exporting.about import About
from exporting.rows import RowsReader
from exporting.spill import Spill
from imaging_index.entry.entry import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from imaging_index.profile.profile import Profile

# What is parsed together: more does not fit a processor's cache.
_PARSED: Final = 4 * 2**20
_FORMAT_AT: Final = (18, 22)
_SUFFIX: Final = ".parquet"


def export(items: Iterable[bytes], profile: Profile, place: Path, *, as_of: str | None = None) -> About:
    """Export items, each a line of DynamoDB's JSON, to a file that ends in .parquet or else into a folder.

    Args:
        items: some lines at a time.
        profile: the one that the table's entries are written under.
        place: where to; an export that is there is replaced at once, when all else is done.
        as_of: the moment that the items are of; None if they were not read at one moment.

    Raises:
        NotOurs: something else is at that place.
        InUse: another export to it is running.
        OSError: the disk is full, or cannot be written to.
    """
    files.check_replaceable(place)
    reader = RowsReader(profile)
    began = moment()
    with files.beside(place) as beside:
        folder = beside / "spill"
        folder.mkdir()
        with Spill(folder, reader.schema) as spill:
            count = outdated = 0
            for lines in _pieces(items):
                rows = reader.read(lines)
                count += len(rows)
                outdated += _outdated(rows, profile)
                spill.add(rows)
            about = About.of(
                profile,
                as_of=as_of or began,
                until=as_of or moment(),
                consistent=as_of is not None,
                image_sets=count,
                outdated=outdated,
            )
            schema = reader.schema.with_metadata(about.metadata)
            if place.suffix == _SUFFIX:
                files.write_file(place, beside, spill.pieces(), schema)
            else:
                files.write_folder(place, beside, spill.pieces(), schema, about)
    return about


def moment() -> str:
    """Now, as an export states it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _pieces(items: Iterable[bytes]) -> Iterable[bytes]:
    """Lines, as many together as are parsed together."""
    held: list[bytes] = []
    size = 0
    for lines in items:
        held.append(lines)
        size += len(lines)
        if size >= _PARSED:
            yield b"\n".join(held)
            held, size = [], 0
    yield b"\n".join(held)


def _outdated(rows: pa.Table, profile: Profile) -> int:
    """How many entries are of another profile or an older format, whose columns may be empty."""
    if not len(rows):
        return 0
    # As `generation.make` has it: a version, a revision, a format.
    formats = pc.utf8_slice_codeunits(rows["Generation"], *_FORMAT_AT)
    hashes = pc.fill_null(rows["ProfileHash"], "")
    current = pc.and_(pc.equal(hashes, profile.hash), pc.equal(formats, f"{FORMAT:04}"))
    return int(pc.sum(pc.invert(current)).as_py() or 0)
