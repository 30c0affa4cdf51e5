"""Finds what differs between HealthImaging and the table, and sends hints for it.

The same `step` runs in the function of the schedule and under the command's bar. It is work for some time over a
checkpoint: a run that ends or is killed anywhere leaves nothing to be done twice for harm, and nothing undone.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from imaging_index.reconciling.calls import Calls, Gather, in_threads
from imaging_index.reconciling.keeping import InMemory, InTable, Keeper, Status, status
from imaging_index.reconciling.pacing import Clock, MachineClock
from imaging_index.reconciling.refusals import refusal
from imaging_index.reconciling.run import Progress, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from imaging_index.healthimaging import HealthImaging
    from imaging_index.kept_documents import KeptDocuments
    from imaging_index.queue.sender import Sender
    from imaging_index.reconciling.settings import Settings
    from imaging_index.table.checkpoints import Checkpoints
    from imaging_index.table.reconciling import ReconcilingTable


class Reconciler:
    """Reconciles one data store.

    With `settings.apply`, a lease makes sure that one run at a time works on the checkpoint: `step` takes it, renews it
    with every save, and gives it back. Without, the checkpoint is kept in memory only, and nothing is written anywhere.
    """

    def __init__(
        self,
        healthimaging: HealthImaging,
        table: ReconcilingTable,
        checkpoints: Checkpoints,
        sender: Sender | None,
        settings: Settings,
        *,
        holder: str,
        documents: KeptDocuments | None = None,
        clock: Clock | None = None,
        gather: Gather = in_threads,
    ) -> None:
        """Take what a pass works with.

        Args:
            healthimaging: the service.
            table: the table.
            checkpoints: the same table, where the checkpoint is.
            sender: sends hints to the queue; None without `settings.apply`.
            settings: what to do.
            holder: who this is, for others who find the lease taken; no other run has the same name.
            documents: where documents are kept, if they are.
            clock: another time than the machine's.
            gather: how calls are made side by side.
        """
        self._settings = settings
        self._clock = clock or MachineClock()
        self._checkpoints = checkpoints
        self._calls = Calls(healthimaging, table, documents, sender, settings, self._clock, gather)
        self._begun: set[datetime] = set()
        self._keeper: Keeper = (
            InTable(checkpoints, settings.datastore_id, holder, self._clock)
            if settings.apply
            else InMemory(checkpoints, settings.datastore_id)
        )

    def step(self, deadline: datetime, observe: Callable[[Progress], None] = lambda _: None) -> Progress:
        """Work until everything wanted is done, or until `deadline`; it returns within seconds of that.

        First the pass of `settings.scope`; then, in a scheduled run, a full pass that is under way or due. Call it
        again until `done`. `observe` is called after each round, every few tenths of a second when AWS answers. A
        KeyboardInterrupt passes through, after the checkpoint is saved and the lease given back.

        Raises:
            Busy: another run holds the lease, or has taken it.
            Refused: AWS refuses for good: an unknown data store, one that is being deleted, no permission, no table.
        """
        try:
            kept = self._keeper.take()
            run = Run(self._calls, self._keeper, kept, self._clock, deadline, observe, self._begun)
            try:
                return run.run()
            finally:
                # What fails here was saved half a minute ago, and the lease runs out.
                with contextlib.suppress(Exception):
                    run.save()
                    self._keeper.release()
        except Exception as error:
            raise refusal(error, self._settings.datastore_id) or error from None

    def status(self) -> Status:
        """How far reconciling has come, and who holds the lease. Takes no lease, and writes nothing."""
        return status(self._checkpoints, self._settings.datastore_id)
