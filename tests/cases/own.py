"""More inputs of the kinds in `cases.json`, so that a kind is right and not only its sample.

Documents are written as HealthImaging writes them, DICOM files byte by byte: pydicom would mend what is to be wrong.
"""

import base64
import json
import struct
from typing import Any, Final

import msgspec

EXPLICIT: Final = "1.2.840.10008.1.2.1"
IMPLICIT: Final = "1.2.840.10008.1.2"
_UID: Final = "1.2.826.0.1.3680043.10.999"
_LONG_LENGTH: Final = frozenset({"OB", "OW", "SQ", "UN", "UT"})

_Element = tuple[int, str, bytes]


class Case(msgspec.Struct, frozen=True):
    """An input and what is right of it, as in `cases.json`; one of `content` is a document or a DICOM file."""

    name: str
    content: bytes
    entry: dict[str, Any] = {}
    absent: tuple[str, ...] = ()
    invalid: tuple[str, ...] | None = None
    document: dict[str, Any] = {}
    attributes: tuple[str, ...] = ()
    refused: bool = False

    @property
    def dicom(self) -> bool:
        """Whether it is a DICOM file, to be imported."""
        return self.content[128:132] == b"DICM"


def _document(*instances: dict[str, Any], vrs: dict[str, str] | None = None, **levels: dict[str, Any]) -> bytes:
    """A metadata document of one series; `patient` and `study` are what these levels hold besides their ids."""
    return json.dumps(
        {
            "SchemaVersion": "1.1",
            "DatastoreID": "d" * 32,
            "ImageSetID": "a" * 32,
            "Patient": {"DICOM": {"PatientID": "P1"} | levels.get("patient", {})},
            "Study": {
                "DICOM": {"StudyInstanceUID": f"{_UID}.8"} | levels.get("study", {}),
                "Series": {
                    f"{_UID}.9": {
                        "DICOM": {"SeriesInstanceUID": f"{_UID}.9", "Modality": "MR"},
                        "Instances": {
                            f"{_UID}.1.{number}": {
                                "DICOM": {"SOPInstanceUID": f"{_UID}.1.{number}"} | values,
                                "DICOMVRs": vrs or {},
                                "ImageFrames": [],
                            }
                            for number, values in enumerate(instances, 1)
                        },
                    }
                },
            },
        }
    ).encode()


def _file(*elements: _Element, syntax: str = EXPLICIT) -> bytes:
    """A file of PS3.10 with some elements beside the least that an image set needs."""
    meta = _encoded(
        [(0x00020002, "UI", _uid("1.2.840.10008.5.1.4.1.1.4")), (0x00020010, "UI", _uid(syntax))], explicit=True
    )
    needed: list[_Element] = [
        (0x00080016, "UI", _uid("1.2.840.10008.5.1.4.1.1.4")),
        (0x00080018, "UI", _uid(f"{_UID}.1.1")),
        (0x00080060, "CS", b"MR"),
        (0x00100020, "LO", b"P1"),
        (0x0020000D, "UI", _uid(f"{_UID}.8")),
        (0x0020000E, "UI", _uid(f"{_UID}.9")),
    ]
    length = _encoded([(0x00020000, "UL", struct.pack("<I", len(meta)))], explicit=True)
    given = {tag for tag, _, _ in elements}
    every = sorted([*elements, *(each for each in needed if each[0] not in given)])
    return b"\0" * 128 + b"DICM" + length + meta + _encoded(every, explicit=syntax == EXPLICIT)


def _encoded(elements: list[_Element], *, explicit: bool) -> bytes:
    encoded = b""
    for tag, vr, value in elements:
        padded = value + b" " * (len(value) % 2)
        encoded += struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        if not explicit:
            encoded += struct.pack("<I", len(padded))
        elif vr in _LONG_LENGTH:
            encoded += vr.encode() + b"\0\0" + struct.pack("<I", len(padded))
        else:
            encoded += vr.encode() + struct.pack("<H", len(padded))
        encoded += padded
    return encoded


def _uid(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _private(block: str, creator: str, element: str, value: Any) -> dict[str, Any]:
    return {block: creator, element: value}


_SIEMENS, _GE, _PHILIPS = "SIEMENS MR HEADER", "GEMS_PARM_01", "Philips Imaging DD 001"
_CHARACTER_SET: Final = 0x00080005
_NAME: Final = 0x00100010
_STUDY_DESCRIPTION: Final = 0x00081030
_SOFTWARE: Final = 0x00181020


def _series_of(*path: str) -> dict[str, Any]:
    """A reference to series 77 at a path of sequences."""
    value: Any = f"{_UID}.77"
    for keyword in ("SeriesInstanceUID", *reversed(path)):
        value = {keyword: value} if keyword == "SeriesInstanceUID" else {keyword: [value]}
    return dict(value)


def _texts(name: str, character_set: bytes, description: bytes, right: str) -> Case:
    """A study description in a character set."""
    elements = ((_CHARACTER_SET, "CS", character_set), (_STUDY_DESCRIPTION, "LO", description))
    return Case(name, _file(*elements), {"StudyDescription": right})


def _named(name: str, character_set: bytes, patient: bytes, right: str) -> Case:
    """A patient's name in a character set."""
    return Case(name, _file((_CHARACTER_SET, "CS", character_set), (_NAME, "PN", patient)), {"PatientName": right})


CASES: Final = (
    Case(
        "a: GE's IS in UN carries 10^9 on top",
        _document(
            _private("00430011", _GE, "00431139", _base64(b"1000000800\\8\\0\\0")),
            vrs={"00430011": "LO", "00431139": "UN"},
        ),
        {"BValue": {"Min": 800, "Max": 800}},
    ),
    Case(
        "a: Siemens' IS in UN of eight bytes, which an FD has too",
        _document(
            _private("00190010", _SIEMENS, "0019100C", _base64(b"00001000")), vrs={"00190010": "LO", "0019100C": "UN"}
        ),
        {"BValue": {"Min": 1000, "Max": 1000}},
    ),
    Case(
        "a: Philips' FL in UN of eleven bytes is none",
        _document(
            _private("20010010", _PHILIPS, "20011003", _base64(b"12345678901")),
            vrs={"20010010": "LO", "20011003": "UN"},
        ),
        absent=("BValue",),
        invalid=("BValue",),
    ),
    Case(
        "b: Philips' FL of an implicit file",
        _file((0x20010010, "LO", _PHILIPS.encode()), (0x20011003, "FL", struct.pack("<f", 1000)), syntax=IMPLICIT),
        {"BValue": {"Min": 1000, "Max": 1000}},
        document={"20011003": "AAB6RA==", "DICOMVRs": {"20010010": "LO", "20011003": "UN"}},
    ),
    Case(
        "b: Siemens' IS of an implicit file",
        _file((0x00190010, "LO", _SIEMENS.encode()), (0x0019100C, "IS", b"800"), syntax=IMPLICIT),
        {"BValue": {"Min": 800, "Max": 800}},
        document={"0019100C": _base64(b"800 "), "DICOMVRs": {"00190010": "LO", "0019100C": "UN"}},
    ),
    Case(
        "b: the same in an explicit file keeps its VR",
        _file((0x00190010, "LO", _SIEMENS.encode()), (0x0019100C, "IS", b"800")),
        {"BValue": {"Min": 800, "Max": 800}},
        document={"0019100C": "800 ", "DICOMVRs": {"00190010": "LO", "0019100C": "IS"}},
    ),
    _named(
        "c: the groups of a name begin in the first character set",
        b"ISO 2022 IR 126\\ISO 2022 IR 144",
        b"\xd9=\x1b-L\xcf=\xd9",
        "Ω=Я=Ω",
    ),
    Case(
        "c: so do the values of a text",
        _file(
            (_CHARACTER_SET, "CS", b"ISO 2022 IR 100\\ISO 2022 IR 144"),
            (_SOFTWARE, "LO", b"\x1b-L\xb1\\\xe9"),
        ),
        {"SoftwareVersions": ["Б", "é"]},
    ),
    _texts(
        "d: Chinese within ASCII",
        b"ISO 2022 IR 6\\ISO 2022 IR 58",
        b"CT \x1b$)A\xd0\xd8\xb2\xbf scan",
        "CT 胸部 scan",
    ),
    _named(
        "d: a name in Chinese alone",
        b"\\ISO 2022 IR 58",
        b"\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "张^小东",
    ),
    _named("e: Latin-9 in a name", b"ISO_IR 203", b"\xa6korpa^\xb4iga", "Škorpa^Žiga"),
    _texts("e: Latin-9 by an escape", b"ISO 2022 IR 6\\ISO 2022 IR 203", b"c\x1b-b\xbdur", "cœur"),
    _texts("f: a blank before Latin-1", b" ISO_IR 100", b"M\xfcller", "Müller"),
    _named(
        "f: a blank before the second term",
        b"\\ ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        "Yamada^Tarou=山田^太郎",
    ),
    Case(
        "g: two birth dates",
        _file((0x00100030, "DA", b"19500101\\19510101")),
        absent=("PatientBirthDate",),
        invalid=("PatientBirthDate",),
    ),
    Case(
        "g: two study times",
        _file((0x00080030, "TM", b"101010.000000\\111111.00000")),
        absent=("StudyTime",),
        invalid=("StudyTime",),
    ),
    Case(
        "g: three study dates are longer than the limit",
        _file((0x00080020, "DA", b"20200101\\20200102\\20200103")),
        refused=True,
    ),
    Case(
        "h: Enhanced XA has the KVP of all frames in the shared groups",
        _document({"SharedFunctionalGroupsSequence": [{"FrameAcquisitionSequence": [{"KVP": "66.5"}]}]}),
        {"KVP": {"Min": 66.5, "Max": 66.5}},
    ),
    Case(
        "h: Legacy Converted MR has what differs from frame to frame",
        _document(
            {
                "PerFrameFunctionalGroupsSequence": [
                    {"UnassignedPerFrameConvertedAttributesSequence": [{"RepetitionTime": "500", "EchoTime": each}]}
                    for each in ("10", "20")
                ]
            }
        ),
        {"RepetitionTime": {"Min": 500, "Max": 500}, "EchoTime": {"Min": 10, "Max": 20, "Values": [10, 20]}},
    ),
    Case(
        "h: Legacy Converted PET",
        _document(
            {
                "SharedFunctionalGroupsSequence": [
                    {"UnassignedSharedConvertedAttributesSequence": [{"AcquisitionTime": "101500", "KVP": "100"}]}
                ]
            }
        ),
        {"AcquisitionTime": {"Min": "101500", "Max": "101500"}, "KVP": {"Min": 100, "Max": 100}},
    ),
    Case(
        "i: a registration's other studies",
        _document(_series_of("StudiesContainingOtherReferencedInstancesSequence", "ReferencedSeriesSequence")),
        {"ReferencedSeries": [f"{_UID}.77"]},
    ),
    Case(
        "i: a document's copies in other studies",
        _document(_series_of("IdenticalDocumentsSequence", "ReferencedSeriesSequence")),
        {"ReferencedSeries": [f"{_UID}.77"]},
    ),
    Case(
        "i: a presentation that blends",
        _document(_series_of("BlendingSequence", "ReferencedSeriesSequence")),
        {"ReferencedSeries": [f"{_UID}.77"]},
    ),
    Case(
        "j: the third block has the value",
        _document(
            _private("20010010", _PHILIPS, "20011003", [])
            | _private("20010011", _PHILIPS, "20011103", None)
            | _private("20010012", _PHILIPS, "20011203", 650.0),
            vrs={"20010010": "LO", "20011003": "FL", "20011103": "FL", "20011203": "FL"},
        ),
        {"BValue": {"Min": 650, "Max": 650}},
    ),
    Case(
        "j: empty components are no value",
        _document(
            _private("00430010", _GE, "00431039", ["", "", "", ""])
            | _private("00430011", _GE, "00431139", ["50", "8", "0", "0"]),
            vrs={"00430010": "LO", "00431039": "IS", "00430011": "LO", "00431139": "IS"},
        ),
        {"BValue": {"Min": 50, "Max": 50}},
    ),
    Case(
        "j: an empty UN, and one that has bytes",
        _document(
            _private("00190010", _SIEMENS, "0019100C", "") | _private("00190011", _SIEMENS, "0019110C", "ODAwIA=="),
            vrs={"00190010": "LO", "0019100C": "UN", "00190011": "LO", "0019110C": "UN"},
        ),
        {"BValue": {"Min": 800, "Max": 800}},
    ),
    Case("k: a name of delimiters and blanks", _document({}, patient={"PatientName": " ^ ^"}), absent=("PatientName",)),
    Case(
        "k: a physician of delimiters",
        _document({}, patient={"PatientName": "=^"}, study={"ReferringPhysicianName": "=="}),
        absent=("PatientName", "PatientNameFolded", "PatientNameKey", "ReferringPhysicianName"),
    ),
    Case(
        "l: the instance's offset counts for what has none",
        _document(
            {"AcquisitionDateTime": "20240101123000", "TimezoneOffsetFromUTC": "+0100"},
            {"AcquisitionDateTime": "20240101120000+0000"},
        ),
        {
            "AcquisitionDateTime": {
                "Min": "20240101123000",
                "Max": "20240101120000+0000",
                "Values": ["20240101123000", "20240101120000+0000"],
            }
        },
        attributes=("AcquisitionDateTime",),
    ),
    Case(
        "l: across the end of a year, in fractions",
        _document(
            {"AcquisitionDateTime": "20231231235959.5-0100"},
            {"AcquisitionDateTime": "20240101005959.4"},
            {"AcquisitionDateTime": "20240101065959.45+0600"},
        ),
        {"AcquisitionDateTime": {"Min": "20240101005959.4", "Max": "20231231235959.5-0100"}},
        attributes=("AcquisitionDateTime",),
    ),
    Case(
        "m: frames behind a blank",
        _file(
            *((0x00280008, "IS", b" 2"), (0x00280010, "US", b"\1\0"), (0x00280011, "US", b"\1\0")),
            (0x00280100, "US", b"\x08\0"),
            (0x7FE00010, "OB", b"\0\0"),
        ),
        {"FrameCount": 2},
    ),
    Case(
        "m: frames with a sign and zeros",
        _file(
            *((0x00280008, "IS", b"+02"), (0x00280010, "US", b"\1\0"), (0x00280011, "US", b"\1\0")),
            (0x00280100, "US", b"\x08\0"),
            (0x7FE00010, "OB", b"\0\0"),
        ),
        {"FrameCount": 2},
    ),
    Case(
        "n: a new date under its tag",
        _document({"00181204": "20210304"}, vrs={"00181204": "DA"}),
        {"DateOfManufacture": {"Min": "20210304", "Max": "20210304"}},
        attributes=("DateOfManufacture",),
    ),
    Case(
        "n: a new number under its tag, as bytes",
        _document({"00189823": _base64(struct.pack("<d", 1.5))}, vrs={"00189823": "UN"}),
        {"ExcitationEnergy": {"Min": 1.5, "Max": 1.5}},
        attributes=("ExcitationEnergy",),
    ),
    Case(
        "n: a new text under its keyword, once the service knows it",
        _document({"SyntheticData": "NO"}),
        {"SyntheticData": ["NO"]},
        attributes=("SyntheticData",),
    ),
)
