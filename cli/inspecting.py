"""`imaging-index inspect`: the entry that a metadata document would become. Nothing is written."""

import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from cli import profiles
from cli.output import Failure, Misuse, attributes_table, counted, errors, print_json, screen
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.faults import Poison
from imaging_index.profile.derived import PATIENT_NAME_KEY, STUDY_MOMENT
from imaging_index.profile.profile import ProfileError

_PIECE: Final = 256 * 2**10
# PS3.10, section 7.1: a DICOM file begins with 128 bytes of any content, before its prefix.
_PREAMBLE: Final = 128
# AWS HealthImaging API Reference, "GetImageSet".
_ID: Final = re.compile(r"[0-9a-z]{32}")


def inspect(
    file: Annotated[str, typer.Argument(help="A metadata document, gzip or plain JSON; - reads standard input.")],
    profile: Annotated[str, typer.Option(help="A profile's name, or a path to its .toml file.")] = profiles.DEFAULT,
    json: Annotated[bool, typer.Option("--json", help="Print the entry and its instances as JSON.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Print one line of counts and sizes instead.")] = False,
) -> None:
    """Show the entry that a metadata document of HealthImaging would become, and whether its ids are valid."""
    if json and summary:
        raise Misuse("Use either --json or --summary, not both.")
    name = "Standard input" if file == "-" else file
    try:
        selected = profiles.load(profile)
        content = entry.build(Reader(selected), _pieces(file), secrets.token_bytes())
    except Poison as error:
        raise Failure(f"{name} cannot be indexed: {error}.") from None
    except ProfileError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}. Name a file, or - for standard input.") from None
    for named, identifier in (("DatastoreID", content.datastore_id), ("ImageSetID", content.image_set_id)):
        if not (isinstance(identifier, str) and _ID.fullmatch(identifier)):
            errors.print(
                f"The index would refuse this document: its {named} is missing or invalid. HealthImaging's ids are 32 "
                "lower-case letters and digits.",
                soft_wrap=True,
            )
    if selected.keyed:
        errors.print("Tokens, UIDs and shifts were made with a key of this run. The index has others.", soft_wrap=True)
    values = plain(content.attributes)
    pages = len(content.pages)
    if summary:
        typer.echo(_summary(values, content.pages))
    elif json:
        print_json({"entry": values, "instances": unpack(content.pages)[0], "pages": pages})
    else:
        screen.print(attributes_table(values))
        screen.print(
            f"{counted(values['InstanceCount'], 'instance')} in {counted(pages, 'page')}; --json shows "
            f"{'it' if values['InstanceCount'] == 1 else 'them'}."
        )


def _pieces(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from _read(sys.stdin.buffer, "Standard input")
    else:
        with Path(file).open("rb") as opened:
            yield from _read(opened, file)


def _read(opened: BinaryIO, name: str) -> Iterator[bytes]:
    first = opened.read(_PIECE)
    if first[_PREAMBLE:].startswith(b"DICM"):
        raise Failure(
            f"{name} is a DICOM file, not a metadata document. HealthImaging makes the document when it imports the "
            "file, and `imaging-index local up --dicom FOLDER` does so on this machine."
        )
    while first:
        yield first
        first = opened.read(_PIECE)


def _summary(plain: dict[str, Any], pages: list[bytes]) -> str:
    ours = {"InstanceCount", "FrameCount", "FrameBytes", STUDY_MOMENT.name, PATIENT_NAME_KEY.name}
    ours |= {"MissingIn", "InvalidAttributes", "TruncatedAttributes"}
    return (
        f"{counted(plain['InstanceCount'], 'instance')}, {counted(plain['FrameCount'], 'frame')}, "
        f"{counted(len(plain.keys() - ours), 'attribute')}, "
        f"{len(plain.get('InvalidAttributes', []))} invalid, {len(plain.get('TruncatedAttributes', []))} truncated, "
        f"{counted(len(pages), 'page')} of {sum(map(len, pages))} bytes"
    )
