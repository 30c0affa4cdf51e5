"""Keeps a checkpoint: in the table under a lease, or, for a plan, in memory only."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from imaging_index.reconciling.checkpoint import FORMAT, Checkpoint
from imaging_index.reconciling.digest import Digest
from imaging_index.reconciling.refusals import Busy
from imaging_index.table.checkpoints import Stored, Taken

if TYPE_CHECKING:
    from imaging_index.reconciling.pacing import Clock
    from imaging_index.table.checkpoints import Checkpoints

# A run that was killed holds its lease for so long: less than the time between two runs of the schedule. It is renewed
# with every save.
_LEASE: Final = timedelta(minutes=2)


class Kept(msgspec.Struct):
    """A checkpoint, and the digest of its full pass; one without cells when there is none."""

    checkpoint: Checkpoint
    digest: Digest = msgspec.field(default_factory=lambda: Digest(0))


class Status(msgspec.Struct, frozen=True):
    """The checkpoint as it is stored, and who works on it. `holder` and `until` are None when nobody does."""

    checkpoint: Checkpoint
    holder: str | None
    until: datetime | None


class Keeper(Protocol):
    """Where a checkpoint is kept."""

    def take(self) -> Kept:
        """The checkpoint, to work on it alone."""

    def save(self, kept: Kept) -> None:
        """Keep it, in one step."""

    def release(self) -> None:
        """Let others work on it."""


class InTable:
    """In the table, under a lease. Times are this machine's: who takes a lease too early fences the other one off."""

    def __init__(self, checkpoints: Checkpoints, datastore_id: str, holder: str, clock: Clock) -> None:
        """Keep the checkpoint of a data store for `holder`."""
        self._checkpoints = checkpoints
        self._datastore_id = datastore_id
        self._holder = holder
        self._clock = clock
        self._stored = Stored()

    def take(self) -> Kept:
        """The checkpoint, to work on it alone.

        Raises:
            Busy: another run holds the lease.
        """
        now = self._clock.now()
        try:
            self._stored = self._checkpoints.take(self._datastore_id, self._holder, _text(now), _text(now + _LEASE))
        except Taken as taken:
            raise _busy(taken) from None
        except KeyboardInterrupt:
            # The lease may be taken already, and the same command would find it so.
            self._checkpoints.leave(self._datastore_id, self._holder)
            raise
        checkpoint = _checkpoint(self._stored)
        return Kept(checkpoint, Digest.unpacked(self._stored.digest if checkpoint.full else b""))

    def save(self, kept: Kept) -> None:
        """Keep the checkpoint and its digest in one step, and renew the lease.

        Raises:
            Busy: another run has taken the lease since.
        """
        watermark = kept.checkpoint.watermark
        changed = msgspec.structs.replace(
            self._stored,
            content=zlib.compress(msgspec.json.encode(kept.checkpoint)),
            form=FORMAT,
            watermark=_text(watermark) if watermark else None,
            holder=self._holder,
            until=_text(self._clock.now() + _LEASE),
        )
        digest = kept.digest.packed()
        # Nothing is written again where there was no digest, and is none.
        unchanged = not digest and not self._stored.pieces
        try:
            self._stored = self._checkpoints.save(self._datastore_id, changed, digest=None if unchanged else digest)
        except Taken as taken:
            raise _busy(taken) from None

    def release(self) -> None:
        """Give the lease back."""
        self._checkpoints.release(self._datastore_id, self._stored)


class InMemory:
    """In memory: nothing is written. It begins where the stored checkpoint has got to."""

    def __init__(self, checkpoints: Checkpoints, datastore_id: str) -> None:
        """Begin after the checkpoint of a data store."""
        self._checkpoints = checkpoints
        self._datastore_id = datastore_id
        self._kept: Kept | None = None

    def take(self) -> Kept:
        """The checkpoint, without the passes under way."""
        if self._kept is None:
            stored = _checkpoint(self._checkpoints.stored(self._datastore_id))
            stored.short = stored.full = None
            self._kept = Kept(stored)
        return self._kept

    def save(self, kept: Kept) -> None:
        """It is kept already."""

    def release(self) -> None:
        """Nobody is kept from it."""


def status(checkpoints: Checkpoints, datastore_id: str) -> Status:
    """How far reconciling has come, and who holds the lease."""
    stored = checkpoints.stored(datastore_id)
    return Status(_checkpoint(stored), stored.holder, _moment(stored.until) if stored.until else None)


def _checkpoint(stored: Stored) -> Checkpoint:
    """The checkpoint. Of one that another release has written, or of an unreadable one, the watermark alone."""
    if stored.content and stored.form == FORMAT:
        try:
            return msgspec.json.decode(zlib.decompress(stored.content), type=Checkpoint)
        except (msgspec.MsgspecError, zlib.error):
            pass
    return Checkpoint(watermark=_moment(stored.watermark) if stored.watermark else None)


def _busy(taken: Taken) -> Busy:
    return Busy(taken.holder, _moment(taken.until) if taken.until else None)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
