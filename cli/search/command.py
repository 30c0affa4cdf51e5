"""`imaging-index search`: options -> question -> answer -> output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import deployed, keys
from cli.output import Failure
from cli.search import completion, counting, scanning
from cli.search.answer import Answer
from cli.search.columns import MODALITIES, selected
from cli.search.explain import Explanation
from cli.search.options import Options, choice, form, listed
from cli.search.printing import Printer
from cli.search.questions import ask
from imaging_index.searching.question import BUDGET, LIMIT, Level, Order

if TYPE_CHECKING:
    from cli.deployed import Stack


def search(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keyword=value, for each attribute; all must match. docs/commands.md has all forms.",
            autocompletion=completion.conditions,
        ),
    ] = None,
    level: Annotated[
        str, typer.Option(help="A row is a patient, study, series or image-set.", autocompletion=completion.levels)
    ] = str(Level.STUDY),
    first_day: Annotated[
        str | None, typer.Option("--from", help="The first day of the studies.", autocompletion=completion.days)
    ] = None,
    last_day: Annotated[
        str | None, typer.Option("--to", help="The last day of the studies.", autocompletion=completion.days)
    ] = None,
    arrived: Annotated[
        str | None,
        typer.Option(
            help="Indexed within this span, like 90m, 12h or 7d, or since this day or moment.",
            autocompletion=completion.spans,
        ),
    ] = None,
    datastore: deployed.DatastoreIds = None,
    sort: Annotated[
        str, typer.Option(help="The order: date, arrived or name.", autocompletion=completion.orders)
    ] = str(Order.DATE),
    reverse: Annotated[bool, typer.Option("--reverse", help="The order backwards.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="How many rows at most; 0 is all.")] = LIMIT,
    cursor: Annotated[str | None, typer.Option(help="Go on where this search printed the cursor.")] = None,
    show: Annotated[
        list[str] | None,
        typer.Option(
            help="Show these attributes, with commas between them, instead of the usual ones.",
            autocompletion=completion.keywords,
        ),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Print how many rows there are in all.")] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Count each group: Year, Month or Day of the study, or attributes, with commas between them.",
            autocompletion=completion.groups,
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare text with its case, as DICOM does.")] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Values of hashed and mapped attributes are in the clear. It needs the key.")
    ] = False,
    all_copies: Annotated[
        bool, typer.Option("--all-copies", help="Image sets that are not primary count like the others.")
    ] = False,
    index: Annotated[
        str | None,
        typer.Option(help="The index to read. Default: the one that fits best.", autocompletion=completion.indexes),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what was read, what that was estimated to take, and what it took.")
    ] = False,
    scan: Annotated[
        bool, typer.Option("--scan", help=f"Read as much as it takes, not only {BUDGET:,} entries.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Let --scan begin without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, the rows and a report.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a JSON object a line, the last with a report.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    dicom_json: Annotated[bool, typer.Option("--dicom-json", help="Print the DICOM JSON Model (PS3.18).")] = False,
    web: Annotated[
        bool, typer.Option("--web", help="Print the address of a work list for the browser, and keep it up.")
    ] = False,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
) -> None:
    """Find studies, or other levels, by any attributes that the profile selects. Without conditions: the newest."""
    options = Options(
        conditions=tuple(conditions or ()),
        level=choice("--level", level, Level),
        first_day=first_day,
        last_day=last_day,
        arrived=arrived,
        datastores=tuple(datastore or ()),
        order=choice("--sort", sort, Order),
        reverse=reverse,
        limit=limit or None,
        cursor=cursor,
        show=listed("--show", show),
        count=count,
        by=listed("--by", by),
        exact=exact,
        clear=clear,
        all_copies=all_copies,
        index=index,
        explain=explain,
        scan=scan,
        yes=yes,
        form=form(json=json, jsonl=jsonl, csv=csv, dicom_json=dicom_json),
        web=web,
    )
    options.check()
    with deployed.reading():
        _run(deployed.find(stack), options)


def _run(stack: Stack, options: Options) -> None:
    if options.web:
        # The server of the page, which no other search needs.
        from cli.search import browsing

        browsing.browse(stack, options, _datastores(stack, options))
        return
    profile = stack.profile
    asked = ask(options, profile, keys.privacy(stack) if options.clear else None)
    by = counting.names(options.by, profile)
    printer = Printer(options, profile, selected(options.show, profile), asked.today)
    stores = _datastores(stack, options)
    needed = counting.needed(by) if options.count else printer.needed
    whole = not options.count or MODALITIES in by
    answer = Answer(stack.table, asked.question(options, stores), profile, needed, whole=whole)
    if options.scan:
        scanning.agree(answer, yes=options.yes)
    if options.explain:
        printer.explanation = Explanation.of(answer)
    if options.count:
        counted = counting.count(answer, by)
        scanning.check_counted(answer)
        printer.count(answer, counted)
    elif asked.values:
        found = asked.values.sort(answer)
        printer.values(answer, found)
        if not all(each.rows for each in found):
            raise typer.Exit(1)
    else:
        printer.rows(answer)


def _datastores(stack: Stack, options: Options) -> tuple[str, ...]:
    stores = tuple(dict.fromkeys(options.datastores or deployed.datastores(stack.session)))
    if not stores:
        raise Failure("The account has no data store in this region, so there is nothing to search. Check AWS_REGION.")
    return stores
