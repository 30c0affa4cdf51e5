"""The stages of a full pass after the comparison: what is in the table, and not in HealthImaging any more.

Absence from a list is no evidence: an image set may have moved behind the cursor. Only GetImageSet's word buries one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.healthimaging import ImageSetState, Listed
from imaging_index.reconciling import scanning
from imaging_index.reconciling.checkpoint import Group, Segment
from imaging_index.reconciling.counts import Difference, Tier
from imaging_index.reconciling.listing import indexed_at
from imaging_index.reconciling.mending import Mending

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from imaging_index.reconciling.calls import Calls
    from imaging_index.reconciling.checkpoint import Pass
    from imaging_index.reconciling.digest import Digest
    from imaging_index.table.layout import Head

# So many image sets a round.
_ASKED_AT_ONCE: Final = 20
_BURIED_AT_ONCE: Final = 50
# More ghosts than both are buried only when a person has said so.
_MOST_GHOSTS: Final = 100
_MOST_GHOSTS_SHARE: Final = 0.01


def scan(calls: Calls, one: Pass, digest: Digest, deadline: datetime, keep: Callable[[], None]) -> None:
    """Read the next page of each segment of the table.

    Raises:
        TimeIsUp: the queue had no room for hints until the deadline.
    """
    under_way = [segment for segment in one.segments if not segment.done]
    pages = calls.scan(under_way, len(one.segments))
    for segment, page in zip(under_way, pages, strict=True):
        one.counts.read_units += page.units
        last = page.next is None
        seen = scanning.seen(page.parts, segment.group, calls.settings.datastore_id, indexed_at(one.began), last=last)
        mending = Mending(calls, one, None)
        absent = [each for each in seen.suspects if not _look_closely(calls, mending, each)]
        mending.act(deadline, keep)
        mending.commit()
        digest.take_off([*seen.entries, *absent])
        place = one.segments.index(segment)
        one.segments[place] = Segment(segment.number, page.next, last, seen.group)


def _look_closely(calls: Calls, mending: Mending, image_set_id: str) -> bool:
    """Look at the pages of one image set, strongly consistent. Returns False if there are some without an entry."""
    group, head = Group(image_set_id), None
    for part in calls.parts(image_set_id):
        scanning.add(group, part)
        head = head or part.head
    if head is None:
        return not group.others
    if group.others:
        mending.sweep(image_set_id, head)
    if group.own != group.expected and _same(calls.head(image_set_id), head):
        mending.counts.asked += 1
        state = calls.state(image_set_id)
        if state and state.state == "ACTIVE":
            mending.repair(_listed(image_set_id, state), head)
    return True


def _same(one: Head | None, other: Head) -> bool:
    """Whether an entry is as it was: its pages were not swept while they were counted."""
    return one is not None and (one.generation, one.attempt) == (other.generation, other.attempt)


def ask(
    calls: Calls,
    one: Pass,
    digest: Digest,
    heard_before: Collection[str],
    deadline: datetime,
    keep: Callable[[], None],
) -> bool:
    """Ask GetImageSet for the next absent image sets. Returns whether all were asked for.

    Those that live are compared with their entries; those that are deleted remain in the digest. One that HealthImaging
    does not know remains there if it is in `heard_before`: the last full pass heard the same.

    Raises:
        TimeIsUp: the queue had no room for hints until the deadline.
    """
    absent = [each for each in digest.taken_off() or () if each > one.after]
    mending = Mending(calls, one, None)
    settled, unsure = [], []
    ((known, units),) = calls.known([absent[:_ASKED_AT_ONCE]])
    mending.counts.read_units += units
    for image_set_id in absent[:_ASKED_AT_ONCE]:
        mending.counts.asked += 1
        state = calls.state(image_set_id)
        if state is None:
            if image_set_id not in heard_before:
                unsure.append(image_set_id)
        elif state.state != "DELETED":
            settled.append(image_set_id)
            mending.counts.alive += 1
            mending.compare(_listed(image_set_id, state), known.get(calls.key(image_set_id)))
    mending.counts.unsure += len(unsure)
    mending.act(deadline, keep)
    mending.commit()
    one.unsure += unsure
    digest.add([*settled, *unsure])
    if absent[_ASKED_AT_ONCE:]:
        one.after = absent[_ASKED_AT_ONCE - 1]
        return False
    one.after = ""
    if found := digest.taken_off():
        one.counts.found(Difference.GHOST, Tier.UNKNOWN, len(found))
    return True


def too_many(one: Pass) -> bool:
    """Whether a person has to say that so many ghosts are to be buried."""
    most = max(_MOST_GHOSTS, one.counts.compared * _MOST_GHOSTS_SHARE)
    return not one.ghosts and one.counts.of(Difference.GHOST) > most


def bury(calls: Calls, one: Pass, digest: Digest, deadline: datetime, keep: Callable[[], None]) -> bool:
    """Send hints for the next deleted image sets. Returns whether all were sent.

    Raises:
        TimeIsUp: the queue had no room for hints until the deadline.
    """
    left = [each for each in digest.taken_off() or () if each > one.after]
    mending = Mending(calls, one, None)
    for image_set_id in left[:_BURIED_AT_ONCE]:
        mending.bury(image_set_id)
    mending.act(deadline, keep)
    mending.commit()
    one.after = left[:_BURIED_AT_ONCE][-1] if left else ""
    return not left[_BURIED_AT_ONCE:]


def _listed(image_set_id: str, state: ImageSetState) -> Listed:
    """An image set as a list would have it, without its date."""
    return Listed(image_set_id, state.version, None, state.is_primary, state.tier, state.last_accessed)
