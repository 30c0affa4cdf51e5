"""An answer in the form that was asked for: its rows, a count, or the values of a file with their rows.

Standard output has the answer alone. Standard error has what was read and what is not shown; of JSON, which has a
report, it has nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from cli.output import errors, message_text, screen
from cli.search import formats, text
from cli.search.columns import Column, needed, of_level
from cli.search.dicom_json import elements
from cli.search.mentions import mentions, number, of_rows, what_was_read
from cli.search.options import Form
from cli.search.records import attributes_of, record, report
from cli.search.why_nothing import reasons
from imaging_index.profile.schema import OWN_NAMES
from imaging_index.qido.elements import MISSING_IN
from imaging_index.searching.report import Ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from cli.search.answer import Answer
    from cli.search.counting import Counted
    from cli.search.explain import Explanation
    from cli.search.options import Options
    from cli.search.values_of_a_file import Found
    from imaging_index.profile.profile import Profile

_IN_JSON: Final = (Form.JSON, Form.JSONL)
_VALUE: Final = Column("Value", "Value", "whole")
_FOUND: Final = Column("Found", "Found", "whole")


class Printer:
    """Prints one answer.

    Args:
        options: the form, the level and what is to be shown.
        profile: of the stack.
        shown: the attributes that were asked for, by their names.
        today: the day that `today` meant, if a condition uses it.
    """

    def __init__(self, options: Options, profile: Profile, shown: Sequence[str], today: date | None) -> None:
        self._form, self._exact, self._today, self._profile = options.form, options.exact, today, profile
        self._columns = of_level(options.level, shown, screen=options.form is Form.TEXT and screen.is_terminal)
        self._names = attributes_of(options.level, shown, profile)
        self.explanation: Explanation | None = None

    @property
    def needed(self) -> tuple[str, ...] | None:
        """The attributes that the rows' entries must have; None for all."""
        if self._form in (Form.TEXT, Form.CSV):
            # What no entry has, an index cannot hold, and each entry would be read in vain.
            return tuple(name for name in needed(self._columns) if name in OWN_NAMES or self._profile.find(name))
        if self._names is None or self._form is not Form.DICOM_JSON:
            return self._names
        return (*self._names, MISSING_IN)

    def rows(self, answer: Answer) -> None:
        """Print the rows, then what is to be known of them."""
        match self._form:
            case Form.JSON:
                formats.print_json("rows", (record(row, self._names) for row in answer), lambda: self._report(answer))
            case Form.JSONL:
                formats.print_jsonl((record(row, self._names) for row in answer), lambda: self._report(answer))
            case Form.CSV:
                formats.print_csv(self._columns, answer)
            case Form.DICOM_JSON:
                formats.print_dicom_json(elements(row, self._names, self._profile) for row in answer)
            case Form.TEXT:
                text.print_rows(answer, self._columns)
        self._say(answer, of_rows(answer))

    def count(self, answer: Answer, counted: Counted) -> None:
        """Print how many rows there are, or how many in each group."""
        heads, lines = [*counted.names, "Count"], [[*group, n] for group, n in counted.groups.items()]
        lines = lines if counted.names else [[counted.total]]
        match self._form:
            case Form.JSON:
                formats.print_json(
                    "groups", counted.records(), lambda: self._report(answer), count=lambda: counted.total
                )
            case Form.JSONL:
                formats.print_jsonl(counted.records(), lambda: self._report(answer), count=lambda: counted.total)
            case Form.CSV:
                formats.print_csv_lines(heads, lines)
            case _ if not counted.names:
                words = number(counted.total, answer.question.level)
                typer.echo(words if screen.is_terminal else counted.total)
            case _ if screen.is_terminal:
                columns = [*(Column(name, name) for name in counted.names), Column("Count", "Count", "number")]
                screen.print(text.table(columns, lines))
            case _:
                text.print_lines(heads, lines)
        self._say(answer, f"{number(counted.total, answer.question.level)}. {what_was_read(answer.report)}")

    def values(self, answer: Answer, found: Sequence[Found]) -> None:
        """Print for each value of a file whether it was found, and its rows."""
        match self._form:
            case Form.JSON:
                formats.print_json("values", map(self._value_record, found), lambda: self._report(answer))
            case Form.JSONL:
                formats.print_jsonl(map(self._value_record, found), lambda: self._report(answer))
            case Form.CSV:
                heads = ["Value", "Found", *(column.name for column in self._columns)]
                formats.print_csv_lines(heads, self._value_lines(found))
            case _ if screen.is_terminal:
                screen.print(text.table([_VALUE, _FOUND, *self._columns], self._value_lines(found)))
            case _:
                heads = ["Value", "Found", *(column.name for column in self._columns)]
                text.print_lines(heads, self._value_lines(found))
        self._say(answer, f"{_summary(answer, found)} {what_was_read(answer.report)}", of_values=True)

    def _value_record(self, each: Found) -> dict[str, Any]:
        return {"value": each.value, "found": each.times, "rows": [record(row, self._names) for row in each.rows]}

    def _value_lines(self, found: Sequence[Found]) -> Iterator[list[Any]]:
        for each in found:
            times = each.times if len(each.rows) < len(("one", "several")) else f"{each.times} ({len(each.rows)})"
            for row in each.rows:
                yield [each.value, times, *text.values(row, self._columns)]
            if not each.rows:
                yield [each.value, times, *[None] * len(self._columns)]

    def _report(self, answer: Answer) -> dict[str, Any]:
        return report(
            answer.report,
            today=self._today and self._today.isoformat(),
            alsoLookedInto=answer.also,
            why=None if answer.rows else reasons(answer, exact=self._exact),
            explain=self.explanation and self.explanation.record(answer),
        )

    def _say(self, answer: Answer, first: str, *, of_values: bool = False) -> None:
        if self._form in _IN_JSON:
            return
        sentences = [first, *mentions(answer, self._today)]
        if not answer.rows and not of_values:
            sentences += reasons(answer, exact=self._exact)
        for sentence in sentences:
            errors.print(message_text(sentence), soft_wrap=True)
        if self.explanation:
            for line in self.explanation.lines(answer):
                errors.print(message_text(line), soft_wrap=True)


def _summary(answer: Answer, found: Sequence[Found]) -> str:
    times = [each.times for each in found]
    said = (
        f"{len(found):,} {'value' if len(found) == 1 else 'values'}: {times.count('one'):,} found once, "
        f"{times.count('several'):,} several times, {times.count('none'):,} not found."
    )
    if answer.report.ended is Ended.BUDGET and "none" in times:
        said += " What was not found may be in what was not read."
    return said
