"""`imaging-index search`: the entries that match some conditions."""

import re
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli import deployed
from cli.output import Failure, Misuse, counted, image_sets_table, print_json_array, screen
from cli.refusals import why
from imaging_index.entry.item import plain
from imaging_index.searching.conditions import SearchError, parse
from imaging_index.searching.search import search as find_entries

# AWS HealthImaging API Reference, "GetDatastore".
_DATASTORE: Final = re.compile(r"[0-9a-z]{32}")


def search(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(help="Keyword=value; value* for what begins so; StudyDate=20240101-20240131 for a range."),
    ] = None,
    index: Annotated[str | None, typer.Option(help="The index to use. Default: the one that fits best.")] = None,
    datastore: Annotated[
        list[str] | None,
        typer.Option(help="The id of a data store to search; may be repeated. Default: all of the account."),
    ] = None,
    stack: Annotated[str, typer.Option(help="The stack's name.")] = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print the whole entries as JSON.")] = False,
) -> None:
    """Find image sets by the attributes of one of the table's indexes."""
    if not all(_DATASTORE.fullmatch(each) for each in datastore or ()):
        raise Misuse(
            "A data store's id is 32 lower-case letters and digits; aws medical-imaging list-datastores shows it."
        )
    try:
        wanted = parse(conditions or [])
    except SearchError as error:
        raise Misuse(str(error)) from None
    try:
        found_stack = deployed.find(stack)
        stores = datastore or deployed.datastores(found_stack.session)
        found = (plain(item) for item in find_entries(found_stack.table, stores, wanted, index))
        if json:
            print_json_array(found)
            return
        entries = list(found)
    except SearchError as error:
        raise (Failure if wanted or index else Misuse)(str(error)) from None
    except (ClientError, BotoCoreError) as error:
        raise Failure(
            why("DynamoDB", error, "on the table and its indexes, and kms:Decrypt on the table's key")
        ) from None
    screen.print(image_sets_table(entries))
    screen.print(counted(len(entries), "image set"))
