"""DICOM data sets -> JSON values, against what pydicom reads from its own test files."""

import base64
import struct
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

from imaging_index.dicom.dictionary import Level, lookup
from local.healthimaging.conversion import Converted, convert

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DATA = Path(pydicom.__file__).parent / "data"
BINARY = {"OB", "OW", "OF", "OD", "OL", "OV", "UN"}
LONG = {"SQ", "UC", "UN", "UR", "UT"}  # PS3.5, section 7.1.2: with a length of 4 bytes
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


def element(tag: int, vr: str, value: bytes) -> bytes:
    """An element of an explicit VR file, its value as it is given: pydicom writes text in its own way."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    length = struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return head + length + value


def sequence(tag: int, *items: bytes) -> bytes:
    """A sequence of an explicit VR file, with items that are elements."""
    return element(tag, "SQ", b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items))


def of_bytes(*elements: bytes) -> Dataset:
    """What a reader gets of an explicit VR file of such elements."""
    written = BytesIO()
    read(Dataset()).save_as(written)
    return dcmread(BytesIO(written.getvalue() + b"".join(elements)))


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


def private(*elements: tuple[int, str, Any], group: int = 0x0043, creator: str = "GEMS_PARM_01") -> Dataset:
    """A data set with the first block of a creator, and elements in it by their last two digits."""
    dataset = Dataset()
    dataset.add_new((group, 0x0010), "LO", creator)
    for element, vr, value in elements:
        dataset.add_new((group, 0x1000 + element), vr, value)
    return dataset


def packed(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_private_elements_of_an_implicit_file_are_bytes_of_no_known_vr() -> None:
    # pydicom knows these creators' elements: IS, SH and FD.
    dataset = private((0x39, "IS", "1000\\8"), (0x10, "US", 400), (0x99, "SH", ""))
    dataset.update(private((0x0C, "IS", "800"), group=0x0019, creator="SIEMENS MR HEADER"))
    dataset.update(private((0x03, "FL", 1000.0), group=0x2001, creator="Philips Imaging DD 001"))
    converted = convert(read(dataset, ImplicitVRLittleEndian))
    instance = converted.levels[Level.INSTANCE]
    assert instance["00430010"] == "GEMS_PARM_01"
    assert instance["00431039"] == packed(b"1000\\8")
    assert instance["00431010"] == packed(b"\x90\x01")
    assert instance["00431099"] == ""
    assert instance["0019100C"] == packed(b"800 ")
    assert instance["20011003"] == packed(b"\0\0zD")
    assert {vr for key, vr in converted.vrs.items() if key[4:6] == "00"} == {"LO"}
    assert {vr for key, vr in converted.vrs.items() if key[4:6] != "00"} == {"UN"}


def test_so_are_those_that_an_explicit_file_calls_unknown() -> None:
    dataset = private((0x39, "UN", b"1000\\8"), (0x10, "US", 400), (0x27, "SH", "FSE"))
    converted = convert(read(dataset))
    instance = converted.levels[Level.INSTANCE]
    assert (instance["00431039"], instance["00431010"], instance["00431027"]) == (packed(b"1000\\8"), 400, "FSE")
    assert converted.vrs == {"00430010": "LO", "00431010": "US", "00431027": "SH", "00431039": "UN"}


def test_a_public_element_that_came_as_unknown_is_of_the_dictionarys_vr() -> None:
    dataset = of_bytes(
        element(0x00080005, "CS", b"ISO_IR 203"),
        element(0x00081030, "UN", b"\xa4 "),
        element(0x00180060, "UN", b"120 "),
        element(0x00280010, "UN", b"\x00\x02"),
        element(0x00180040, "UN", b""),
        element(0x00190001, "UN", b"no block's"),
        element(0x00081111, "UN", b"\xfe\xff\x00\xe0\x0c\0\0\0" + b"\x08\0\x50\x11\x04\0\0\x001.2\0"),
    )
    converted = convert(dataset)
    found = values(converted)
    assert (found["StudyDescription"], found["KVP"], found["Rows"], found["CineRate"]) == ("€", "120 ", 512, None)
    assert found["ReferencedPerformedProcedureStepSequence"] == [{"ReferencedSOPClassUID": "1.2"}]
    assert converted.vrs == {"00190001": "UN"}


def test_so_are_those_in_the_items_of_a_sequence() -> None:
    dataset = Dataset()
    dataset.RequestAttributesSequence = [private((0x39, "IS", "1000"))]
    dataset.RequestAttributesSequence.is_undefined_length = False
    for undefined in (False, True):
        dataset["RequestAttributesSequence"].is_undefined_length = undefined
        found = values(convert(read(dataset, ImplicitVRLittleEndian)))
        assert found["RequestAttributesSequence"] == [{"00430010": "GEMS_PARM_01", "00431039": packed(b"1000")}]


def test_a_private_sequence_is_known_by_an_undefined_length_only() -> None:
    inner = Dataset()
    inner.StudyID = "S1"
    dataset = private((0x10, "SQ", [inner]))
    dataset[0x00431010].is_undefined_length = True
    converted = convert(read(dataset, ImplicitVRLittleEndian))
    assert (converted.levels[Level.INSTANCE]["00431010"], converted.vrs["00431010"]) == ([{"StudyID": "S1"}], "SQ")
    dataset[0x00431010].is_undefined_length = False
    converted = convert(read(dataset, ImplicitVRLittleEndian))
    item = b"\xfe\xff\x00\xe0\x0a\0\0\0" + b"\x20\0\x10\0\x02\0\0\0S1"
    assert (converted.levels[Level.INSTANCE]["00431010"], converted.vrs["00431010"]) == (packed(item), "UN")


def test_large_values_are_read_as_small_ones(tmp_path: Path) -> None:
    dataset = of_bytes(
        element(0x00080005, "CS", b"ISO_IR 203"),
        element(0x0040A160, "UT", b"\xa4" * 2**21),
        element(0x00430010, "LO", b"GEMS_PARM_01"),
        element(0x00431039, "UN", b"1000" * 2**19),
    )
    assert isinstance(dataset.buffer, BytesIO)
    (tmp_path / "large").write_bytes(dataset.buffer.getvalue())
    found = values(convert(dcmread(tmp_path / "large", defer_size=1024)))
    assert found["00431039"] == packed(b"1000" * 2**19)
    assert found["TextValue"] == "€" * 2**21


def test_a_backslash_is_a_character_where_there_is_one_value_only() -> None:
    found = all_of(ImageComments="A\\B", RetrieveURL="http://a\\b", StudyDescription="A\\B", PatientName="A^B\\C")
    assert (found["ImageComments"], found["RetrieveURL"]) == ("A\\B", "http://a\\b")
    assert (found["StudyDescription"], found["PatientName"]) == (["A", "B"], ["A^B", "C"])


def test_text_has_no_padding_at_the_end_of_any_value() -> None:
    dataset = of_bytes(
        element(0x00080020, "DA", b"20240131  "),
        element(0x00080030, "TM", b"1200  "),
        element(0x00080060, "CS", b"CT \\MR "),
        element(0x00100010, "PN", b"A^B = \0"),
        element(0x00100020, "LO", b" P1 \\P2 "),
        element(0x00101010, "AS", b"045Y"),
        element(0x0020000D, "UI", b"1.2\0"),
        element(0x00200013, "IS", b" +3\0"),
    )
    found = values(convert(dataset))
    assert (found["PatientID"], found["PatientName"], found["Modality"]) == ([" P1", "P2"], "A^B =", ["CT", "MR"])
    assert (found["StudyInstanceUID"], found["InstanceNumber"]) == ("1.2", " +3")
    assert (found["StudyDate"], found["StudyTime"], found["PatientAge"]) == ("20240131", "1200", "045Y")


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
