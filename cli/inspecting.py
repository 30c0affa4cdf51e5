"""`imaging-index inspect`: what a metadata document would become, without writing anything."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cli import profiles
from cli.output import Failure, errors, print_json, screen, shown
from imaging_index import entry
from imaging_index.errors import Poison
from imaging_index.metadata import Reader
from imaging_index.pages import unpack
from imaging_index.profile import ProfileError
from imaging_index.stored import plain

_PIECE: Final = 256 * 2**10


def inspect(
    file: Annotated[str, typer.Argument(help="A metadata document, gzip or plain JSON; - reads standard input.")],
    profile: Annotated[str, typer.Option(help="A profile's name, or a path to its .toml file.")] = profiles.DEFAULT,
    json: Annotated[bool, typer.Option("--json", help="Print the entry and its instances as JSON.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Print one line of counts and sizes instead.")] = False,
) -> None:
    """Show what a metadata document of HealthImaging would become in the index."""
    try:
        selected = profiles.load(profile)
        content = entry.build(Reader(selected), _pieces(file), secrets.token_bytes())
    except Poison as error:
        raise Failure(f"{file} cannot be indexed: {error}.") from None
    except ProfileError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}. Name a file, or - for standard input.") from None
    if selected.hashes:
        errors.print("The tokens are of a key made for this run, and will be others in the index.", soft_wrap=True)
    values = plain(content.attributes)
    pages = len(content.pages)
    if summary:
        typer.echo(_summary(values, content.pages))
    elif json:
        print_json({"entry": values, "instances": unpack(content.pages)[0], "pages": pages})
    else:
        screen.print(_table(values))
        screen.print(f"{values['InstanceCount']} instances in {pages} pages; --json shows them.")


def _pieces(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from _read(sys.stdin.buffer)
    else:
        with Path(file).open("rb") as opened:
            yield from _read(opened)


def _read(opened: BinaryIO) -> Iterator[bytes]:
    while piece := opened.read(_PIECE):
        yield piece


def _summary(plain: dict[str, Any], pages: list[bytes]) -> str:
    ours = {"InstanceCount", "FrameCount", "StudyMoment", "PatientNameKey", "InvalidAttributes", "TruncatedAttributes"}
    return (
        f"{plain['InstanceCount']} instances, {plain['FrameCount']} frames, {len(plain.keys() - ours)} attributes, "
        f"{len(plain.get('InvalidAttributes', []))} invalid, {len(plain.get('TruncatedAttributes', []))} truncated, "
        f"{len(pages)} pages of {sum(map(len, pages))} bytes"
    )


def _table(plain: dict[str, Any]) -> Table:
    table = Table("Attribute", "Value", box=SIMPLE_HEAD, pad_edge=False)
    for name, value in plain.items():
        table.add_row(name, shown(_readable(value)))
    return table


def _readable(value: Any) -> str:
    if isinstance(value, list):
        return " | ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(each)}" for name, each in value.items())
    return str(value)
