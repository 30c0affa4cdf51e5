"""The stages of a pass that list image sets: comparing them, and looking again for what had moved.

Each function is a round. It asks AWS, acts on the answers, and only then changes the pass: whatever stops it, the pass
is as it was before, and what was sent is sent again, which does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imaging_index.reconciling import lanes
from imaging_index.reconciling.mending import Mending
from imaging_index.reconciling.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from imaging_index.healthimaging import Listed
    from imaging_index.reconciling.calls import Calls
    from imaging_index.reconciling.checkpoint import Lane, Pass
    from imaging_index.reconciling.digest import Digest
    from imaging_index.table.layout import Key
    from imaging_index.table.reconciling import Known


def compare(
    calls: Calls,
    one: Pass,
    digest: Digest,
    watermark: datetime | None,
    deadline: datetime,
    keep: Callable[[], None],
) -> None:
    """Compare the next page of each lane.

    Raises:
        TimeIsUp: the queue had no room for hints until the deadline.
    """
    one.lanes = lanes.split(one.lanes, calls.settings.lanes)
    under_way = list(one.lanes)
    pages = calls.turn(under_way)
    one.counts.searches += len(pages)
    knowledge = calls.known([[each.image_set_id for each in page.image_sets] for page in pages])
    for lane, page, (known, units) in zip(under_way, pages, knowledge, strict=True):
        mending = Mending(calls, one, watermark)
        mending.counts.compared += len(page.image_sets)
        mending.counts.undated += sum(each.updated is None for each in page.image_sets)
        mending.counts.read_units += units
        for each in page.image_sets:
            mending.compare(each, known.get(calls.key(each.image_set_id)))
        mending.act(deadline, keep)
        mending.commit()
        if one.scope is Scope.FULL:
            digest.add(_indexed_before(calls, page.image_sets, known, indexed_at(one.began)))
        _replace(one, lane, page.rest)


def look_again(calls: Calls, one: Pass, digest: Digest) -> None:
    """Take away from the absent image sets those on the next page of each lane."""
    under_way = list(one.lanes)
    absent = set(digest.taken_off() or ())
    pages = calls.turn(under_way)
    one.counts.searches += len(pages)
    for lane, page in zip(under_way, pages, strict=True):
        there = absent.intersection(each.image_set_id for each in page.image_sets)
        digest.add(there)
        absent -= there
        _replace(one, lane, page.rest)


def indexed_at(moment: datetime) -> str:
    """A time as entries have it, whose order as text is that of time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _indexed_before(calls: Calls, image_sets: Sequence[Listed], known: dict[Key, Known], before: str) -> list[str]:
    """Those that the table has had an entry of since before the pass. What has no date may be listed twice."""
    found = []
    for each in image_sets:
        entry = known.get(calls.key(each.image_set_id))
        if entry and each.updated and not entry.head.tombstone and (entry.head.first_indexed_at or "") < before:
            found.append(each.image_set_id)
    return found


def _replace(one: Pass, lane: Lane, rest: Lane | None) -> None:
    place = next(number for number, each in enumerate(one.lanes) if each is lane)
    one.lanes[place : place + 1] = [rest] if rest else []
