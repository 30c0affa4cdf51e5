"""The series of an image set, and its instances as DICOM JSON."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from local.healthimaging.conversion import Values
from local.healthimaging.dicomweb.dicom_json import Object, dicom_json
from local.healthimaging.document import Document, Series, unpack
from local.healthimaging.errors import Conflict, NotFound
from local.healthimaging.service import Answer, Call
from local.healthimaging.store import DELETED, ImageSet


class Instance(msgspec.Struct, rename={"dicom": "DICOM", "vrs": "DICOMVRs", "frames": "ImageFrames"}):
    """What a document has of an instance."""

    dicom: Values
    vrs: dict[str, str]
    frames: list[dict[str, Any]]


class Found(msgspec.Struct):
    """A series that a path names, with the image set that it is in, and its document, which is to be read only."""

    image_set: ImageSet
    document: Document
    series: Series

    def instance(self, sop_instance_uid: str) -> Instance:
        """One instance.

        Raises:
            NotFound: the series does not have it.
        """
        if sop_instance_uid not in self.series.instances:
            raise NotFound("The series has no such instance.")
        return msgspec.json.decode(self.series.instances[sop_instance_uid], type=Instance)


async def find(call: Call) -> Found:
    """The series in its primary image set, or in the image set that the query names.

    Raises:
        NotFound: there is no such series, or no such image set.
        Conflict: the image set is being deleted.
    """
    data_store = call.account.active(call["datastoreId"])
    image_set = (
        data_store.image_set(call["of"])
        if call["of"]
        else data_store.primaries.get(call["study"], {}).get(call["series"])
    )
    if image_set is None:
        raise NotFound("No primary image set has this series of this study.")
    document = await opened(image_set)
    series = document.study.series.get(call["series"])
    if series is None or document.grouping.study_uid != call["study"]:
        raise NotFound("The image set has no such series of this study.")
    return Found(image_set, document, series)


async def opened(image_set: ImageSet) -> Document:
    """The newest content, to be read only. [U] While a version is being made, that of the version before.

    Raises:
        NotFound: the image set is deleted.
        Conflict: it is being deleted.
    """
    if image_set.latest.state == DELETED:
        raise NotFound("The image set is deleted.")
    if image_set.latest.status == "DELETING":
        raise Conflict("The image set is locked by another action: repeat the call when it is ACTIVE.")
    return await asyncio.to_thread(_unpacked, image_set.content)


@lru_cache(maxsize=4)
def _unpacked(content: bytes) -> Document:
    """A viewer asks for one frame after the other of the same few image sets."""
    return unpack(content)


def of_series(document: Document, series_uid: str) -> Object:
    """The attributes of patient, study and series, with the number of its instances."""
    series = document.study.series[series_uid]
    above = dicom_json(_above(document, series_uid))
    return {**above, "00201209": {"vr": "IS", "Value": [len(series.instances)]}}


def of_instances(document: Document, series_uid: str, instances: Sequence[Instance] | None = None) -> list[Object]:
    """The attributes of each instance, with those of the levels above; of all instances if none are given."""
    above = _above(document, series_uid)
    if instances is None:
        texts = document.study.series[series_uid].instances.values()
        instances = [msgspec.json.decode(text, type=Instance) for text in texts]
    return [dicom_json({**above, **instance.dicom}, instance.vrs) for instance in instances]


def _above(document: Document, series_uid: str) -> Values:
    series = document.study.series[series_uid].dicom
    return {**document.patient.dicom, **document.study.dicom, "SeriesInstanceUID": series_uid, **series}


def answer(objects: list[Object]) -> Answer:
    """Objects as the body of an answer."""
    return Answer(msgspec.json.encode(objects), "application/dicom+json")
