"""What `--explain` adds: the index and the range of it that was read, and what was estimated and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cli.output import counted
from cli.search.costs import dollars, duration, price, units
from imaging_index.profile.derived import STUDY_MOMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.search.answer import Answer
    from imaging_index.searching.report import Estimate
    from imaging_index.table.layout import Between

# The moments of studies and of arrivals, which say nothing of a patient.
_DAYS: Final = {STUDY_MOMENT.name: re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")}
_DAYS["FirstIndexedAt"] = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an answer came about. `reach` names the key attributes that were asked, in words without their values."""

    index: str
    reach: str
    estimated: Estimate

    @classmethod
    def of(cls, answer: Answer) -> Explanation:
        """What is known before anything is read."""
        plan = answer.plan
        return cls(plan.index, _reach(plan.queries), answer.estimate())

    def record(self, answer: Answer) -> dict[str, Any]:
        """All of it as a JSON object; the answer is complete."""
        report = answer.report
        return {
            "index": self.index,
            "range": self.reach,
            "estimated": _amounts(self.estimated.entries, self.estimated.units, self.estimated.seconds),
            "read": _amounts(report.entries, report.units, answer.seconds),
            "readBackTo": report.read_back_to,
            "cursor": report.cursor,
        }

    def lines(self, answer: Answer) -> list[str]:
        """The same for people."""
        report, estimated = answer.report, self.estimated
        read = _words(report.entries, report.units, answer.seconds)
        return [
            f"index         {self.index}",
            f"range         {self.reach}",
            f"estimated     {_words(estimated.entries, estimated.units, estimated.seconds)}",
            f"read          {read}",
            f"read back to  {report.read_back_to or 'the end'}",
            f"cursor        {report.cursor or 'none: all was read'}",
        ]


def _reach(queries: Sequence[Mapping[str, str | Between]]) -> str:
    """The queries of an index in words, without values but for days."""
    if not queries:
        return "nothing"
    terms = ", ".join(_term(name, {str(query[name]): query[name] for query in queries}) for name in queries[0])
    return f"{counted(len(queries), 'query') if len(queries) == 1 else f'{len(queries):,} queries'}: {terms}"


def _term(name: str, asked: Mapping[str, str | Between]) -> str:
    if len(asked) > 1:
        return f"{name} of {len(asked):,} values"
    (value,) = asked.values()
    if isinstance(value, str):
        return f"{name} of one value"
    ends = [_day(name, end) for end in (value.low, value.high)]
    return f"{name} in a range" if None in ends else f"{name} from {ends[0]} to {ends[1]}"


def _day(name: str, moment: str) -> str | None:
    """The day of a moment; `any` where a range is open; None for what is not a moment."""
    if name not in _DAYS:
        return None
    day = _DAYS[name].match(moment)
    return "-".join(day.groups()) if day and day[0] != "00010101" else "any day"


def _amounts(entries: int, of_units: float, seconds: float) -> dict[str, float]:
    return {"entries": entries, "units": of_units, "dollars": dollars(of_units), "seconds": round(seconds, 3)}


def _words(entries: int, of_units: float, seconds: float) -> str:
    return f"{entries:,} entries, {units(of_units)}, {price(of_units)}, {duration(seconds)}"
