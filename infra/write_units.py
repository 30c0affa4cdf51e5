"""About how many write units an image set takes.

docs/cost.md has the formula, and `imaging-index cost` measures what goes into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imaging_index.profile.profile import Index, Profile

# An entry of a profile with more attributes than these takes a second kB.
_ATTRIBUTES_IN_A_UNIT: Final = 40
# Pages of up to ten instances take a unit; most image sets have more, and a page for a thousand.
_PAGE: Final = 1


def new(profile: Profile) -> int:
    """The units of an image set that has no entry."""
    entry = _entry(profile)
    return entry + _PAGE + sum(entry if index.holds is None else 1 for index in _dense(profile))


def again(profile: Profile) -> int:
    """The units of an entry that is replaced by one with the same values: indexes that hold lists do not change."""
    entry = _entry(profile)
    return entry + 2 * _PAGE + sum(entry for index in _dense(profile) if index.holds is None)


def _entry(profile: Profile) -> int:
    return 1 + (len(profile.attributes) > _ATTRIBUTES_IN_A_UNIT)


def _dense(profile: Profile) -> list[Index]:
    """The indexes that contain nearly all image sets, and not only those that are not primary."""
    return [index for index in profile.indexes.values() if "NonPrimary" not in index.keys]
