"""Documents as they come over the wire: whole, in pieces, broken, hostile."""

import gzip
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.document import cursor, gunzip, streaming, types
from imaging_index.document.reader import Reader
from imaging_index.faults import Poison
from imaging_index.profile import toml_file
from proof.harness import whole

MARKER = "CANARY^PATIENT"
READER = Reader(
    toml_file.parse(
        'revision = 1\nattributes = ["PatientName", "StudyDate", "Modality", "Rows", "SegmentSequence.SegmentLabel"]'
    )
)
DOCUMENT: dict[str, Any] = {
    "SchemaVersion": "1.1",
    "DatastoreID": "d" * 32,
    "ImageSetID": "i" * 32,
    "Patient": {"DICOM": {"PatientName": MARKER, "PatientID": "1"}},
    "Study": {
        "DICOM": {"StudyDate": "20240101", "StudyInstanceUID": "1.2"},
        "Series": {
            "1.2.3": {
                "DICOM": {"Modality": "CT"},
                "Instances": {
                    "1.2.3.1": {
                        "DICOM": {"Rows": 512, "InstanceNumber": "1 ", "7FDF1001": "AAE=", "PixelData": None},
                        "DICOMVRs": {"7FDF1001": "UN"},
                        "StoredTransferSyntaxUID": None,
                        "ImageFrames": [{"ID": "f" * 32, "FrameSizeInBytes": 7}],
                    }
                },
            }
        },
    },
}
PLAIN = json.dumps(DOCUMENT).encode()
PACKED = gzip.compress(PLAIN, mtime=0)


def _read(pieces: Iterable[bytes], reader: Reader = READER) -> dict[str, Any]:
    return whole.read(reader, pieces)


def _check(document: dict[str, Any]) -> None:
    """That a document is `DOCUMENT`."""
    assert document == {
        "DatastoreID": "d" * 32,
        "ImageSetID": "i" * 32,
        "Patient": {"PatientName": MARKER},
        "Study": {"StudyDate": "20240101"},
        "Series": {
            "1.2.3": {
                "values": {"Modality": "CT"},
                "Instances": {
                    "1.2.3.1": {
                        "values": {"Rows": 512, "InstanceNumber": "1 "},
                        "frames": ["f" * 32],
                        "private": {},
                    }
                },
            }
        },
    }


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10**6])
@pytest.mark.parametrize("body", [PLAIN, PACKED, b" \n" + PLAIN + b"\n "], ids=["plain", "gzip", "plain in blanks"])
def test_a_document_is_read_whether_packed_or_plain_and_in_any_pieces(body: bytes, size: int) -> None:
    _check(_read(_pieces(body, size)))


@given(st.lists(st.integers(0, len(PLAIN)), max_size=4), st.integers(1, 400), st.integers(0, 9))
def test_several_members_of_gzip_are_one_document(cuts: list[int], size: int, level: int) -> None:
    edges = [0, *sorted(cuts), len(PLAIN)]
    members = [gzip.compress(PLAIN[start:end], compresslevel=level) for start, end in itertools.pairwise(edges)]
    _check(_read(_pieces(b"".join(members), size)))


@pytest.mark.parametrize("size", [1, 10**6])
def test_zeros_may_follow_gzip(size: int) -> None:
    _check(_read(_pieces(PACKED + b"\0" * 1000, size)))


def test_empty_pieces_do_no_harm() -> None:
    _check(_read(iter([b"", PACKED[:1], b"", PACKED[1:], b""])))


def test_what_is_not_selected_is_not_there() -> None:
    document = _read([PLAIN])
    assert document["Patient"].keys() == {"PatientName"}
    assert document["Study"].keys() == {"StudyDate"}


def test_what_pages_need_is_there_though_it_is_not_selected() -> None:
    reader = Reader(toml_file.parse('revision = 1\nattributes = ["PatientID"]'))
    kept = {keyword: f"{keyword}." for keyword in types.KEPT}
    body = json.dumps({"Study": {"Series": {"1": {"Instances": {"2": {"DICOM": kept | {"KVP": 1}}}}}}}).encode()
    assert _read([body], reader)["Series"]["1"]["Instances"]["2"]["values"] == kept


def _broken(body: Any) -> Poison:
    with pytest.raises(Poison) as met:
        _read(body)
    return met.value


def test_gzip_that_ends_too_early_is_poison_wherever_it_ends() -> None:
    for end in range(2, len(PACKED)):
        _broken([PACKED[:end]])
    _broken([PACKED, PACKED[:20]])


@pytest.mark.parametrize("rubbish", [b"rubbish", b"\x1f", b"\x1f\x8b", b"\0\0x", PACKED[:-1]])
def test_what_follows_gzip_and_is_none_is_poison(rubbish: bytes) -> None:
    _broken([PACKED + rubbish])
    _broken([PACKED, rubbish])


def test_gzip_whose_checksum_or_length_is_wrong_is_poison() -> None:
    for position in range(len(PACKED) - 8, len(PACKED)):
        _broken([PACKED[:position] + bytes([PACKED[position] ^ 1]) + PACKED[position + 1 :]])


@pytest.mark.parametrize("body", [zlib.compress(PLAIN), b"\x1f\x8b\x08" + b"\xff" * 100, b"\x28\xb5\x2f\xfd" + PACKED])
def test_any_other_packing_is_poison(body: bytes) -> None:
    _broken([body])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\x1f",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{",
        PLAIN[:-1],
        PLAIN + b"}",
        PLAIN + PLAIN,
        b"\xef\xbb\xbf" * 2 + PLAIN,
        PLAIN.decode().encode("utf-16"),
        b'{"ImageSetID": 1e999}',
        b'{"ImageSetID": "\xff"}',
        b"{'ImageSetID': 1}",
    ],
)
def test_what_is_no_document_in_json_is_poison(body: bytes) -> None:
    _broken([body])
    _broken([gzip.compress(body)])


@pytest.mark.parametrize(
    "document",
    [
        {"Patient": []},
        {"Patient": MARKER},
        {"Patient": {"DICOM": []}},
        {"Patient": {"DICOM": MARKER}},
        {"Study": 7},
        {"Study": {"Series": []}},
        {"Study": {"Series": {"1": []}}},
        {"Study": {"Series": {"1": None}}},
        {"Study": {"Series": {"1": {"Instances": [MARKER]}}}},
        {"Study": {"Series": {"1": {"Instances": {"1": MARKER}}}}},
        {"Study": {"Series": {"1": {"Instances": {"1": {"DICOM": [MARKER]}}}}}},
        {"Study": {"Series": {"1": {"Instances": {"1": {"ImageFrames": {}}}}}}},
        {"Study": {"Series": {"1": {"Instances": {"1": {"ImageFrames": [MARKER]}}}}}},
    ],
)
def test_a_document_of_another_shape_is_poison(document: Any) -> None:
    _broken([json.dumps(document).encode()])


@pytest.mark.parametrize("value", [None, 7, 1.5, True, [], [1, "2", None], {"a": [{}]}, "", "x" * 10**6, 2**200])
def test_a_value_may_be_any_json(value: Any) -> None:
    document = _read([json.dumps({"Patient": {"DICOM": {"PatientName": value}}}).encode()])
    assert document["Patient"] == {"PatientName": value}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"SchemaVersion": 2, "More": {"a": 1}},
        {"Patient": None, "Study": None},
        {"Patient": {}, "Study": {"DICOM": None, "Series": None}},
        {"Study": {"Series": {"1": {"DICOM": None, "Instances": None}}}},
        {"Study": {"Series": {"1": {"Instances": {"1": {"DICOM": None, "ImageFrames": None}, "2": {}}}}}},
        {"Study": {"Series": {"1": {"Instances": {"1": {"ImageFrames": [{}, {"ID": None}, {"ID": 7}]}}}}}},
    ],
)
def test_what_is_missing_is_none(document: Any) -> None:
    _read([json.dumps(document).encode()])


@pytest.mark.parametrize("deep", [b"[" * 10**6, b'{"Patient":' * 10**5, b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"])
def test_deep_nesting_is_poison(deep: bytes) -> None:
    _broken([deep])
    _broken([gzip.compress(deep)])


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "MOST_BYTES", 4 * 2**20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(64)) + packer.flush()
    assert len(bomb) < 100_000
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for piece in _pieces(bomb, 1000):
            taken += 1
            yield piece

    assert _broken(pieces()).reason == "the document is larger than 4194304 bytes"
    assert taken < 10
    assert "larger than" in _broken([bomb]).reason
    assert "larger than" in _broken([b" " * 2**20] * 5).reason
    assert "larger than" in _broken([gzip.compress(b" " * 2**20)] * 5).reason


def test_endless_packed_bytes_are_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "MOST_BYTES", 10**6)
    assert "larger than" in _broken(itertools.chain([PACKED], itertools.repeat(bytes(10_000)))).reason
    assert "larger than" in _broken(itertools.repeat(b" " * 10_000)).reason


def test_endless_members_of_gzip_are_poison() -> None:
    empty = gzip.compress(b"", mtime=0)
    assert "members" in _broken(itertools.chain([PACKED], itertools.repeat(empty * 1000))).reason


def test_large_values_nested_too_deeply_are_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "LARGE", 1000)

    def nested(levels: int) -> Iterator[bytes]:
        return _pieces(b'{"X":' + b'{"X":[' * levels + b'"%s"' % (b"x" * 2000) + b"]}" * levels + b"}", 100)

    _read(nested(31), Reader(READER.profile, 100))
    with pytest.raises(Poison, match="nested too deeply"):
        _read(nested(33), Reader(READER.profile, 100))


def test_a_document_just_within_the_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "MOST_BYTES", len(PLAIN))
    _check(_read([PACKED]))
    _broken([gzip.compress(PLAIN + b" ")])


def test_plain_text_of_any_compressibility_is_unpacked_whole() -> None:
    for filling in (b" " * (3 * 2**20), b" " * 2**20, b" " * (2**20 - len(PLAIN))):
        for size in (100, 10**7):
            _check(_read(_pieces(gzip.compress(PLAIN + filling), size)))


def test_the_bounds_are_those_of_the_design() -> None:
    assert (gunzip.MOST_BYTES, streaming.MOST_SERIES, streaming.MOST_INSTANCES) == (256 * 2**20, 10_000, 1_000_000)


def test_too_many_series_or_instances_are_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MOST_INSTANCES", 4)
    monkeypatch.setattr(streaming, "MOST_SERIES", 3)

    def document(series: int, instances: int) -> bytes:
        each: Any = {"Instances": {str(number): {} for number in range(instances)}}
        return json.dumps({"Study": {"Series": {str(number): each for number in range(series)}}}).encode()

    _read([document(3, 1)])
    _read([document(2, 2)])
    assert _broken([document(4, 1)]).reason == "the document has more than 3 series"
    assert _broken([document(1, 5)]).reason == "the document has more than 4 instances"
    assert _broken([document(3, 2)]).reason == "the document has more than 4 instances"


@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_document_with_any_bytes_wrong_is_read_or_poison_and_never_quoted(
    at: int, wrong: bytes, packed: bool
) -> None:
    body = PLAIN[:at] + wrong + PLAIN[at + len(wrong) :]
    try:
        _read([gzip.compress(body) if packed else body])
    except Poison as poison:
        shown = poison.__suppress_context__ or poison.__context__ is None
        told = (poison.reason, poison.__cause__, shown)
    else:
        told = ("", None, True)
    assert told[0] in (
        "",
        "the document is not HealthImaging's JSON",
        "a key comes twice in the document's structure",
    )
    assert told[1:] == (None, True)


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_gzip_with_any_byte_wrong_is_read_or_poison(at: int, change: int) -> None:
    body = PACKED[:at] + bytes([PACKED[at] ^ change]) + PACKED[at + 1 :]
    try:
        _check(_read([body]))
    except Poison:
        at = -1
    assert at < 10  # only the header holds what does not count


def test_a_failure_of_the_body_passes_through() -> None:
    def cut() -> Iterator[bytes]:
        yield PACKED[:20]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        _read(cut())
