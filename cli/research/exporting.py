"""`imaging-index export`: the table's entries as Parquet, or in an Iceberg table."""

from __future__ import annotations

import contextlib
import errno
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli import deployed
from cli.asking import ask
from cli.output import Failure, Misuse, counted, errors, print_json, screen
from cli.research.destination import Destination, Iceberg, destination
from cli.search.costs import price, units
from cli.waiting import interruptible
from exporting.about import NotOurs
from exporting.files import InUse
from exporting.finished import finished
from exporting.iceberg import Gap
from exporting.instances import beside, place_of
from exporting.point_in_time import NoExport, PointInTimeExport, requested, windows
from exporting.scanning import scanned, units_of
from imaging_index.searching.refusals import code, why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.deployed import Stack
    from exporting.about import About
    from exporting.instances import Instances
    from exporting.scanning import Page

_LOCAL: Final = ("http://127.0.0.1:", "http://localhost:")
# What `--from` has instead of an address.
_LATEST: Final = "latest"


def export(
    stack: str,
    to: str,
    source: str | None,
    bucket: str | None,
    *,
    since: bool,
    with_instances: bool,
    yes: bool,
    json: bool,
) -> None:
    """Export a stack's entries, and print what was exported. The arguments are those of the command.

    Raises:
        Failure: they cannot be exported; what was there is as it was.
    """
    try:
        with deployed.reading(), interruptible(), contextlib.ExitStack() as more:
            found = deployed.find(stack)
            written = more.enter_context(beside(Path(to).absolute(), found.profile)) if with_instances else None
            about = _export(found, destination(to, found), source, bucket, written, since=since, yes=yes)
            if written:
                written.belong_to(about)
    except (NotOurs, InUse, NoExport, Gap) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(_why(error, to)) from None
    if json:
        print_json({"to": to} | about.plain)
        return
    screen.print(f"Exported {counted(about.image_sets, 'image set')} to {to}.", soft_wrap=True)
    if written:
        screen.print(f"Exported {counted(written.count, 'instance')} to {place_of(Path(to))}.", soft_wrap=True)
    if written and written.incomplete:
        errors.print(
            f"The instances of {counted(written.incomplete, 'image set')} are not among them: these changed "
            "meanwhile, or their pages are damaged. Export again; `imaging-index reconcile` finds damaged ones.",
            style="yellow",
            soft_wrap=True,
        )
    if about.left_out:
        errors.print(
            f"Not exported: {counted(about.left_out, 'image set')} with an entry of another profile, which may hold "
            "what this one protects. `imaging-index reconcile --full` has such entries written again.",
            style="yellow",
            soft_wrap=True,
        )
    if about.outdated:
        errors.print(
            f"{about.outdated:,} of them {'has' if about.outdated == 1 else 'have'} an entry of another profile or an "
            "older format, whose columns may be empty. `imaging-index reconcile` has such entries written again.",
            style="yellow",
            soft_wrap=True,
        )


def _export(
    stack: Stack,
    to: Destination,
    source: str | None,
    bucket: str | None,
    instances: Instances | None,
    *,
    since: bool,
    yes: bool,
) -> About:
    client, table = stack.session.client("dynamodb"), stack.outputs["TableName"]
    described = client.describe_table(TableName=table)["Table"]
    profile = stack.profile
    if profile.private and stack.outputs.get("ProfileHash", profile.hash) != profile.hash:
        # All entries would be taken for those of another profile, and left out.
        raise Failure(
            f"This version of imaging-index understands the profile of {stack.name} otherwise than the one that "
            "deployed it, and the profile protects something. Export with that version, or deploy again with "
            "`make deploy`."
        )
    if since and isinstance(to, Iceberg) and bucket:
        spans = windows(to.as_of(), datetime.now(UTC))
        if not spans:
            raise Failure("DynamoDB exports changes of 15 minutes at least. Wait until the last export is that old.")
        for span in spans:
            made = requested(client, described["TableArn"], bucket, span)
            about = _from_dynamodb(stack, to, made, described["TableArn"])
        return about
    if source == _LATEST:
        source = _latest(stack)
    if source or bucket:
        made = source or requested(client, described["TableArn"], bucket or "")
        return _from_dynamodb(stack, to, made, described["TableArn"])
    if not client.meta.endpoint_url.startswith(_LOCAL):
        amount = units_of(described["TableSizeBytes"])
        errors.print(
            f"This scans the table, which takes about {units(amount)}, {price(amount)}. Entries that change meanwhile "
            "are exported as they were before or after. --bucket takes no read units, and is of one moment.",
            soft_wrap=True,
        )
        if not yes:
            ask("Begin?", "to begin")
    pages = scanned(client, table, pages_too=instances is not None)
    return to.write(_under_a_bar(_taken(pages, instances), described["ItemCount"]), profile)


def _taken(pages: Iterator[Page], instances: Instances | None) -> Iterator[tuple[bytes, int]]:
    """The items of pages, which are taken for the instances as well."""
    for page in pages:
        if instances:
            instances.take(page)
        yield page.lines, page.looked_at


def _latest(stack: Stack) -> str:
    """The address of the last export that the stack's schedule began and DynamoDB finished."""
    bucket = stack.outputs.get("ExportsBucketName")
    if bucket is None:
        raise Failure(
            f"The stack {stack.name} makes no exports by itself. Set exportDays and deploy, or have one made with "
            "--bucket."
        )
    try:
        last = next(finished(stack.session.client("s3"), bucket), None)
    except ClientError as error:
        raise Failure(why("S3", error, f"on the bucket {bucket}")) from None
    if last is None:
        raise Failure(f"There is no finished export in {bucket} yet. `imaging-index doctor` says if one is overdue.")
    return last.address


def _from_dynamodb(stack: Stack, to: Destination, address: str, table: str) -> About:
    try:
        export = PointInTimeExport(stack.session.client("s3"), address)
        if export.table != table:
            raise Failure(f"{address} is an export of another table. Name one of the stack {stack.name}.")
        if export.since and not isinstance(to, Iceberg):
            raise Misuse(
                f"{address} has only what changed. Export it to s3-tables: or iceberg:, where the rest is already."
            )
        lines = ((each, each.count(b"\n")) for each in export.lines())
        return to.write(
            _under_a_bar(lines, export.items), stack.profile, export.wrapping, as_of=export.as_of, since=export.since
        )
    except ClientError as error:
        if code(error) == "NoSuchBucket":
            raise Failure(f"There is no bucket of that name, so no export at {address}. Check the name.") from None
        raise Failure(why("S3", error, f"on {address}")) from None


def _under_a_bar(pages: Iterator[tuple[bytes, int]], items: int) -> Iterator[bytes]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("Reading", total=items or None)
        for lines, looked_at in pages:
            yield lines
            bar.advance(task, looked_at)
        bar.update(task, description="Writing", total=None)


def _why(error: OSError, to: str) -> str:
    # Arrow has the number in its text alone.
    number = error.errno or next(map(int, re.findall(r"\[errno (\d+)]", str(error), re.IGNORECASE)), None)
    whole = "What was there before is unchanged."
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full, so nothing was exported to {to}. {whole} Free some, or name another place."
    return f"Nothing was exported, since {to} cannot be written to. {whole} Name another place."
