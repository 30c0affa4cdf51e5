"""What the differences on one page need: hints and corrections within the budget, and what they count."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from imaging_index.reconciling import comparing, tiers
from imaging_index.reconciling.checkpoint import Stage
from imaging_index.reconciling.counts import Counts, Difference
from imaging_index.reconciling.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from imaging_index.healthimaging import Listed
    from imaging_index.queue.hint import Hint
    from imaging_index.reconciling.calls import Calls
    from imaging_index.reconciling.checkpoint import Pass
    from imaging_index.table.layout import Head
    from imaging_index.table.reconciling import Known

# What the pass before was to see has been changed at least so long before that pass began: SearchImageSets may lag.
_SEEN_BEFORE: Final = timedelta(minutes=15)
# GetImageSet's states and workflow status of an image set that is no more, or will be no more.
_GONE: Final = "DELETED"
_GOING: Final = "DELETING"


class Mending:
    """Collects what one page needs. `act` does it, and `commit` counts it in the pass when it is done."""

    def __init__(self, calls: Calls, one: Pass, watermark: datetime | None) -> None:
        """Mend for the pass `one`; `watermark` is when the last pass began."""
        self._calls = calls
        self._pass = one
        self._watermark = watermark
        self._hints: list[Hint] = []
        self._of_kept: list[Hint] = []
        self._corrections: list[tuple[str, Head, bool]] = []
        self._sweeps: list[tuple[str, Head]] = []
        self._dollars = 0.0
        self.counts = Counts()

    def compare(self, listed: Listed, known: Known | None) -> None:
        """Compare an image set with its entry."""
        settings, one = self._calls.settings, self._pass
        if listed.updated and listed.updated > self._calls.now() - settings.grace and settings.grace:
            return
        found = comparing.difference(
            listed.version, listed.is_primary, known, revision=one.revision, entry_format=one.entry_format
        )
        if found is None or (found is Difference.FALSE_TOMBSTONE and not self._lives(listed.image_set_id)):
            return
        tier = tiers.tier(listed.tier)
        kept = found is Difference.OUTDATED and self._calls.is_kept(known.head if known else None, listed.version)
        dollars = self._price(listed) if found.reads_document and not kept else 0.0
        self.counts.found(found, tier, 1, dollars)
        self.counts.kept += kept
        self.counts.again += self._seen_before(listed)
        if found is Difference.FALSE_TOMBSTONE:
            self.counts.false_tombstones.append(listed.image_set_id)
        if found is Difference.PRIMARY and known and listed.is_primary is not None:
            self._corrections.append((listed.image_set_id, known.head, listed.is_primary))
        elif found.reads_document and self._affords(dollars):
            key = self._calls.key(listed.image_set_id)
            hint = comparing.to_be_indexed(key, listed.version, listed.is_primary)
            (self._of_kept if kept else self._hints).append(hint)

    def repair(self, listed: Listed, head: Head) -> None:
        """Have an entry with damaged pages written again."""
        kept = self._calls.is_kept(head, listed.version)
        dollars = 0.0 if kept else self._price(listed)
        self.counts.found(Difference.DAMAGED, tiers.tier(listed.tier), 1, dollars)
        self.counts.kept += kept
        if self._affords(dollars):
            hint = comparing.to_be_repaired(self._calls.key(listed.image_set_id))
            (self._of_kept if kept else self._hints).append(hint)

    def sweep(self, image_set_id: str, head: Head) -> None:
        """Delete pages that no entry can name."""
        self.counts.found(Difference.LEFTOVER, tiers.tier(None))
        self._sweeps.append((image_set_id, head))

    def bury(self, image_set_id: str) -> None:
        """Have an image set buried that HealthImaging has deleted."""
        self._hints.append(comparing.to_be_buried(self._calls.key(image_set_id)))

    def act(self, deadline: datetime, keep: Callable[[], None]) -> None:
        """Do all of it.

        Raises:
            TimeIsUp: the queue had no room until the deadline.
        """
        for image_set_id, head, is_primary in self._corrections:
            self._calls.correct_primary(image_set_id, head, is_primary=is_primary)
        for image_set_id, head in self._sweeps:
            self._calls.sweep(image_set_id, head)
        self.counts.hints += self._calls.send(self._hints, deadline, keep)
        self.counts.hints += self._calls.send(self._of_kept, deadline, keep, beside_quota=True)

    def commit(self) -> None:
        """Count it in the pass."""
        self._pass.counts.add(self.counts)
        self._pass.dollars += self._dollars

    def _lives(self, image_set_id: str) -> bool:
        """Whether GetImageSet says that an image set is live, which a list may still do after it was deleted."""
        self.counts.asked += 1
        state = self._calls.state(image_set_id)
        return state is not None and state.state != _GONE and state.workflow != _GOING

    def _price(self, listed: Listed) -> float:
        return tiers.dollars(
            tiers.tier(listed.tier), listed.last_accessed, self._calls.now(), self._calls.settings.mean_bytes
        )

    def _affords(self, dollars: float) -> bool:
        most = self._pass.most_dollars
        # What is free is never refused.
        if dollars and most is not None and self._pass.dollars + self._dollars + dollars > most:
            self.counts.refused.add(1, dollars)
            return False
        self._dollars += dollars
        return True

    def _seen_before(self, listed: Listed) -> bool:
        """Whether the pass before must have seen the same."""
        one = self._pass
        if one.scope is not Scope.INCREMENTAL or one.stage is not Stage.COMPARING or not self._watermark:
            return False
        margin = max(self._calls.settings.grace, _SEEN_BEFORE)
        return listed.updated is not None and listed.updated < self._watermark - margin
