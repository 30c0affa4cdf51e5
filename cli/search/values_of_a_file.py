"""A condition on the values of a file, `PatientID=@FILE`: one search for all of them, and which rows each one has."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from cli.output import Misuse
from imaging_index.profile.derived import SEVERAL
from imaging_index.searching.grammar import each_of, parse
from imaging_index.searching.matching import Equal, Match, keys, singles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from imaging_index.entry.item import AttributeValue, Item
    from imaging_index.profile.privacy import Privacy
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.rows import Row

_STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Found:
    """One value, and the rows that have it."""

    value: str
    rows: list[Row] = field(default_factory=list)

    @property
    def times(self) -> str:
        """How many rows: none, one or several."""
        return {0: "none", 1: "one"}.get(len(self.rows), "several")


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a file, each with its condition; `condition` is the one that any of them passes."""

    texts: tuple[str, ...]
    each: tuple[Condition, ...]
    condition: Condition

    @classmethod
    def of(
        cls, beginning: str, file: str, profile: Profile, today: date, *, exact: bool, privacy: Privacy | None = None
    ) -> Values:
        """The values of a file, or of standard input for `-`; `beginning` is what the condition begins with.

        Raises:
            Misuse: the file cannot be read, or one of its lines is not a single value.
            SearchError: a line is not a value of the attribute.
        """
        texts = each_of(beginning, _lines(file))
        each = tuple(parse([text], profile, today, exact=exact, privacy=privacy)[0] for text in texts)
        tests = [condition.test for condition in each if isinstance(condition.test, Equal)]
        first = each[0]
        if len(tests) < len(each):
            raise Misuse(f"Each line of the file is one value of {first.attribute}, without a range or a wildcard.")
        asked = tuple(dict.fromkeys(value for condition in each for value in condition.asked))
        test = Equal(frozenset(key for test in tests for key in test.keys))
        # An index finds them only where it finds each.
        together = asked if all(condition.asked for condition in each) else ()
        return cls(
            tuple(text.removeprefix(beginning) for text in texts),
            each,
            structs.replace(first, test=test, asked=together),
        )

    def sort(self, rows: Iterable[Row]) -> list[Found]:
        """The values in their order, each with its rows."""
        found = [Found(text) for text in self.texts]
        places: dict[Any, set[int]] = {}
        for place, condition in enumerate(self.each):
            for key in condition.test.keys if isinstance(condition.test, Equal) else ():
                places.setdefault(key, set()).add(place)
        for row in rows:
            for place in sorted({place for item in row.entries for place in self._places(item, places)}):
                found[place].rows.append(row)
        return found

    def _places(self, item: Item, places: dict[Any, set[int]]) -> set[int]:
        """Which of the values an entry has, for certain or possibly."""
        vr, exact, name = self.condition.vr, self.condition.exact, self.condition.attribute
        stored = [item[each] for each in (name, f"{name}{SEVERAL}") if each in item]
        values = {value for each in stored for listed in _listed(each) for value in singles(vr, listed)}
        found = {place for each in values for key in keys(vr, each, exact=exact) for place in places.get(key, ())}
        if found:
            return found
        return {place for place, condition in enumerate(self.each) if condition.match(item) is not Match.NO}


def _lines(file: str) -> Sequence[str]:
    try:
        text = sys.stdin.read() if file == _STDIN else Path(file).expanduser().read_text("utf-8-sig")
    except OSError:
        raise Misuse("The file behind @ cannot be read: check its name, or write - for standard input.") from None
    except UnicodeDecodeError:
        raise Misuse("The file behind @ is not text in UTF-8: convert it, with one value a line.") from None
    return text.splitlines()


def _listed(stored: AttributeValue) -> Iterator[AttributeValue]:
    """The stored attribute itself; of a range of values in the instances those that the entry has."""
    if "M" not in stored:
        yield stored
    else:
        ends = stored["M"]
        yield from (ends[name] for name in (("Values",) if "Values" in ends else ("Min", "Max")) if name in ends)
