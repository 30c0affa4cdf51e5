"""What the indexes that a profile's file declares hold of an entry besides keys: all, nothing, or a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import dictionary
from imaging_index.profile.derived import FOLDED, SEVERAL
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import MOMENTS, MOST_HELD, MOST_HELD_TOGETHER, OWN_NAMES, TABLE_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.mistakes import Mistakes
    from imaging_index.profile.profile import Index

_WORDS: Final[Mapping[str, tuple[str, ...] | None]] = {"all": None, "keys": ()}


def read(
    index: str,
    value: Any,
    keys: tuple[str, ...],
    attributes: Mapping[str, Attribute],
    selected: Mapping[str, Attribute],
    mistakes: Mistakes,
) -> tuple[str, ...] | None:
    """The names of the attributes that an index holds besides `keys`; None for all.

    Keys may be listed, but DynamoDB adds them by itself, so they are left out. `attributes` are those that entries will
    have, `selected` also those that [privacy] drops.
    """
    where, place = f"[indexes.{index}]", ("indexes", index, "holds")
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        mistakes.add(f'{where} needs holds = "all", holds = "keys", or holds = [...] with attributes.', *place)
        return None
    possible = _possible(attributes.values())
    if any(each.policy is Policy.SHIFT for each in attributes.values()):
        possible -= MOMENTS
    for at, name in enumerate(value):
        if name in value[:at]:
            mistakes.add(f"{where} holds '{name}' twice; take one of them out.", *place, at)
        elif name not in possible:
            mistakes.add(f"{where} holds '{name}', {_why_not(name, possible, attributes, selected)}", *place, at)
    held = tuple(name for name in dict.fromkeys(value) if name not in (*TABLE_KEYS, *keys))
    if len(held) > MOST_HELD:
        mistakes.add(
            f"{where} holds {len(held)} attributes besides keys; DynamoDB takes {MOST_HELD}. Take some out, or write "
            'holds = "all".',
            *place,
        )
    return held


def check_sum(indexes: Mapping[str, Index], mistakes: Mistakes) -> None:
    """Note a mistake where the lists of all indexes together become too long."""
    together = 0
    for name, index in indexes.items():
        before, together = together, together + len(index.holds or ())
        if before <= MOST_HELD_TOGETHER < together:
            every = sum(len(each.holds or ()) for each in indexes.values())
            mistakes.add(
                f"The indexes hold {every} attributes in lists, counted in each list; DynamoDB takes "
                f'{MOST_HELD_TOGETHER} a table. Take some out, or let an index hold "all" or "keys".',
                *("indexes", name, "holds"),
            )


def _possible(attributes: Iterable[Attribute]) -> frozenset[str]:
    """The names of all that an entry may have."""
    return OWN_NAMES.union(
        *(
            {
                each.name,
                *([f"{each.name}{FOLDED}"] if each.vr == "PN" and each.policy is Policy.KEEP else []),
                *([f"{each.name}{SEVERAL}"] if not each.multiple and each.policy is Policy.KEEP else []),
            }
            for each in attributes
        )
    )


def _why_not(
    name: str, possible: Iterable[str], attributes: Mapping[str, Attribute], selected: Mapping[str, Attribute]
) -> str:
    """Why an index cannot hold an attribute, and what to do."""
    base = name.removesuffix(FOLDED).removesuffix(SEVERAL)
    if name in MOMENTS:
        return "which no entry has whose dates are shifted; take it out of the list."
    if base in attributes:
        private = attributes[base].policy is not Policy.KEEP
        why = f"since [privacy] does not keep {base}" if private else f"since {base} has no such form"
        return f"which no entry has, {why}; take it out of the list."
    if base in selected:
        return "which [privacy] drops; take it out of the list."
    if dictionary.lookup(base.split(".", 1)[0]):
        return f"which is not selected; add {base} to `attributes`."
    meant = dictionary.nearest(name, sorted(possible))
    return f"which no entry has. Did you mean '{meant}'?" if meant else "which no entry has; select it, or take it out."
