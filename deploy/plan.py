"""How a deployed table gets the wanted indexes: in updates that each make or drop at most one of them.

DynamoDB allows no more in one update, so neither does CloudFormation (Amazon DynamoDB API Reference, "UpdateTable").
What an index holds cannot be changed, so the index is replaced by another, whose name in DynamoDB differs
(`index_names`).
No entry may be refused on the way. DynamoDB refuses an item if the type of an attribute is not the type that an index
declares for it (Amazon DynamoDB Developer Guide, "Detecting and correcting index key violations").
"""

from collections.abc import Iterable
from dataclasses import dataclass

from imaging_index.profile.index_names import declared
from imaging_index.profile.profile import Profile
from imaging_index.profile.schema import MOST_HELD_TOGETHER, MOST_INDEXES, OWN_KEYS
from infra.indexes import Indexes, TypedIndex


@dataclass(frozen=True, slots=True)
class Update:
    """One update of the stack.

    Attributes:
        indexes: the table's indexes afterwards.
        change: how they change, in words; empty if they do not.
        old_profile: whether the function keeps the deployed profile.
    """

    indexes: Indexes
    change: str
    old_profile: bool = False


def plan(deployed: Indexes, old: Profile, wanted: Indexes, new: Profile) -> list[Update]:
    """The updates that lead to the wanted indexes and profile, in their order: at least one.

    Indexes are made before others are dropped, unless one is in the way. So an attribute that can be searched for
    before and afterwards can be searched for all the time. One that is replaced is dropped right after the other is
    made, since both cost write units.

    Args:
        deployed: the table's present indexes.
        old: the deployed profile.
        wanted: the new indexes.
        new: the new profile.
    """
    present = dict(deployed)
    updates: list[Update] = []

    def drop(name: str, *, old_profile: bool = False) -> None:
        del present[name]
        updates.append(Update(dict(present), f"drops the index {name}", old_profile))

    def make(name: str) -> None:
        present[name] = wanted[name]
        updates.append(Update(dict(present), f"makes the index {name}"))

    # Attributes whose type in entries changes. The old indexes over them would refuse the new function's entries, so
    # they are dropped while the old function writes. New indexes would refuse the old function's entries, so the new
    # function is deployed first.
    retyped = _retyped(deployed, old, wanted, new)
    for name in [name for name, index in deployed.items() if retyped & index.types.keys()]:
        drop(name, old_profile=True)
    barred = retyped
    while present != wanted or not updates or updates[-1].old_profile:
        makeable = _makeable(present, wanted, barred)
        if replaced := _replaced(present, wanted):
            drop(replaced[0])
        elif makeable:
            make(makeable[0])
        elif others := _to_drop(present, wanted):
            drop(others[0])
        else:
            updates.append(Update(dict(present), ""))
        barred = frozenset()
    return updates


def _retyped(deployed: Indexes, old: Profile, wanted: Indexes, new: Profile) -> frozenset[str]:
    """The key attributes that entries hold in another type under the new profile."""
    before, after = _types(deployed.values()), _types(wanted.values())
    return frozenset(
        name
        for name in before | after
        if None not in (types := (before.get(name, _stored(name, old)), _stored(name, new))) and len(set(types)) > 1
    )


def _stored(name: str, profile: Profile) -> str | None:
    """The DynamoDB type in which entries hold an attribute; None for one that they do not have."""
    attribute = profile.find(name)
    return attribute.form.type if attribute else OWN_KEYS.get(name)


def _makeable(present: Indexes, wanted: Indexes, barred: frozenset[str]) -> list[str]:
    """The indexes that can be made now, first those without a present one that is searched meanwhile."""
    searched = {declared(name) for name in present}
    names = (name for name in wanted if _can_be_made(name, present, wanted, barred))
    return sorted(names, key=lambda name: declared(name) in searched)


def _can_be_made(name: str, present: Indexes, wanted: Indexes, barred: frozenset[str]) -> bool:
    """Whether there is room for it and its list, and no present index has one of its keys in another type."""
    types, types_now = wanted[name].types, _types(present.values())
    return (
        name not in present
        and len(present) < MOST_INDEXES
        and sum(len(index.holds or ()) for index in (*present.values(), wanted[name])) <= MOST_HELD_TOGETHER
        and not barred & types.keys()
        and all(types_now.get(key, kind) == kind for key, kind in types.items())
    )


def _replaced(present: Indexes, wanted: Indexes) -> list[str]:
    """The indexes in whose place the wanted ones of the same declared name are already made."""
    made = {declared(name) for name, index in wanted.items() if present.get(name) == index}
    return [name for name in present if name not in wanted and declared(name) in made]


def _to_drop(present: Indexes, wanted: Indexes) -> list[str]:
    """The indexes that are not wanted as they are, in the order in which they make room at the least cost.

    First those whose names are needed for others, then those that nothing replaces; in the end those that are searched
    until they are replaced, with long lists before others.
    """
    others = [name for name, index in present.items() if wanted.get(name) != index]
    names = {declared(name) for name in wanted}
    return sorted(
        others, key=lambda name: (name not in wanted, declared(name) in names, -len(present[name].holds or ()))
    )


def _types(indexes: Iterable[TypedIndex]) -> dict[str, str]:
    return {name: kind for index in indexes for name, kind in index.types.items()}
