"""How a deployed table gets the wanted indexes: in updates that each make or drop at most one of them.

That is what DynamoDB does in an update, and so CloudFormation (Amazon DynamoDB API Reference, "UpdateTable"). Under way
no entry may be refused: an item whose attribute is not of the type that an index has for it is (Amazon DynamoDB
Developer Guide, "Detecting and correcting index key violations").
"""

from collections.abc import Iterable
from dataclasses import dataclass

from imaging_index.dictionary import Level
from imaging_index.profile import MOST_INDEXES, OWN_KEYS, Profile
from infra.indexes import Indexes, TypedIndex


@dataclass(frozen=True, slots=True)
class Update:
    """One update of the stack.

    Attributes:
        indexes: the table's indexes afterwards.
        change: what becomes of them, in words; empty when nothing does.
        old_profile: whether the function goes on with the profile that is deployed.
    """

    indexes: Indexes
    change: str
    old_profile: bool = False


def plan(deployed: Indexes, old: Profile, wanted: Indexes, new: Profile) -> list[Update]:
    """The updates that lead to the wanted indexes and profile, in their order: at least one.

    Indexes are made before others are dropped, as far as none is in the way, so that what can be searched for before
    and afterwards can be so all the time.

    Args:
        deployed: the table's indexes now.
        old: the profile that is deployed.
        wanted: the indexes to come.
        new: the profile to come.
    """
    present = dict(deployed)
    updates: list[Update] = []

    def drop(name: str, *, old_profile: bool = False) -> None:
        del present[name]
        updates.append(Update(dict(present), f"drops the index {name}", old_profile))

    def make(name: str) -> None:
        present[name] = wanted[name]
        updates.append(Update(dict(present), f"makes the index {name}"))

    # What entries hold in another type from now on. The indexes over it would refuse the new function's entries, so
    # they go while the old one writes; new ones would refuse the old function's, so the new one is there first.
    retyped = _retyped(deployed, old, wanted, new)
    for name in [name for name, index in deployed.items() if retyped & index.types.keys()]:
        drop(name, old_profile=True)
    barred = retyped
    while present != wanted or not updates or updates[-1].old_profile:
        makeable = [name for name in wanted if _can_be_made(name, present, wanted, barred)]
        if makeable:
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
    """The DynamoDB type in which entries hold an attribute, `L` for all that no index takes; None: they have it not."""
    attribute = profile.find(name)
    if attribute is None:
        return OWN_KEYS.get(name)
    return "L" if attribute.multiple or attribute.level is Level.INSTANCE else profile.key_type(name)


def _can_be_made(name: str, present: Indexes, wanted: Indexes, barred: frozenset[str]) -> bool:
    """Whether there is room for it, and no index that stands has one of its attributes in another type."""
    types, types_now = wanted[name].types, _types(present.values())
    return (
        name not in present
        and len(present) < MOST_INDEXES
        and not barred & types.keys()
        and all(types_now.get(key, kind) == kind for key, kind in types.items())
    )


def _to_drop(present: Indexes, wanted: Indexes) -> list[str]:
    """The indexes that are not wanted as they are: first those whose name another one is to have."""
    others = [name for name, index in present.items() if wanted.get(name) != index]
    return sorted(others, key=lambda name: name not in wanted)


def _types(indexes: Iterable[TypedIndex]) -> dict[str, str]:
    return {name: kind for index in indexes for name, kind in index.types.items()}
