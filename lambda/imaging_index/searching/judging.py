"""Decides which entries match, whatever an index holds of them: where it holds too little, the whole entry is read."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Final

from imaging_index.profile.derived import FOLDED, SEVERAL
from imaging_index.profile.schema import OWN_NAMES
from imaging_index.searching.matching import Match, Words, match_all
from imaging_index.searching.rows import NEEDED
from imaging_index.table.layout import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Index
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.stream import Source

# What says that an entry has not all values of an attribute.
_FLAWS: Final = ("InvalidAttributes", "TruncatedAttributes")
# The attributes that only whole entries have.
WHOLE: Final = {"Generation", "ProfileHash", "PagesChecksum"}
_OF_THE_TABLE: Final = {"ImageSet", "Part"}
# Amazon DynamoDB API Reference, "BatchGetItem".
_BATCH: Final = 100


class Judge:
    """Decides by some conditions that must all hold in one image set."""

    def __init__(self, source: Source, conditions: Sequence[Condition]) -> None:
        self._source, self._conditions = source, conditions
        attributes = [each.attribute.rpartition(".")[0] or each.attribute for each in conditions]
        self._joint = len({*attributes}) < len(attributes)
        # By the name of a condition's attribute, how many entries matched it.
        self.matched = dict.fromkeys((each.attribute for each in conditions), 0)

    def judge(self, items: Sequence[Item], index: Index) -> list[tuple[Item, Match]]:
        """The entries, each with how surely it matches; those that do have at least what rows need.

        Those that no longer exist do not match.

        Args:
            items: entries as an index holds them.
            index: it.
        """
        undecided = [not self._is_decided(item, index) for item in items]
        whole = fetch(self._source, compress(items, undecided))
        judged = []
        for item, fetched in zip(items, undecided, strict=True):
            known = whole.get(item["ImageSet"]["S"]) if fetched else item
            judged.append((item, Match.NO) if known is None else (known, self._match(known)))
        if holds(index, NEEDED):
            return judged
        found = [item for item, match in judged if match is not Match.NO and not item.keys() >= WHOLE]
        fetched_too = fetch(self._source, found)
        return [(fetched_too.get(item["ImageSet"]["S"], item), match) for item, match in judged]

    def _match(self, item: Item) -> Match:
        surest = Match.YES
        for condition in self._conditions:
            match = condition.match(item)
            if match is not Match.NO:
                self.matched[condition.attribute] += 1
            if match < surest:
                surest = match
        return match_all(self._conditions, item) if self._joint and surest is not Match.NO else surest

    def _is_decided(self, item: Item, index: Index) -> bool:
        """Whether an index holds enough of an entry to match it."""
        return index.holds is None or all(_decides(item, index, condition) for condition in self._conditions)


def fetch(source: Source, items: Iterable[Item]) -> dict[str, Item]:
    """The whole entries of some by their partition key, without those that were deleted meanwhile."""
    keys = [Key(*item["ImageSet"]["S"].split("/")) for item in items]
    batches = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
    found: dict[str, Item] = {}
    for page in source.executor.map(source.table.entries, batches):
        source.report.add(page)
        found |= {item["ImageSet"]["S"]: item for item in page.items}
    source.report.deleted += len(keys) - len(found)
    return found


def holds(index: Index, names: Iterable[str]) -> bool:
    """Whether an index holds some attributes of all its entries."""
    return index.holds is None or {*names} <= {*index.holds, *index.partition, *index.sort, *_OF_THE_TABLE}


def _decides(item: Item, index: Index, condition: Condition) -> bool:
    name = condition.attribute
    if name in OWN_NAMES:
        return holds(index, [name])
    if not holds(index, [name, *_FLAWS, *([f"{name}{FOLDED}"] if isinstance(condition.test, Words) else [])]):
        return False
    named = {"S": name}
    return f"{name}{SEVERAL}" not in item and not any(named in item[flaw]["L"] for flaw in _FLAWS if flaw in item)
