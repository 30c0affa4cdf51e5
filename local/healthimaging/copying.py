"""CopyImageSet: to a new image set, into another one, of a part only, or as the primary one of its series."""

import asyncio
import contextlib
from typing import Any, Final

import msgspec

from local.healthimaging.document import Document, Series, frame_count, unpack
from local.healthimaging.errors import Conflict, Invalid, QuotaExceeded
from local.healthimaging.service import Call, Service
from local.healthimaging.store import ACTIVE, LOCKED, DataStore, ImageSet, packed

# Developer guide, "Endpoints and quotas": image frames of one copy.
_MOST_FRAMES: Final = 1_000


class _Inconsistent(Exception):  # noqa: N818  a copy's outcome, COPY_FAILED with this message
    def __init__(self, levels: str) -> None:
        super().__init__(f"INVALID_REQUEST: {levels} of SourceImageSet and DestinationImageSet do not match")


class _SeriesPart(msgspec.Struct, rename={"instances": "Instances"}):
    instances: dict[str, dict[str, Any]] = {}


class _StudyPart(msgspec.Struct, rename={"series": "Series"}):
    series: dict[str, _SeriesPart]


class _Part(msgspec.Struct, rename={"study": "Study"}):
    """The JSON text of `copiableAttributes`: the instances to copy, in the form of a metadata document."""

    study: _StudyPart


async def copy_image_set(call: Call) -> dict[str, Any]:
    """Copy an image set. Meanwhile the source is locked, but readable.

    [U] A copy to a new image set is not primary unless it is promoted. With a destination, instances that both have
    become the source's. What cannot be copied at all is refused at once; only a disagreement with the destination ends
    as COPY_FAILED.
    """
    data_store = call.account.active(call["datastoreId"])
    source = data_store.unlocked(call["sourceImageSetId"])
    wanted = call["copyImageSetInformation"]
    into, promote, force = (
        wanted.get("destinationImageSet"),
        bool(call.get("promoteToPrimary")),
        bool(call.get("force")),
    )
    if int(wanted["sourceImageSet"]["latestVersionId"]) != source.latest.number:
        raise Conflict("latestVersionId of the source is not the latest version: read the image set again.")
    document = source.content
    content = await asyncio.to_thread(_content, document, wanted["sourceImageSet"].get("DICOMCopies"))
    if data_store.unlocked(source.id).content is not document:
        raise Conflict("The source has changed in the meantime: read the image set again.")
    if promote:
        _check_promotion(data_store, source, content, into)

    destination = _destination(data_store, source, into, is_primary=promote)
    source_status = source.latest.status
    destination.lock("COPYING")
    source.latest.state, source.latest.status = LOCKED, "COPYING_WITH_READ_ONLY_ACCESS"
    source.idle.clear()
    if not into:
        data_store.add(destination, content)
    call.service.bus.image_set(data_store, destination, source_arn=source.arn)
    call.service.bus.image_set(data_store, source)
    answer = {
        "datastoreId": data_store.id,
        "sourceImageSetProperties": _properties(source),
        "destinationImageSetProperties": _properties(destination),
    }
    call.service.start(
        _finish(call.service, data_store, source, source_status, destination, content, merge=bool(into), force=force)
    )
    return answer


async def _finish(
    service: Service,
    data_store: DataStore,
    source: ImageSet,
    source_status: str,
    destination: ImageSet,
    content: Document,
    *,
    merge: bool,
    force: bool,
) -> None:
    await service.job_time()
    try:
        if merge:
            content = await asyncio.to_thread(_merged, destination.content, content, force=force)
        destination.finish("COPIED", await asyncio.to_thread(packed, destination, content), forced=force)
        data_store.add(destination, content)
    except _Inconsistent as reason:
        destination.finish("COPY_FAILED", destination.content, str(reason), forced=force)
    # [U] No event is documented for the source's return.
    source.latest.state, source.latest.status = ACTIVE, source_status
    source.idle.set()
    service.bus.image_set(data_store, destination)


def _destination(data_store: DataStore, source: ImageSet, into: Any, *, is_primary: bool) -> ImageSet:
    if not into:
        return data_store.new_image_set(is_primary=is_primary)
    destination = data_store.unlocked(into["imageSetId"])
    if destination is source:
        raise Invalid("Source and destination are the same image set.")
    if int(into["latestVersionId"]) != destination.latest.number:
        raise Conflict("latestVersionId of the destination is not the latest version: read the image set again.")
    return destination


def _check_promotion(data_store: DataStore, source: ImageSet, content: Document, into: Any) -> None:
    if into or source.is_primary:
        raise Invalid("promoteToPrimary requires a source that is not primary, and no destination.")
    if data_store.primary(content.grouping) or not data_store.fits(content.grouping):
        raise Conflict(
            "The series has a primary image set, or its study is inconsistent with it: delete that one first."
        )


def _content(document: bytes, copies: dict[str, str] | None) -> Document:
    content = unpack(document)
    if copies:
        _take_part(content, copies["copiableAttributes"])
    if frame_count(content) > _MOST_FRAMES:
        raise QuotaExceeded(f"A copy has at most {_MOST_FRAMES} image frames: copy parts.")
    return content


def _take_part(content: Document, text: str) -> None:
    """Keep only the instances that are named."""
    try:
        part = msgspec.json.decode(text, type=_Part)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Invalid("copiableAttributes is not JSON in the form of an image set's metadata.") from error
    kept: dict[str, Series] = {}
    for uid, wanted in part.study.series.items():
        with contextlib.suppress(KeyError):
            series = content.study.series[uid]
            kept[uid] = Series(series.dicom, {sop_uid: series.instances[sop_uid] for sop_uid in wanted.instances})
    if not kept or kept.keys() != part.study.series.keys() or not all(series.instances for series in kept.values()):
        raise Invalid("copiableAttributes names no instances, or some that the source does not have.")
    content.study.series = kept


def _merged(destination: bytes, added: Document, *, force: bool) -> Document:
    """The destination's content with the added instances, under its own patient, study and series.

    Raises:
        _Inconsistent: they disagree above the instance level, and it is not forced.
    """
    present = unpack(destination)
    if not force:
        if present.patient != added.patient or present.study.dicom != added.study.dicom:
            raise _Inconsistent("Patient or Study")
        for uid, series in added.study.series.items():
            if uid not in present.study.series or present.study.series[uid].dicom != series.dicom:
                raise _Inconsistent("Series")
    (first, *_) = present.study.series.values()
    for uid, series in added.study.series.items():
        present.study.series.get(uid, first).instances.update(series.instances)
    return present


def _properties(image_set: ImageSet) -> dict[str, Any]:
    version = image_set.latest
    return {
        "imageSetId": image_set.id,
        "latestVersionId": str(version.number),
        "imageSetState": version.state,
        "imageSetWorkflowStatus": version.status,
        "createdAt": image_set.created_at,
        "updatedAt": version.updated_at,
        "imageSetArn": image_set.arn,
    }
