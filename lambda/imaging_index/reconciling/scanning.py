"""Reads the stream of a table's scan: which image sets have an entry, and whose pages are not as they should be.

Items of one image set come in the order of their sort keys, the entry first. So one image set is held at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from imaging_index.reconciling.checkpoint import Group
from imaging_index.table.layout import ENTRY, PAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging_index.table.reconciling import Part


class Seen(msgspec.Struct, frozen=True):
    """What some items of a scan show.

    Attributes:
        entries: image sets whose entry was first indexed before the pass, without tombstones.
        suspects: image sets whose pages are not what their entry names. A scan is no snapshot: look again.
        group: the image set whose items may go on.
    """

    entries: list[str]
    suspects: list[str]
    group: Group | None


def seen(parts: Iterable[Part], group: Group | None, datastore_id: str, before: str, *, last: bool) -> Seen:
    """Go through the next items of a segment, after the `group` that was left open.

    Args:
        parts: the items.
        group: the image set whose items may go on.
        datastore_id: the data store whose image sets count.
        before: an entry that was first indexed later does not count.
        last: whether no more items follow.
    """
    entries: list[str] = []
    suspects: list[str] = []
    group = structs.replace(group) if group else None
    for part in parts:
        owner, _, image_set_id = part.image_set.partition("/")
        if owner != datastore_id:
            continue
        if group is None or group.image_set_id != image_set_id:
            if group and not right(group):
                suspects.append(group.image_set_id)
            group = Group(image_set_id)
        add(group, part)
        if part.head and not part.head.tombstone and (part.head.first_indexed_at or "") < before:
            entries.append(image_set_id)
    if last:
        if group and not right(group):
            suspects.append(group.image_set_id)
        group = None
    return Seen(entries, suspects, group)


def add(group: Group, part: Part) -> None:
    """Count an item of the group's image set."""
    if part.part == ENTRY and part.head:
        group.generation, group.attempt, group.expected = part.head.generation, part.head.attempt, part.pages
    elif group.generation is None:
        group.others += 1
    elif part.part.startswith(f"{PAGES}{group.generation}/{group.attempt}/"):
        group.own += 1
    elif part.part < f"{PAGES}{group.generation}/~":
        # A page of a newer generation is not counted: its entry may be on its way.
        group.others += 1


def right(group: Group) -> bool:
    """Whether an image set has an entry, all the pages that it names, and no others that no entry can name again."""
    return group.generation is not None and not group.others and group.own == group.expected
