"""Where an export goes: files, or an Iceberg table."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.output import Failure, Misuse
from cli.research.s3_object import ADDRESS, Object
from exporting import iceberg
from exporting.export import export
from exporting.rows import RowsReader, Wrapping

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.deployed import Stack
    from exporting.about import About
    from imaging_index.profile.profile import Profile

_ADDRESS: Final = re.compile(r"([a-z0-9-]+):(.+)")
_TABLE_BUCKET: Final = re.compile(r"arn:aws[a-z-]*:s3tables:[a-z0-9-]+:\d{12}:bucket/[a-z0-9-]+")


class Files:
    """A file that ends in .parquet, or a folder."""

    def __init__(self, place: str) -> None:
        self._place = Path(place).absolute()

    def write(
        self,
        items: Iterable[bytes],
        profile: Profile,
        wrapping: Wrapping = Wrapping.NONE,
        *,
        as_of: str | None = None,
        since: str | None = None,  # noqa: ARG002  files have all items, never changes alone
    ) -> About:
        """Write all items."""
        return export(items, profile, self._place, wrapping, as_of=as_of)


class Iceberg:
    """The table `image_sets` in a namespace of a stack's own."""

    def __init__(self, warehouse: iceberg.Warehouse) -> None:
        self._warehouse = warehouse

    def write(
        self,
        items: Iterable[bytes],
        profile: Profile,
        wrapping: Wrapping = Wrapping.NONE,
        *,
        as_of: str | None = None,
        since: str | None = None,
    ) -> About:
        """Write what is new and changed among the items, and remove what is gone.

        Raises:
            Gap: the table lacks changes from before `since`.
            Failure: the catalog did not take them.
        """
        reader = RowsReader(profile, wrapping)
        try:
            return iceberg.bring_up_to_date(self._warehouse, items, reader, profile, as_of=as_of, since=since)
        except iceberg.CATALOG_ERRORS as error:
            raise Failure(
                f"The Iceberg catalog did not take the export ({type(error).__name__}), so the table is as it "
                "was. Check that you may change it and that no other export to it is running, and repeat the command."
            ) from None

    def as_of(self) -> datetime:
        """The moment from which on changes bring the table up to date.

        Raises:
            Failure: the table was not written yet.
        """
        about = iceberg.about_of(self._warehouse)
        if about is None:
            raise Failure("The Iceberg table is not there yet. Export the whole table first, without --since.")
        return datetime.fromisoformat(about.as_of).astimezone(UTC)


Destination = Files | Object | Iceberg


def destination(to: str, stack: Stack) -> Destination:
    """What `--to` names.

    Raises:
        Misuse: it names nothing that can be exported to.
        Failure: the profile shifts dates, and the snapshots of an Iceberg table would tell when a row arrived.
    """
    match = _ADDRESS.fullmatch(to)
    if not match:
        return Files(to)
    kind, place = match.groups()
    # Names in S3 Tables have lower-case letters, digits and underscores.
    namespace = re.sub(r"[^a-z0-9]+", "_", stack.name.lower()).strip("_")
    if in_s3 := ADDRESS.fullmatch(to):
        return Object(stack.session, in_s3[1], in_s3[2])
    if kind in ("iceberg", "s3-tables") and stack.profile.shifts:
        raise Failure(
            "The profile shifts dates, and each snapshot of an Iceberg table tells when its rows arrived, which gives "
            "the shifts away (docs/pseudonyms.md). Export to a file or a folder instead."
        )
    if kind == "iceberg":
        return Iceberg(iceberg.in_folder(Path(place), namespace))
    if kind == "s3-tables" and _TABLE_BUCKET.fullmatch(place):
        return Iceberg(iceberg.in_s3_tables(stack.session, place, namespace))
    raise Misuse(
        "--to is a file that ends in .parquet, a folder, s3://BUCKET/KEY.parquet, iceberg:FOLDER, or s3-tables: with "
        "the ARN of a table bucket."
    )
