"""`imaging-index events replay`: events once more, made from the entries."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from cli import deployed, moments
from cli.events.bus import name_of
from cli.output import Failure, counted, errors, print_json, screen
from imaging_index.publishing import event
from imaging_index.publishing.bus import Bus
from imaging_index.publishing.change import Change
from imaging_index.searching.refusals import ON_TABLE, why
from imaging_index.table import generation
from imaging_index.table.layout import ENTRY, Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.deployed import Stack
    from imaging_index.publishing.event import Event

_AT_ONCE: Final = 100

events: Final = typer.Typer(no_args_is_help=True, help="What the index announces.")


@events.callback()
def _events() -> None:
    """Have `replay` be a word of its own: an application of one command would leave it out."""


@events.command()
def replay(
    since: Annotated[
        str, typer.Option(help="From when on: 7d, 12h, 2026-11-27 or 2026-11-27T08:00:00Z.", metavar="TIME")
    ],
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Announce once more the image sets that were indexed since a time, as `Image Set Indexed`.

    It reads the whole table. An event has the same key as when it was sent first.
    """
    moment = moments.since(since, datetime.now().astimezone())
    found = deployed.find(stack)
    bus = Bus(found.session.client("events"), name_of(found))
    sent = 0
    columns = (TextColumn("Events sent"), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("", total=None)
        for batch in _batches(_made(found, moment)):
            put = bus.put(batch)
            sent += put.done - len(put.refused)
            progress.update(task, completed=sent)
            if put.fault or put.refused:
                reason = put.fault.reason if put.fault else "EventBridge refuses an event"
                raise Failure(f"{counted(sent, 'event')} sent, then it failed: {reason}. Run it again.")
    if json:
        print_json({"sent": sent})
    else:
        screen.print(f"{counted(sent, 'event')} sent.")


def _batches(made: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(itertools.islice(made, _AT_ONCE)):
        yield batch


def _made(stack: Stack, since: datetime) -> Iterator[Event]:
    """The events of all entries that were written since a time. A deleted image set has no entry that could tell."""
    attributes = stack.profile.events
    try:
        pages = (
            stack.session.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=stack.outputs["TableName"],
                FilterExpression="Part = :entry AND Generation < :tombstone AND IndexedAt >= :day",
                ExpressionAttributeValues={
                    ":entry": {"S": ENTRY},
                    ":tombstone": {"S": generation.TOMBSTONE},
                    # Times are texts of one zone, so that their days compare as texts.
                    ":day": {"S": since.astimezone(UTC).date().isoformat()},
                },
            )
        )
        for page in pages:
            for item in page["Items"]:
                if datetime.fromisoformat(str(item["IndexedAt"]["S"])) >= since:
                    yield from _event(item, attributes)
    except (ClientError, BotoCoreError) as error:
        raise Failure(why("DynamoDB", error, ON_TABLE)) from None


def _event(item: Any, attributes: tuple[str, ...]) -> Iterator[Event]:
    datastore_id, _, image_set_id = item["ImageSet"]["S"].partition("/")
    change = Change(Key(datastore_id, image_set_id), None, item, sequence="", moment=0)
    if made := event.of_change(change, attributes):
        yield made
