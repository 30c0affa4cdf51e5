"""`imaging-index search`: the entries that an index holds for some conditions."""

from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from cli import deployed
from cli.output import Failure, image_sets_table, print_json_array, screen
from imaging_index import searching
from imaging_index.stored import plain


def search(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(help="Keyword=value; value* for what begins so; StudyDate=20240101-20240131 for a range."),
    ] = None,
    index: Annotated[str | None, typer.Option(help="The index to use, instead of the one that fits.")] = None,
    datastore: Annotated[
        list[str] | None, typer.Option(help="The data store to search, by its id; all of the account without it.")
    ] = None,
    stack: Annotated[str, typer.Option(help="The stack's name.")] = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print the whole entries as JSON.")] = False,
) -> None:
    """Find image sets by the attributes of one of the table's indexes."""
    try:
        wanted = searching.parse(conditions or [])
        table = deployed.find(stack).table
        stores = datastore or deployed.datastores()
        found = (plain(item) for item in searching.search(table, stores, wanted, index))
        if json:
            print_json_array(found)
            return
        entries = list(found)
    except searching.SearchError as error:
        raise Failure(str(error)) from None
    except ClientError as error:
        raise Failure(f"The table cannot be searched: {error.response['Error']['Code']}.") from None
    except BotoCoreError as error:
        raise Failure(f"The table cannot be searched: {type(error).__name__}.") from None
    screen.print(image_sets_table(entries))
    screen.print(f"{len(entries)} image sets")
