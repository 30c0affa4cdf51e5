"""Why a search found nothing, where that can be known: a sentence for each reason, without a value of the query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.search.costs import duration, price, units
from imaging_index.profile.derived import BY_NAME
from imaging_index.searching.matching import Equal, Like
from imaging_index.searching.report import Ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cli.search.answer import Answer
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.report import Estimate

# VRs of text that has capitals and small letters.
_CASED: Final = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
_WITHOUT_EXACT: Final = "With --exact the case of text counts: leave it out to find another case."


def reasons(answer: Answer, *, exact: bool) -> list[str]:
    """Why there are no rows, the likeliest reason first. The answer is complete, and has none.

    `exact` says that text was compared with its case.
    """
    return [*_reasons(answer, exact)]


def _reasons(answer: Answer, exact: bool) -> Iterator[str]:
    report, conditions = answer.report, answer.question.conditions
    if answer.question.cursor:
        yield "There are no more rows behind the cursor."
        return
    asked = _in_the_index(answer)
    if report.ended is Ended.BUDGET:
        yield _not_all_was_read(answer.estimate())
    if not report.entries and not asked:
        yield "The data stores have no indexed image sets there: imaging-index doctor says whether the index works."
    elif not report.entries:
        yield f"No entry has {_these(asked)}."
        yield from _of_spelling(asked, answer, exact)
    else:
        yield from _of_what_was_read(answer, conditions, exact)
    if not answer.question.takes_all and report.non_primary:
        yield "Only image sets that are not primary match: --all-copies shows them."


def _not_all_was_read(estimate: Estimate) -> str:
    return (
        f"Not all was read, since no index narrows this search down enough: all takes about {estimate.entries:,} "
        f"entries, {units(estimate.units)}, {price(estimate.units)} and {duration(estimate.seconds)} with --scan."
    )


def _in_the_index(answer: Answer) -> list[Condition]:
    """The conditions that chose what was read, other than of days: on keys of the index that was read."""
    queries = answer.plan.queries
    keys = {key for query in queries for key in query}
    compared = {BY_NAME[key].compared if key in BY_NAME else key for key in keys}
    names = [each for each in answer.question.conditions if each.attribute in compared and not each.negated]
    return [each for each in names if each.vr != "DA" and each.attribute != "FirstIndexedAt"]


def _these(conditions: Sequence[Condition]) -> str:
    return " and ".join(f"this {name}" for name in dict.fromkeys(each.attribute for each in conditions))


def _of_spelling(asked: Sequence[Condition], answer: Answer, exact: bool) -> Iterator[str]:
    """What an index does not find though an entry may have it: another case, other groups of a name."""
    names = [each.attribute for each in asked if each.vr == "PN"]
    texts = [each.attribute for each in asked if each.vr in _CASED]
    if texts and exact:
        yield _WITHOUT_EXACT
    elif texts:
        yield (
            f"In an index, {texts[0]} is looked up as it is written, in capitals and in small letters: write a mixed "
            "case as it is stored."
        )
    if names:
        yield (
            f"The index {answer.report.index} has the first group of a name alone, family name first: "
            f"{names[0]}=~words finds the beginnings of words in any order and group."
        )


def _of_what_was_read(answer: Answer, conditions: Sequence[Condition], exact: bool) -> Iterator[str]:
    matched = answer.report.matched
    missed = [each for each in conditions if matched.get(each.attribute, 1) == 0]
    for name in dict.fromkeys(each.attribute for each in missed):
        yield f"None of the {answer.report.entries:,} entries that were read matches the condition on {name}."
    if exact and any(each.vr in _CASED and isinstance(each.test, Equal | Like) for each in missed):
        yield _WITHOUT_EXACT
    if any(each.vr == "PN" and isinstance(each.test, Equal) for each in missed):
        yield "A name is compared whole: doe^* or ~john doe finds more."
    if not missed and len(conditions) > 1:
        yield "Each condition matches some entries, but no image set matches them all."
