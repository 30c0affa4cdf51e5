"""What a document may hold and what becomes of it: docs/documents.md, row by row, where no other test shows it."""

import codecs
import gzip
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from imaging_index.document.gunzip import blocks
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.entry import Content
from imaging_index.entry.item import plain
from imaging_index.entry.pages import unpack
from imaging_index.faults import Poison
from imaging_index.indexing import Indexer
from imaging_index.profile import toml_file
from imaging_index.table.layout import Key

ROOT = Path(__file__).parents[2]
PROFILE = toml_file.parse("""
revision = 1
attributes = ["PatientID", "PatientName", "StudyInstanceUID", "StudyID", "SeriesInstanceUID", "SeriesNumber",
  "Modality", "Rows"]
[named.BValue]
vr = "FD"
from = [
  { creator = "SIEMENS MR HEADER", element = "0019xx0C", vr = "FD" },
  { creator = "GEMS_PARM_01", element = "0043xx39", component = 1, modulo = [1000000000, 1073741824] },
]
[named.Comment]
vr = "LO"
from = [{ creator = "SIEMENS MR HEADER", element = "0019xx0D", vr = "LO" }]
[indexes.study]
partition = ["StudyInstanceUID"]
sort = ["ImageSetId"]
[indexes.named]
partition = ["PatientName"]
sort = ["ImageSetId"]
""")
READER = Reader(PROFILE)
KEY = Key("d" * 32, "i" * 32)
DOCUMENT: dict[str, Any] = {
    "SchemaVersion": "1.1",
    "DatastoreID": "d" * 32,
    "ImageSetID": "i" * 32,
    "Patient": {"DICOM": {"PatientID": "P1"}},
    "Study": {
        "DICOM": {"StudyInstanceUID": "1.2", "StudyID": "S"},
        "Series": {
            "1.2.3": {
                "DICOM": {"SeriesInstanceUID": "1.2.3", "Modality": "CT"},
                "Instances": {"1.2.3.1": {"DICOM": {"SOPInstanceUID": "1.2.3.1", "Rows": 512}, "DICOMVRs": {}}},
            }
        },
    },
}
HEADER = {"00190010": "SIEMENS MR HEADER"}


def _content(body: bytes) -> Content:
    return entry.build(READER, [body])


def _entry(body: bytes) -> dict[str, Any]:
    return plain(_content(body).attributes)


def _patient(values: dict[str, Any]) -> dict[str, Any]:
    return _entry(json.dumps({"Patient": {"DICOM": values}}).encode())


def _instance(values: dict[str, Any], vrs: dict[str, Any] | None = None) -> dict[str, Any]:
    instances = {"1.2.3.1": {"DICOM": values, "DICOMVRs": vrs}}
    return _entry(json.dumps({"Study": {"Series": {"1.2.3": {"Instances": instances}}}}).encode())


def _refused(body: bytes, reason: str = "the document is not HealthImaging's JSON") -> None:
    with pytest.raises(Poison) as met:
        _entry(body)
    assert met.value.reason == reason


def _rows() -> list[list[str]]:
    """The rows of all tables of docs/documents.md, without the tables' heads."""
    lines = (ROOT / "docs/documents.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "what it holds" and not row[0].startswith("---")]


def test_every_row_of_the_table_names_a_test_that_exists() -> None:
    tests = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE)
    }
    rows = _rows()
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row[-1])
        assert len(row) == 3, row
        assert named, row
        assert set(named) <= tests, row


def test_a_byte_order_mark_is_passed_over_packed_or_plain_and_in_any_pieces() -> None:
    marked = json.dumps(DOCUMENT).encode("utf-8-sig")
    for body in (marked, gzip.compress(marked)):
        assert _entry(body) == _entry(json.dumps(DOCUMENT).encode())
        assert [*blocks((body[at : at + 1] for at in range(len(body))), 2**16)] == [marked[3:]]
        assert b"".join(blocks((body[at : at + 1] for at in range(len(body))), 2)) == marked[3:]


def test_one_mark_is_passed_over_and_no_more() -> None:
    mark = codecs.BOM_UTF8
    _refused(mark * 2 + json.dumps(DOCUMENT).encode())
    _refused(mark[:2] + json.dumps(DOCUMENT).encode())
    _refused(mark)
    _refused(b"[]" + mark)


def test_utf_16_and_utf_32_are_poison() -> None:
    written = json.dumps(DOCUMENT)
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        _refused(written.encode(encoding))


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"])
def test_what_is_not_utf_8_is_named_where_it_is_selected_and_not_looked_at_elsewhere(wrong: bytes) -> None:
    stored = _entry(b'{"X":"%s","Patient":{"DICOM":{"PatientComments":"%s","PatientID":"%s"}}}' % (wrong, wrong, wrong))
    assert stored["InvalidAttributes"] == ["PatientID"]
    assert "PatientID" not in stored


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"])
def test_a_key_that_is_a_uid_but_not_utf_8_is_poison(wrong: bytes) -> None:
    _refused(b'{"Study":{"Series":{"1.2%s":{}}}}' % wrong)
    _refused(b'{"Study":{"Series":{"1.2":{"Instances":{"1.2.3%s":{}}}}}}' % wrong)


@pytest.mark.parametrize("wrong", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_json_has_no_number_for_is_named_where_it_is_selected_and_passed_over_elsewhere(wrong: bytes) -> None:
    content = _content(b'{"X":[%s],"Patient":{"DICOM":{"PatientSize":%s,"PatientID":%s}}}' % (wrong, wrong, wrong))
    assert plain(content.attributes)["InvalidAttributes"] == ["PatientID"]
    assert content.mended
    content = _content(b'{"Patient":{"DICOM":{"PatientID":"%s"}}}' % wrong)
    assert plain(content.attributes)["PatientID"] == wrong.decode()
    assert not content.mended


@pytest.mark.parametrize("wrong", [b"nan", b"inf", b"undefined", b"NaN1", b"+Infinity", b"--Infinity"])
def test_any_other_word_is_poison_wherever_it_stands(wrong: bytes) -> None:
    _refused(b'{"Patient":{"DICOM":{"PatientID":%s}}}' % wrong)
    _refused(b'{"X":%s}' % wrong)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 5000])
def test_a_number_too_large_for_python_is_named_where_it_is_selected_and_not_looked_at_elsewhere(
    number: bytes,
) -> None:
    stored = _entry(b'{"Patient":{"DICOM":{"PatientSize":%s,"PatientID":%s}}}' % (number, number))
    assert stored["InvalidAttributes"] == ["PatientID"]


@pytest.mark.parametrize(
    "half", [rb"\ud800", rb"\udc00", rb"\udc00\ud800", rb"\ud800x", rb"\\\ud800", rb"\uDBFF\u0041"]
)
def test_half_a_character_makes_a_value_unusable_where_it_is_selected_and_nothing_elsewhere(half: bytes) -> None:
    content = _content(b'{"%s":["%s"],"Patient":{"DICOM":{"A%s":1,"PatientID":"%s"}}}' % (half, half, half, half))
    stored = plain(content.attributes)
    assert stored["InvalidAttributes"] == ["PatientID"]
    assert "PatientID" not in stored
    assert content.mended


def test_both_halves_of_a_character_are_that_character() -> None:
    assert _entry(rb'{"Patient":{"DICOM":{"PatientID":"\ud83d\ude00"}}}')["PatientID"] == "\U0001f600"


def test_control_characters_are_text_when_json_escapes_them_and_poison_when_not() -> None:
    assert _patient({"PatientID": "a\0\x1b\nb\0"})["PatientID"] == "a\0\x1b\nb"
    _refused(b'{"Patient":{"DICOM":{"PatientID":"a\x1bb"}}}')


def test_of_equal_keys_the_last_stands_and_nothing_is_left_of_the_others() -> None:
    assert _entry(b'{"Patient":{"DICOM":{"PatientID":"1","PatientID":"2"}}}')["PatientID"] == "2"
    stored = _entry(b'{"Study":{"Series":{"1":{"Instances":{"1.1":{"DICOM":{"Rows":7,"Rows":8}}}}}}}')
    assert stored["Rows"] == {"Min": 8, "Max": 8}
    stored = _entry(b'{"Study":{"Series":{"1":{"Instances":{"1.1":{"DICOM":{"Rows":7}},"1.1":{"DICOM":{}}}}}}}')
    assert stored["InstanceCount"] == 1
    assert "Rows" not in stored


@pytest.mark.parametrize(
    "body",
    [
        b'{"Patient":{},"Patient":{}}',
        b'{"Patient":{"DICOM":{},"DICOM":{}}}',
        b'{"Study":{},"St\\u0075dy":{}}',
        b'{"Study":{"Series":{},"Series":{}}}',
        b'{"Study":{"Series":{"1":{},"1":{}}}}',
        b'{"Study":{"Series":{"1":{"Instances":{},"Instances":{}}}}}',
        b'{"Patient":{"DICOM":{"PatientID":"1"}},"Patient":null}',
        b'{"Study":{"Series":{"1.2":{},"1.2":{"DICOM":{}}}}}',
        b'{"Study":{"Series":{"1.2":{"Instances":{}},"1\\u002e2":{"DICOM":{}}}}}',
        b'{"Study":{"Series":{%s,"1.3":{}}}}' % b",".join(b'"1.%d":{}' % number for number in range(20)),
        b'{"Patient" :{},"Patient":{}}',
        b'{"Patient": {},"Patient":{}}',
        b'{"Patient":{"X":"\\":{"},"Patient":{}}',
    ],
)
def test_a_key_of_the_structure_that_comes_twice_is_poison_whatever_the_documents_size(body: bytes) -> None:
    large = b'{"X":"%s",%s' % (b"x" * 10**6, body[1:])
    for each in (body, gzip.compress(large)):
        _refused(each, "a key comes twice in the document's structure")


def test_what_only_looks_like_a_key_of_the_structure_does_no_harm() -> None:
    texts = {"PatientID": "1", "Other": ["DICOM", {"DICOM": {"Series": 1}, "1.2.3": {}}], "Patient": "Patient"}
    document = DOCUMENT | {"Patient": {"DICOM": texts, "Study": {}}}
    plainly = DOCUMENT | {"Patient": {"DICOM": {"PatientID": "1"}}}
    assert _entry(json.dumps(document).encode()) == _entry(json.dumps(plainly).encode())


def test_of_the_same_part_of_an_instance_the_last_stands_whatever_its_size() -> None:
    for more in (1, 10**6):
        values = b'{"Rows":7,"X":"%s"}' % (b"x" * more)
        body = b'{"Study":{"Series":{"1":{"Instances":{"1.1":{"DICOM":%s,"DICOM":{"Rows":8}}}}}}}' % values
        assert _entry(body)["Rows"] == {"Min": 8, "Max": 8}


def test_an_instance_that_comes_again_much_later_stays_twice() -> None:
    between = b",".join(b'"1.%d":{"DICOM":{"X":"%s"}}' % (number, b"x" * 1000) for number in range(2, 200))
    body = b'{"Study":{"Series":{"1":{"Instances":{"1.1":{},%s,"1.1":{}}}}}}' % between
    assert _entry(gzip.compress(body))["InstanceCount"] == 200


def test_an_instance_may_come_in_two_series() -> None:
    body = b'{"Study":{"Series":{"1":{"Instances":{"1.1":{}}},"2":{"Instances":{"1.1":{}}}}}}'
    assert _entry(body)["InstanceCount"] == 2


@pytest.mark.parametrize("wrong", [7, "text", True, 1.5, ["text"], [{}]])
@pytest.mark.parametrize(
    "place",
    [
        ("Patient",),
        ("Patient", "DICOM"),
        ("Study",),
        ("Study", "DICOM"),
        ("Study", "Series"),
        ("Study", "Series", "1.2.3"),
        ("Study", "Series", "1.2.3", "DICOM"),
        ("Study", "Series", "1.2.3", "Instances"),
        ("Study", "Series", "1.2.3", "Instances", "1.2.3.1"),
        ("Study", "Series", "1.2.3", "Instances", "1.2.3.1", "DICOM"),
    ],
    ids=lambda place: place[-1],
)
def test_a_wrong_type_at_each_place_of_the_structure_is_poison(place: tuple[str, ...], wrong: Any) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    parent = document
    for key in place[:-1]:
        parent = parent[key]
    assert place[-1] in parent
    parent[place[-1]] = wrong
    _refused(json.dumps(document).encode())


@pytest.mark.parametrize("wrong", [7, "text", [], ["0019100C"], True])
def test_vrs_of_a_wrong_type_count_as_missing(wrong: Any) -> None:
    assert _instance(HEADER | {"0019100C": 100}, wrong)["BValue"]["Min"] == 100


def test_a_private_element_that_is_not_listed_is_not_looked_for() -> None:
    assert "BValue" not in _instance(HEADER | {"0019100C": 100}, {"00191010": "DS"})


def test_a_series_may_tell_its_uid_behind_its_instances() -> None:
    instances = {"1.1": {"DICOM": {"InstanceNumber": 2}}, "1.2": {"DICOM": {"InstanceNumber": 1}}}
    series = {"7.7": {"Instances": instances, "DICOM": {"SeriesInstanceUID": "9.9"}}, "8.8": {"Instances": instances}}
    rows, checksum = unpack((content := _content(json.dumps({"Study": {"Series": series}}).encode())).pages)
    assert [(row["SeriesInstanceUID"], row["SOPInstanceUID"]) for row in rows] == [
        *(("8.8", uid) for uid in ("1.2", "1.1")),
        *(("9.9", uid) for uid in ("1.2", "1.1")),
    ]
    assert checksum == content.checksum
    assert plain(content.attributes)["SeriesInstanceUIDs"] == ["8.8", "9.9"]


@pytest.mark.parametrize("wrong", [7, "text", {}, ["text"], [None], [[]]])
def test_frames_of_a_wrong_type_are_poison(wrong: Any) -> None:
    instances = {"1.2.3.1": {"ImageFrames": wrong}}
    _refused(json.dumps({"Study": {"Series": {"1.2.3": {"Instances": instances}}}}).encode())


@pytest.mark.parametrize(
    "series",
    [
        {"1.2.3": None},
        {"1.2.3": {"Instances": {"1.2.3.1": None}}},
        {"1.2.3": {"Instances": {"1.2.3.1": {"ImageFrames": [None]}}}},
    ],
)
def test_a_null_for_a_series_an_instance_or_a_frame_is_poison(series: dict[str, Any]) -> None:
    _refused(json.dumps({"Study": {"Series": series}}).encode())


def test_frames_without_a_usable_id_are_not_counted() -> None:
    frames = [{"ID": "f" * 32}, {}, {"ID": None}, {"ID": 7}, {"ID": ["f"]}, {"ID": ""}, {"ID": "f" * 1025}]
    instances = {"1.2.3.1": {"ImageFrames": frames}}
    stored = _entry(json.dumps({"Study": {"Series": {"1.2.3": {"Instances": instances}}}}).encode())
    assert (stored["InstanceCount"], stored["FrameCount"]) == (1, 1)


@pytest.mark.parametrize("version", ["1.0", "2.0", 1.1, None, "", ["1.1"]])
def test_the_schema_version_does_not_count(version: Any) -> None:
    expected = _entry(json.dumps(DOCUMENT).encode())
    assert _entry(json.dumps(DOCUMENT | {"SchemaVersion": version}).encode()) == expected
    assert _entry(json.dumps({key: DOCUMENT[key] for key in ("Patient", "Study")}).encode()) == expected


def test_unknown_keys_change_nothing_wherever_they_stand() -> None:
    def with_more(node: Any) -> Any:
        # A further series or instance would be no unknown key.
        if not isinstance(node, dict):
            return node
        inner = {key: with_more(each) for key, each in node.items()}
        return inner if node.keys() & {"1.2.3", "1.2.3.1"} else {"Annotations": [{"a": [1, None]}]} | inner | {"": "x"}

    assert _entry(json.dumps(with_more(DOCUMENT)).encode()) == _entry(json.dumps(DOCUMENT).encode())


@pytest.mark.parametrize(
    "ids",
    [
        {"ImageSetID": "j" * 32},
        {"ImageSetID": "I" * 32},
        {"ImageSetID": "i" * 32 + " "},
        {"ImageSetID": None},
        {"ImageSetID": ["i" * 32]},
        {"DatastoreID": "i" * 32},
        {"DatastoreID": 7},
        {"DatastoreID": None, "ImageSetID": None},
    ],
)
def test_ids_that_are_not_those_of_the_request_are_poison(ids: dict[str, Any]) -> None:
    no_aws: Any = None
    indexer = Indexer(no_aws, no_aws, PROFILE, READER)
    indexer._content(KEY, [json.dumps(DOCUMENT).encode()])
    missing = {key: value for key, value in DOCUMENT.items() if key not in ids}
    for document in (DOCUMENT | ids, missing):
        with pytest.raises(Poison, match=r"^the document is of another image set$"):
            indexer._content(KEY, [json.dumps(document).encode()])


def test_the_uid_that_an_instance_says_counts_before_its_key() -> None:
    instances = {"7.7": {"DICOM": {"SOPInstanceUID": "8.8"}}, "9.9": {"DICOM": {"SOPInstanceUID": 7}}, "6.6": {}}
    body = json.dumps({"Study": {"Series": {"1.2.3": {"Instances": instances}}}}).encode()
    rows, _ = unpack(_content(body).pages)
    assert [row["SOPInstanceUID"] for row in rows] == ["6.6", "8.8", "9.9"]


@pytest.mark.parametrize("uid", [None, "", "\0", 7, ["1.2", "1.3"], "1" * 2049])
def test_a_document_without_a_usable_study_uid_is_an_entry_without_one(uid: Any) -> None:
    document = DOCUMENT | {"Study": DOCUMENT["Study"] | {"DICOM": {"StudyInstanceUID": uid}}}
    stored = _entry(json.dumps(document).encode())
    assert "StudyInstanceUID" not in stored
    assert (stored["PatientID"], stored["SeriesInstanceUID"], stored["InstanceCount"]) == ("P1", "1.2.3", 1)


@pytest.mark.parametrize("depth", [64, 65, 300, 500])
@pytest.mark.parametrize("keyword", ["PatientID", "PatientComments"])
def test_nesting_that_python_can_follow_is_a_value_of_a_wrong_type(keyword: str, depth: int) -> None:
    stored = _entry(b'{"Patient":{"DICOM":{"%s":%s%s}}}' % (keyword.encode(), b"[" * depth, b"]" * depth))
    assert stored.get("InvalidAttributes") == (["PatientID"] if keyword == "PatientID" else None)


def test_a_key_too_long_for_its_index_is_left_out_with_all_that_comes_from_it() -> None:
    # Folding takes time that grows with the square of such a name's length.
    stored = _patient({"PatientName": "\u0300\u0327" * 100_000})
    assert stored["InvalidAttributes"] == ["PatientName"]
    assert not [name for name in stored if name.startswith("PatientName")]


@pytest.mark.parametrize(
    "value", ["AAA", "A===", "é", "AAAAAAAA\n", "AAAAAAAAAAAA", 7, ["AAAAAAAAAAA="], {"a": 1}, True]
)
def test_bytes_that_are_not_those_of_the_vr_are_left_out_and_named(value: Any) -> None:
    stored = _instance(HEADER | {"0019100C": value}, {"0019100C": "UN"})
    assert "BValue" not in stored
    assert stored["InvalidAttributes"] == ["BValue"]
    assert _instance(HEADER | {"0019100C": "AAAAAAAAWUA="}, {"0019100C": "UN"})["BValue"]["Min"] == 100


@pytest.mark.parametrize("value", ["/w==", "gA=="])
def test_bytes_that_are_no_text_are_left_out_and_named(value: str) -> None:
    stored = _instance(HEADER | {"0019100D": value}, {"0019100D": "OB"})
    assert stored["InvalidAttributes"] == ["Comment"]


@pytest.mark.parametrize("vr", [None, 7, [], ["UN"], {"UN": 1}, "XX", "un"])
def test_a_private_elements_vr_that_is_none_counts_as_not_told(vr: Any) -> None:
    assert _instance(HEADER | {"0019100C": 100}, {"0019100C": vr})["BValue"]["Min"] == 100


@pytest.mark.parametrize("creator", [None, 7, ["SIEMENS MR HEADER"], {"SIEMENS MR HEADER": 1}, "SIEMENS MR HEADER 2"])
def test_a_creator_that_is_none_has_no_elements(creator: Any) -> None:
    assert "BValue" not in _instance({"00190010": creator, "0019100C": 100, "00190020": "SIEMENS MR HEADER"})


@pytest.mark.parametrize("number", ["1e100", "9" * 38, 10**30 + 50, "1073741824", 7])
def test_a_modulo_is_exact_however_large_the_number(number: Any) -> None:
    left = int(Decimal(number)) % 1073741824 % 10**9
    stored = _instance({"00430010": "GEMS_PARM_01", "00431039": [number, 8]}, {"00431039": "IS"})
    assert stored["BValue"] == {"Min": left, "Max": left}
