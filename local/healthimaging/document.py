"""The metadata document of one image set version (HealthImaging's developer guide, "Understanding image sets").

Instances stay JSON text as they came, so that a thousand of them can be merged without being parsed.
"""

import gzip
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from local.healthimaging.conversion import Values, as_written

Instances = dict[str, msgspec.Raw]


class Series(msgspec.Struct, rename={"dicom": "DICOM", "instances": "Instances"}):
    """One series: its values, and the JSON text of its instances by SOP instance UID."""

    dicom: Values
    instances: Instances


class Study(msgspec.Struct, rename={"dicom": "DICOM", "series": "Series"}):
    """The study's values and its series by series instance UID."""

    dicom: Values
    series: dict[str, Series]


class Patient(msgspec.Struct, rename={"dicom": "DICOM"}):
    """The patient's values."""

    dicom: Values


class Document(
    msgspec.Struct,
    rename={
        "schema_version": "SchemaVersion",
        "datastore_id": "DatastoreID",
        "image_set_id": "ImageSetID",
        "patient": "Patient",
        "study": "Study",
    },
):
    """A whole document, as GetImageSetMetadata returns it, unpacked."""

    datastore_id: str
    image_set_id: str
    patient: Patient
    study: Study
    schema_version: str = "1.1"

    @property
    def grouping(self) -> "Grouping":
        """The values that decide which data belong together. With several series, those of the first."""
        uid, series = next(iter(self.study.series.items()), ("", Series({}, {})))
        study = {**self.study.dicom, "PatientID": self.patient.dicom.get("PatientID")}
        return grouping(study, {"SeriesInstanceUID": uid, **series.dicom})

    def instances(self) -> Iterable[msgspec.Raw]:
        """The JSON text of every instance."""
        return (instance for series in self.study.series.values() for instance in series.instances.values())


class Grouping(NamedTuple):
    """What must agree within a study and within a series (developer guide, "Importing imaging data").

    `study` is StudyDate, AccessionNumber, PatientID, StudyInstanceUID, StudyID; `series` is SeriesInstanceUID,
    SeriesNumber.
    """

    study_uid: str
    series_uid: str
    study: tuple[str, ...]
    series: tuple[str, ...]


def grouping(study: Values, series: Values) -> Grouping:
    """The grouping values; blanks and nulls are ""."""
    by_study = _texts(study, "StudyDate", "AccessionNumber", "PatientID", "StudyInstanceUID", "StudyID")
    by_series = _texts(series, "SeriesInstanceUID", "SeriesNumber")
    return Grouping(by_study[3], by_series[0], by_study, by_series)


def _texts(values: Values, *keywords: str) -> tuple[str, ...]:
    return tuple(as_written(values.get(keyword)).strip() for keyword in keywords)


def pack(document: Document) -> bytes:
    """The document as gzip bytes, which is what the service returns."""
    return gzip.compress(msgspec.json.encode(document), 6, mtime=0)


def unpack(packed: bytes) -> Document:
    """The document in bytes that `pack` made."""
    return msgspec.json.decode(gzip.decompress(packed), type=Document)


class _Frames(msgspec.Struct, rename={"frames": "ImageFrames"}):
    frames: list[msgspec.Raw]


def frame_count(document: Document) -> int:
    """The image frames of all instances."""
    return sum(len(msgspec.json.decode(instance, type=_Frames).frames) for instance in document.instances())


# SearchImageSets' names, and where the document keeps the values.
_PATIENT = {
    "DICOMPatientId": "PatientID",
    "DICOMPatientName": "PatientName",
    "DICOMPatientBirthDate": "PatientBirthDate",
    "DICOMPatientSex": "PatientSex",
}
_STUDY = {
    "DICOMStudyInstanceUID": "StudyInstanceUID",
    "DICOMStudyId": "StudyID",
    "DICOMStudyDescription": "StudyDescription",
    "DICOMAccessionNumber": "AccessionNumber",
    "DICOMStudyDate": "StudyDate",
    "DICOMStudyTime": "StudyTime",
}
_SERIES = {
    "DICOMSeriesInstanceUID": "SeriesInstanceUID",
    "DICOMSeriesModality": "Modality",
    "DICOMSeriesBodyPart": "BodyPartExamined",
}


def search_tags(document: Document) -> dict[str, Any]:
    """The `DICOMTags` by which SearchImageSets finds and describes an image set; tags without a value are absent."""
    series = next(iter(document.study.series.values()), Series({}, {})).dicom
    tags: dict[str, Any] = {
        name: as_written(value).strip()
        for names, values in ((_PATIENT, document.patient.dicom), (_STUDY, document.study.dicom), (_SERIES, series))
        for name, keyword in names.items()
        if (value := values.get(keyword)) is not None
    }
    for name, value in (
        ("DICOMSeriesNumber", series.get("SeriesNumber")),
        ("DICOMNumberOfStudyRelatedSeries", document.study.dicom.get("NumberOfStudyRelatedSeries")),
        ("DICOMNumberOfStudyRelatedInstances", document.study.dicom.get("NumberOfStudyRelatedInstances")),
    ):
        try:
            tags[name] = int(as_written(value))
        except ValueError:
            continue
    return tags
