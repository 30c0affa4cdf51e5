"""DICOM files -> the groups of instances that become image sets."""

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec
from pydicom import dcmread
from pydicom.dataset import Dataset

from imaging_index.dicom.dictionary import Level
from local.healthimaging.conversion import Converted, Values, as_written, convert
from local.healthimaging.document import Grouping, Instances, grouping
from local.healthimaging.frames import file_key, image_frames, stored_transfer_syntax

# Values above it are read only when they are wanted: pixel data never is.
_DEFER: Final = 1 << 20
_DICOMDIR: Final = "1.2.840.10008.1.3.10"
# Developer guide, "Endpoints and quotas", DICOM metadata limits, in characters.
_LONGEST: Final = {
    "PatientName": 256,
    "PatientID": 256,
    "PatientBirthDate": 18,
    "PatientSex": 16,
    "StudyInstanceUID": 256,
    "StudyID": 256,
    "StudyDescription": 256,
    "AccessionNumber": 256,
    "StudyDate": 18,
    "StudyTime": 28,
    "SOPInstanceUID": 256,
    "SeriesInstanceUID": 256,
}
_PIXELS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)


class Refused(Exception):  # noqa: N818  the manifest's word for it is a failure of the file, not of the import
    """A file that cannot be imported, with the reason for the manifest. It contains no value of the file."""


@dataclass(slots=True)
class Group:
    """Instances that agree on all grouping values, with patient, study and series of the first.

    `rounds` holds the instances by SOP instance UID. A repeated instance begins a further round, because it makes a
    further version of the image set. `files` are the names of the instances' files.
    """

    grouping: Grouping
    patient: Values
    study: Values
    series: Values
    rounds: list[Instances] = field(default_factory=lambda: [{}])
    files: list[str] = field(default_factory=list)

    def add(self, sop_instance_uid: str, instance: msgspec.Raw, file: str) -> None:
        """Put an instance into the last round, or into a new one when that has it already."""
        if sop_instance_uid in self.rounds[-1]:
            self.rounds.append({})
        self.rounds[-1][sop_instance_uid] = instance
        self.files.append(file)


@dataclass(slots=True)
class Scan:
    """The result of a scan: the groups, in the order of their first files, and (file, reason) of each refused file.

    `names` are those of the files by what `frames.file_key` makes of their instances.
    """

    groups: dict[Grouping, Group] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    files: int = 0


def folder(root: Path) -> Iterator[tuple[str, Path]]:
    """Every regular file below a folder as (name relative to it, path), in the order of the names.

    Raises:
        OSError: it is not a folder, or cannot be listed.
    """
    if not root.is_dir():
        raise NotADirectoryError("no such folder")
    for parent, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            if path.is_file():
                yield str(path.relative_to(root)), path


def scan(sources: Iterable[tuple[str, Path | bytes]], lossless: str) -> Scan:
    """Read all files and group their instances. Takes about a millisecond a file, so never on an event loop.

    Args:
        sources: (name, path or content) of each file.
        lossless: the data store's lossless storage format.
    """
    found = Scan()
    with warnings.catch_warnings():
        # pydicom's warnings quote values, which may be a patient's.
        warnings.simplefilter("ignore")
        for name, source in sources:
            found.files += 1
            try:
                _group(found, name, _read(source), lossless)
            except Refused as refusal:
                found.refused.append((name, str(refusal)))
            except OSError:
                found.refused.append((name, "The file cannot be read"))
            except Exception as error:  # pydicom raises anything for broken files
                found.refused.append((name, f"The file cannot be parsed as DICOM ({type(error).__name__})"))
    return found


def _read(source: Path | bytes) -> Dataset:
    """Parse a file of PS3.10: 128 bytes, `DICM`, file meta information, data set."""
    if isinstance(source, bytes):
        start = source[:132]
    else:
        with source.open("rb") as file:
            start = file.read(132)
    if start[128:] != b"DICM":
        raise Refused("The file is not a DICOM P10 file")
    return dcmread(BytesIO(source)) if isinstance(source, bytes) else dcmread(source, defer_size=_DEFER)


def _group(found: Scan, name: str, dataset: Dataset, lossless: str) -> None:
    converted = convert(dataset)
    levels = converted.levels
    instance = levels[Level.INSTANCE]
    if _DICOMDIR in (instance.get("MediaStorageSOPClassUID"), instance.get("SOPClassUID")):
        raise Refused("A DICOMDIR is not an instance: import the files it lists")
    for keyword in ("TransferSyntaxUID", "SOPClassUID", "SOPInstanceUID"):
        if not instance.get(keyword):
            raise Refused(f"DICOM attribute {keyword} does not exist")
    values = {keyword: value for part in levels.values() for keyword, value in part.items()}
    for keyword, longest in _LONGEST.items():
        if len(as_written(values.get(keyword))) > longest:
            raise Refused(f"DICOM attribute {keyword} is longer than {longest} characters")

    patient, study, series = levels[Level.PATIENT], levels[Level.STUDY], levels[Level.SERIES]
    key = grouping({**study, "PatientID": patient.get("PatientID")}, series)
    group = found.groups.setdefault(key, Group(key, patient, study, series))
    node = _node(converted, dataset, lossless)
    group.add(as_written(instance["SOPInstanceUID"]), msgspec.Raw(msgspec.json.encode(node)), name)
    found.names[file_key(instance, node["ImageFrames"])] = name


def _node(converted: Converted, dataset: Dataset, lossless: str) -> dict[str, Any]:
    instance = converted.levels[Level.INSTANCE]
    has_pixels = any(tag in dataset for tag in _PIXELS)
    return {
        "DICOM": instance,
        "DICOMVRs": converted.vrs,
        "StoredTransferSyntaxUID": stored_transfer_syntax(instance, has_pixels=has_pixels, lossless=lossless),
        "ChecksumType": "DECOMPRESSED",
        "ImageFrames": image_frames(instance, has_pixels=has_pixels),
    }
