"""The stage of a full pass that looks at kept documents: those that no entry can need again are deleted.

A write may land after its function was killed and all sweeps were through. Entries only ever get newer, so nobody needs
a document of a version below its entry's, or of a tombstone. One of a newer version may have its entry still on its
way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.reconciling.counts import Counts, Difference, Tier
from imaging_index.table import generation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.kept_documents import Kept
    from imaging_index.reconciling.calls import Calls
    from imaging_index.reconciling.checkpoint import Pass
    from imaging_index.reconciling.digest import Digest
    from imaging_index.table.reconciling import Known

# Amazon DynamoDB API Reference, "BatchGetItem".
_AT_ONCE: Final = 100
# Image sets without an entry, that are asked for in one pass: a digest has room for them besides ghosts. If a table was
# emptied, all documents are of such.
_MOST_UNENTERED: Final = 500


def delete(calls: Calls, one: Pass, digest: Digest) -> bool:
    """Look at the next thousand documents. Returns whether all were looked at.

    Image sets with a document from before the pass, and without an entry, are taken off the digest: GetImageSet is
    asked for them, as for all that are absent.
    """
    kept, last = calls.kept(one.after)
    counts = Counts()
    known = _known(calls, kept, counts)
    suspects = {each.image_set_id for each in kept if _is_orphan(each, known.get(each.image_set_id))}
    # A list is no snapshot: their own sweeps may have been under way.
    orphans = [each for name in sorted(suspects) for each in calls.documents_below(name, _needed(known[name]))]
    before = one.began - calls.settings.overlap
    unentered = {each.image_set_id for each in kept if each.image_set_id not in known and each.written < before}
    # None is taken off twice: it would still be absent when GetImageSet has said that it lives.
    taken_off = digest.taken_off() if unentered else None
    absent = [] if taken_off is None else sorted(unentered.difference(taken_off))
    absent = absent[: _MOST_UNENTERED - one.unentered]
    if orphans:
        calls.delete_documents(orphans)
        counts.found(Difference.ORPHAN, Tier.UNKNOWN, len(orphans))
    one.counts.add(counts)
    one.unentered += len(absent)
    digest.take_off(absent)
    one.after = last
    return not last


def _known(calls: Calls, kept: Sequence[Kept], counts: Counts) -> dict[str, Known]:
    """What the table knows of the documents' image sets."""
    ids = sorted({each.image_set_id for each in kept})
    lists = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
    found: dict[str, Known] = {}
    for known, units in calls.known(lists):
        counts.read_units += units
        found |= {key.image_set_id: each for key, each in known.items()}
    return found


def _is_orphan(kept: Kept, known: Known | None) -> bool:
    if known is None:
        return False
    needed = _needed(known)
    return needed is None or kept.version < needed


def _needed(known: Known) -> int | None:
    """The lowest version whose document can be needed; None for no version."""
    return None if known.head.tombstone else generation.described(known.head.generation)[0]
