"""Documents made to mislead a reader that cuts them into pieces: a case for each number, the same one in every run.

What the reader tells of each is compared with what `json.loads` makes of it.
"""

import gzip
import json
import random
import re
from functools import cache
from typing import Any, Final
from unittest.mock import patch

from imaging_index.dicom import functional_groups
from imaging_index.document import cursor
from imaging_index.document.reader import Reader
from imaging_index.document.types import KEPT
from imaging_index.profile import toml_file
from proof.harness import whole

SIEMENS: Final = "SIEMENS MR HEADER"
PER_FRAME: Final = "PerFrameFunctionalGroupsSequence"
_PROFILE: Final = f"""
revision = 1
attributes = ["PatientID", "PatientName", "StudyDate", "Modality", "SeriesInstanceUID", "Rows", "ImageType",
  "SegmentSequence.SegmentLabel", "ImagePositionPatient", "SliceThickness"]
[instances]
geometry = false

[named.B]
vr = "FD"
from = [{{ creator = "{SIEMENS}", element = "0019xx0C" }}]
"""
_PATIENT: Final = ("PatientID", "PatientName")
_INSTANCE: Final = (
    *KEPT,
    "ImageType",
    "SegmentSequence",
    "ImagePositionPatient",
    "SliceThickness",
    "SharedFunctionalGroupsSequence",
    PER_FRAME,
)
_CONVERTED: Final = functional_groups.CONVERTED[PER_FRAME]
_MACROS: Final = ("PlanePositionSequence", "PixelMeasuresSequence", _CONVERTED)
_SELECTED: Final = ("SegmentSequence", "ImagePositionPatient", "SliceThickness")
# As large as what is held of a value in one piece, and as what is read at once.
_LARGE: Final = (60, 500, 3000, 2**18)
_BLOCKS: Final = (1, 7, 64, 300, 2000, 65536, 2**20)
_PIECES: Final = (1, 3, 64, 1000, 10**7)

_WORDS: Final = (
    *(',"1.2.3":{', '"Instances":{', '},{"ID":"', "}]},{", '{"1.2":{}}', "]", "}", "{", '"', "\\", '\\"', "\\u0022"),
    *("NaN", "-Infinity", "", " ", "CT", "1.2.3", "é", "山", "\U0001f600", "\0", "\n", "true", ":", ",", "a" * 300),
)
_HALVES: Final = ("\ud800", "a\udc00", "\udc00\ud800", ',"1.2":{\ud83d')
_NUMBERS: Final = (0, -1, 1.5, 1e-7, 2**70, 12345678901234567890, True, False, None)


def run(first: int, count: int) -> list[int]:
    """Try the cases from `first` on; the numbers of those that differ."""
    return [number for number in range(first, first + count) if not agrees(number)]


def agrees(number: int) -> bool:
    """Whether the reader and `json.loads` agree about a case."""
    chance = random.Random(number)
    document = _document(chance)
    body = plain = _written(document, chance)
    wanted = _comparable(_told(json.loads(body, parse_constant=lambda _: False)))
    if chance.random() < 0.5:
        cuts = sorted(chance.choices(range(len(body)), k=chance.choice((0, 0, 1, 3))))
        body = b"".join(gzip.compress(body[start:end], 1) for start, end in zip([0, *cuts], [*cuts, None], strict=True))
    size = max(chance.choice(_PIECES), len(body) // 3000)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    with patch.object(cursor, "LARGE", chance.choice(_LARGE)):
        # Not much smaller than the document, or every byte costs a search.
        block = next(size for size in _BLOCKS[chance.randrange(len(_BLOCKS)) :] if size >= len(plain) // 300)
        return _comparable(whole.read(_reader(block), pieces)) == wanted


@cache
def _reader(block: int) -> Reader:
    return Reader(toml_file.parse(_PROFILE), block)


def _document(chance: random.Random) -> dict[str, Any]:
    series = {f"1.{number}": _series(chance) for number in range(chance.choice((0, 1, 1, 1, 2, 5)))}
    study = {"DICOM": _level(("StudyDate", "StudyTime"), chance), "Series": series, "Other": _value(chance, 3)}
    document = {
        "SchemaVersion": "1.1",
        "DatastoreID": "d",
        "ImageSetID": _value(chance, 0),
        "Patient": {"DICOM": _level(_PATIENT, chance), **_decoy(chance)},
        "Study": _shuffled(study, chance),
        **_decoy(chance),
    }
    return _shuffled(document, chance)


def _series(chance: random.Random) -> dict[str, Any]:
    instances = {f"1.2.{number}": _instance(chance) for number in range(chance.choice((0, 1, 2, 4, 9)))}
    values = _level(("Modality", "SeriesInstanceUID"), chance)
    return _shuffled({"DICOM": values, "Instances": instances, **_decoy(chance)}, chance)


def _instance(chance: random.Random) -> dict[str, Any]:
    values = _level(("SOPInstanceUID", "Rows", "ImageType", "SegmentSequence", "Instances"), chance)
    instance: dict[str, Any] = {"DICOM": values, **_decoy(chance)}
    if chance.random() < 0.3:
        values |= {"00190010": chance.choice((SIEMENS, "OTHER")), "0019100C": chance.choice((100, "7 ", None))}
        instance["DICOMVRs"] = {"0019100C": "DS", "00191010": "UN"}
    elif chance.random() < 0.8:
        instance["DICOMVRs"] = chance.choice(({}, None, {"00211010": "UN"}))
    if chance.random() < 0.2:
        group: dict[str, Any] = {
            keyword: [{chance.choice(("SliceThickness", "Value")): _value(chance, 1)}]
            for keyword in (*_MACROS, "FrameContentSequence")
        }
        if chance.random() < 0.1:
            group[_CONVERTED] = chance.choice(([], [None], ["text"], [{}, {"SliceThickness": 1}]))
        values[PER_FRAME] = [_shuffled(group, chance) for _ in range(chance.choice((0, 1, 7)))]
        if chance.random() < 0.2:
            values[PER_FRAME] = chance.choice((None, "text", {}, [None, {}]))
    if chance.random() < 0.7:
        instance["ImageFrames"] = [
            {"ID": _value(chance, 0), **_decoy(chance)} for _ in range(chance.choice((0, 1, 1, 9)))
        ]
    instance["DICOM"] = _shuffled(values, chance)
    return _shuffled(instance, chance)


def _level(keywords: tuple[str, ...], chance: random.Random) -> dict[str, Any]:
    return {keyword: _value(chance, 2) for keyword in keywords if chance.random() < 0.7} | _decoy(chance)


def _decoy(chance: random.Random) -> dict[str, Any]:
    """Members that look like others, or nothing."""
    if chance.random() < 0.7:
        return {}
    key = chance.choice(("1.2.3", "7FDF1001", "Other", ',"1.2":{', "é", 'a"b', "Frames", *_WORDS[:4]))
    if chance.random() < 0.15:
        return {key: _long(chance)}
    inner = {"DICOM": {"Rows": 7, "PatientID": "decoy"}, "Instances": {"1.2.9": {}}, "ImageFrames": [{"ID": "9"}]}
    return {key: chance.choice((inner, {"1.2.9": inner, "1.2.8": inner}, [inner, inner], _value(chance, 3)))}


def _long(chance: random.Random) -> Any:
    """Something to be gone through by block: a list, an object, a text, a number, or what is nested."""
    kind = chance.randrange(6)
    count = chance.choice((10, 100, 1000))
    if kind == 0:
        return [_value(chance, chance.choice((0, 0, 2))) for _ in range(count)]
    if kind == 1:
        return {f"{chance.choice(_WORDS)}{number}": _value(chance, 1) for number in range(count)}
    if kind == 2:
        return "".join(chance.choices(_WORDS, k=count))
    if kind == 3:
        return chance.randrange(10 ** min(4 * count, 4000))
    if kind == 4:
        return [[], [[]], {}, [{}], ""] * count
    node: Any = _value(chance, 1)
    for _ in range(chance.choice((10, 25))):
        node = [node] if chance.random() < 0.5 else [1, {"a": node, "b": ["]"]}, ","][: chance.choice((2, 3))]
    return node


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if depth and kind < 0.3:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if depth and kind < 0.5:
        return {chance.choice(_WORDS): _value(chance, depth - 1) for _ in range(chance.randrange(4))}
    if kind < 0.7:
        return chance.choice(_NUMBERS)
    return "".join(chance.choices(_WORDS, k=chance.randrange(4)))


def _written(document: dict[str, Any], chance: random.Random) -> bytes:
    """The document in JSON, in one of the ways to write it; now and then with what JSON has no words for."""
    if chance.random() < 0.15:
        document = _spoilt(document, chance)
    indent = chance.choice((None, None, None, None, 1))
    separators = chance.choice(((",", ":"), (",", ":"), (",", ":"), (", ", ": "), (" ,", " :\t")))
    text = json.dumps(document, ensure_ascii=chance.random() < 0.7, indent=indent, separators=separators)
    # Half a character cannot be written but as an escape.
    text = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)
    return (" \n" * chance.randrange(2) + text + "\n" * chance.randrange(2)).encode()


def _spoilt(node: Any, chance: random.Random) -> Any:
    """With numbers that are none, and halves of characters, here and there."""
    if isinstance(node, dict):
        return {key: _spoilt(each, chance) for key, each in node.items()}
    if isinstance(node, list):
        return [_spoilt(each, chance) for each in node]
    if chance.random() < 0.02:
        return chance.choice((float("nan"), float("inf"), -float("inf"), *_HALVES))
    return node


def _shuffled(members: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return dict(chance.sample([*members.items()], len(members)))


def _told(document: dict[str, Any]) -> dict[str, Any]:
    """What `whole.read` should tell of a document."""
    study = document["Study"]
    return {
        "DatastoreID": _whole_characters(document["DatastoreID"]),
        "ImageSetID": _whole_characters(document["ImageSetID"]),
        "Patient": _selected(document["Patient"]["DICOM"], _PATIENT),
        "Study": _selected(study["DICOM"], ("StudyDate",)),
        "Series": {
            key: {
                "values": _selected(series["DICOM"], ("Modality", "SeriesInstanceUID")),
                "Instances": {uid: _told_instance(instance) for uid, instance in series["Instances"].items()},
            }
            for key, series in study["Series"].items()
        },
    }


def _told_instance(instance: dict[str, Any]) -> dict[str, Any]:
    values = instance["DICOM"]
    listed = instance.get("DICOMVRs")
    listed = listed if isinstance(listed, dict) else values
    private = [_several(values["0019100C"])] if "0019100C" in listed and values.get("00190010") == SIEMENS else []
    return {
        "values": _selected(values, _INSTANCE),
        "frames": [_whole_characters(frame["ID"]) for frame in instance.get("ImageFrames") or ()],
        "private": dict(enumerate(map(_whole_characters, private))),
    }


def _several(value: Any) -> Any:
    """A private element whose values stand together, behind backslashes."""
    return value.split("\\") if isinstance(value, str) and "\\" in value else value


def _selected(values: dict[str, Any], keywords: tuple[str, ...]) -> dict[str, Any]:
    return {keyword: _whole_characters(values[keyword]) for keyword in keywords if keyword in values}


def _groups(items: Any) -> Any:
    """What the items of a sequence say of each selected macro, each thing once, in any order."""
    if isinstance(items, list):
        items = tuple((macro, _of(macro, item)) for macro in _MACROS for item in items)
    if not isinstance(items, tuple):
        return items
    return sorted({(macro, json.dumps(value, sort_keys=True)) for macro, value in items})


def _of(macro: str, item: Any) -> Any:
    """The value of a macro in an item; null where there is none, and false where there is no item.

    Of what a frame was converted with, only what is selected counts.
    """
    value = item.get(macro) if isinstance(item, dict) else None if item is None else False
    if macro == _CONVERTED and isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [{key: each[key] for key in each if key in _SELECTED} for each in value]
    return value


def _whole_characters(node: Any) -> Any:
    """With the one value that stands for what cannot be told, where there is half a character."""
    if isinstance(node, dict):
        return {_readable(key): _whole_characters(each) for key, each in node.items()}
    if isinstance(node, list):
        return [_whole_characters(each) for each in node]
    return False if isinstance(node, str) and _readable(node) != node else node


def _readable(key: str) -> str:
    return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in key)


def _comparable(told: dict[str, Any]) -> dict[str, Any]:
    for series in told["Series"].values():
        for instance in series["Instances"].values():
            instance["private"] = [*instance["private"].values()]
            # An empty sequence and none are the same to whoever takes the values.
            groups = instance["values"].pop(PER_FRAME, None) or None
            instance["values"][PER_FRAME] = _groups(groups)
    return told
