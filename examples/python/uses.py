"""The index from a Python program: `pip install imaging-index boto3`.

Copy what you need; docs/python.md has more of the search. The modules that are imported here are the interface; the
others of the package may change with any version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imaging_index.dicom import dictionary
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.faults import Poison
from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError

if TYPE_CHECKING:
    from pathlib import Path

    from imaging_index.searching import Index


def levels_of_selected_attributes(path: Path) -> dict[str, str]:
    """Which attributes a profile selects, each with the level at which HealthImaging keeps it."""
    return {attribute.name: attribute.level.value for attribute in toml_file.load(path).attributes}


def mistakes_of_profile(text: str) -> list[str]:
    """What is wrong with a profile's text, one sentence each; nothing when it can be used."""
    try:
        toml_file.parse(text)
    except ProfileError as error:
        return str(error).splitlines()
    return []


def vr_of_keyword(keyword: str) -> str | None:
    """A keyword's VR in DICOM's dictionary, or None when there is no such keyword."""
    element = dictionary.lookup(keyword)
    return element.vr if element else None


def entry_of_document(document: bytes, text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a metadata document, gzip or plain, becomes under a profile's text: its entry and its instances.

    Raises:
        ValueError: the document cannot be indexed.
    """
    try:
        content = entry.build(Reader(toml_file.parse(text)), [document])
    except Poison as error:
        raise ValueError(f"This document cannot be indexed: {error}") from None
    instances, _ = unpack(content.pages)
    return plain(content.attributes), instances


def image_sets_of_patient(index: Index, patient_id: str) -> list[str]:
    """The ids of a patient's image sets, by the index of the table that reads the least."""
    return image_sets_that_match(index, f"PatientID={patient_id}")


def image_sets_that_match(index: Index, *conditions: str) -> list[str]:
    """The ids of the image sets that surely match conditions, which are written as for the command."""
    rows = index.search(*conditions, level="image-set", shown=["ImageSetId"])
    return [row.value("ImageSetId") for row in rows if not row.possible]


def instances_of_image_set(index: Index, datastore_id: str, image_set_id: str) -> list[dict[str, Any]]:
    """The instances of an image set, as its pages hold them; none when it is not in the index."""
    image_set = index.show(datastore_id, image_set_id)
    return image_set.instances if image_set else []
