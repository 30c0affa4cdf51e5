"""Documents and events that somebody has tampered with: a case for each number, the same one in every run.

The documents are real: pydicom's files as the local HealthImaging turns them into metadata. Half of them have a marker
in every text, which no exception may quote.
"""

import gzip
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pydicom.data

from imaging_index.dicom.dictionary import Level
from imaging_index.document import cursor
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.pages import unpack
from imaging_index.faults import Permanent, Poison
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from imaging_index.queue import hint
from local.healthimaging.importing import folder, scan
from proof.harness import canary
from proof.harness.canary import MARKER, PACKED_MARKER

_DOCUMENTS_IN_TEN: Final = 8  # the others are events
_PACKED_IN: Final = 16  # one document of so many comes as gzip, and half of these are broken as such
_LARGEST: Final = 13_000  # bytes of a document: what it holds counts, and not how often
_SECRET: Final = b"key"

# Every kind of source and of privacy, besides what is shipped.
_PROFILES: Final = (
    Path(__file__).parents[2] / "profiles/radiology.toml",
    Path(__file__).parents[2] / "profiles/minimal.toml",
    """
revision = 1
attributes = ["PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyTime", "PatientAgeYears",
  "OtherPatientIDsSequence.PatientID", "AcquisitionDateTime", "SliceThickness", "PixelSpacing", "ImageType",
  "ContentSequence.TextValue", "ReferringPhysicianName", "EthnicGroupCodeSequence.CodeValue"]
[named.Gantry]
vr = "LO"
union = true
from = [{ creator = "GEMS_ACQU_01", element = "0019xx02" }, { creator = "GEMS_PARM_01", element = "0043xx39" },
  "SyntheticData", { creator = "MINE", element = "0009xx01", vr = "AT" }]
[named.Scan]
vr = "SL"
from = [{ creator = "GEMS_IDEN_01", element = "0009xx27", modulo = 7 }, "InstanceNumber"]
[named.Spacing]
from = [{ path = "PixelSpacing", component = 2 }]
[privacy]
PatientID = "hash"
"OtherPatientIDsSequence.PatientID" = "hash"
PatientBirthDate = "drop"
SeriesInstanceUID = "hash"
[instances]
keep = ["SliceLocation", "ImageType"]
[indexes.name]
partition = ["PatientName"]
sort = ["ImageSetId"]
""",
)

# What stands where something else should.
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 2**63, 10**40, 10**400, 0.1, -1e308, 5e-324),
    *("", " ", "\0", "\\", "a\\b", "=", "^^^^", "***", "-", "1e100", "1e-200", "9" * 39, "1e99999", "+.", "٣"),
    *("20240230", "2024.01.01", "20240101", "0835", "25", "075Y", "20240101120000+0100", "1.2.3", "x" * 1025),
    *("é" * 1100, "e\u0301" * 700, "\u0300\u0327" * 1500, "Ω" * 80, "山田^太郎=やまだ^たろう", "\U0001f600", "\ud800"),
    *("AAAA", "AAAAAAAAAAA=", "6QAA8H8=", "////", "é", "A"),
    *([], [[]], [None], [1, "2", None], ["a"] * 150, [{}], {}, {"": {}}, {"DICOM": {}}, {"CodeValue": ["A", 1]}),
    *("GEMS_PARM_01", " gems_parm_01 ", "UN", "OB", ["UN"], {"UN": 1}),
)
_KEYS: Final = (
    *("", "DICOM", "DICOMVRs", "Series", "Instances", "ImageFrames", "ID", "private_elements", "__class__", "\ud800"),
    *("PatientID", "PatientName", "StudyDate", "Rows", "CodeValue", "00430010", "00431039", "0043FF39", "004300FF"),
)
# What no encoder writes.
_BYTES: Final = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"00",
        b"1" * 5000,
    ),
    *(b'"', b"\\", b'"\\ud800"', b"\\u0000", b"\\x", b"{", b"}", b"[", b"]", b",", b":", b"{}", b"[]", b"null", b"//"),
    *(b"[" * 80, b"[" * 5000, b'{"a":' * 300, b'"ImageSetID":"1",', b'"DICOM":{},', b'"DICOM":[],', b'"Study":null,'),
)
_EVENT: Final = {
    "version": "0",
    "detail-type": "Image Set Created",
    "source": "aws.medical-imaging",
    "time": "2024-03-14T00:01:00Z",
    "resources": [f"arn:aws:medical-imaging:us-west-2:123456789012:datastore/{'a' * 32}/imageset/{'b' * 32}"],
    "detail": {"datastoreId": "a" * 32, "imagesetId": "b" * 32, "imageSetVersion": "3", "isPrimary": True},
}

_SERIES: Final = ("Study", "Series", "")
_PLACES: Final = {
    Level.PATIENT: ("Patient",),
    Level.STUDY: ("Study",),
    Level.SERIES: _SERIES,
    Level.INSTANCE: (*_SERIES, "Instances", ""),
}


@dataclass
class Report:
    """What some cases came to: how many were `refused`, the `slowest` (seconds, case), and every promise broken."""

    tried: int = 0
    refused: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    harms: list[str] = field(default_factory=list)


def run(first: int, count: int) -> Report:
    """Try the cases from `first` on."""
    report = Report()
    for number in range(first, first + count):
        attempt = case(number)
        begun = time.perf_counter()
        try:
            attempt()
        except (Poison, Permanent) as error:
            report.refused += 1
            if canary.found(canary.told(error)):
                report.harms.append(f"case {number}: {type(error).__name__} quotes what it met")
        except Exception as error:  # whatever else it is, it should not be
            quoted = ", and quotes what it met" if canary.found(canary.told(error)) else ""
            report.harms.append(f"case {number}: {type(error).__name__}{quoted}")
        report.slowest = max(report.slowest, (time.perf_counter() - begun, number))
        report.tried += 1
    return report


def case(number: int) -> Callable[[], object]:
    """What to try: a document to be read and made an entry of, or an event to be parsed."""
    chance = random.Random(number)
    if chance.randrange(10) >= _DOCUMENTS_IN_TEN:
        event: Any = _EVENT if chance.random() < 0.5 else _EVENT | {"source": hint.REPLAY_SOURCE}
        body = tampered(_marked(event) if chance.random() < 0.2 else event, chance).decode("utf-8", "surrogateescape")
        return lambda: hint.parse(body)
    using, reader = chance.choice(readers())
    document = chance.choice(corpus())
    for _ in range(chance.choice((0, 1, 2, 4))):
        document = _aimed(document, using, chance)
    packed = tampered(document, chance)
    if not chance.randrange(_PACKED_IN):
        packed = gzip.compress(packed, compresslevel=1)
        packed = _spoilt(packed, chance) if chance.random() < 0.5 else packed
    size = chance.choice((7, 1000, 2**20))
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    # As if the document were too large to be decoded at once, or one of its instances to be held.
    large = chance.choice((1000, cursor.LARGE))
    # And as if all bounds were met.
    largest = chance.choice((300, cursor.LARGEST_VALUE))
    return lambda: _index(pieces, using, reader, large, largest)


def _index(pieces: list[bytes], using: Profile, reader: Reader, large: int, largest: int) -> None:
    with patch.object(cursor, "LARGE", large), patch.object(cursor, "LARGEST_VALUE", largest):
        content = entry.build(reader, pieces, _SECRET)
    names = {each.name for each in using.read} | {"SeriesInstanceUIDs"}
    for noted in ("InvalidAttributes", "TruncatedAttributes"):
        assert names.issuperset(each["S"] for each in content.attributes.get(noted, {"L": []})["L"])
    assert unpack(content.pages)[1] == content.checksum


@cache
def readers() -> list[tuple[Profile, Reader]]:
    """The profiles that documents are read under."""
    profiles = [toml_file.load(each) if isinstance(each, Path) else toml_file.parse(each) for each in _PROFILES]
    return [(each, Reader(each, block)) for each in profiles for block in (500, 2**16)]


@cache
def corpus() -> list[Any]:
    """The documents, as they are and with the marker in every text."""
    files = folder(Path(pydicom.data.__file__).parent / "test_files")
    documents = [
        {
            "SchemaVersion": "1.1",
            "DatastoreID": "d" * 32,
            "ImageSetID": "i" * 32,
            "Patient": {"DICOM": group.patient},
            "Study": {
                "DICOM": group.study,
                "Series": {
                    group.grouping.series_uid: {
                        "DICOM": group.series,
                        "Instances": {uid: json.loads(bytes(raw)) for uid, raw in group.rounds[0].items()},
                    }
                },
            },
        }
        for group in scan(files, "HTJ2K").groups.values()
    ]
    small = [each for each in documents if len(json.dumps(each)) <= _LARGEST]
    return [*small, *map(_marked, small)]


def _marked(node: Any) -> Any:
    """With the marker behind every text, and as bytes where a text is some in base64."""
    if isinstance(node, dict):
        return {key: _marked(each) for key, each in node.items()}
    if isinstance(node, list):
        return [_marked(each) for each in node]
    if not isinstance(node, str):
        return node
    return PACKED_MARKER if node.endswith("=") else f"{node}{MARKER}"


def tampered(document: Any, chance: random.Random) -> bytes:
    """The document in JSON after up to three changes anywhere in its structure, and now and then some of its bytes."""
    changed = document
    for _ in range(chance.randrange(4)):
        changed = _changed(changed, chance)
    written = json.dumps(changed, ensure_ascii=chance.random() < 0.2).encode("utf-8", "surrogatepass")
    return _spoilt(written, chance) if chance.random() < 0.3 else written


def _aimed(document: Any, using: Profile, chance: random.Random) -> Any:
    """A copy with something strange where the profile looks for a value."""
    attribute = chance.choice([each for each in using.attributes if each.sources])
    source = chance.choice(attribute.sources)
    value = chance.choice(_VALUES)
    if chance.random() < 0.3:
        value = [chance.choice(_VALUES) for _ in range(3)]
    for keyword in reversed(source.path[1:]):
        value = [{keyword: value}, *chance.choices(({}, None, {keyword: "1"}), k=chance.randrange(2))]
    place = _PLACES[attribute.level]
    if source.vr is None:
        return _merged(document, (*place, "DICOM"), {source.path[0]: value})
    key = source.path[0].replace("xx", "10")
    values = {key: value}
    if source.creator:
        values[f"{key[:4]}0010"] = source.creator
    document = _merged(document, (*place, "DICOM"), values)
    return _merged(document, (*place, "DICOMVRs"), {key: chance.choice(("UN", "OB", "DS", chance.choice(_VALUES)))})


def _merged(node: Any, place: tuple[str, ...], values: Any) -> Any:
    """A copy with `values` in the map at `place`, where an empty key stands for the first there is."""
    if not place:
        return node | values
    key = place[0] or next(iter(node))
    return node | {key: _merged(node[key], place[1:], values)}


def _changed(node: Any, chance: random.Random) -> Any:
    """A copy with one place of it changed; what is not on the way there is shared."""
    if isinstance(node, dict) and node and chance.random() < 0.93:
        key = chance.choice([*node])
        return node | {key: _changed(node[key], chance)}
    if isinstance(node, list) and node and chance.random() < 0.75:
        place = chance.randrange(len(node))
        return [*node[:place], _changed(node[place], chance), *node[place + 1 :]]
    return chance.choice(_CHANGES)(node, chance)


def _replaced(_node: Any, chance: random.Random) -> Any:
    return chance.choice(_VALUES)


def _wrapped(node: Any, chance: random.Random) -> Any:
    depth = chance.choice((1, 1, 2, 70, 300))
    for _ in range(depth):
        node = {"CodeValue": node} if chance.random() < 0.3 else [node]
    return node


def _unwrapped(node: Any, chance: random.Random) -> Any:
    inner = [*node.values()] if isinstance(node, dict) else node
    return chance.choice(inner) if isinstance(inner, list) and inner else None


def _of_another_type(node: Any, chance: random.Random) -> Any:
    if isinstance(node, dict):
        return [*node.values()]
    if isinstance(node, list):
        return {chance.choice(_KEYS): each for each in node}
    return str(node) if not isinstance(node, str) else [*node] if len(node) < 20 else len(node)


def _without_one(node: Any, chance: random.Random) -> Any:
    if not isinstance(node, (dict, list)) or not node:
        return None
    left = chance.randrange(len(node))
    if isinstance(node, list):
        return [*node[:left], *node[left + 1 :]]
    return {key: each for place, (key, each) in enumerate(node.items()) if place != left}


def _with_one_more(node: Any, chance: random.Random) -> Any:
    value = chance.choice(_VALUES)
    if isinstance(node, dict):
        return node | {chance.choice([*_KEYS, *node]).swapcase(): value} | {chance.choice(_KEYS): value}
    return [*node, value] * chance.choice((1, 2, 60)) if isinstance(node, list) else [node, value]


def _renamed(node: Any, chance: random.Random) -> Any:
    if not isinstance(node, dict) or not node:
        return f"{node}"
    old, new = chance.choice([*node]), chance.choice(_KEYS)
    return {new if key == old else key: each for key, each in node.items()}


def _from_elsewhere(_node: Any, chance: random.Random) -> Any:
    node = chance.choice(corpus())
    while isinstance(node, dict) and node and chance.random() < 0.85:
        node = chance.choice([*node.values()])
    return node


_CHANGES: Final = (
    _replaced,
    _replaced,
    _wrapped,
    _unwrapped,
    _of_another_type,
    _without_one,
    _with_one_more,
    _renamed,
    _from_elsewhere,
)


def _spoilt(written: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, put in, taken out or repeated."""
    start = chance.randrange(len(written) + 1)
    end = min(len(written), start + chance.choice((0, 1, 1, 2, 8, 100)))
    put_in = chance.choice((*_BYTES, written[start:end] * 2, bytes([chance.randrange(256)]), chance.randbytes(4)))
    return written[:start] + put_in + written[end:]


def texts(node: Any) -> Iterator[str]:
    """Every text in a document, its keys left aside."""
    if isinstance(node, str):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from texts(each)
