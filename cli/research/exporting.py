"""`imaging-index export`: the table's entries as Parquet."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli import deployed
from cli.asking import ask
from cli.output import Failure, Misuse, counted, errors, print_json, screen
from cli.search.costs import price, units
from cli.waiting import interruptible
from exporting.about import NotOurs
from exporting.export import export as write
from exporting.files import InUse
from exporting.scanning import scanned, units_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.deployed import Stack
    from exporting.about import About

# What is in a scheme's own way an address, such as s3://bucket/key.
_ADDRESS: Final = re.compile(r"[a-z0-9-]+:")
_LOCAL: Final = ("http://127.0.0.1:", "http://localhost:")


def export(
    to: Annotated[str, typer.Option(help="A file that ends in .parquet, or a folder: a file for each month there.")],
    yes: Annotated[bool, typer.Option("--yes", help="Let a scan begin without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was exported as JSON.")] = False,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
) -> None:
    """Export the entries to Parquet, in place of an export that is there."""
    if _ADDRESS.match(to):
        raise Misuse("--to is a file that ends in .parquet, or a folder.")
    place = Path(to).absolute()
    with deployed.reading(), interruptible():
        about = _export(deployed.find(stack), place, yes=yes)
    if json:
        print_json({"to": to} | about.plain)
        return
    screen.print(f"Exported {counted(about.image_sets, 'image set')} to {to}.", soft_wrap=True)
    if about.outdated:
        errors.print(
            f"{about.outdated:,} of them {'has' if about.outdated == 1 else 'have'} an entry of another profile or an "
            "older format, whose columns may be empty. `imaging-index reconcile` has such entries written again.",
            style="yellow",
            soft_wrap=True,
        )


def _export(stack: Stack, place: Path, *, yes: bool) -> About:
    client, table = stack.session.client("dynamodb"), stack.outputs["TableName"]
    described = client.describe_table(TableName=table)["Table"]
    if not client.meta.endpoint_url.startswith(_LOCAL):
        amount = units_of(described["TableSizeBytes"])
        errors.print(
            f"This scans the table, which takes about {units(amount)}, {price(amount)}. Entries that change meanwhile "
            "are exported as they were before or after.",
            soft_wrap=True,
        )
        if not yes:
            ask("Begin?", "to begin")
    profile = stack.profile
    try:
        return write(_under_a_bar(scanned(client, table), described["ItemCount"]), profile, place)
    except (NotOurs, InUse) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(_why(error, place)) from None


def _under_a_bar(pages: Iterator[tuple[bytes, int]], items: int) -> Iterator[bytes]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("Reading", total=items or None)
        for lines, looked_at in pages:
            yield lines
            bar.advance(task, looked_at)
        bar.update(task, description="Writing", total=None)


def _why(error: OSError, place: Path) -> str:
    # Arrow has the number in its text alone.
    number = error.errno or next(map(int, re.findall(r"\[errno (\d+)]", str(error), re.IGNORECASE)), None)
    whole = "What was there before is unchanged."
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {place.parent} is full, so nothing was exported. {whole} Free some, or name another place."
    return f"Nothing was exported, since {place.parent} cannot be written to. {whole} Name another place."
