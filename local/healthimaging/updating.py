"""UpdateImageSetMetadata, and what an update does to a document (developer guide, "Updating image set metadata")."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from imaging_index.dicom.dictionary import Level, lookup
from local.healthimaging.conversion import Values, as_written
from local.healthimaging.document import Document, unpack
from local.healthimaging.errors import Conflict, Invalid, QuotaExceeded
from local.healthimaging.service import Call, Service
from local.healthimaging.store import DataStore, ImageSet, packed

# Developer guide, "Endpoints and quotas": bytes of one update.
_LARGEST: Final = 10_000
_UIDS: Final = {"StudyInstanceUID": Level.STUDY, "SeriesInstanceUID": Level.SERIES, "SOPInstanceUID": Level.INSTANCE}
_FORCED: Final = frozenset({*_UIDS, "StudyID"})
_NUMBERS: Final = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"})
_PRIVATE: Final = re.compile(r"[0-9A-F]{3}[13579BDF][0-9A-F]{4}")


class Rejected(Exception):  # noqa: N818  the version fails, not the call: UPDATE_FAILED with this message
    """An update that cannot be applied to the document. The message names keywords, never values."""


class _InstanceChange(msgspec.Struct, rename={"dicom": "DICOM", "vrs": "DICOMVRs"}):
    dicom: Values | None = None
    vrs: dict[str, str] = {}


class _SeriesChange(msgspec.Struct, rename={"dicom": "DICOM", "instances": "Instances"}):
    dicom: Values = {}
    instances: dict[str, _InstanceChange] | None = None


class _StudyChange(msgspec.Struct, rename={"dicom": "DICOM", "series": "Series"}):
    dicom: Values = {}
    series: dict[str, _SeriesChange] = {}


class _PatientChange(msgspec.Struct, rename={"dicom": "DICOM"}):
    dicom: Values = {}


class Change(
    msgspec.Struct,
    forbid_unknown_fields=True,
    rename={"schema_version": "SchemaVersion", "patient": "Patient", "study": "Study"},
):
    """A JSON text of `updatableAttributes` or `removableAttributes`: a part of a metadata document."""

    schema_version: float | str = 1.1
    patient: _PatientChange = msgspec.field(default_factory=_PatientChange)
    study: _StudyChange = msgspec.field(default_factory=_StudyChange)


@dataclass(frozen=True, slots=True)
class Update:
    """What to set and what to remove. A series or instance in `removed` without content is removed as a whole."""

    updated: Change
    removed: Change
    force: bool

    def apply(self, document: Document) -> None:
        """Change a document in place.

        Raises:
            Rejected: something in it must not be changed like this. The document is then half changed: do not use it.
        """
        _set(document.patient.dicom, self.updated.patient.dicom, Level.PATIENT, force=self.force)
        _drop(document.patient.dicom, self.removed.patient.dicom, Level.PATIENT, force=self.force)
        _set(document.study.dicom, self.updated.study.dicom, Level.STUDY, force=self.force)
        _drop(document.study.dicom, self.removed.study.dicom, Level.STUDY, force=self.force)
        for uid, change in self.updated.study.series.items():
            self._series(document, uid, change)
        for uid, change in self.removed.study.series.items():
            self._without(document, uid, change)
        if not any(series.instances for series in document.study.series.values()):
            raise Rejected("An image set keeps at least one instance, use DeleteImageSet instead")

    def _series(self, document: Document, uid: str, change: _SeriesChange) -> None:
        series = document.study.series.get(uid)
        if series is None:
            raise Rejected("The image set has no such series")
        _set(series.dicom, change.dicom, Level.SERIES, force=self.force)
        _rename(document.study.series, uid, change.dicom.get("SeriesInstanceUID"))
        for sop_uid, part in (change.instances or {}).items():
            if sop_uid not in series.instances:
                raise Rejected("The series has no such instance")
            instance = msgspec.json.decode(series.instances[sop_uid])
            _set(instance["DICOM"], part.dicom or {}, Level.INSTANCE, force=self.force)
            instance["DICOMVRs"] |= part.vrs
            series.instances[sop_uid] = msgspec.Raw(msgspec.json.encode(instance))
            _rename(series.instances, sop_uid, (part.dicom or {}).get("SOPInstanceUID"))

    def _without(self, document: Document, uid: str, change: _SeriesChange) -> None:
        series = document.study.series.get(uid)
        if series is None:
            raise Rejected("The image set has no such series")
        if not change.dicom and change.instances is None:
            del document.study.series[uid]
            return
        _drop(series.dicom, change.dicom, Level.SERIES, force=self.force)
        for sop_uid, part in (change.instances or {}).items():
            if sop_uid not in series.instances:
                raise Rejected("The series has no such instance")
            if part.dicom is None:
                del series.instances[sop_uid]
                continue
            instance = msgspec.json.decode(series.instances[sop_uid])
            _drop(instance["DICOM"], part.dicom, Level.INSTANCE, force=self.force)
            for key in part.dicom:
                instance["DICOMVRs"].pop(key, None)
            series.instances[sop_uid] = msgspec.Raw(msgspec.json.encode(instance))


async def update_image_set_metadata(call: Call) -> dict[str, Any]:
    """Make a new version with changed attributes, or with the content of an older version.

    [U] Mistakes in the request itself are refused at once; those that only the document shows end as UPDATE_FAILED.
    """
    data_store = call.account.active(call["datastoreId"])
    image_set = data_store.unlocked(call["imageSetId"])
    if int(call["latestVersionId"]) != image_set.latest.number:
        raise Conflict("latestVersionId is not the latest version: read the image set again.")
    updates = call["updateImageSetMetadataUpdates"]
    force, whole_study = bool(call.get("force")), bool(call.get("includeStudyImageSets"))
    change: Update | bytes
    if "revertToVersionId" in updates:
        if whole_study:
            raise Invalid("includeStudyImageSets cannot be combined with revertToVersionId.")
        # An ACTIVE image set has no version without content.
        change = image_set.version(updates["revertToVersionId"]).document or image_set.content
    else:
        change = _update(updates["DICOMUpdates"], force=force)
        _check_levels(change, image_set, whole_study=whole_study)

    others = _rest_of_study(data_store, image_set) if whole_study else []
    for one in [image_set, *others]:
        one.lock("UPDATING")
    for one in others:
        one.latest.status = "UPDATING_FOR_STUDY_CONSISTENCY"
    # [U] No detail-type is documented for the consistency of a study: its other image sets tell only of the end.
    call.service.bus.image_set(data_store, image_set)
    version = image_set.latest
    answer = {
        "datastoreId": data_store.id,
        "imageSetId": image_set.id,
        "latestVersionId": str(version.number),
        "imageSetState": version.state,
        "imageSetWorkflowStatus": version.status,
        "createdAt": image_set.created_at,
        "updatedAt": version.updated_at,
    }
    call.service.start(_finish(call.service, data_store, [image_set, *others], change, forced=force))
    return answer


async def _finish(
    service: Service, data_store: DataStore, image_sets: list[ImageSet], change: Update | bytes, *, forced: bool
) -> None:
    await service.job_time()
    try:
        contents = [await asyncio.to_thread(_changed, image_set, change) for image_set in image_sets]
    except Rejected as rejection:
        for image_set in image_sets:
            image_set.finish("UPDATE_FAILED", image_set.content, str(rejection), forced=forced)
            service.bus.image_set(data_store, image_set)
        return
    for image_set, (content, document) in zip(image_sets, contents, strict=True):
        image_set.finish("UPDATED", document, forced=forced)
        data_store.add(image_set, content)
        service.bus.image_set(data_store, image_set)


def _changed(image_set: ImageSet, change: Update | bytes) -> tuple[Document, bytes]:
    content = unpack(change if isinstance(change, bytes) else image_set.content)
    if isinstance(change, Update):
        change.apply(content)
    return content, packed(image_set, content)


def _update(updates: dict[str, bytes], *, force: bool) -> Update:
    if sum(map(len, updates.values())) > _LARGEST:
        raise QuotaExceeded(f"An update has at most {_LARGEST} bytes: make several.")
    if not updates:
        raise Invalid("DICOMUpdates must have updatableAttributes or removableAttributes.")
    parts = {}
    for name in ("updatableAttributes", "removableAttributes"):
        try:
            parts[name] = msgspec.json.decode(updates.get(name, b"{}"), type=Change)
        except msgspec.MsgspecError as error:
            raise Invalid(f"{name} is not JSON in the form of an image set's metadata.") from error
    return Update(parts["updatableAttributes"], parts["removableAttributes"], force)


def _check_levels(update: Update, image_set: ImageSet, *, whole_study: bool) -> None:
    """Refuse to change the series of a primary image set, or its patient but for the whole study (developer guide)."""
    for change in (update.updated, update.removed):
        of_series = any(series.dicom for series in change.study.series.values())
        if image_set.is_primary and of_series:
            raise Invalid("Series attributes of a primary image set cannot be updated: update a copy and promote it.")
        if image_set.is_primary and change.patient.dicom and not whole_study:
            raise Invalid("Patient attributes of a primary image set can be updated with includeStudyImageSets only.")
        if whole_study and change.study.series:
            raise Invalid("includeStudyImageSets updates patient and study attributes only.")
    if whole_study and not image_set.is_primary:
        raise Invalid("includeStudyImageSets requires a primary image set.")


def _rest_of_study(data_store: DataStore, image_set: ImageSet) -> list[ImageSet]:
    others = data_store.primaries.get(image_set.grouping.study_uid, {}).values()
    return [data_store.unlocked(other.id) for other in others if other is not image_set]


def _set(values: Values, changes: Values, level: Level, *, force: bool) -> None:
    for keyword, value in changes.items():
        _allow(keyword, level, force=force)
        element = lookup(keyword)
        number = isinstance(value, int | float)
        if element and element.vm == "1" and number != (element.vr in _NUMBERS) and value is not None and not force:
            raise Rejected(f"The value for {keyword} is not of its VR")
        values[keyword] = value


def _drop(values: Values, changes: Values, level: Level, *, force: bool) -> None:
    for keyword in changes:
        _allow(keyword, level, force=force)
        values.pop(keyword, None)


def _allow(keyword: str, level: Level, *, force: bool) -> None:
    element = lookup(keyword)
    private = _PRIVATE.fullmatch(keyword) is not None and level is Level.INSTANCE
    if keyword == "PixelData" or (element is None and not private):
        raise Rejected("An attribute is not a DICOM keyword that can be changed")
    if element and _UIDS.get(keyword, element.level) != level:
        raise Rejected(f"{keyword} is not of the {level} level")
    if force:
        return
    if element is None or keyword in _FORCED or element.vr == "SQ" or element.vm != "1":
        raise Rejected(f"{keyword} can be changed with force only")


def _rename(values: dict[str, Any], uid: str, new_uid: Any) -> None:
    """Rename the key of a part whose UID has changed."""
    if new_uid in (None, uid):
        return
    if as_written(new_uid) in values:
        raise Rejected("The new UID is already in use")
    values[as_written(new_uid)] = values.pop(uid)
