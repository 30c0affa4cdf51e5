"""What a search says besides its rows: what was read, and what is not shown. None of it quotes a value of the query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.output import counted
from cli.search.costs import price, units
from imaging_index.searching.question import Level
from imaging_index.searching.report import Ended

if TYPE_CHECKING:
    from datetime import date

    from cli.search.answer import Answer
    from imaging_index.searching.report import Report

_NOUNS: Final = {Level.IMAGE_SET: "image set", Level.SERIES: "series", Level.STUDY: "study", Level.PATIENT: "patient"}


def number(count: int, level: Level) -> str:
    """A number of rows of a level in words."""
    if level is Level.SERIES:
        return f"{count:,} series"
    if level is Level.STUDY and count != 1:
        return f"{count:,} studies"
    return f"{count:,} {_NOUNS[level]}{'' if count == 1 else 's'}"


def what_was_read(report: Report) -> str:
    """What was read and what it cost, as a sentence."""
    entries = f"{report.entries:,} {'entry' if report.entries == 1 else 'entries'}"
    index = f" of the index {report.index}" if report.index else ""
    calls = counted(report.calls, "call") + " of DynamoDB"
    return f"Read {entries}{index} in {calls}: {units(report.units)}, {price(report.units)}."


def of_rows(answer: Answer) -> str:
    """How many rows there are, what was read and what it cost."""
    level, possible, conflicts = answer.question.level, answer.possible, answer.conflicting
    maybe = f", {possible:,} of them possible matches" if possible else ""
    has = "has" if conflicts == 1 else "have"
    differing = (
        f" {number(conflicts, level)} {has} conflicting values of the patient, which --json lists." if conflicts else ""
    )
    return f"{number(answer.rows, level)}{maybe}.{differing} {what_was_read(answer.report)}"


def mentions(answer: Answer, today: date | None) -> list[str]:
    """What else is to be known, a sentence or two each; nothing where all was read and shown.

    `today` is the day that the word was taken for, if a condition uses it.
    """
    report = answer.report
    said = [f"Today was taken as {today.isoformat()}."] if today else []
    if answer.shifted:
        said.append(f"{' and '.join(answer.shifted)}: compared as stored, which is up to a year before the true day.")
    if answer.also:
        said.append(f"No entry has this AccessionNumber, so {answer.also} was looked into as well.")
    if report.undated:
        match = "matches" if report.undated == 1 else "match"
        said.append(
            f"{_image_sets(report.undated)} without a usable study date {match} as well: StudyDate= finds those "
            "without a date, and InvalidAttributes=StudyDate those with an invalid one."
        )
    if report.more_undated:
        said.append("Further image sets without a usable study date were not looked at: StudyDate= finds them.")
    if report.non_primary:
        said.append(f"{_image_sets(report.non_primary)} that are not primary were left out: --all-copies shows them.")
    if report.without_value:
        match = "matches" if report.without_value == 1 else "match"
        said.append(f"{_image_sets(report.without_value)} {match} != without having a value.")
    if report.deleted:
        was = "was" if report.deleted == 1 else "were"
        said.append(f"{_image_sets(report.deleted)} {was} deleted in the meantime.")
    return said + _how_to_go_on(answer)


def _how_to_go_on(answer: Answer) -> list[str]:
    report = answer.report
    on = f"go on with --cursor {report.cursor}" if report.cursor else ""
    if answer.also and on:
        on = f"{on} and {answer.also} in place of AccessionNumber"
    if report.ended is Ended.LIMIT:
        return [f"There may be more: raise --limit (0 is all), or {on}."] if on else []
    if report.ended is Ended.BUDGET:
        return [
            f"The search ended after {report.entries:,} entries{_back_to(report)}. Add a condition such as --from or "
            f"PatientID=, or read all with --scan{', or ' if on else ''}{on}."
        ]
    return []


def _back_to(report: Report) -> str:
    to = report.read_back_to
    if not to:
        return ""
    if to.startswith("0000"):
        return ", back to those without a study date"
    return f", back to the study date {to[:4]}-{to[4:6]}-{to[6:8]}"


def _image_sets(count: int) -> str:
    return f"{count:,} image set{'' if count == 1 else 's'}"
