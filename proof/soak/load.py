"""What is done to image sets in a soak: imports, updates, copies and deletions, chosen by a seed."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pydicom
from botocore.exceptions import ClientError
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from local.stack import import_folder

if TYPE_CHECKING:
    from mypy_boto3_medical_imaging import HealthImagingClient

    from proof.soak.report import Report

SHARES: Final = {"import": 2.0, "update": 5.0, "copy": 1.0, "delete": 1.5}


class Load:
    """Changes the image sets of one data store.

    Args:
        client: HealthImaging.
        datastore: the data store's id.
        report: what counts the operations.
        seed: what is done comes from it; what that meets, and when, does not.
        folder: for the files.

    Attributes:
        ids: the image sets that may be there.
    """

    def __init__(self, client: HealthImagingClient, datastore: str, report: Report, seed: int, folder: Path) -> None:
        self._client, self._datastore = client, datastore
        self._report, self._random, self._folder = report, random.Random(seed), folder
        self.ids: list[str] = []

    def pause(self) -> float:
        """For how many seconds to wait before the next operation."""
        return self._random.uniform(0, 0.6)

    def operate(self) -> None:
        """Do one thing."""
        (name,) = self._random.choices(list(SHARES), list(SHARES.values()))
        try:
            if name == "import" or not self.ids:
                self._import()
            else:
                getattr(self, f"_{name}")(self._random.choice(self.ids))
            self._report.operations[name] += 1
        except ClientError as error:  # another change of the same image set is under way, or a quota
            self._report.operations[error.response["Error"]["Code"]] += 1

    def held(self) -> dict[str, int]:
        """What HealthImaging's own search finds: the versions by image set."""
        pages = self._client.get_paginator("search_image_sets").paginate(datastoreId=self._datastore)
        return {each["imageSetId"]: each["version"] for page in pages for each in page["imageSetsMetadataSummaries"]}

    def _import(self) -> None:
        dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        files = Path(tempfile.mkdtemp(dir=self._folder))
        for number in range(self._random.randint(1, 4)):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.InstanceNumber = number
            dataset.save_as(files / f"{number}.dcm")
        try:
            import_folder(self._client, self._datastore, files)
        finally:
            shutil.rmtree(files)
        self.ids = sorted(self.held())

    def _update(self, image_set_id: str) -> None:
        text = {"SchemaVersion": 1.1, "Study": {"DICOM": {"StudyDescription": f"S{self._random.random()}"}}}
        self._client.update_image_set_metadata(
            datastoreId=self._datastore,
            imageSetId=image_set_id,
            latestVersionId=self._version(image_set_id),
            updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": json.dumps(text).encode()}},
        )

    def _copy(self, image_set_id: str) -> None:
        self._client.copy_image_set(
            datastoreId=self._datastore,
            sourceImageSetId=image_set_id,
            copyImageSetInformation={"sourceImageSet": {"latestVersionId": self._version(image_set_id)}},
        )

    def _delete(self, image_set_id: str) -> None:
        self._client.delete_image_set(datastoreId=self._datastore, imageSetId=image_set_id)
        self.ids = [each for each in self.ids if each != image_set_id]

    def _version(self, image_set_id: str) -> str:
        version: str = self._client.get_image_set(datastoreId=self._datastore, imageSetId=image_set_id)["versionId"]
        return version
