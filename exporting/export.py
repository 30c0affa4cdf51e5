"""An export: items -> rows -> files by month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporting import files
from exporting.about import About
from exporting.items import moment, outdated, pieces
from exporting.rows import RowsReader, Wrapping
from exporting.spill import Spill

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imaging_index.profile.profile import Profile

_SUFFIX: Final = ".parquet"


def export(
    items: Iterable[bytes],
    profile: Profile,
    place: Path,
    wrapping: Wrapping = Wrapping.NONE,
    *,
    as_of: str | None = None,
) -> About:
    """Export items, each a line of DynamoDB's JSON, to a file that ends in .parquet or else into a folder.

    Args:
        items: some lines at a time.
        profile: the one that the table's entries are written under.
        place: where to; an export that is there is replaced at once, when all else is done.
        wrapping: what an item is in, of a line.
        as_of: the moment that the items are of; None if they were not read at one moment.

    Raises:
        NotOurs: something else is at that place.
        InUse: another export to it is running.
        OSError: the disk is full, or cannot be written to.
    """
    files.check_replaceable(place)
    reader = RowsReader(profile, wrapping)
    began = moment()
    with files.beside(place) as beside:
        folder = beside / "spill"
        folder.mkdir()
        with Spill(folder, reader.schema) as spill:
            count = of_others = 0
            for lines in pieces(items):
                rows = reader.read(lines)
                count += len(rows)
                of_others += outdated(rows, profile)
                spill.add(rows)
            about = About.of(
                profile,
                as_of=as_of or began,
                until=as_of or moment(),
                consistent=as_of is not None,
                image_sets=count,
                outdated=of_others,
                left_out=reader.left_out,
            )
            schema = reader.schema.with_metadata(about.metadata)
            if place.suffix == _SUFFIX:
                files.write_file(place, beside, spill.pieces(), schema)
            else:
                files.write_folder(place, beside, spill.pieces(), schema, about)
    return about
