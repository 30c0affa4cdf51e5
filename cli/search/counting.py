"""`--count`: how many rows there are in all, and with `--by` in each group."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cli.search.columns import MODALITIES, said, selected
from imaging_index.searching.rows import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.rows import Row

# Parts of the study's date, by how many of its digits they have.
_PARTS: Final = {"Year": 4, "Month": 6, "Day": 8}
_DATE: Final = "StudyDate"
UNDATED: Final = "undated"
NO_VALUE: Final = "no value"

Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows there are, and how many in each group: by the values of `names`, in their order."""

    total: int
    names: tuple[str, ...]
    groups: dict[Group, int]

    def records(self) -> list[dict[str, Any]]:
        """The groups as JSON objects."""
        return [{"group": dict(zip(self.names, group, strict=True)), "count": n} for group, n in self.groups.items()]


def names(by: Iterable[str], profile: Profile) -> tuple[str, ...]:
    """What to group by: Year, Month and Day of the study, and attributes by their names.

    Raises:
        SearchError: the profile does not select one.
    """
    return tuple(name if name in _PARTS else selected([name], profile)[0] for name in by)


def needed(by: Sequence[str]) -> tuple[str, ...]:
    """The attributes that rows must have to be grouped."""
    parts = (_DATE,) if _PARTS.keys() & {*by} else ()
    return (*parts, *(name for name in by if name not in _PARTS and name != MODALITIES))


def count(rows: Iterable[Row], by: tuple[str, ...]) -> Counted:
    """Count rows, each once in every group that one of its entries belongs to."""
    total, groups = 0, Counter[Group]()
    for row in rows:
        total += 1
        if by:
            groups.update({tuple(_value(row, item, name) for name in by) for item in row.entries})
    return Counted(total, by, dict(sorted(groups.items())))


def _value(row: Row, item: Item, name: str) -> str:
    if name in _PARTS:
        digits = said(value_of(item, _DATE))[: _PARTS[name]]
        return "-".join(filter(None, (digits[:4], digits[4:6], digits[6:]))) or UNDATED
    if name == MODALITIES:
        return said([*(row.modalities or ())]) or NO_VALUE
    return said(value_of(item, name)) or NO_VALUE
