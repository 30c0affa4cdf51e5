"""Documents beyond the bounds: what is too large is left out and named, or Poison, and little of it is held."""

import gc
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import hostile
from imaging_index.document import cursor, frames, streaming
from imaging_index.document.reader import Reader
from imaging_index.entry import columns, conversion, entry
from imaging_index.entry.entry import Content
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.faults import Poison
from imaging_index.profile import toml_file

PROFILE = Path(__file__).parents[2] / "profiles/radiology.toml"
READER = Reader(toml_file.load(PROFILE))
# The same with what is derived of every frame.
VOLUMES = toml_file.parse(
    PROFILE.read_text("utf-8").replace("attributes = [", 'attributes = [\n  "VolumeGeometry",', 1)
)
MIB = 2**20
SMALLER = 64
# What may be held of a document, as a multiple of it, where it is not next to nothing: Python's objects of many frames,
# and of the values of a page.
HELD = {
    "a million frames with long ids": 6,
    "frames without end": 6,
    "instances of long texts": 6,
    "instances of many values": 3,
    "instances whose values all differ": 4,
    "instances with private elements anywhere": 2,
    "small instances": 2,
}
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


@pytest.mark.parametrize("level", ["study", "instance"])
def test_a_selected_value_over_a_mib_of_json_is_left_out_and_named_and_the_others_stand(level: str) -> None:
    def stored(size: int) -> dict[str, Any]:
        text = "x" * (size - 2)  # and its quotes
        if level == "study":
            return indexed({"Study": {"DICOM": {"StudyID": "7", "StudyDescription": text, "StudyDate": "20240101"}}})
        return indexed(of_instances({"DICOM": {"Rows": 7, "ContrastBolusAgent": text, "Columns": 8}}))

    name, others = "ContrastBolusAgent", {"Rows", "Columns"}
    if level == "study":
        name, others = "StudyDescription", {"StudyID", "StudyDate"}
    largest, larger = stored(MIB), stored(MIB + 1)
    assert (largest["TruncatedAttributes"], name in largest) == ([name], True)
    assert (larger["InvalidAttributes"], name in larger) == ([name], False)
    for each in (largest, larger):
        assert others <= each.keys()


def test_an_instances_part_over_a_mib_is_left_out_and_the_instance_stands() -> None:
    groups = [{"PixelMeasuresSequence": [{"SliceThickness": "1"}], "X": "x" * MIB}]
    stored = indexed(of_instances({"DICOM": {"Rows": 7, "KVP": 1, "SharedFunctionalGroupsSequence": groups}}))
    assert stored["Rows"] == {"Min": 7, "Max": 7}
    assert "SliceThickness" in stored["InvalidAttributes"]
    # One frame alone is as large: what it does not select is passed over.
    stored = indexed(of_instances({"DICOM": {"PerFrameFunctionalGroupsSequence": groups * 2}}))
    assert stored["SliceThickness"] == {"Min": 1, "Max": 1}


@pytest.mark.parametrize("written", [b"%s", b"[5, %s ]", b'["5",%s]', b'"%s"', b'["5","%s"]'])
def test_a_number_of_more_than_400_digits_is_left_out_and_named(written: bytes) -> None:
    for digits, invalid in ((400, False), (401, True)):
        spacing = written % (b"1." + b"0" * (digits - 2))
        body = b'{"Study":{"Series":{"1":{"Instances":{"1":{"DICOM":{"PixelSpacing":%s,"KVP":1}}}}}}}' % spacing
        stored = indexed(body)
        assert stored["KVP"]["Max"] == 1
        assert (stored.get("InvalidAttributes") == ["PixelSpacing"]) is invalid


def test_a_text_of_many_digits_is_a_text() -> None:
    assert "InvalidAttributes" not in indexed({"Study": {"DICOM": {"StudyDescription": "," + "1" * 500}}})


def test_more_than_100_000_values_of_an_attribute_in_one_instance_are_left_out_and_named() -> None:
    for count, invalid in ((100_000, False), (100_001, True)):
        stored = indexed(of_instances({"DICOM": {"PixelSpacing": ["1"] * count, "Rows": 1}}))
        assert stored["Rows"]["Max"] == 1
        assert (stored.get("InvalidAttributes") == ["PixelSpacing"]) is invalid


def test_functional_groups_that_say_too_much_of_a_macro_leave_its_attributes_out_and_name_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stored(frames: int) -> dict[str, Any]:
        groups = [
            {
                "PixelMeasuresSequence": [{"SliceThickness": str(number)}],
                "MRImagingModifierSequence": [{"Other": number}],
                "MREchoSequence": [{"EffectiveEchoTime": 3}],
                "X": "x" * 300,
            }
            for number in range(frames)
        ]
        return indexed(of_instances({"DICOM": {"PerFrameFunctionalGroupsSequence": groups}}))

    monkeypatch.setattr(frames, "MOST_OF_AN_ATTRIBUTE", 2_000)
    assert stored(2_000)["SliceThickness"]["Max"] == 1_999
    many = stored(2_001)
    assert ("SliceThickness" in many, many["EchoTime"]) == (False, {"Min": 3, "Max": 3})
    assert "SliceThickness" in many["InvalidAttributes"]
    monkeypatch.undo()
    monkeypatch.setattr(frames, "_MOST_OF_MACROS", 100_000)
    many = stored(5_000)
    assert ("SliceThickness" in many, many["EchoTime"]) == (False, {"Min": 3, "Max": 3})


def test_more_selected_values_than_anybody_has_are_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    document = of_instances(*({"DICOM": {"PixelSpacing": [str(row), "1"]}} for row in range(400)))
    monkeypatch.setattr(conversion, "MOST_TYPED", 900)
    build(document)
    monkeypatch.setattr(conversion, "MOST_TYPED", 700)
    assert refused(document) == "the document has more than 700 selected values"


@pytest.mark.parametrize("place", ["document", "patient", "study", "series", "DICOM", "an instance", "its DICOM"])
def test_too_many_keys_of_an_object_are_poison(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cursor.MOST_KEYS == 100_000
    for module in (cursor, streaming):
        monkeypatch.setattr(module, "MOST_KEYS", 10_000)
    monkeypatch.setattr(cursor, "LARGE", 1_000)

    def document(count: int) -> Any:
        keys = dict.fromkeys(map(str, range(count)), 1)
        levels = {
            "document": keys,
            "patient": {"Patient": keys},
            "study": {"Study": keys},
            "series": {"Study": {"Series": {"1": keys}}},
            "DICOM": of_patient(keys),
            "an instance": of_instances(keys),
            "its DICOM": of_instances({"DICOM": keys}),
        }
        return levels[place]

    build(document(9_990))
    assert "more than 10000 keys" in refused(document(10_001))


def test_more_than_a_million_frames_are_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    assert streaming.MOST_FRAMES == 1_000_000
    for module in (streaming, columns):
        monkeypatch.setattr(module, "MOST_FRAMES", 6_000)

    def frames(count: int) -> dict[str, Any]:
        return {"ImageFrames": [{"ID": f"{number:032}"} for number in range(count)]}

    # A large instance and small ones.
    assert indexed(of_instances(frames(5_990), frames(10)))["FrameCount"] == 6_000
    for several in ([frames(5_990), frames(11)], [frames(6_001)], [frames(61)] * 100):
        assert refused(of_instances(*several)) == "the document has more than 6000 frames"
    groups = [{"X": "x" * 50}] * 6_000
    build(of_instances({"DICOM": {"PerFrameFunctionalGroupsSequence": groups}}))
    assert "6000 frames" in refused(of_instances({"DICOM": {"PerFrameFunctionalGroupsSequence": [*groups, {}]}}))


def test_the_frames_of_one_instance_are_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    document = of_instances({"ImageFrames": [{"ID": "f" * 1_000}] * 500})
    assert indexed(document)["FrameCount"] == 500
    monkeypatch.setattr(streaming, "_MOST_OF_FRAMES", 400_000)
    assert refused(document) == "the frames of an instance have more than 400000 bytes"


def test_a_frame_that_is_large_itself_is_a_frame() -> None:
    frames = [{"ID": "a"}, {"X": "x" * MIB, "ID": "b"}, {"ID": "c" * MIB}, {"ID": [[]] * MIB}, {"ID": "d"}]
    content = build(of_instances({"ImageFrames": frames}))
    assert unpack(content.pages)[0][0]["Frames"] == ["a", "b", "d"]
    for wrong in ([["x" * MIB]], ["x" * MIB]):
        refused(of_instances({"ImageFrames": wrong}))


def test_dicomvrs_over_a_mib_are_as_if_they_were_missing() -> None:
    def stored(size: int, vr: str) -> dict[str, Any]:
        vrs = {"0019100C": vr, "00191010": "x" * size}
        return indexed(of_instances({"DICOM": SIEMENS | {"0019100C": "MTAwIA=="}, "DICOMVRs": vrs}))

    assert stored(MIB - 100, "UN")["BValue"] == {"Min": 100, "Max": 100}
    # Nobody knows any more that it is bytes.
    assert stored(MIB, "UN")["InvalidAttributes"] == ["BValue"]


def test_private_elements_at_more_keys_than_any_scanner_uses_are_poison() -> None:
    def instance(block: int) -> dict[str, Any]:
        key = f"0019{block:02X}0C"
        return {"DICOM": {f"001900{block:02X}": SIEMENS["00190010"], key: block}, "DICOMVRs": {key: "FD"}}

    assert indexed(of_instances(*map(instance, range(16, 16 + 128))))["BValue"]["Max"] == 143
    assert "private elements" in refused(of_instances(*map(instance, range(16, 16 + 129))))
    many: dict[str, Any] = {"X": "x" * MIB}
    for block in range(16, 16 + 129):
        many |= instance(block)["DICOM"]
    assert "private elements" in refused(of_instances({"DICOM": many}))


def test_nothing_of_a_document_is_held_when_the_next_one_comes() -> None:
    marker = "CANARY" * 1_000
    vrs = {"0019100C": "FD", "00191010": marker}
    values = {"00190010": f"SIEMENS{marker}"[:900], "0019100C": 7}
    for more in ("", "x" * MIB):
        build(of_instances({"DICOM": values | {"ImageType": marker}, "DICOMVRs": vrs | {"X": more[:10]}, "More": more}))
        gc.collect()
        held = [each for each in gc.get_objects() if isinstance(each, (dict, list, tuple))]
        texts = [text for each in held for text in (each.values() if isinstance(each, dict) else each)]
        assert not [1 for text in texts if isinstance(text, bytes) and b"CANARYCANARY" in text]
        private = READER._shapes.private
        assert private
        assert private._listed.cache_info().currsize == private._name.cache_info().currsize == 0


def test_a_page_is_bounded_in_bytes_by_its_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    several = [{"DICOM": {"SOPInstanceUID": f"1.2.{row}", "ImageType": f"{row:0300}"}} for row in range(1_500)]
    document = json.dumps(of_instances(*several)).encode()

    def rows(size: int) -> tuple[list[int], str]:
        content = entry.build(READER, pieces(document, size))
        return [len(unpack([page])[0]) for page in content.pages], content.checksum

    assert rows(10**9)[0] == [1_000, 500]
    monkeypatch.setattr(columns, "_MOST_HELD", 100_000)
    bounded = rows(10**9)
    assert sum(bounded[0]) == 1_500
    assert max(bounded[0]) < 350
    assert all(rows(size) == bounded for size in (500, 7_000, 60_000))


@pytest.mark.parametrize("half", [rb"\ud800", rb"\udc00", rb"\udc00\ud800", rb"\ud800\u0041"])
def test_a_half_of_a_character_may_stand_where_a_block_ends(half: bytes) -> None:
    body = b'{"X":[%s],"Patient":{"DICOM":{"PatientID":"1"}}}' % b" , ".join([b'"%s"   ' % half] * 300)
    for end in range(len(body) - 400, len(body) - 300):
        assert plain(entry.build(READER, [body[:end], body[end:]]).attributes)["PatientID"] == "1"


def test_texts_with_half_a_character_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"X":[%s],"Patient":{"DICOM":{"PatientID":"1"}}}' % b",".join([rb'"\ud800"'] * 3_000)
    assert indexed(body)["PatientID"] == "1"
    monkeypatch.setattr(cursor, "_MOST_HALVES", 2_999)
    assert "half a character" in refused(body)


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bounds on what is held are a small part of what they are, and the documents' units too."""
    monkeypatch.setattr(hostile, "MIB", MIB // SMALLER)
    for module, names in (
        (cursor, ("LARGE", "LARGEST_VALUE", "MOST_KEYS", "_LONGEST_KEY", "_MOST_HALVES")),
        (streaming, ("MOST_KEYS", "MOST_SERIES", "MOST_INSTANCES", "MOST_FRAMES", "_MOST_OF_FRAMES")),
        (frames, ("MOST_OF_AN_ATTRIBUTE", "_MOST_OF_MACROS", "_MOST_OF_SLICES", "MOST_SLICES")),
        (conversion, ("MOST_OF_AN_ATTRIBUTE", "MOST_TYPED")),
        (columns, ("_MOST_HELD", "_ROWS_A_PAGE")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name) // SMALLER)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("shape", hostile.SHAPES)
def test_no_document_fills_the_memory(shape: str) -> None:
    # As it were 32 MiB.
    size = 32 * MIB // SMALLER
    document = b"".join(hostile.SHAPES[shape](size))
    reader = Reader(VOLUMES if "group" in shape else READER.profile, 2048)
    tracemalloc.start()
    try:
        entry.build(reader, pieces(document, 1_000))
    except Poison:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= HELD.get(shape, 1.5) * size
