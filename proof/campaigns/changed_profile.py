"""Change a profile under a filled table, as an operator does, and look for what the new one drops or hashes.

The stack is deployed into a local cloud, the change by what `make deploy` runs, and the entries are made again by
`imaging-index reconcile --full --apply`. Then every item and all that every index holds is looked through.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from imaging_index.entry.pages import unpack
from imaging_index.profile.index_names import declared
from imaging_index.table.layout import PAGES
from local.deployment import LOCAL_CONTEXT, ROOT, UNVALIDATED
from local.stack import import_folder
from proof.campaigns.drifted import Stage, command

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3

_INDEXES: Final = """
[indexes.date]
partition = ["DatastoreId"]
sort = ["StudyMoment", "ImageSetId"]
[indexes.patient]
partition = ["DatastoreId", "PatientID"]
sort = ["ImageSetId"]
holds = ["Modality"]
"""
OLD: Final = f"""
revision = 1
attributes = ["PatientName", "PatientID", "StudyDate", "StudyDescription", "Modality", "DeviceSerialNumber"]
[instances]
keep = ["ImageComments"]
{_INDEXES}
[indexes.name]
partition = ["DatastoreId"]
sort = ["PatientNameKey", "ImageSetId"]
"""
# One attribute is dropped, and with it an index; one is hashed, one in the pages is dropped, one is not selected.
NEW: Final = f"""
revision = 2
attributes = ["PatientName", "PatientID", "StudyDate", "Modality", "DeviceSerialNumber"]
[privacy]
PatientName = "drop"
PatientID = "hash"
ImageComments = "drop"
{_INDEXES}
"""
# How the values of each file begin that the new profile does not let in: of the name, the ID, the comments, the
# description.
MARKERS: Final = ("secretus", "sid-", "remark-", "about-")


def write_files(folder: Path, count: int) -> None:
    """`count` CT files of a patient and a study each, with values that no other file has."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    del dataset.PixelData
    name, patient, comments, description = MARKERS
    for number in range(count):
        dataset.PatientName, dataset.PatientID = f"{name}{number}^A", f"{patient}{number}"
        dataset.ImageComments, dataset.StudyDescription = f"{comments}{number}", f"{description}{number}"
        study = f"1.2.826.0.1.3680043.8.498.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID(study), UID(f"{study}.1")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{study}.1.1")
        dataset.save_as(folder / f"{number}.dcm")


def make_deploy(profile: Path) -> subprocess.CompletedProcess[str]:
    """What `make deploy YES=1` runs, with a profile and the settings of a local cloud."""
    context = {**LOCAL_CONTEXT, "maximumConcurrency": "2", "profile": str(profile)}
    settings = [each for name, value in context.items() for each in ("-c", f"{name}={value}")]
    return subprocess.run(
        [sys.executable, "-m", "deploy", "--yes", "--local", *settings],
        cwd=ROOT,
        env=os.environ
        | UNVALIDATED
        | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def places(dynamodb: Any, table: str) -> dict[str, dict[str, int]]:
    """How many items have a value of each marker: by `table`, and by the names of the indexes; pages are unpacked."""
    described = dynamodb.describe_table(TableName=table)["Table"]
    names = [None, *(each["IndexName"] for each in described.get("GlobalSecondaryIndexes", []))]
    return {declared(name) if name else "table": _marked(dynamodb, table, name) for name in names}


def _marked(dynamodb: Any, table: str, index: str | None) -> dict[str, int]:
    options = {"IndexName": index} if index else {"ConsistentRead": True}
    counts = dict.fromkeys(MARKERS, 0)
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, **options):
        for text in map(_text, page["Items"]):
            for marker in MARKERS:
                counts[marker] += marker in text
    return {marker: count for marker, count in counts.items() if count}


def _text(item: Mapping[str, Any]) -> str:
    # Other binary values are digests of reconcile, which are made of ids.
    of_page = item["Part"]["S"].startswith(PAGES)
    parts = [unpack([value["B"]]) if of_page and "B" in value else value for value in item.values()]
    return json.dumps(parts, default=str).lower()


def run(stage: Stage, aws: boto3.Session, table: str, folder: Path, count: int) -> list[str]:
    """Fill the table under the old profile, deploy the new one, and reconcile.

    Args:
        stage: a stack that is deployed with the profile `OLD`.
        aws: the SDK.
        table: the name of the stack's table.
        folder: an empty folder.
        count: how many image sets to index.

    Returns:
        What went wrong.
    """
    harms: list[str] = []

    def expect(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            harms.append(f"{what}: {found}, and not {wanted}")

    dynamodb = aws.client("dynamodb")
    (folder / "dicom").mkdir()
    write_files(folder / "dicom", count)
    import_folder(stage.client, stage.datastore, folder / "dicom")
    stage.drain()
    before = places(dynamodb, table)
    everywhere = dict.fromkeys(MARKERS, count)
    expect("the table before", before["table"], everywhere)
    for index in ("date", "name"):
        expect(f"the index {index} before", before[index], {each: count for each in MARKERS if each != "remark-"})
    expect("the index patient before", before["patient"], {"sid-": count})

    new = folder / "new.toml"
    new.write_text(NEW, "utf-8")
    deployed = make_deploy(new)
    expect("make deploy", (deployed.returncode, deployed.stdout)[deployed.returncode != 0], 0)
    for said in ("ImageComments, PatientID, PatientName", "imaging-index reconcile --full --apply"):
        expect(f"make deploy names {said}", said in deployed.stdout, True)
    expect("the table after the deployment", places(dynamodb, table)["table"], everywhere)

    command("--full", "--apply", "--most-dollars", "1")
    stage.drain()
    after = places(dynamodb, table)
    expect("what is left", {place: found for place, found in after.items() if found}, {})
    expect("the entries", len(stage.entries()), count)
    return harms
