"""DICOM data sets -> JSON values, against what pydicom reads from its own test files."""

import base64
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from imaging_index.dictionary import Level, lookup
from local.healthimaging.conversion import Converted, convert

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DATA = Path(pydicom.__file__).parent / "data"
BINARY = {"OB", "OW", "OF", "OD", "OL", "OV", "UN"}
NOT_METADATA = {"PixelData", "FloatPixelData", "DoubleFloatPixelData", "DataSetTrailingPadding"}


def read(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """What a reader gets of a data set that was written to a file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3")
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    written.seek(0)
    return dcmread(written)


def values(converted: Converted) -> dict[str, Any]:
    return {key: value for level in converted.levels.values() for key, value in level.items()}


def all_of(**attributes: Any) -> dict[str, Any]:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return values(convert(read(dataset)))


def as_json(element: pydicom.DataElement) -> Any:
    """pydicom's value in the form of the document, but without the padding of DS and IS."""
    if element.VR == "SQ":
        return [
            {item_element.keyword: as_json(item_element) for item_element in item} for item in element.value
        ] or None
    items = list(element.value) if isinstance(element.value, pydicom.multival.MultiValue | list) else [element.value]
    plain: list[Any] = []
    for item in items:
        if item in (None, "", b""):
            plain.append("" if len(items) > 1 else None)
        elif isinstance(item, bytes):
            plain.append(base64.b64encode(item).decode())
        elif element.VR == "AT":
            plain.append(f"{item:08X}")
        else:
            plain.append(item if element.VR in ("US", "SS", "UL", "SL", "FL", "FD") else str(item).strip())
    if plain == [None]:
        return "" if element.VR == "UN" else None
    known = lookup(element.keyword)
    return plain if len(plain) > 1 or (known and known.vm != "1") else plain[0]


def stripped(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().rstrip("=")
    if isinstance(value, list):
        return [stripped(item) for item in value]
    return {key: stripped(item) for key, item in value.items()} if isinstance(value, dict) else value


def p10_files() -> list[Path]:
    return [path for path in sorted(DATA.rglob("*")) if path.is_file() and path.read_bytes()[128:132] == b"DICM"]


def test_every_public_value_of_pydicoms_files_is_what_pydicom_reads() -> None:
    compared = 0
    for path in p10_files():
        found, dataset = values(convert(dcmread(path))), dcmread(path)
        for element in dataset:
            known = lookup(element.keyword)
            if not known or element.keyword in NOT_METADATA or element.VR == "SQ":
                continue
            compared += 1
            assert stripped(found[element.keyword]) == stripped(as_json(element)), f"{path.name} {element.keyword}"
    assert compared > 5_000


def test_sequences_are_lists_of_objects_with_keywords_all_the_way_down() -> None:
    found = values(convert(dcmread(get_testdata_file("reportsi.dcm") or "")))
    (template, *_) = found["ContentSequence"]
    assert template["ConceptNameCodeSequence"][0]["CodeMeaning"]
    dataset = dcmread(get_testdata_file("rtplan.dcm") or "")
    assert stripped(values(convert(dcmread(get_testdata_file("rtplan.dcm") or "")))["BeamSequence"][0]["BeamName"]) == (
        dataset.BeamSequence[0].BeamName
    )


def test_decimal_and_integer_strings_keep_the_padding_of_the_file() -> None:
    found = values(convert(dcmread(get_testdata_file("CT_small.dcm") or "")))
    assert found["KVP"] == "120 "
    assert found["SeriesNumber"] == "1 "
    assert found["ImagePositionPatient"] == ["-158.135803", "-179.035797", "-75.699997"]
    assert found["PixelSpacing"] == ["0.661468", "0.661468 "]


def test_an_unusable_number_stays_as_it_was_written() -> None:
    dataset = read(Dataset())
    dataset._dict[Tag("SeriesNumber")] = RawDataElement(Tag("SeriesNumber"), "IS", 6, b"twelve", 0, False, True)
    assert values(convert(dataset))["SeriesNumber"] == "twelve"


def test_the_dictionary_decides_between_a_value_and_a_list() -> None:
    found = all_of(SoftwareVersions="3.1.62", WindowCenter="0", StationName="CT1", ImageType=["ORIGINAL", "", "X"])
    assert found["SoftwareVersions"] == ["3.1.62"]
    assert found["WindowCenter"] == ["0 "]
    assert found["StationName"] == "CT1"
    assert found["ImageType"] == ["ORIGINAL", "", "X"]


def test_more_values_than_the_dictionary_allows_become_a_list() -> None:
    assert all_of(StationName=["CT1", "CT2"])["StationName"] == ["CT1", "CT2"]


def test_what_is_empty_is_null_but_an_unknown_value_is_an_empty_string() -> None:
    dataset = Dataset()
    dataset.PatientID = dataset.PatientName = dataset.Rows = ""
    dataset.PatientOrientation = []
    dataset.OtherPatientIDsSequence = []
    dataset.ReferencedFrameNumber = None
    dataset.ICCProfile = b""
    dataset.add_new(0x00091001, "UN", b"")
    found = values(convert(read(dataset)))
    for keyword in ("PatientID", "PatientName", "Rows", "PatientOrientation", "OtherPatientIDsSequence", "ICCProfile"):
        assert found[keyword] is None, keyword
    assert found["00091001"] == ""


def test_numbers_are_json_numbers_and_what_json_lacks_is_null() -> None:
    found = all_of(Rows=512, RealWorldValueSlope=1.0, DiffusionBValue=float("nan"), PixelBandwidth="1")
    assert found["Rows"] == 512
    assert isinstance(found["RealWorldValueSlope"], int)
    assert found["RealWorldValueSlope"] == 1
    assert found["DiffusionBValue"] is None
    assert all_of(DiffusionBValue=-0.07937499999068676)["DiffusionBValue"] == -0.07937499999068676


def test_tags_are_eight_digits_and_binary_values_are_base64() -> None:
    found = all_of(FrameIncrementPointer=[0x00181065], ICCProfile=b"\x00\x01", FailureAttributes=0x0008103E)
    assert found["FrameIncrementPointer"] == ["00181065"]
    assert found["ICCProfile"] == "AAE="
    assert found["FileMetaInformationVersion"] == "AAE="


def test_a_private_element_stands_under_its_tag_with_its_vr_beside() -> None:
    converted = convert(dcmread(get_testdata_file("CT_small.dcm") or ""))
    instance = converted.levels[Level.INSTANCE]
    assert instance["00090010"] == "GEMS_IDEN_01"
    assert instance["00431012"] == [14, 2, 3]
    assert base64.b64decode(instance["00431028"]).startswith(b"CT01")
    assert (converted.vrs["00090010"], converted.vrs["00431012"], converted.vrs["00431028"]) == ("LO", "SS", "OB")
    assert not any(key.isalpha() for key in converted.vrs)


def test_pixel_data_is_left_out_at_any_depth() -> None:
    dataset = dcmread(get_testdata_file("CT_small.dcm") or "")
    icon = Dataset()
    icon.Rows, icon.BitsAllocated, icon.PixelData = 1, 16, b"\0\0"
    dataset.IconImageSequence = [icon]
    found = values(convert(read(dataset)))
    assert "PixelData" not in found
    assert found["IconImageSequence"] == [{"Rows": 1, "BitsAllocated": 16}]


def test_attributes_stand_at_their_levels() -> None:
    levels = convert(dcmread(get_testdata_file("CT_small.dcm") or "")).levels
    assert levels[Level.PATIENT]["PatientID"] == "1CT1"
    assert levels[Level.STUDY]["PatientAge"] == "000Y"
    assert levels[Level.SERIES]["Modality"] == "CT"
    assert levels[Level.INSTANCE]["TransferSyntaxUID"] == ExplicitVRLittleEndian
    assert levels[Level.INSTANCE]["SpecificCharacterSet"] == ["ISO_IR 100"]
    for level, found in levels.items():
        for key in found:
            known = lookup(key)
            assert (known.level if known else Level.INSTANCE) == level, key


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("chrX2.dcm", "Wang^XiaoDong=王^小东="),
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrFren.dcm", "Buc^Jérôme"),
    ],
)
def test_names_are_decoded_and_keep_all_their_groups(file: str, name: str) -> None:
    (path,) = get_charset_files(file)
    assert convert(dcmread(path)).levels[Level.PATIENT]["PatientName"] == name


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_uncompressed_encoding_gives_the_same_values(syntax: str) -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.Rows, dataset.KVP, dataset.PixelRepresentation = "A^B", 512, "120", 1
    dataset.SmallestImagePixelValue, dataset.FrameIncrementPointer = -5, [0x00181065]
    dataset.RequestAttributesSequence = [Dataset()]
    dataset.RequestAttributesSequence[0].RequestedProcedureID = "P1"
    found = values(convert(read(dataset, syntax)))
    assert (found["PatientName"], found["Rows"], found["KVP"]) == ("A^B", 512, "120 ")
    assert (found["SmallestImagePixelValue"], found["FrameIncrementPointer"]) == (-5, ["00181065"])
    assert found["RequestAttributesSequence"] == [{"RequestedProcedureID": "P1"}]


def test_a_repeated_group_does_not_hide_another() -> None:
    dataset = Dataset()
    dataset.add_new(0x60000010, "US", 10)
    dataset.add_new(0x60020010, "US", 20)
    converted = convert(read(dataset))
    assert (values(converted)["OverlayRows"], values(converted)["60020010"]) == (10, 20)
    assert converted.vrs["60020010"] == "US"


def test_group_lengths_are_left_out_but_for_that_of_the_file_meta_information() -> None:
    dataset = read(Dataset())
    dataset._dict[Tag(0x00080000)] = RawDataElement(Tag(0x00080000), "UL", 4, b"\x10\0\0\0", 0, False, True)
    found = values(convert(dataset))
    assert "00080000" not in found
    assert found["FileMetaInformationGroupLength"] > 0


def test_one_broken_element_does_not_lose_the_rest() -> None:
    dataset = read(Dataset())
    # A value of a VR that no one knows, in a field whose length is impossible.
    dataset._dict[BaseTag(0x00180010)] = RawDataElement(BaseTag(0x00180010), "ZZ", 3, b"abc", 0, False, True)
    dataset.StudyID = "S1"
    converted = convert(dataset)
    assert converted.discarded == 1
    assert "ContrastBolusAgent" not in values(converted)
    assert values(converted)["StudyID"] == "S1"


def test_reading_broken_files_writes_nothing_to_the_screen() -> None:
    code = (
        "import sys; from pathlib import Path; from local.healthimaging.importing import folder, scan\n"
        "assert scan(folder(Path(sys.argv[1])), 'HTJ2K').groups"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, str(DATA)], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("", "")
