"""`imaging-index reconcile`: compare HealthImaging with the index, and have indexed what differs."""

from __future__ import annotations

import math
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from msgspec import structs

from cli import deployed
from cli.output import Failure, errors, print_json, screen
from cli.reconcile import mean_size as sizes
from cli.reconcile import showing
from cli.reconcile.choices import Choices, data_stores
from cli.reconcile.showing import Compared
from cli.reconcile.work import Work
from cli.waiting import interruptible
from imaging_index.reconciling.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.reconcile.mean_size import MeanSize
    from imaging_index.profile.profile import Profile
    from imaging_index.reconciling.keeping import Status
    from imaging_index.reconciling.settings import Settings

# A sum that people would notice.
_A_CENT: Final = 0.01
# Image sets change between a plan and its being applied, which may cost so much more.
_MARGIN: Final = 1.1
_A_DOLLAR: Final = 1.0

_Datastores = Annotated[
    list[str] | None,
    typer.Option(
        "--datastore",
        help="The id of a data store to compare; may be repeated. Default: all that the stack indexes.",
        envvar="IMAGING_INDEX_DATASTORE",
    ),
]


def reconcile(
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    datastore: _Datastores = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Compare everything, with the whole table. The first time, this is the default."),
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="Compare what has changed since then: 7d, 12h, 2024-01-31 or 2024-01-31T18:00.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what differs, and what mending it takes. This is the default.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Send hints for what differs.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show the last passes, the one under way, and who is at it.")
    ] = False,
    most_dollars: Annotated[
        float | None,
        typer.Option(min=0, help="What hints may add to HealthImaging's bill for storage. Without it, you are asked."),
    ] = None,
    mean_size: Annotated[
        float | None, typer.Option(min=0, help="MB of an image set. Default: what CloudWatch says, or 5.")
    ] = None,
    ghosts: Annotated[
        bool, typer.Option("--ghosts", help="Remove the entries of deleted image sets, however many there are.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Compare HealthImaging with the index, and say what is missing, old or left over. Nothing is sent without --apply.

    You can interrupt it: what was reached is kept, and the schedule or the next command goes on with it. Exit status 1
    if it was interrupted, or something was left out.
    """
    choices = Choices(
        full=full,
        since=since,
        plan=plan,
        apply=apply,
        status=status,
        most_dollars=most_dollars,
        mean_size=mean_size,
        ghosts=ghosts,
    )
    choices.check()
    moment = choices.moment(datetime.now().astimezone())
    found = deployed.find(stack)
    stores = data_stores(found, datastore)
    work = Work(found)
    statuses = {each: work.status(each) for each in stores}
    if status:
        _print_statuses(statuses, json=json)
        return
    profile = found.profile
    means = {each: sizes.find(found, each, mean_size) for each in stores}
    wanted = [
        work.settings(each, mean_bytes=means[each].bytes, **choices.scope(statuses[each].checkpoint, moment))
        for each in stores
    ]
    # What is under way was agreed to when it was begun, and keeps to that.
    under_way = all(each.scope is Scope.FULL and statuses[each.datastore_id].checkpoint.full for each in wanted)
    try:
        with interruptible():
            if not apply:
                _print_plan(_compare(work, wanted, means), profile, json=json)
                return
            if most_dollars is None and not under_way:
                planned = _compare(work, wanted, means)
                showing.print_plan(planned, profile, on=errors if json else screen)
                most_dollars = _agreed(showing.dollars(planned))
            done = _apply(work, wanted, means, most_dollars, ghosts=ghosts)
    except KeyboardInterrupt:
        raise Failure(
            "Stopped. What was reached is kept: the schedule goes on with it, and so does the same command."
            if apply
            else "Stopped. Nothing was changed."
        ) from None
    if json:
        print_json(showing.as_json(done, profile))
    else:
        showing.print_done(done)
    if any(each.counts.refused.count for each in done):
        raise typer.Exit(1)


def _compare(work: Work, wanted: Sequence[Settings], means: Mapping[str, MeanSize]) -> list[Compared]:
    """Compare data stores, and change nothing."""
    with work:
        return [Compared(each, means[each.datastore_id], work.run(each)) for each in wanted]


def _apply(
    work: Work, wanted: Sequence[Settings], means: Mapping[str, MeanSize], most_dollars: float | None, *, ghosts: bool
) -> list[Compared]:
    """Compare data stores, and send hints that cost no more than `most_dollars` together."""
    done: list[Compared] = []
    with work:
        for each in wanted:
            left = None if most_dollars is None else max(most_dollars - sum(one.spent for one in done), 0.0)
            applied = structs.replace(each, apply=True, ghosts=ghosts, most_dollars=left)
            done.append(Compared(applied, means[each.datastore_id], work.run(applied)))
    return done


def _print_statuses(statuses: Mapping[str, Status], *, json: bool) -> None:
    if json:
        print_json({each: msgspec.to_builtins(status) for each, status in statuses.items()})
        return
    for each, status in statuses.items():
        showing.print_status(each, status)


def _print_plan(compared: Sequence[Compared], profile: Profile, *, json: bool) -> None:
    if json:
        print_json(showing.as_json(compared, profile))
        return
    showing.print_plan(compared, profile, on=screen)
    if showing.hints(compared):
        screen.print("Nothing was sent. Repeat the command with --apply to send these hints.", soft_wrap=True)


def _agreed(dollars: float) -> float:
    """What a pass may cost after a plan of so many dollars, to which the user agrees if they can be noticed.

    Raises:
        Failure: the user does not agree, or nobody can be asked.
    """
    if dollars >= _A_CENT:
        if not sys.stdin.isatty():
            raise Failure(
                f"Nothing was sent: this would add ${dollars:,.2f} to HealthImaging's bill for storage, and there is "
                f"nobody to ask. Repeat the command with --most-dollars {math.ceil(dollars * _MARGIN)}."
            )
        if not typer.confirm(f"Add ${dollars:,.2f} to HealthImaging's bill for storage?", err=True):
            raise Failure("Nothing was sent.")
    return dollars * _MARGIN + _A_DOLLAR
