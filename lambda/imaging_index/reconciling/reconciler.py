"""Finds what differs between HealthImaging and the table, and sends hints for it.

The same `step` runs in the function of the schedule and under the command's bar. It is work for some time over a
checkpoint: a run that ends or is killed anywhere leaves nothing to be done twice for harm, and nothing undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

    from imaging_index.healthimaging import HealthImaging
    from imaging_index.queue.sender import Sender
    from imaging_index.reconciling.checkpoint import Checkpoint, Finished, Pass
    from imaging_index.reconciling.settings import Settings
    from imaging_index.table.reconciling import ReconcilingTable


class Refused(Exception):  # noqa: N818
    """Reconciling cannot go on. The text is one sentence or two: what is wrong, and what to do."""


class Busy(Refused):
    """Another run holds the lease: `holder`, until `until` unless it renews it."""

    def __init__(self, holder: str, until: datetime) -> None:
        super().__init__(f"{holder} is reconciling already; its lease ends at {until:%H:%M:%S} UTC unless renewed.")
        self.holder = holder
        self.until = until


class Progress(msgspec.Struct, frozen=True):
    """Where a step ended.

    Attributes:
        done: whether nothing that is wanted is left to do.
        current: the pass under way; None when there is none.
        share: of its stage, 0 to 1, by the time range or the parts of the table that are through.
        finished: the passes that ended in this step, in their order.
        blocked: why it does not go on without a person: more ghosts than it buries unasked; None when it does.
        waited_for: what AWS did not answer in time, such as "SearchImageSets: ThrottlingException"; None when it did.
    """

    done: bool
    current: Pass | None
    share: float
    finished: list[Finished]
    blocked: str | None = None
    waited_for: str | None = None


class Status(msgspec.Struct, frozen=True):
    """The checkpoint as it is stored, and who works on it. `holder` and `until` are None when nobody does."""

    checkpoint: Checkpoint
    holder: str | None
    until: datetime | None


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The time now, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Come back after a while."""


class Reconciler:
    """Reconciles one data store.

    With `settings.apply`, a lease makes sure that one run at a time works on the checkpoint: `step` takes it, renews it
    with every save, and gives it back. Without, the checkpoint is kept in memory only, and nothing is written anywhere.
    """

    def __init__(
        self,
        healthimaging: HealthImaging,
        table: ReconcilingTable,
        sender: Sender | None,
        settings: Settings,
        *,
        holder: str,
        clock: Clock | None = None,
    ) -> None:
        """Take what a pass works with.

        Args:
            healthimaging: the service.
            table: the table.
            sender: sends hints to the queue; None without `settings.apply`.
            settings: what to do.
            holder: who this is, for others who find the lease taken: "the schedule", "alice on laptop".
            clock: another time than the machine's.
        """

    def step(self, deadline: datetime) -> Progress:
        """Work until everything wanted is done, or until `deadline`; it returns within seconds of that.

        First the pass of `settings.scope`; then, in a scheduled run, a full pass that is under way or due. Call it
        again until `done`. A KeyboardInterrupt passes through, after the checkpoint is saved and the lease given back.

        Raises:
            Busy: another run holds the lease.
            Refused: AWS refuses for good: an unknown data store, one that is being deleted, no permission, no table.
        """
        raise NotImplementedError

    def status(self) -> Status:
        """How far reconciling has come, and who holds the lease. Takes no lease, and writes nothing."""
        raise NotImplementedError
