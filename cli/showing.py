"""`imaging-index show`: one image set as the table has it, with its instances; or all image sets of a study."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cli import deployed
from cli.deployed import Stack
from cli.output import (
    Entry,
    Failure,
    Misuse,
    attributes_table,
    counted,
    image_sets_table,
    print_json,
    screen,
    shown,
    studies_table,
)
from cli.refusals import why
from imaging_index.entry.item import plain
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.search import Search
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged

# AWS HealthImaging API Reference, "GetImageSet".
_IMAGE_SET: Final = re.compile(r"([0-9a-z]{32})/([0-9a-z]{32})")
_COLUMNS: Final = ("InstanceNumber", "SOPInstanceUID", "SOPClassUID", "Rows", "Columns", "NumberOfFrames")


def show(
    image_set: Annotated[str | None, typer.Argument(help="The image set: DATASTORE/IMAGESET, the two ids.")] = None,
    study: Annotated[str | None, typer.Option(help="Show all image sets of the study with this UID instead.")] = None,
    instances: Annotated[
        bool, typer.Option("--instances", help="List the instances of the image set as well.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, with the instances.")] = False,
    stack: Annotated[str, typer.Option(help="The stack's name.")] = deployed.DEFAULT_STACK,
) -> None:
    """Show one image set as the table has it, or all image sets of a study."""
    if (image_set is None) == (study is None):
        raise Misuse("Give either an image set, DATASTORE/IMAGESET, or --study with a StudyInstanceUID.")
    if instances and study:
        raise Misuse("--instances is for one image set; --study --json prints the entries of a study.")
    found = deployed.find(stack)
    try:
        if study is not None:
            _show_study(found, study, json=json)
        else:
            _show_image_set(found, image_set or "", instances=instances, json=json)
    except SearchError as error:
        raise Misuse(str(error)) from None
    except (ClientError, BotoCoreError) as error:
        raise Failure(
            why("DynamoDB", error, "on the table and its indexes, and kms:Decrypt on the table's key")
        ) from None


def _show_study(stack: Stack, uid: str, *, json: bool) -> None:
    conditions = parse([f"StudyInstanceUID={uid}"], stack.profile, datetime.now(UTC).date())
    entries: list[Entry] = [
        plain(item) for item, _ in Search(stack.table, deployed.datastores(stack.session), conditions, budget=None)
    ]
    if json:
        print_json(entries)
    elif entries:
        screen.print(studies_table(entries))
        screen.print(image_sets_table(entries))
        screen.print(counted(len(entries), "image set"))
    else:
        raise Failure("The table has no image set of this study.")


def _show_image_set(stack: Stack, image_set: str, *, instances: bool, json: bool) -> None:
    ids = _IMAGE_SET.fullmatch(image_set)
    if not ids:
        raise Misuse("Write an image set as DATASTORE/IMAGESET: two ids of 32 lower-case letters and digits.")
    key = Key(ids[1], ids[2])
    try:
        whole = stack.table.read(key)
    except Damaged:
        raise Failure(
            "The pages of this image set are not complete. Have it indexed again with a hint of the cause repair: "
            "docs/upgrades.md, Index again."
        ) from None
    if whole is None:
        head = stack.table.head(key)
        raise Failure("This image set was deleted." if head else "The table has no entry of this image set.")
    entry = plain(whole.entry)
    if json:
        print_json({"entry": entry, "instances": whole.instances})
        return
    screen.print(attributes_table(entry))
    if instances:
        table = Table(*_COLUMNS, box=SIMPLE_HEAD, pad_edge=False)
        for each in whole.instances:
            table.add_row(*(shown(each.get(name, "")) for name in _COLUMNS))
        screen.print(table)
    screen.print(counted(len(whole.instances), "instance"))
