"""Documents beyond the bounds: what is too large is left out and named, or the document is Poison, and little is held."""

import gc
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import hostile
from imaging_index import dicom, entry, instances, json_cursor, metadata, profile, values
from imaging_index.entry import Content
from imaging_index.errors import Poison
from imaging_index.metadata import Reader
from imaging_index.pages import unpack
from imaging_index.stored import plain

PROFILE = Path(__file__).parents[2] / "profiles/radiology.toml"
READER = Reader(profile.load(PROFILE))
MIB = 2**20
SIEMENS = {"00190010": "SIEMENS MR HEADER", "0019100C": 7}


def pieces(body: bytes, size: int = 50_000) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def build(document: Any, reader: Reader = READER) -> Content:
    return entry.build(reader, pieces(document if isinstance(document, bytes) else json.dumps(document).encode()))


def indexed(document: Any) -> dict[str, Any]:
    return plain(build(document).attributes)


def of_patient(values: dict[str, Any]) -> dict[str, Any]:
    return {"Patient": {"DICOM": values}}


def of_instances(*several: dict[str, Any]) -> dict[str, Any]:
    return {"Study": {"Series": {"1.2": {"Instances": {f"1.2.{row}": each for row, each in enumerate(several)}}}}}


def refused(document: Any) -> str:
    with pytest.raises(Poison) as met:
        build(document)
    return met.value.reason


def test_a_selected_value_over_a_mib_is_left_out_and_named_and_the_others_stand() -> None:
    for more, invalid in ((0, None), (1, ["PatientID"])):
        # With its quotes.
        stored = indexed(of_patient({"PatientSex": "F", "PatientID": "x" * (MIB - 2 + more), "PatientName": "A"}))
        assert (stored["PatientSex"], stored["PatientName"]) == ("F", "A")
        # Of a MiB it is too long for an identifier.
        assert stored["InvalidAttributes"] == ["PatientID"]
    for more, invalid in ((0, None), (1, ["ImageType"])):
        values = {"Rows": 7, "ImageType": "x" * (MIB - 2 + more), "Columns": 8}
        stored = indexed(of_instances({"DICOM": values}))
        assert (stored["Rows"]["Min"], stored["Columns"]["Min"]) == (7, 8)
        assert ("InvalidAttributes" in stored, "ImageType" in stored) == (bool(invalid), False) or not more
