"""DICOM files: the hospital of tests/qido, and entries of many studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from proof.harness.image_sets import PROFILE
from tests.qido.hospital import MADE
from tests.qido.stored import INSTANCE, STORE, image_set

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imaging_index.entry.item import Item

# What HealthImaging makes of files alone: whether an image set is primary is its own decision.
HOSPITAL: Final = tuple(each for each in MADE if each.store == STORE and each.primary is not False)
MANY: Final = 250


def write_hospital(folder: Path) -> None:
    """Write the files of the hospital's first data store, without the copies that HealthImaging would keep apart."""
    for made in HOSPITAL:
        for instance in made.instances:
            _write(folder, made.values | INSTANCE | instance)


def entries_of_many(datastore: str) -> Iterator[Item]:
    """The entries of so many studies; of many of them neither date nor name are those of one alone."""
    for number in range(MANY):
        uid = f"1.2.5.{number}"
        made = image_set(
            number,
            datastore=datastore,
            profile=PROFILE,
            patient={"PatientName": f"Many^{'AB'[number % 2]}", "PatientID": f"M{number % 90}"},
            study={
                "StudyInstanceUID": uid,
                "StudyDate": f"202401{1 + number % 20:02}" if number % 50 else None,
                "StudyTime": "0830" if number % 2 else None,
            },
            series={"SeriesInstanceUID": f"{uid}.1"},
        )
        yield made.entry


def _write(folder: Path, values: dict[str, Any]) -> None:
    dataset = _dataset(values)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)


def _dataset(values: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        if dictionary_VR(keyword) == "SQ":
            setattr(dataset, keyword, [_dataset(item) for item in value or ()])
        else:
            setattr(dataset, keyword, value)
    return dataset
