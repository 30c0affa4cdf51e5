"""Announces an import job when the index holds every image set that the job wrote, at its version or a newer one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from imaging_index.publishing import event
from imaging_index.publishing.studies import LONG, Checked
from imaging_index.table import generation
from imaging_index.table.layout import Key
from imaging_index.table.watching import MOST_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging_index.entry.item import Item
    from imaging_index.healthimaging import HealthImaging
    from imaging_index.publishing.bus import Bus
    from imaging_index.publishing.event import Event
    from imaging_index.publishing.manifest import Manifest, Manifests
    from imaging_index.publishing.message import Job
    from imaging_index.table.watching import Watched

# How soon a job whose image sets are not all there is looked at again: after a part of its age, within bounds.
_OF_ITS_AGE: Final = 0.1
_SOONEST: Final = 10.0  # seconds


class JobWatch:
    """Watches the import jobs of data stores.

    It needs the bus, the table, the jobs' manifests in S3 and, for manifests without versions, HealthImaging's
    GetImageSet.
    """

    def __init__(
        self,
        bus: Bus,
        table: Watched,
        manifests: Manifests,
        healthimaging: HealthImaging,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._table = table
        self._manifests = manifests
        self._healthimaging = healthimaging
        self._now = now

    def check(self, job: Job) -> Checked:
        """Look whether all image sets of a job are indexed.

        Raises:
            NotReady: the manifest is not there.
            Configuration: the manifest may not be read.
            Permanent: the manifest is of no use.
            Exception: whatever AWS answers besides (`aws_errors.classify`), or EventBridge's refusal as a fault.
        """
        if self._table.is_job_announced(job.datastore_id, job.id):
            return Checked()
        manifest = self._manifests.read(job)
        gone = self._gone(job.datastore_id, manifest)
        if gone is None:
            age = max(self._now() - job.completed, 0)
            return Checked(later=min(max(age * _OF_ITS_AGE, _SOONEST), LONG), waiting=age >= LONG)
        self._bus.put_one(self._event(job, manifest, gone))
        self._table.note_job_announced(job.datastore_id, job.id, self._now())
        return Checked(announced=True)

    def _gone(self, datastore_id: str, manifest: Manifest) -> int | None:
        """How many image sets of a job were deleted since; None while any of them is not indexed."""
        gone = 0
        keys = [Key(datastore_id, each) for each in manifest.versions]
        # A job that is not through shows it at its first hundred image sets, more often than not.
        for start in range(0, len(keys), MOST_KEYS):
            some = keys[start : start + MOST_KEYS]
            found = self._table.parts_of(some, ["ImageSetVersion"])
            for key in some:
                entry = found.get(key)
                if _deleted(entry):
                    gone += 1
                elif not self._is_indexed(key, entry, manifest.versions[key.image_set_id]):
                    return None
        return gone

    def _is_indexed(self, key: Key, entry: Item | None, version: int | None) -> bool:
        if entry is None:
            return False
        if version is None:
            # The newest version is the job's or a newer one.
            now = self._healthimaging.state(key.datastore_id, key.image_set_id)
            if now is None:
                return False
            version = now.version
        return int(entry["ImageSetVersion"]["N"]) >= version

    def _event(self, job: Job, manifest: Manifest, gone: int) -> Event:
        detail: dict[str, Any] = {
            "datastoreId": job.datastore_id,
            "jobId": job.id,
            "key": f"{job.datastore_id}/{job.id}",
            "imageSetCount": len(manifest.versions),
            "goneCount": gone,
            "instanceCount": manifest.instances,
            "refusedFileCount": manifest.refused,
            "seconds": max(round(self._now() - job.completed), 0),
        }
        return event.make(event.JOB_INDEXED, f"{job.datastore_id}/{job.id}", detail)


def _deleted(entry: Item | None) -> bool:
    return entry is not None and entry["Generation"]["S"] == generation.TOMBSTONE
