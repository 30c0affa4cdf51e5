"""The events of HealthImaging, as EventBridge delivers them (developer guide, "Amazon EventBridge with HealthImaging").

Each is emitted with its whole envelope. `Settings.faults` makes delivery go wrong.
"""

import asyncio
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from local.healthimaging.settings import Settings
from local.healthimaging.store import ACTIVE, DELETED, DataStore, ImageSet, ImportJob, Version

Event = dict[str, Any]
Emit = Callable[[str, Event], None]

_DATA_STORE: Final = {
    "CREATING": "Data Store Creating",
    "CREATE_FAILED": "Data Store Creation Failed",
    "ACTIVE": "Data Store Created",
    "DELETING": "Data Store Deleting",
    "DELETED": "Data Store Deleted",
}
_IMPORT_JOB: Final = {
    "SUBMITTED": "Import Job Submitted",
    "IN_PROGRESS": "Import Job In Progress",
    "COMPLETED": "Import Job Completed",
    "FAILED": "Import Job Failed",
}


def data_store_event(data_store: DataStore) -> Event:
    """The event for a data store's present status."""
    detail = {"datastoreId": data_store.id, "datastoreName": data_store.name, "datastoreStatus": data_store.status}
    return _envelope(data_store, _DATA_STORE[data_store.status], data_store.arn, detail)


def import_job_event(data_store: DataStore, job: ImportJob) -> Event:
    """The event for an import job's present status."""
    detail = {
        "datastoreId": data_store.id,
        "jobId": job.id,
        "jobName": job.name,
        "jobStatus": job.status,
        "inputS3Uri": job.input_uri,
        "outputS3Uri": job.output_uri,
    }
    return _envelope(data_store, _IMPORT_JOB[job.status], data_store.arn, detail)


def image_set_event(
    data_store: DataStore,
    image_set: ImageSet,
    *,
    state: str,
    status: str,
    version: Version,
    spelling: str,
    source_arn: str | None = None,
) -> Event:
    """The event for a change of an image set.

    Args:
        data_store: where it is.
        image_set: what changed.
        state: ImageSetState of the event.
        status: ImageSetWorkflowStatus of the event, and so its kind: COPY_FAILED is `Image Set Copy Failed`.
        version: the version it is about.
        spelling: `current` or `2024`.
        source_arn: of `Image Set Copying`: what is copied.
    """
    detail: dict[str, Any] = {"datastoreId": data_store.id}
    if spelling == "current":
        detail |= {
            "imagesetId": image_set.id,
            "isPrimary": image_set.is_primary,
            "imageSetVersion": str(version.number),
        }
    else:
        detail |= {"imageSetId": image_set.id}
    detail |= {"imageSetState": state, "imageSetWorkflowStatus": status}
    if source_arn:
        detail["sourceImageSetArn"] = source_arn
    kind = "Image Set " + status.replace("_", " ").title()
    return _envelope(data_store, kind, image_set.arn, detail)


def _envelope(data_store: DataStore, kind: str, resource: str, detail: dict[str, Any]) -> Event:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.medical-imaging",
        "account": data_store.account,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": data_store.region,
        "resources": [resource],
        "detail": {"imagingVersion": "1.0", **detail},
    }


class Bus:
    """Passes events to `emit`, on the event loop, with the faults that the settings ask for, and counts them."""

    def __init__(self, emit: Emit, settings: Settings) -> None:
        self._emit = emit
        self.emitted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Use new settings from now on. The faults begin again from their seed."""
        self._settings = settings
        self._random = random.Random(settings.faults.seed)

    def image_set(
        self,
        data_store: DataStore,
        image_set: ImageSet,
        *,
        version: Version | None = None,
        state: str | None = None,
        status: str | None = None,
        source_arn: str | None = None,
    ) -> None:
        """Emit the event of an image set, by default with its latest version, state and status."""
        version = version or image_set.latest
        state, status = state or version.state, status or version.status
        faults = self._settings.faults
        about = version
        if self._hit(faults.wrong_version):
            number = max(1, version.number + self._random.choice((-1, 1)))
            about = Version(number if number != version.number else number + 1, state, status, version.updated_at)
        false_deleted = self._hit(faults.false_deleted)
        spelling = self._settings.spelling
        self._hand_on(
            image_set_event(
                data_store,
                image_set,
                state=state,
                status=status,
                version=about,
                spelling=spelling,
                source_arn=source_arn,
            )
        )
        if false_deleted and state == ACTIVE:
            self._hand_on(
                image_set_event(
                    data_store, image_set, state=DELETED, status="DELETED", version=version, spelling=spelling
                )
            )

    def data_store(self, data_store: DataStore) -> None:
        """Emit the event of a data store's present status."""
        self._hand_on(data_store_event(data_store))

    def import_job(self, data_store: DataStore, job: ImportJob) -> None:
        """Emit the event of a job's present status."""
        self._hand_on(import_job_event(data_store, job))

    def _hit(self, share: float) -> bool:
        # Every fault draws for every event, so that ordering one more does not move the others.
        return self._random.random() < share

    def _hand_on(self, event: Event) -> None:
        faults = self._settings.faults
        lost, doubled, delayed = self._hit(faults.lost), self._hit(faults.doubled), self._hit(faults.delayed)
        if lost:
            return
        for _ in range(2 if doubled else 1):
            if delayed:
                asyncio.get_running_loop().call_later(faults.delay_seconds, self._now, event)
            else:
                self._now(event)

    def _now(self, event: Event) -> None:
        self.emitted[event["account"]][event["detail-type"]] += 1
        self._emit(event["account"], event)
