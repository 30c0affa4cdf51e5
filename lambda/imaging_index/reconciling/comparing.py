"""Whether an image set, as HealthImaging lists it, differs from its entry; and the hint that mends it.

Versions are compared, never times: an entry is as new as the version that it was made of, whenever that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.reconciling.counts import Difference
from imaging_index.table import generation

if TYPE_CHECKING:
    from imaging_index.table.layout import Key
    from imaging_index.table.reconciling import Known


def difference(
    version: int, is_primary: bool | None, known: Known | None, *, revision: int, entry_format: int
) -> Difference | None:
    """How an image set of `version` differs from what the table knows; None when it does not.

    A tombstone is reported as false, whatever HealthImaging says of the image set now: ask it.
    """
    if known is None:
        return Difference.MISSING
    if known.head.tombstone:
        return Difference.FALSE_TOMBSTONE
    described = generation.described(known.head.generation)
    if described[0] < version:
        return Difference.STALE
    if described[0] > version:
        return None  # the list is older than the entry
    if described[1:] < (revision, entry_format):
        return Difference.OUTDATED
    if is_primary is not None and is_primary != known.is_primary:
        return Difference.PRIMARY
    return None


def to_be_indexed(key: Key, version: int, is_primary: bool | None) -> Hint:
    """The hint that has a version indexed: with `is_primary`, the document is all that is asked of HealthImaging."""
    return _hint(Kind.CREATED, Cause.RECONCILE, key, version, is_primary)


def to_be_repaired(key: Key) -> Hint:
    """The hint that has an entry written again, though it is of the current version."""
    return _hint(Kind.CREATED, Cause.REPAIR, key)


def to_be_buried(key: Key) -> Hint:
    """The hint that has a deleted image set buried. It bears no version, so that HealthImaging is asked."""
    return _hint(Kind.DELETED, Cause.RECONCILE, key)


def _hint(kind: Kind, cause: Cause, key: Key, version: int | None = None, is_primary: bool | None = None) -> Hint:
    return Hint(kind, cause, key.datastore_id, key.image_set_id, version, is_primary, replayed=True)
