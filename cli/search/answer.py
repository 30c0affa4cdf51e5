"""The answer to a question: its rows, and when they have been read what the search reports of itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec import structs

from cli.search.columns import conflicts
from imaging_index.profile.privacy import Policy
from imaging_index.searching.matching import Equal, Like
from imaging_index.searching.report import Ended, Report
from imaging_index.searching.search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging_index.profile.profile import Profile
    from imaging_index.searching.planner import Plan
    from imaging_index.searching.question import Question
    from imaging_index.searching.report import Estimate
    from imaging_index.searching.rows import Row
    from imaging_index.table.reading import TableReader

# A department may number the request and not the study (PS3.3, section C.7.3.1.1, "Series Attributes").
_ACCESSION: Final = "AccessionNumber"
_OF_THE_REQUEST: Final = f"RequestAttributesSequence.{_ACCESSION}"


class Answer:
    """Iterate over it once for the rows; afterwards `report` is complete.

    An accession number that no row has is also looked for in the requests of the series, within what is left of the
    budget.

    Attributes:
        question: what was asked; of an accession number that no row has, in the end what was asked of requests.
        report: of all that was read.
        also: the attribute that was looked into as well, if one was.
        rows: how many rows there were; of them, `possible` ones, and those with conflicting values of the patient.
        seconds: how long reading took.
    """

    def __init__(
        self,
        table: TableReader,
        question: Question,
        profile: Profile,
        shown: Sequence[str] | None = None,
        *,
        whole: bool = True,
    ) -> None:
        """Plan the search.

        Args:
            table: the stack's.
            question: what is asked.
            profile: of the stack.
            shown: the attributes that the rows must have; None for whole entries.
            whole: read the whole studies and patients that the rows are of, for their counts.

        Raises:
            SearchError: there is no plan for it.
        """
        self.question = question
        self.also: str | None = None
        self.rows = self.possible = self.conflicting = 0
        self.seconds = 0.0
        self._table, self._profile, self._shown, self._whole = table, profile, shown, whole
        self._search = self._of(question)
        self.report = Report()

    @property
    def plan(self) -> Plan:
        """What the search reads."""
        return self._search.plan

    @property
    def shifted(self) -> list[str]:
        """The attributes that conditions are on whose dates are stored shifted."""
        asked = {each.attribute for each in self.question.conditions}
        return [each.name for each in self._profile.attributes if each.policy is Policy.SHIFT and each.name in asked]

    def estimate(self) -> Estimate:
        """What it takes to read everything that could match. It may be asked before, or behind the last row."""
        return self._of(self.question).estimate()

    def __iter__(self) -> Iterator[Row]:
        begun = time.monotonic()
        yield from self._counted(self._search)
        self.report = self._search.report
        other = self._in_requests() if not self.rows and self.report.ended is Ended.ALL else None
        if other is not None:
            self.also, self.question, first = _OF_THE_REQUEST, other, self.report
            self._search = self._of(other)
            yield from self._counted(self._search)
            self.report = _both(first, self._search.report)
        self.seconds = time.monotonic() - begun

    def _of(self, question: Question) -> Search:
        return Search(self._table, question, self._shown, whole=self._whole)

    def _counted(self, search: Search) -> Iterator[Row]:
        for row in search:
            self.rows += 1
            self.possible += row.possible
            self.conflicting += bool(conflicts(row))
            yield row

    def _in_requests(self) -> Question | None:
        question = self.question
        if question.cursor or question.index or self._profile.find(_OF_THE_REQUEST) is None:
            return None
        conditions = tuple(
            structs.replace(each, attribute=_OF_THE_REQUEST, asked=())
            if each.attribute == _ACCESSION and not each.negated and isinstance(each.test, Equal | Like)
            else each
            for each in question.conditions
        )
        left = None if question.budget is None else question.budget - self.report.entries
        if conditions == question.conditions or (left is not None and left <= 0):
            return None
        return structs.replace(question, conditions=conditions, budget=left)


def _both(first: Report, second: Report) -> Report:
    """The second report, with what the first search read."""
    return structs.replace(
        second,
        entries=first.entries + second.entries,
        calls=first.calls + second.calls,
        units=first.units + second.units,
        deleted=first.deleted + second.deleted,
    )
