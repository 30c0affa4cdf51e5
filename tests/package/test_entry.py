"""What documents become."""

import gzip
import json
import random
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_index.document import cursor
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.entry import Content
from imaging_index.entry.item import Item, plain
from imaging_index.entry.pages import COLUMNS, unpack
from imaging_index.profile import profile, toml_file

LARGEST_ITEM = 400_000  # DynamoDB Developer Guide, "Quotas"
INDEXES = """
[indexes.patient]
partition = ["DatastoreId", "PatientID"]
sort = ["StudyMoment", "ImageSetId"]
[indexes.study]
partition = ["StudyInstanceUID"]
sort = ["StudyMoment", "ImageSetId"]
"""
ATTRIBUTES = [
    "PatientID",
    "PatientName",
    "OtherPatientNames",
    "PatientSex",
    "PatientComments",
    "OtherPatientIDsSequence.PatientID",
    "OtherPatientIDsSequence.IssuerOfPatientID",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "PatientAge",
    "SeriesInstanceUID",
    "SeriesNumber",
    "Modality",
    "SoftwareVersions",
    "RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue",
    "SOPClassUID",
    "ImageType",
    "ImageComments",
    "AcquisitionDate",
    "AcquisitionTime",
    "Rows",
    "PixelSpacing",
    "SliceThickness",
    "ConvolutionKernel",
    "OperatorsName",
    "SegmentSequence.SegmentLabel",
    "SegmentSequence.SegmentNumber",
]
PROFILE = toml_file.parse(f"revision = 1\nattributes = {json.dumps(ATTRIBUTES)}\n{INDEXES}")
READER = Reader(PROFILE)


def _document(
    patient: dict[str, Any] | None = None,
    study: dict[str, Any] | None = None,
    series: dict[str, Any] | None = None,
    instances: list[dict[str, Any]] | None = None,
    frames: int = 1,
) -> dict[str, Any]:
    """A document of one series, 1.2.3, whose instances are 1.2.3.1 and so on."""
    return {
        "SchemaVersion": "1.1",
        "DatastoreID": "d" * 32,
        "ImageSetID": "i" * 32,
        "Patient": {"DICOM": patient or {}},
        "Study": {
            "DICOM": study or {},
            "Series": {
                "1.2.3": {
                    "DICOM": series or {},
                    "Instances": {
                        f"1.2.3.{number}": {
                            "DICOM": values,
                            "DICOMVRs": {},
                            "ImageFrames": [{"ID": f"{number:016x}{frame:016x}"} for frame in range(frames)],
                        }
                        for number, values in enumerate(instances or [], 1)
                    },
                }
            },
        },
    }


def _build(document: dict[str, Any]) -> Content:
    return entry.build(READER, [json.dumps(document).encode()])


def _patient(**values: Any) -> dict[str, Any]:
    return plain(_build(_document(patient=values)).attributes)


def _study(**values: Any) -> dict[str, Any]:
    return plain(_build(_document(study=values)).attributes)


def _series(**values: Any) -> dict[str, Any]:
    return plain(_build(_document(series=values)).attributes)


def _instances(*values: dict[str, Any]) -> dict[str, Any]:
    return plain(_build(_document(instances=list(values))).attributes)


def test_single_values_stand_under_their_keywords_in_their_types() -> None:
    content = _build(
        _document(
            patient={"PatientID": " 123 ", "PatientName": "Doe^John", "PatientSex": "M "},
            study={"StudyInstanceUID": "1.2\0", "StudyDate": "2024.02.29", "StudyTime": "0835", "PatientAge": "75Y"},
            series={"SeriesInstanceUID": "1.2.3", "SeriesNumber": "7 ", "Modality": "CT"},
        )
    )
    assert content.attributes == {
        "PatientID": {"S": "123"},
        "PatientName": {"S": "Doe^John"},
        "PatientNameFolded": {"S": " doe john"},
        "PatientNameKey": {"S": "doe john"},
        "PatientSex": {"S": "M"},
        "StudyInstanceUID": {"S": "1.2"},
        "StudyDate": {"S": "20240229"},
        "StudyTime": {"S": "083500"},
        "StudyMoment": {"S": "20240229083500"},
        "PatientAge": {"S": "075Y"},
        "SeriesInstanceUID": {"S": "1.2.3"},
        "SeriesNumber": {"N": "7"},
        "Modality": {"S": "CT"},
        "InstanceCount": {"N": "0"},
        "FrameCount": {"N": "0"},
        "FrameBytes": {"N": "0"},
    }
    assert (content.several_series, content.invalid, content.truncated, content.pages) == (False, 0, 0, [])


@pytest.mark.parametrize("empty", [None, "", "   ", [], [None], [""]])
def test_what_is_empty_is_absent(empty: Any) -> None:
    stored = _patient(PatientID=empty, PatientSex=empty, OtherPatientNames=empty)
    assert stored.keys() == {"SeriesInstanceUID", "StudyMoment", "InstanceCount", "FrameCount", "FrameBytes"}
    assert _instances({"ImageType": empty, "Rows": empty}).keys() == stored.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("StudyDate", "1990/01/"),
        ("StudyDate", "***"),
        ("StudyTime", "noon"),
        ("PatientAge", "24"),
        ("StudyID", 7),
        ("StudyID", {"a": 1}),
        ("StudyID", [True, {}]),
        ("StudyDescription", True),
    ],
)
def test_what_cannot_be_typed_is_left_out_and_named(name: str, value: Any) -> None:
    stored = _study(**{name: value})
    assert name not in stored
    assert stored["InvalidAttributes"] == [name]


def test_one_value_in_a_list_is_that_value() -> None:
    assert _study(StudyID=["A "])["StudyID"] == "A"


def test_several_values_are_a_list_in_their_order_and_one_is_a_list_too() -> None:
    assert _series(SoftwareVersions=["B ", "", "A"])["SoftwareVersions"] == ["B", "", "A"]
    assert _series(SoftwareVersions=["A"])["SoftwareVersions"] == ["A"]
    assert _series(SoftwareVersions="A")["SoftwareVersions"] == ["A"]


def test_siblings_in_a_sequence_are_lists_of_one_element_an_item() -> None:
    items = [
        {"PatientID": "1", "IssuerOfPatientID": "X"},
        {"PatientID": "2"},
        {},
        {"PatientID": None, "IssuerOfPatientID": "Y"},
    ]
    stored = _patient(OtherPatientIDsSequence=items)
    assert stored["OtherPatientIDsSequence.PatientID"] == ["1", "2", "", ""]
    assert stored["OtherPatientIDsSequence.IssuerOfPatientID"] == ["X", "", "", "Y"]


def test_a_path_through_two_sequences_is_the_values_of_all_inner_items() -> None:
    items = [
        {"ScheduledProtocolCodeSequence": [{"CodeValue": "A"}, {"CodeValue": "B"}]},
        {"ScheduledProtocolCodeSequence": []},
        {"ScheduledProtocolCodeSequence": {"CodeValue": "C"}},
    ]
    name = "RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue"
    assert _series(RequestAttributesSequence=items)[name] == ["A", "B", "", "C"]
    assert name not in _series(RequestAttributesSequence=[])


def test_several_values_in_one_item_stay_one_element() -> None:
    stored = _patient(OtherPatientIDsSequence=[{"PatientID": ["1", "2"]}, {"PatientID": "3"}])
    assert stored["OtherPatientIDsSequence.PatientID"] == ["1\\2", "3"]


@pytest.mark.parametrize("value", ["text", 7, [7], [{"PatientID": {"a": 1}}], [{"PatientID": 7}]])
def test_a_sequence_that_is_none_is_named(value: Any) -> None:
    stored = _patient(OtherPatientIDsSequence=value)
    assert "OtherPatientIDsSequence.PatientID" in stored["InvalidAttributes"]
    assert "OtherPatientIDsSequence.PatientID" not in stored


def test_the_same_keyword_deeper_in_is_not_taken_for_the_one_at_the_top() -> None:
    stored = _instances({"SegmentSequence": [{"Rows": 7}], "7FDF1001": "AAE="})
    assert "Rows" not in stored


def test_numbers_of_the_instances_are_summed_up() -> None:
    stored = _instances({"Rows": 512}, {"Rows": 256}, {"Rows": None}, {}, {"Rows": 512})
    assert stored["Rows"] == {"Min": 256, "Max": 512, "Values": [256, 512], "Missing": 2}


def test_a_number_that_all_instances_share_is_only_its_bounds() -> None:
    assert _instances({"SliceThickness": "1.250 "}, {"SliceThickness": "1.25"})["SliceThickness"] == {
        "Min": Decimal("1.25"),
        "Max": Decimal("1.25"),
    }


def test_numbers_are_listed_up_to_sixteen_in_their_order() -> None:
    numbers = [{"Rows": number} for number in range(17, 0, -1)]
    assert _instances(*numbers[1:])["Rows"] == {"Min": 1, "Max": 16, "Values": list(range(1, 17))}
    assert _instances(*numbers)["Rows"] == {"Min": 1, "Max": 17}


def test_dates_and_times_of_the_instances_are_summed_up() -> None:
    stored = _instances(
        {"AcquisitionDate": "20240102", "AcquisitionTime": "10"},
        {"AcquisitionDate": "2024.01.01", "AcquisitionTime": "09:59:59.5"},
    )
    assert stored["AcquisitionDate"] == {"Min": "20240101", "Max": "20240102", "Values": ["20240101", "20240102"]}
    assert stored["AcquisitionTime"]["Min"] == "095959.5"
    assert stored["AcquisitionTime"]["Max"] == "100000"


def test_numbers_of_several_components_are_summed_up_by_component_and_listed_whole() -> None:
    half, more = Decimal("0.5"), Decimal("0.7")
    stored = _instances({"PixelSpacing": ["0.5", "0.7 "]}, {"PixelSpacing": "0.50\\0.70"}, {"PixelSpacing": [0.7, 0.5]})
    assert stored["PixelSpacing"] == {"Min": [half, half], "Max": [more, more], "Values": [[half, more], [more, half]]}
    stored = _instances({"PixelSpacing": ["0.5", None]}, {"PixelSpacing": ["0", "0.7", 9]}, {}, {"PixelSpacing": "\\"})
    assert stored["PixelSpacing"] == {
        "Min": [0, more, 9],
        "Max": [half, more, 9],
        "Values": [[0, more, 9], [half, ""]],
        "Missing": 2,
    }
    assert "InvalidAttributes" not in stored


def test_a_component_that_no_instance_has_is_empty_in_the_bounds() -> None:
    assert _instances({"PixelSpacing": ["", "2"]}, {"PixelSpacing": ["", "1"]})["PixelSpacing"] == {
        "Min": ["", 1],
        "Max": ["", 2],
        "Values": [["", 1], ["", 2]],
    }


def test_a_value_of_which_one_component_cannot_be_typed_is_left_out_whole_and_named() -> None:
    stored = _instances({"PixelSpacing": ["0.5", "wide"]}, {"PixelSpacing": ["1", "2"]}, {"ImageType": ["A", 7]})
    assert stored["PixelSpacing"] == {"Min": [1, 2], "Max": [1, 2], "Missing": 2}
    assert stored["InvalidAttributes"] == ["ImageType", "PixelSpacing"]
    assert "ImageType" not in stored


def test_whole_numbers_are_listed_up_to_sixteen_and_while_there_is_room() -> None:
    spacings = [{"PixelSpacing": [number, 1]} for number in range(17)]
    assert len(_instances(*spacings[:16])["PixelSpacing"]["Values"]) == 16
    assert _instances(*spacings)["PixelSpacing"] == {"Min": [0, 1], "Max": [16, 1]}
    long = [{"PixelSpacing": [f"{number}.{n:037}" for n in range(1, 101)]} for number in range(3)]
    assert _instances(*long[:2])["PixelSpacing"].keys() == {"Min", "Max", "Values"}
    assert _instances(*long)["PixelSpacing"].keys() == {"Min", "Max"}


def test_of_more_than_a_hundred_components_a_hundred_are_kept_and_the_attribute_is_named() -> None:
    stored = _instances({"PixelSpacing": [*range(101)]})
    assert stored["PixelSpacing"] == {"Min": [*range(100)], "Max": [*range(100)]}
    assert stored["TruncatedAttributes"] == ["PixelSpacing"]
    assert "TruncatedAttributes" not in _instances({"PixelSpacing": [*range(100)]})


def test_a_whole_text_that_is_too_long_is_cut_or_left_out_as_any_text() -> None:
    stored = _instances(
        {"ConvolutionKernel": ["K" * 600, "L" * 600], "ImageType": ["A"]}, {"ImageType": ["T" * 600] * 2}
    )
    assert stored["ImageType"] == ["A"]
    assert (stored["InvalidAttributes"], stored["MissingIn"]) == (["ConvolutionKernel", "ImageType"], {"ImageType": 1})


def test_text_of_the_instances_is_the_sorted_list_of_the_whole_values_that_differ() -> None:
    stored = _instances(
        {"ImageType": ["ORIGINAL", "PRIMARY", "", "0015"], "SOPClassUID": "1.2"},
        {"ImageType": ["DERIVED", "PRIMARY"]},
        {"SOPClassUID": "1.1 "},
    )
    assert stored["ImageType"] == ["DERIVED\\PRIMARY", "ORIGINAL\\PRIMARY\\\\0015"]
    assert stored["SOPClassUID"] == ["1.1", "1.2"]
    stored = _instances(
        {"ImageType": "A\\B"}, {"ImageType": ["A ", "B"]}, {"ImageType": ["A", "B", ""]}, {"ImageType": "\\"}
    )
    assert stored["ImageType"] == ["A\\B", "A\\B\\"]


def test_it_is_told_how_many_instances_have_no_text_when_only_some_have_one() -> None:
    stored = _instances({"ImageType": "A"}, {"ImageType": ""}, {"SOPClassUID": "1.2"}, {"ImageType": [7], "Rows": 1})
    assert stored["MissingIn"] == {"ImageType": 3, "SOPClassUID": 3}
    assert stored["Rows"]["Missing"] == 3
    assert "MissingIn" not in _instances({"ImageType": "A"}, {"ImageType": "B"})
    assert "MissingIn" not in _instances({"Rows": 1}, {})


def test_siblings_in_a_sequence_of_the_instances_stay_in_their_rows() -> None:
    stored = _instances(
        {"SegmentSequence": [{"SegmentLabel": "Liver", "SegmentNumber": 2}, {"SegmentLabel": "Aorta"}, {}]},
        {"SegmentSequence": [{"SegmentLabel": "Liver", "SegmentNumber": "1"}, {"SegmentNumber": 10}]},
        {"SegmentSequence": [{"SegmentLabel": "Liver", "SegmentNumber": 2}]},
        {"SegmentSequence": []},
        {},
    )
    assert stored["SegmentSequence.SegmentLabel"] == ["", "Aorta", "Liver", "Liver"]
    assert stored["SegmentSequence.SegmentNumber"] == [10, "", 1, 2]
    assert stored["MissingIn"] == {"SegmentSequence.SegmentLabel": 2, "SegmentSequence.SegmentNumber": 2}


def test_a_sibling_that_no_item_has_is_absent_and_one_that_cannot_be_typed_leaves_its_place_empty() -> None:
    stored = _instances({"SegmentSequence": [{"SegmentLabel": "Liver"}, {"SegmentLabel": "Aorta"}]})
    assert stored["SegmentSequence.SegmentLabel"] == ["Aorta", "Liver"]
    assert "SegmentSequence.SegmentNumber" not in stored
    items = [{"SegmentLabel": "Liver", "SegmentNumber": "x"}, {"SegmentLabel": "Aorta", "SegmentNumber": 1}, "none"]
    stored = _instances({"SegmentSequence": items})
    assert stored["SegmentSequence.SegmentLabel"] == ["Aorta", "Liver"]
    assert stored["SegmentSequence.SegmentNumber"] == [1, ""]
    assert stored["InvalidAttributes"] == ["SegmentSequence.SegmentLabel", "SegmentSequence.SegmentNumber"]


@pytest.mark.parametrize(("label", "kept"), [("L{:03}", 100), ("L{:03}" + "x" * 700, 11)])
def test_siblings_are_cut_at_the_same_row_and_all_of_them_are_named(label: str, kept: int) -> None:
    items = [{"SegmentLabel": label.format(number), "SegmentNumber": number} for number in range(kept + 1)]
    for instances in ([{"SegmentSequence": items}], [{"SegmentSequence": [item]} for item in items]):
        stored = _instances(*instances)
        assert stored["SegmentSequence.SegmentLabel"] == [label.format(number) for number in range(kept)]
        assert stored["SegmentSequence.SegmentNumber"] == [*range(kept)]
        assert stored["TruncatedAttributes"] == ["SegmentSequence.SegmentLabel", "SegmentSequence.SegmentNumber"]
    assert "TruncatedAttributes" not in _instances({"SegmentSequence": items[: min(kept, 100)]})


def test_an_instance_whose_value_cannot_be_typed_counts_as_missing_and_the_rest_stands() -> None:
    stored = _instances({"Rows": "many"}, {"Rows": True}, {"Rows": 1}, {"Rows": "1"})
    assert stored["Rows"] == {"Min": 1, "Max": 1, "Missing": 2}
    assert stored["InvalidAttributes"] == ["Rows"]


def test_an_instance_without_any_dicom_is_counted() -> None:
    document = _document(instances=[{"Rows": 1}, {}])
    document["Study"]["Series"]["1.2.3"]["Instances"]["1.2.3.2"] = {}
    content = _build(document)
    assert plain(content.attributes)["Rows"]["Missing"] == 1
    assert [row["SOPInstanceUID"] for row in unpack(content.pages)[0]] == ["1.2.3.1", "1.2.3.2"]


def test_names_are_folded_together() -> None:
    assert _patient(OtherPatientNames=["Müller^A", "", "山田^太郎"])["OtherPatientNamesFolded"] == " muller a 山田 太郎"
    assert _instances({"OperatorsName": ["X"]}).get("OperatorsName") is None  # of the series, in HealthImaging
    assert "OtherPatientNamesFolded" not in _patient(OtherPatientNames=["^^"])


@pytest.mark.parametrize(
    ("name", "key"),
    [("Doe^John", "doe john"), ("=山田^太郎", "山田 太郎"), ("^^^^", None), (" ", None), ("X" * 400, "x" * 256)],
)
def test_the_name_to_sort_by_is_the_first_group(name: str, key: str | None) -> None:
    assert _patient(PatientName=name).get("PatientNameKey") == key


@pytest.mark.parametrize(
    ("date", "time", "moment"),
    [
        ("20240229", "083501.123456", "20240229083501"),
        ("20240229", None, "20240229000000"),
        (None, "083501", "00000000083501"),
        ("***", "***", "00000000000000"),
        (None, None, "00000000000000"),
    ],
)
def test_the_moment_of_the_study_always_stands(date: str | None, time: str | None, moment: str) -> None:
    assert _study(StudyDate=date, StudyTime=time)["StudyMoment"] == moment


@pytest.mark.parametrize(
    "document", [{}, {"Patient": None, "Study": None}, {"Study": {"Series": {}}}, {"Study": {"Series": None}}]
)
def test_a_document_without_any_level_is_an_entry_all_the_same(document: dict[str, Any]) -> None:
    assert _build(document).attributes == {
        "StudyMoment": {"S": "0" * 14},
        "InstanceCount": {"N": "0"},
        "FrameCount": {"N": "0"},
        "FrameBytes": {"N": "0"},
    }


def test_the_uid_of_the_series_is_the_key_of_the_map_where_the_values_have_none() -> None:
    for inner in ({}, {"SeriesInstanceUID": None}, {"SeriesInstanceUID": ""}, {"SeriesInstanceUID": "  "}):
        assert _series(**inner)["SeriesInstanceUID"] == "1.2.3"
    assert _series(SeriesInstanceUID="9.9 ")["SeriesInstanceUID"] == "9.9"
    document = _document()
    document["Study"]["Series"]["1.2\\1.3"] = document["Study"]["Series"].pop("1.2.3")
    assert "SeriesInstanceUID" not in _build(document).attributes  # two are none


def test_of_two_series_the_lowest_uid_stands_and_all_are_listed() -> None:
    document = _document(series={"SeriesInstanceUID": "1.5", "Modality": "CT"}, instances=[{"Rows": 1}])
    document["Study"]["Series"]["1.2.4"] = {
        "DICOM": {"SeriesInstanceUID": "1.4", "Modality": "MR"},
        "Instances": {"1.2.4.1": {"DICOM": {"Rows": 2}}},
    }
    content = _build(document)
    stored = plain(content.attributes)
    assert content.several_series
    assert (stored["SeriesInstanceUID"], stored["Modality"]) == ("1.4", "MR")
    assert stored["SeriesInstanceUIDs"] == ["1.4", "1.5"]
    assert stored["InstanceCount"] == 2
    assert stored["Rows"] == {"Min": 1, "Max": 2, "Values": [1, 2]}
    assert [row["SeriesInstanceUID"] for row in unpack(content.pages)[0]] == ["1.4", "1.5"]


def test_a_series_without_a_uid_comes_last_and_is_not_listed() -> None:
    document = _document(series={"Modality": "CT"})
    document["Study"]["Series"] = {
        "": {"DICOM": {"Modality": "MR"}, "Instances": {"1": {"DICOM": {}}}},
        "1.2": {"DICOM": {"SeriesInstanceUID": "1.2", "Modality": "CT"}},
    }
    stored = plain(_build(document).attributes)
    assert (stored["SeriesInstanceUID"], stored["Modality"]) == ("1.2", "CT")
    assert stored["SeriesInstanceUIDs"] == ["1.2"]
    hashing = toml_file.parse('revision = 1\nattributes = ["Modality"]\n[privacy]\nSeriesInstanceUID = "hash"\n')
    content = entry.build(Reader(hashing), [json.dumps(document).encode()], b"key")
    assert unpack(content.pages)[0][0]["SeriesInstanceUID"] == ""


KEEPING = toml_file.parse(
    'revision = 1\nattributes = ["Modality"]\n[instances]\nkeep = ["SliceLocation", "PixelSpacing", "SliceThickness"]\n'
)


@pytest.mark.parametrize("later", [False, True], ids=["series first", "series behind"])
def test_a_kept_number_has_the_digits_that_it_had(later: bool) -> None:
    document = _document(instances=[{"SliceLocation": "0.12345678901234567890123"}])
    series = document["Study"]["Series"]["1.2.3"]
    document["Study"]["Series"]["1.2.3"] = dict(reversed(series.items())) if later else series
    content = entry.build(Reader(KEEPING, 8), _in_pieces(document))
    assert unpack(content.pages)[0][0]["SliceLocation"] == Decimal("0.12345678901234567890123")


@pytest.mark.parametrize("frames", [1, 2, 3000])
def test_what_differs_from_frame_to_frame_is_not_kept_with_the_instance(
    frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "LARGE", 100)
    measures = [{"PixelSpacing": ["1", "2"], "SliceThickness": "3"}]
    values = {
        "SharedFunctionalGroupsSequence": [{"PixelMeasuresSequence": [{"SliceThickness": "5"}]}],
        "PerFrameFunctionalGroupsSequence": [{"PixelMeasuresSequence": measures}] * frames,
    }
    contents = [
        entry.build(Reader(KEEPING, block), _in_pieces(_document(instances=[values]))) for block in (200, 700, 2**20)
    ]
    assert len({content.checksum for content in contents}) == 1
    (row,) = unpack(contents[0].pages)[0]
    assert "PixelSpacing" not in row
    assert row["SliceThickness"] == 5


def _peak(using: profile.Profile, document: dict[str, Any], separators: tuple[str, str] = (",", ":")) -> int:
    """The most bytes that reading a document allocates at a time."""
    body = gzip.compress(json.dumps(document, separators=separators).encode())
    reader = Reader(using)
    entry.build(reader, [body])
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        entry.build(reader, [body])
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_very_many_frames_are_held_in_little_memory_wherever_their_items_end(separators: tuple[str, str]) -> None:
    # Of two items in a sequence, the border between them is taken for one between frames.
    item = {"PixelMeasuresSequence": [{"PixelSpacing": ["1", "2"]}] * 2, "ImageComments": "x" * 200}
    document = _document(instances=[{"PerFrameFunctionalGroupsSequence": [item] * 20_000}])
    assert _peak(PROFILE, document, separators) < 4 * 2**20


def test_private_elements_that_nobody_selected_are_not_held() -> None:
    selected = toml_file.parse(
        'revision = 1\nattributes = ["Modality"]\n[named.B]\nvr = "FD"\n'
        'from = [{ creator = "SIEMENS MR HEADER", element = "0019xx0C" }]\n'
    )
    values = {"00190010": "SIEMENS MR HEADER", "0019100C": 7, "00191010": [{"X": "y" * 100}] * 50_000}
    document = _document(instances=[values])
    (instance,) = document["Study"]["Series"]["1.2.3"]["Instances"].values()
    instance["DICOMVRs"] = {"00190010": "LO", "0019100C": "FD", "00191010": "SQ"}
    assert plain(entry.build(Reader(selected), [json.dumps(document).encode()]).attributes)["B"]["Max"] == 7
    assert _peak(selected, document) < 4 * 2**20


def test_long_text_is_cut_and_named() -> None:
    stored = _patient(PatientComments="ä" * 513, OtherPatientNames=["n" * 600, "m" * 600])
    assert stored["PatientComments"] == "ä" * 512
    assert len(stored["OtherPatientNamesFolded"]) == 1024
    assert stored["TruncatedAttributes"] == ["OtherPatientNames", "PatientComments"]


@pytest.mark.parametrize(
    ("name", "level"), [("StudyID", _study), ("PatientSex", _patient), ("SeriesInstanceUID", _series)]
)
def test_a_long_identifier_is_never_cut_but_left_out_and_named(name: str, level: Any) -> None:
    assert level(**{name: "1" * 1024})[name] == "1" * 1024
    stored = level(**{name: "1" * 1025})
    assert stored.get(name) in (None, "1.2.3")  # a series has its other uid
    assert ("InvalidAttributes" in stored) == (name != "SeriesInstanceUID")


def test_a_series_whose_uids_are_both_too_long_is_indexed_without_one() -> None:
    document = _document(series={"SeriesInstanceUID": "1" * 1025}, instances=[{"Rows": 1}])
    document["Study"]["Series"]["2" * 5000] = document["Study"]["Series"].pop("1.2.3")
    content = _build(document)
    assert "SeriesInstanceUID" not in content.attributes
    assert plain(content.attributes)["InvalidAttributes"] == ["SeriesInstanceUID"]
    assert len(unpack(content.pages)[0]) == 1


def test_keys_are_never_cut_and_those_too_long_for_dynamodb_are_left_out_and_named() -> None:
    fitting = _build(_document({"PatientID": "é" * 1008})).attributes
    assert fitting["PatientID"] == {"S": "é" * 1008}  # with 32 bytes of DatastoreId: 2,048
    stored = plain(_build(_document({"PatientID": "é" * 1008 + "e"})).attributes)
    assert stored["InvalidAttributes"] == ["PatientID"]
    assert not {"PatientID", "TruncatedAttributes"} & stored.keys()


def test_more_than_a_hundred_values_are_cut_and_named() -> None:
    stored = _instances(*({"ConvolutionKernel": [f"K{number:03}"]} for number in range(101)))
    assert stored["ConvolutionKernel"] == [f"K{number:03}" for number in range(100)]
    assert stored["TruncatedAttributes"] == ["ConvolutionKernel"]
    assert "TruncatedAttributes" not in _instances(*({"ConvolutionKernel": [str(number)]} for number in range(100)))


def test_an_entry_fits_into_an_item_whatever_the_document_says() -> None:
    long = ["x" * 1020 + f"{number:04}" for number in range(200)]
    values: dict[str, Any] = dict.fromkeys((name.split(".")[0] for name in ATTRIBUTES if "." not in name), long)
    values |= {
        "OtherPatientIDsSequence": [{"PatientID": text, "IssuerOfPatientID": text} for text in long],
        "RequestAttributesSequence": [{"ScheduledProtocolCodeSequence": [{"CodeValue": text}]} for text in long],
        "SegmentSequence": [{"SegmentLabel": text} for text in long],
    }
    content = _build(_document(values, values, values, [values]))
    assert len(json.dumps(content.attributes)) < LARGEST_ITEM / 2
    assert content.truncated >= 8


def _shuffled(value: Any, order: random.Random) -> Any:
    """The same document with the members of every map in another order."""
    if isinstance(value, dict):
        members = [(name, _shuffled(each, order)) for name, each in value.items()]
        order.shuffle(members)
        return dict(members)
    return [_shuffled(each, order) for each in value] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_an_entry_and_its_pages_do_not_hang_on_the_order_of_maps(order: random.Random) -> None:
    document = _document(
        {"PatientID": "1", "OtherPatientIDsSequence": [{"PatientID": "2", "IssuerOfPatientID": "3"}]},
        {"StudyInstanceUID": "1.2", "StudyDate": "20240101"},
        {"Modality": "CT"},
        [{"InstanceNumber": number % 3, "Rows": 10 - number, "ImageType": [f"T{number}"]} for number in range(9)],
    )
    series = document["Study"]["Series"]
    # Two series, and two instances, that say that they are the same.
    series["1.2.4"] = json.loads(json.dumps(series["1.2.3"])) | {"DICOM": {"SeriesInstanceUID": "1.2.3"}}
    for key in ("1.2.3.1", "1.2.3.4"):
        series["1.2.3"]["Instances"][key]["DICOM"]["SOPInstanceUID"] = "7.7"
    shuffled, ordered = _build(_shuffled(document, order)), _build(document)
    assert shuffled.attributes == ordered.attributes
    assert _rows(shuffled) == _rows(ordered)


def _rows(content: Content) -> list[dict[str, Any]]:
    rows, checksum = unpack(content.pages)
    assert checksum == content.checksum
    return rows


def test_pages_hold_what_tells_an_instance_from_the_others() -> None:
    values = {
        "SOPInstanceUID": "9.1 ",
        "SOPClassUID": "1.2.840",
        "InstanceNumber": "3 ",
        "Rows": 512,
        "Columns": 256,
        "BitsAllocated": 16,
        "NumberOfFrames": "2",
        "PatientComments": "never in a page",
    }
    (row,) = _rows(_build(_document(instances=[values], frames=2)))
    assert row == {
        "SeriesInstanceUID": "1.2.3",
        "SOPInstanceUID": "9.1",
        "SOPClassUID": "1.2.840",
        "InstanceNumber": 3,
        "Rows": 512,
        "Columns": 256,
        "BitsAllocated": 16,
        "NumberOfFrames": 2,
        "Frames": ["0" * 15 + "1" + "0" * 16, "0" * 15 + "1" + "0" * 15 + "1"],
    }


def test_what_an_instance_does_not_say_is_absent_from_its_row() -> None:
    (row,) = _rows(_build(_document(instances=[{"InstanceNumber": "x", "Rows": None}], frames=0)))
    assert row == {"SeriesInstanceUID": "1.2.3", "SOPInstanceUID": "1.2.3.1", "Frames": []}


def test_instances_are_in_order_of_their_numbers_and_those_without_come_last() -> None:
    numbers: list[Any] = ["10", None, "-1", "2 ", 2]
    rows = _rows(_build(_document(instances=[{"InstanceNumber": number} for number in numbers])))
    assert [row["SOPInstanceUID"][-1] for row in rows] == ["3", "4", "5", "1", "2"]


def test_instances_that_say_the_same_uid_stay_two() -> None:
    content = _build(_document(instances=[{"SOPInstanceUID": "7.7"}, {"SOPInstanceUID": "7.7"}]))
    assert [row["SOPInstanceUID"] for row in _rows(content)] == ["7.7", "7.7"]


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (1000, 1), (1001, 2), (10_000, 10)])
def test_a_page_holds_a_thousand_instances(count: int, pages: int) -> None:
    content = _build(_document(instances=[{"InstanceNumber": number} for number in range(count)]))
    assert len(content.pages) == pages
    assert [row["InstanceNumber"] for row in _rows(content)] == list(range(count))
    assert content.attributes["InstanceCount"] == {"N": str(count)}


def test_the_sizes_of_all_frames_are_added_up_and_what_is_no_size_is_passed_over() -> None:
    sizes = [524_288, 7, 0, -1, True, "9", 1.5, None, 2**63, [3]]
    frames = [{"ID": f"{number:032x}", "FrameSizeInBytes": size} for number, size in enumerate(sizes)]
    instances: dict[str, Any] = {uid: {"DICOM": {}, "ImageFrames": frames} for uid in ("1.2.1", "1.2.2")}
    series = {"1.2": {"DICOM": {"SeriesInstanceUID": "1.2"}, "Instances": instances}}
    content = _build({"Study": {"DICOM": {}, "Series": series}})
    assert content.attributes["FrameBytes"] == {"N": str(2 * (524_288 + 7))}
    assert content.attributes["FrameCount"] == {"N": "20"}
    # The same of an instance that is too large to be held.
    instances["1.2.1"]["DICOM"]["More"] = "x" * 300_000
    body = json.dumps({"Study": {"DICOM": {}, "Series": series}}).encode()
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    assert entry.build(READER, pieces).attributes["FrameBytes"] == content.attributes["FrameBytes"]


def test_an_instance_of_very_many_frames_spans_pages_and_comes_back_as_one() -> None:
    content = _build(_document(instances=[{"InstanceNumber": 1}, {"InstanceNumber": 2}], frames=25_000))
    assert [len(row["Frames"]) for row in _rows(content)] == [25_000, 25_000]
    assert _rows(content)[1]["Frames"][-1] == f"{2:016x}{24_999:016x}"
    assert content.attributes["FrameCount"] == {"N": "50000"}
    assert max(len(gzip.decompress(page)) for page in content.pages) < LARGEST_ITEM


@pytest.mark.parametrize(
    ("count", "frames", "length"), [(1000, 1, 64), (1000, 100, 32), (1, 40_000, 32), (400, 2, 1000)]
)
def test_a_page_fits_into_an_item_though_nothing_in_it_repeats(count: int, frames: int, length: int) -> None:
    chance = random.Random(1)  # text that no compressor makes smaller

    def text() -> str:
        return "".join(map(chr, chance.choices(range(0x4E00, 0x9FA5), k=length // 3)))

    document = _document(instances=[{"SOPInstanceUID": text(), "SOPClassUID": text()} for _ in range(count)])
    for instance in document["Study"]["Series"]["1.2.3"]["Instances"].values():
        instance["ImageFrames"] = [{"ID": text()} for _ in range(frames)]
    content = _build(document)
    assert max(map(len, content.pages)) < LARGEST_ITEM - 1000
    assert sum(len(row["Frames"]) for row in _rows(content)) == count * frames


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"no gzip",
        gzip.compress(b"[]"),
        gzip.compress(b"{}"),
        gzip.compress(b"{"),
        gzip.compress(b'{"SOPInstanceUID": 7}'),
        gzip.compress(json.dumps({column: [1] for column in COLUMNS} | {"Rows": []}).encode()),
        gzip.compress(b"0" * 10_000)[:20],
        gzip.compress(b"0" * 10_000)[:10] + b"\xff" * 20,
    ],
    ids=lambda page: f"{len(page)} bytes",
)
def test_a_page_that_was_not_packed_here_is_an_error_of_value(page: bytes) -> None:
    good = _build(_document(instances=[{}])).pages
    with pytest.raises(ValueError, match="a page is not what was packed"):
        unpack([*good, page])


@given(st.lists(st.tuples(st.none() | st.integers(-(2**31), 2**31), st.integers(0, 5)), max_size=30))
def test_what_is_packed_is_what_is_unpacked(instances: list[tuple[int | None, int]]) -> None:
    document = _document(instances=[{"InstanceNumber": number} for number, _ in instances])
    for node, (_, frames) in zip(document["Study"]["Series"]["1.2.3"]["Instances"].values(), instances, strict=True):
        node["ImageFrames"] = [{"ID": str(frame)} for frame in range(frames)]
    found = {row["SOPInstanceUID"]: (row.get("InstanceNumber"), len(row["Frames"])) for row in _rows(_build(document))}
    assert found == {f"1.2.3.{number}": instance for number, instance in enumerate(instances, 1)}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12)
    | st.sampled_from(["20240101", "0835", "1.5 ", "CT", "Doe^John", "075Y"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["PatientID", "CodeValue", "ScheduledProtocolCodeSequence"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
VALUES = st.dictionaries(st.sampled_from([name.split(".")[0] for name in ATTRIBUTES]), JSON, max_size=8)


@given(VALUES, VALUES, VALUES, st.lists(VALUES, max_size=4))
@settings(max_examples=300)
def test_any_values_become_an_entry_whose_types_hang_on_the_profile_alone(
    patient: dict[str, Any], study: dict[str, Any], series: dict[str, Any], instances: list[dict[str, Any]]
) -> None:
    content = _build(_document(patient, study, series, instances))
    ours = {"StudyMoment": "S", "PatientNameKey": "S", "InstanceCount": "N", "FrameCount": "N", "FrameBytes": "N"}
    ours |= dict.fromkeys(("InvalidAttributes", "TruncatedAttributes"), "L")
    ours["MissingIn"] = "M"
    for name, value in content.attributes.items():
        ((kind, stored),) = value.items()
        attribute = PROFILE.find(name)
        if attribute is None:
            assert kind == ours.get(name, "L" if name.endswith("Values") else "S")
            continue
        number = attribute.vr in {"DS", "IS", "US", "SS"}
        if attribute.level == "Instance":
            assert kind == ("M" if (number or attribute.vr in {"DA", "TM"}) and not attribute.sequence else "L")
        else:
            assert kind == ("L" if attribute.multiple else "N" if number else "S")
        assert kind == attribute.form.type
        assert stored not in ("", [], {})
    assert set(plain(content.attributes).get("InvalidAttributes", [])) <= set(ATTRIBUTES)
    assert len(_rows(content)) == len(instances)


def test_plain_values_are_those_of_python() -> None:
    item: Item = {
        "A": {"S": "x"},
        "B": {"N": "1.50"},
        "C": {"BOOL": True},
        "D": {"L": [{"S": "y"}, {"N": "2"}]},
        "E": {"M": {"Min": {"N": "3"}}},
        "F": {"B": b"z"},
    }
    assert plain(item) == {
        "A": "x",
        "B": Decimal("1.50"),
        "C": True,
        "D": ["y", 2],
        "E": {"Min": 3},
        "F": b"z",
    }


@pytest.mark.parametrize("frames", [0, 1, 3000])
def test_a_very_large_instance_says_what_a_small_one_says(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "PerFrameFunctionalGroupsSequence.FrameContentSequence"
    attributes = [*ATTRIBUTES, f"{path}.FrameLabel", f"{path}.StackID"]
    reader = Reader(toml_file.parse(f"revision = 1\nattributes = {json.dumps(attributes)}\n{INDEXES}"), 200)
    measures = {
        "PixelMeasuresSequence": [{"SliceThickness": "5.0 ", "PixelSpacing": ["1", "2"]}],
        "FrameContentSequence": [{"FrameLabel": "b", "StackID": "1"}],
    }
    thin = {
        "PixelMeasuresSequence": [{"SliceThickness": 2}],
        "FrameContentSequence": [{"FrameLabel": "a", "X": "x" * 50}],
    }
    values = {"Rows": 7, "PerFrameFunctionalGroupsSequence": [measures, thin, thin][:frames] * max(frames // 3, 1)}
    document = _document(
        instances=[values if frames else values | {"SliceThickness": "1", "Padding": "x" * 500}], frames=frames
    )
    small = entry.build(reader, _in_pieces(document))
    monkeypatch.setattr(cursor, "LARGE", 100)
    large = entry.build(reader, _in_pieces(document))
    assert large == small
    if frames > 1:
        said = plain(small.attributes)
        assert said["SliceThickness"] == {"Min": 2, "Max": 5, "Values": [2, 5]}
        assert said[f"{path}.FrameLabel"] == ["a", "b"]
        assert said[f"{path}.StackID"] == ["", "1"]


def _in_pieces(document: dict[str, Any]) -> list[bytes]:
    body = json.dumps(document).encode()
    return [body[start : start + 100] for start in range(0, len(body), 100)]


def test_what_is_no_item_among_very_many_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "LARGE", 100)
    item = {"PixelMeasuresSequence": [{"SliceThickness": 2}]}
    document = _document(instances=[{"PerFrameFunctionalGroupsSequence": [item, None, "text", [item]] * 100}])
    said = plain(entry.build(Reader(PROFILE, 200), _in_pieces(document)).attributes)
    assert said["SliceThickness"] == {"Min": 2, "Max": 2}
    assert "SliceThickness" in said["InvalidAttributes"]
