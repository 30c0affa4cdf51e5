"""Metadata documents of any size, made of the headers of pydicom's CT and MR files as HealthImaging would make them.

    python -m bench.documents mr_50000        # makes it, unless it is there, and prints its path

`mr_N` and `ct_N` are image sets of N instances, of about 3.0 and 12.4 kB of plain JSON each (the CT's with 179 private
elements); `mf_N` is one instance of N frames, of about 1.25 kB each. The same name is always the same bytes.
"""

import copy
import gzip
import hashlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pydicom
from pydicom.data import get_testdata_file

from bench import DATASTORE_ID, IMAGE_SET_ID
from imaging_index.dicom.dictionary import Level
from local.healthimaging.conversion import Converted, Values, convert
from local.healthimaging.frames import image_frames, stored_transfer_syntax

_FOLDER: Final = Path(__file__).parents[1] / "build" / "bench"
_MR_BYTES: Final = 3_000
_CT_BYTES: Final = 12_400
_MR_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.4"
_ENHANCED_MR: Final = "1.2.840.10008.5.1.4.1.1.4.1"


def packed(name: str) -> Path:
    """The file with the document's gzip bytes; made the first time, which takes seconds for the large ones.

    Raises:
        ValueError: the name is none of `mr_N`, `ct_N`, `mf_N`.
    """
    kind, _, count = name.partition("_")
    if kind not in _KINDS or not count.isdecimal() or not int(count):
        raise ValueError(f"There is no document '{name}'; take mr_N, ct_N or mf_N with N from 1 on.")
    # Another form of the documents is another folder.
    path = _FOLDER / _form() / f"{name}.json.gz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        with unfinished.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packer:
            for piece in _KINDS[kind](int(count)):
                packer.write(piece)
        unfinished.replace(path)
    return path


@cache
def _form() -> str:
    return hashlib.blake2b(Path(__file__).read_bytes(), digest_size=4).hexdigest()


def _mr(count: int) -> Iterator[bytes]:
    header = _header("MR_small.dcm", _MR_BYTES)
    return _document(header, (_instance(header, number) for number in range(count)))


def _ct(count: int) -> Iterator[bytes]:
    header = _header("CT_small.dcm", _CT_BYTES)
    return _document(header, (_instance(header, number) for number in range(count)))


def _mf(frames: int) -> Iterator[bytes]:
    """One enhanced MR instance: a functional group item and an image frame for each frame."""
    header = _header("MR_small.dcm", 0)
    instance = _instance(header, 0)
    values = instance["DICOM"]
    values |= {"SOPClassUID": _ENHANCED_MR, "MediaStorageSOPClassUID": _ENHANCED_MR, "NumberOfFrames": str(frames)}
    values["PerFrameFunctionalGroupsSequence"] = [_functional_groups(number) for number in range(frames)]
    return _document(header, iter([instance | {"ImageFrames": image_frames(values, has_pixels=True)}]))


_KINDS: Final[dict[str, Callable[[int], Iterator[bytes]]]] = {"mr": _mr, "ct": _ct, "mf": _mf}


def _header(file: str, size: int) -> Converted:
    """A file's values at their levels; references to localizers bring its instance to about `size` bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = convert(pydicom.dcmread(str(get_testdata_file(file))))
    header.levels[Level.SERIES] |= {
        "SeriesDescription": "AXIAL 5MM",
        "ProtocolName": "5.1 Routine Abdomen",
        "BodyPartExamined": "ABDOMEN",
    }
    values = header.levels[Level.INSTANCE]
    reference = {"ReferencedSOPClassUID": _MR_IMAGE, "ReferencedSOPInstanceUID": ""}
    missing = size - len(msgspec.json.encode(_instance(header, 0)))
    each = len(msgspec.json.encode(reference)) + len(_uid("")) + 1
    if missing >= each:
        values["ReferencedImageSequence"] = [
            reference | {"ReferencedSOPInstanceUID": _uid(f"localizer {number}")} for number in range(missing // each)
        ]
    return header


def _uid(of: str) -> str:
    """A UID as de-identified objects have it: nothing in it tells the next one."""
    return f"1.2.826.0.1.3680043.8.498.{int(hashlib.md5(of.encode(), usedforsecurity=False).hexdigest(), 16)}"


def _instance(header: Converted, number: int) -> Values:
    """The `number`th instance: what differs between the slices of a real series differs here."""
    values = copy.copy(header.levels[Level.INSTANCE])
    chance = random.Random(number)
    x, y, z = -158.135803, -179.035797, -75.699997 + number * 1.25
    least, greatest, current = -chance.randrange(900, 1025), chance.randrange(900, 3072), chance.randrange(80, 400)
    values["SOPInstanceUID"] = values["MediaStorageSOPInstanceUID"] = _uid(f"instance {number}")
    values |= {
        "InstanceCreationTime": _time(number * 0.41),
        "AcquisitionDate": "19970430",
        "AcquisitionTime": _time(number * 0.35),
        "ContentTime": _time(number * 0.35 + 1.5),
        "InstanceNumber": _even(f"{number + 1}"),
        "ImagePositionPatient": [f"{x:.6f}", f"{y:.6f}", f"{z:.6f}"],
        "SliceLocation": f"{z:.6f}",
        "SmallestImagePixelValue": least,
        "LargestImagePixelValue": greatest,
    }
    # Exposure follows the body's girth, and so do the places and angles that GE keeps as private floats.
    values |= {key: _even(f"{current}") for key in ("XRayTubeCurrent", "Exposure") if key in values}
    values |= {
        key: round(value + chance.gauss(0, 5), 6)
        for key, value in values.items()
        if key in header.vrs and isinstance(value, float)
    }
    pixels = {"MinPixelValue": least, "MaxPixelValue": greatest}
    return {
        "DICOM": values,
        "DICOMVRs": header.vrs,
        "StoredTransferSyntaxUID": stored_transfer_syntax(values, has_pixels=True, lossless="HTJ2K"),
        "ChecksumType": "DECOMPRESSED",
        "ImageFrames": [frame | pixels for frame in image_frames(values, has_pixels=True)],
    }


def _even(text: str) -> str:
    """A value as a file pads it (PS3.5, section 6.2)."""
    return text + " " * (len(text) % 2)


def _time(seconds: float) -> str:
    """A time of day (TM), `seconds` after half past eleven and never after midnight."""
    whole = 41_400 + int(seconds) % 43_200
    return f"{whole // 3600:02}{whole // 60 % 60:02}{whole % 60:02}.{round(seconds % 1 * 1_000_000) % 1_000_000:06}"


def _functional_groups(number: int) -> dict[str, Any]:
    """An item of PerFrameFunctionalGroupsSequence with the macros that an enhanced MR has (PS3.3, section C.7.6.16)."""
    z = f"{-75.7 + number * 0.8:.4f}"
    moment = f"19970430{_time(number * 0.05)}"
    return {
        "FrameContentSequence": [
            {
                "FrameAcquisitionDateTime": moment,
                "FrameReferenceDateTime": moment,
                "FrameAcquisitionDuration": 48.5,
                "FrameAcquisitionNumber": number // 40 + 1,
                "StackID": "1",
                "InStackPositionNumber": number % 40 + 1,
                "TemporalPositionIndex": number // 40 + 1,
                "DimensionIndexValues": [1, number % 40 + 1, number // 40 + 1],
            }
        ],
        "PlanePositionSequence": [{"ImagePositionPatient": ["-83.9063", "-91.2000", z]}],
        "PlaneOrientationSequence": [{"ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]}],
        "PixelMeasuresSequence": [
            {"SliceThickness": "0.8000", "PixelSpacing": ["0.3125", "0.3125"], "SpacingBetweenSlices": "0.8000"}
        ],
        "FrameAnatomySequence": [
            {
                "AnatomicRegionSequence": [
                    {"CodeValue": "T-D4000", "CodingSchemeDesignator": "SRT", "CodeMeaning": "Abdomen"}
                ],
                "FrameLaterality": "U",
            }
        ],
        "MRTimingAndRelatedParametersSequence": [{"RepetitionTime": 4000, "EchoTrainLength": 1, "FlipAngle": 90}],
        "FrameVOILUTSequence": [{"WindowCenter": ["600"], "WindowWidth": ["1600"]}],
        "MREchoSequence": [{"EffectiveEchoTime": 240}],
        "MRImageFrameTypeSequence": [
            {"FrameType": ["ORIGINAL", "PRIMARY", "M", "NONE"], "ComplexImageComponent": "MAGNITUDE"}
        ],
    }


def _document(header: Converted, instances: Iterator[Values]) -> Iterator[bytes]:
    """The document's JSON, an instance at a time."""
    uid = header.levels[Level.SERIES]["SeriesInstanceUID"]
    yield b'{"SchemaVersion":"1.1","DatastoreID":"%s","ImageSetID":"%s","Patient":{"DICOM":%s},"Study":{"DICOM":%s,' % (
        DATASTORE_ID.encode(),
        IMAGE_SET_ID.encode(),
        msgspec.json.encode(header.levels[Level.PATIENT]),
        msgspec.json.encode(header.levels[Level.STUDY]),
    )
    yield b'"Series":{"%s":{"DICOM":%s,"Instances":{' % (
        uid.encode(),
        msgspec.json.encode(header.levels[Level.SERIES]),
    )
    comma = b""
    for instance in instances:
        yield b'%s"%s":%s' % (comma, instance["DICOM"]["SOPInstanceUID"].encode(), msgspec.json.encode(instance))
        comma = b","
    yield b"}}}}}"


if __name__ == "__main__":
    for each in sys.argv[1:]:
        sys.stdout.write(f"{packed(each)}\n")
