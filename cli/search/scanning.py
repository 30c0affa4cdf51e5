"""What reading everything takes: asked before `--scan` begins, and reported where a count would take too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.asking import ask
from cli.output import Misuse, errors
from cli.search.costs import duration, price, units
from imaging_index.searching.report import Ended

if TYPE_CHECKING:
    from cli.search.answer import Answer
    from imaging_index.searching.report import Estimate


def agree(answer: Answer, *, yes: bool) -> None:
    """Say what a scan takes, and ask whether to begin, unless the answer is `yes`.

    Raises:
        Misuse: nobody can be asked.
        Abort: the answer is no.
    """
    errors.print(f"This reads {_amounts(answer.estimate())}.", soft_wrap=True)
    if not yes:
        ask("Begin?", "to begin")


def check_counted(answer: Answer) -> None:
    """Check that a count has read everything.

    Raises:
        Misuse: its budget ended it.
    """
    # An estimate before may be far off, and reading to the end of the budget costs next to nothing.
    if answer.report.ended is not Ended.ALL:
        raise Misuse(
            f"A count reads everything that could match: {_amounts(answer.estimate())}. Add --scan to do so, or narrow "
            "it down by --from and --to or another condition."
        )


def _amounts(estimate: Estimate) -> str:
    entries = "1 entry" if estimate.entries == 1 else f"{estimate.entries:,} entries"
    takes = f"{units(estimate.units)}, {price(estimate.units)} and {duration(estimate.seconds)}"
    return f"about {entries}, which takes {takes}"
