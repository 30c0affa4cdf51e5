"""A document of one series, and the entry that it becomes."""

import json
from collections.abc import Mapping
from typing import Any

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile

SECRET = b"key"

_LAST: list[Reader] = []


def build(
    text: str, *instances: dict[str, Any], vrs: Mapping[str, object] | None = None, **levels: Mapping[str, object]
) -> dict[str, Any]:
    """The entry of a document with these instances under the profile of `text`, and its instances."""
    made = content(toml_file.parse(f"revision = 1\n{text}"), *instances, vrs=vrs, **levels)
    return plain(made.attributes) | {"instances": unpack(made.pages)[0]}


def content(
    profile: Profile,
    *instances: dict[str, Any],
    vrs: Mapping[str, object] | None = None,
    **levels: Mapping[str, object],
) -> entry.Content:
    """What a document with these instances becomes, in DynamoDB's form."""
    document = {
        "Patient": {"DICOM": levels.get("patient", {})},
        "Study": {
            "DICOM": levels.get("study", {}),
            "Series": {
                "1.2": {
                    "DICOM": levels.get("series", {}),
                    "Instances": {f"1.2.{n}": {"DICOM": each, "DICOMVRs": vrs} for n, each in enumerate(instances)},
                }
            },
        },
    }
    return entry.build(_reader(profile), [json.dumps(document).encode()], SECRET)


def _reader(profile: Profile) -> Reader:
    """A profile's reader: the last one again where it can be, for making one takes longer than reading a document."""
    if not _LAST or _LAST[0].profile is not profile:
        _LAST[:] = [Reader(profile)]
    return _LAST[0]
