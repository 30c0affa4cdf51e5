"""`imaging-index search`: the entries that match some conditions."""

import re
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli import deployed
from cli.output import Failure, Misuse, counted, errors, image_sets_table, print_json_array, screen
from cli.refusals import why
from imaging_index.entry.item import Item, plain
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.matching import Match
from imaging_index.searching.search import BUDGET, Search

# AWS HealthImaging API Reference, "GetDatastore".
_DATASTORE: Final = re.compile(r"[0-9a-z]{32}")


def search(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(help="Keyword=value, for each attribute; all must match. docs/commands.md has all forms."),
    ] = None,
    index: Annotated[str | None, typer.Option(help="The index to use. Default: the one that fits best.")] = None,
    datastore: Annotated[
        list[str] | None,
        typer.Option(help="The id of a data store to search; may be repeated. Default: all of the account."),
    ] = None,
    stack: Annotated[str, typer.Option(help="The stack's name.")] = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print the whole entries as JSON.")] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Compare text with its case, as DICOM does.")] = False,
    scan: Annotated[
        bool, typer.Option("--scan", help=f"Read as much as it takes, not only {BUDGET:,} entries of a data store.")
    ] = False,
) -> None:
    """Find image sets by any attributes that the profile selects."""
    if not all(_DATASTORE.fullmatch(each) for each in datastore or ()):
        raise Misuse(
            "A data store's id is 32 lower-case letters and digits; aws medical-imaging list-datastores shows it."
        )
    if not conditions and not index:
        raise Misuse("Give a condition like PatientID=1234, or name an index to list, like --index date.")
    try:
        found_stack = deployed.find(stack)
        wanted = parse(conditions or [], found_stack.profile, datetime.now().astimezone().date(), exact=exact)
        stores = datastore or deployed.datastores(found_stack.session)
        running = Search(found_stack.table, stores, wanted, index, None if scan else BUDGET)
        if json:
            print_json_array(_said(item, match) for item, match in running)
        else:
            found = [(plain(item), match) for item, match in running]
    except SearchError as error:
        raise Misuse(str(error)) from None
    except (ClientError, BotoCoreError) as error:
        raise Failure(
            why("DynamoDB", error, "on the table and its indexes, and kms:Decrypt on the table's key")
        ) from None
    if not json:
        screen.print(image_sets_table(entry for entry, _ in found))
        possible = sum(match is Match.POSSIBLE for _, match in found)
        screen.print(counted(len(found), "image set") + (f", {possible} of them possible matches" if possible else ""))
    if running.ended_early:
        to = running.read_back_to
        until = f", back to the study date {to[:4]}-{to[4:6]}-{to[6:8]}" if to else ""
        errors.print(
            f"The search ended after {running.read:,} entries{until}. Narrow it down by a StudyDate or another "
            "condition, or read all with --scan.",
            soft_wrap=True,
        )


def _said(item: Item, match: Match) -> dict[str, Any]:
    """An entry as it is printed; one that may match without certainty says so."""
    return plain(item) | ({"Possible": True} if match is Match.POSSIBLE else {})
