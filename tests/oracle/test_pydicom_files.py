"""The oracle: what stands in the table is what pydicom itself reads from the files.

What is expected is worked out here from pydicom's values and DICOM's rules alone: no parser, no conversion and no
folding of the project's is asked. Which files make up an image set is what the import job reports.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
import warnings
from collections import defaultdict
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydicom import Dataset, config, datadict, dcmread
from pydicom.valuerep import DA, TM

from imaging_index.entry.item import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement

    from tests.oracle.conftest import Indexed

PROFILE = Path(__file__).parents[2] / "profiles/radiology.toml"
SELECTED: list[str] = tomllib.loads(PROFILE.read_text("utf-8"))["attributes"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What HealthImaging keeps once for an image set ("Metadata normalization" in its developer guide), of what is selected;
# everything else is each instance's own.
ONCE = _words(
    """
    PatientID PatientName PatientBirthDate PatientSex IssuerOfPatientID OtherPatientIDsSequence PatientIdentityRemoved
    StudyInstanceUID StudyDate StudyTime AccessionNumber StudyID StudyDescription ReferringPhysicianName PatientAge
    ProcedureCodeSequence
    SeriesInstanceUID SeriesNumber Modality SeriesDescription SeriesDate SeriesTime BodyPartExamined Laterality
    ProtocolName Manufacturer ManufacturerModelName SoftwareVersions StationName InstitutionName FrameOfReferenceUID
    RequestAttributesSequence
    """
)
NUMBERS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD"})
ORDERED = NUMBERS | {"DA", "TM"}
# Of these only the blanks at the end are padding (PS3.5, section 6.2).
BLANKS_LEAD = frozenset({"PN", "ST", "LT", "UT", "UC", "UR"})

NAMES = frozenset({"PatientName", "ReferringPhysicianName"})

# The names beyond ASCII in these files that are not folded by lower case alone: no accents on Latin letters, kana in
# full width, the sigma that ends a word as any other.
FOLDED = {
    "Buc^Jérôme": " buc jerome",
    "Äneas^Rüdiger": " aneas rudiger",
    "Διονυσιος": " διονυσιοσ",
    "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう": " ヤマダ タロウ 山田 太郎 やまだ たろう",
}

_NAME_WORD = re.compile(r"[^\^=,. -]+")

OURS = _words(
    """
    ImageSet Part DatastoreId ImageSetId ImageSetVersion IsPrimary Generation Attempt ProfileHash InstanceCount
    FrameCount FrameBytes Pages PagesChecksum EventTime IndexedAt FirstIndexedAt Cause StudyMoment PatientNameKey
    InvalidAttributes NonPrimary
    """
)


class InvalidError(Exception):
    """A value that is none of its VR."""


def _typed(vr: str, value: Any) -> str | Decimal | None:
    """One value of pydicom's, as PS3.5 section 6.2 means it; None for an empty one."""
    text = str(value).rstrip(" \0") if vr in BLANKS_LEAD else str(value).strip(" \0")
    if value is None or not text:
        return None
    try:
        if vr in NUMBERS:
            return Decimal(text)
        if vr == "DA":
            day: Any = DA(text)
            return f"{day.year:04}{day.month:02}{day.day:02}"
        if vr == "TM":
            text = re.sub(r"^(\d\d):(\d\d):(\d\d)", r"\1\2\3", text)  # ACR-NEMA's, which pydicom does not take
            TM(text)
            whole, _, fraction = text.partition(".")
            return (whole.ljust(6, "0") + "." + fraction[:6]).rstrip("0").rstrip(".").ljust(6, "0")
    except (ArithmeticError, ValueError):
        raise InvalidError from None
    if vr == "PN" and not text.strip("^= "):
        return None
    if vr == "AS" and not re.fullmatch(r"\d{3}[DWMY]", text):
        raise InvalidError
    return text


def _values(element: DataElement) -> list[Any]:
    if element.is_empty:
        return [None]
    return list(element.value) if element.VM > 1 else [element.value]


def _vr(keyword: str) -> str:
    return datadict.dictionary_VR(keyword).split(" or ")[0]


def _raw(dataset: Dataset, name: str) -> list[Any]:
    """The values of one selected attribute in one file: its components, or one for each item of its sequence."""
    first, *more = name.split(".")
    part = dataset.file_meta if first == "TransferSyntaxUID" else dataset
    if first not in part:
        return []
    if not more:
        return _values(part[first])
    (keyword,) = more
    items = part[first].value or [Dataset()]
    return ["\\".join(map(str, _values(item[keyword]))) if keyword in item else None for item in items]


def _of(dataset: Dataset, name: str) -> list[str | Decimal | None]:
    """The same as the table means them."""
    vr = _vr(name.split(".")[-1])
    return [_typed(vr, each) for each in _raw(dataset, name)]


# Where multi-frame objects keep what others have at the top: PS3.3, section C.7.6.16.2 and the macros of section C.8.
GROUPED = {
    "AnatomicRegionSequence": ("FrameAnatomySequence", "AnatomicRegionSequence"),
    "ConvolutionKernel": ("CTReconstructionSequence", "ConvolutionKernel"),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "ImageLaterality": ("FrameAnatomySequence", "FrameLaterality"),
    "KVP": ("CTXRayDetailsSequence", "KVP"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "RepetitionTime": ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    "SliceThickness": ("PixelMeasuresSequence", "SliceThickness"),
}


def _of_frames(dataset: Dataset, name: str) -> list[str | Decimal | None]:
    """The values of one selected attribute in the functional groups of one multi-frame file."""
    first, *more = name.split(".")
    if first not in GROUPED:
        return []
    macro, keyword = GROUPED[first]
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        holders = [item for frame in dataset.get(group) or [] for item in frame.get(macro) or [] if keyword in item]
        if more:
            holders, keyword = [item for holder in holders for item in holder[keyword].value], more[0]
        found = [_typed(_vr(keyword), each) for item in holders if keyword in item for each in _values(item[keyword])]
        if any(value is not None for value in found):
            return [value for value in found if value is not None]
    return []


def _b_value(dataset: Dataset) -> list[str | Decimal | None]:
    """DICOM's own b-value, or those of the vendors (their conformance statements)."""
    found: list[str | Decimal | None]
    found = [value for value in (_of(dataset, "DiffusionBValue") or _of_frames(dataset, "DiffusionBValue")) if value]
    for group, creator, element in ((0x19, "SIEMENS MR HEADER", 0x0C), (0x2001, "Philips Imaging DD 001", 0x03)):
        with contextlib.suppress(KeyError):
            found = found or [_typed("DS", dataset.private_block(group, creator)[element].value)]
    with contextlib.suppress(KeyError):
        scaled = int(_values(dataset.private_block(0x43, "GEMS_PARM_01")[0x39])[0])
        found = found or [Decimal(scaled % 10**9 if scaled < 2**30 else scaled % 2**30)]
    return found


def _referenced_series(dataset: Dataset) -> list[str | Decimal | None]:
    """The series in any item of a public sequence that HealthImaging keeps with the instance."""
    series = [
        each for each in dataset if each.VR == "SQ" and not each.tag.is_private and each.keyword not in NOT_OF_INSTANCES
    ]
    return [uid for sequence in series for item in sequence.value for uid in _series_within(item)]


def _series_within(item: Dataset) -> list[str | Decimal | None]:
    own = [_typed("UI", item.SeriesInstanceUID)] if "SeriesInstanceUID" in item else []
    return own + [uid for each in item if each.VR == "SQ" for inner in each.value for uid in _series_within(inner)]


NOT_OF_INSTANCES = {"RelatedSeriesSequence", "ReferencedPatientPhotoSequence"}
NAMED = {"BValue": _b_value, "ReferencedSeries": _referenced_series}


# Of several values where DICOM allows one, the first of these stands.
FIRST_STANDS = frozenset({"AE", "CS", "LO", "SH", "UC"})


def _is_list(name: str) -> bool:
    return "." in name or datadict.dictionary_VM(name) != "1"


def _is_once(name: str) -> bool:
    return name.split(".")[0] in ONCE


class Said:
    """What some files say of one attribute, as it stands in the entry under its name and others."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: Any = None
        self.several: list[Any] = []
        self.missing = 0
        self.invalid = False

    def one(self, raw: list[Any]) -> Any:
        """The value of those that one file has of an attribute that DICOM gives one."""
        vr = _vr(self.name)
        typed = []
        unusable = False
        for each in raw:
            try:
                typed.append(_typed(vr, each))
            except InvalidError:
                unusable = True
        different = [*dict.fromkeys(value for value in typed if value is not None)]
        self.invalid |= unusable or len(different) > 1
        if len(different) + unusable <= 1:
            return different[0] if different else None
        self.several += different
        return different[0] if different and vr in FIRST_STANDS else None

    def entry(self) -> dict[str, Any]:
        """All that it becomes, but for what is missing."""
        entry_of = {} if self.value is None else {self.name: self.value}
        if self.several:
            entry_of[f"{self.name}Values"] = self.several
        if self.value is not None and self.name in NAMES and (folded := _fold(self.value)):
            entry_of[f"{self.name}Folded"] = folded
        return entry_of


def _once(name: str, first: Dataset) -> Said:
    said = Said(name)
    if not _is_list(name):
        said.value = said.one(_raw(first, name))
        return said
    values = _of(first, name)
    if any(value is not None for value in values):
        said.value = ["" if value is None else value for value in values]
    return said


def _acquired(dataset: Dataset, name: str) -> list[str]:
    """The date or the time of an acquisition that has both in one."""
    told = dataset.get("AcquisitionDateTime")
    if not told or any(dataset.get(keyword) for keyword in ("AcquisitionDate", "AcquisitionTime")):
        return []
    digits = re.split("[+-]", str(told).strip())[0]
    date, time = digits[:8], digits[8:]
    return [part for part in [date if name == "AcquisitionDate" else time] if len(part) >= (8 if part is date else 2)]


def _summed(name: str, instances: list[Dataset]) -> Said:
    said = Said(name)
    found = []
    for instance in instances:
        if name in NAMED:
            values: list[Any] = NAMED[name](instance)
        elif _is_list(name):
            values = _of(instance, name)
        else:
            values = [said.one(_raw(instance, name))]
        if name not in NAMED and all(value is None for value in values):
            values = _of_frames(instance, name) or values
        if name in ("AcquisitionDate", "AcquisitionTime") and all(value is None for value in values):
            values = [_typed(_vr(name), part) for part in _acquired(instance, name)]
        found.append(values)
    present = [values for values in found if any(value is not None for value in values)]
    said.several = sorted({*said.several})
    if not present:
        return said
    missing = len(found) - len(present)
    ordered = _vr(name.split(".")[-1]) in ORDERED if name not in NAMED else name == "BValue"
    whole = name not in NAMED and _is_list(name) and "." not in name
    rows = [tuple("" if value is None else value for value in values) for values in present]
    if not ordered:
        texts = {"\\".join(map(str, row)) for row in rows} if whole else {value for row in rows for value in row}
        said.value, said.missing = sorted(texts), missing
        return said
    if not whole:
        rows = [(value,) for row in rows for value in row if value != ""]
    columns = [
        [row[place] for row in rows if len(row) > place and row[place] != ""] or [""]
        for place in range(max(map(len, rows)))
    ]
    different = [[*row] for row in sorted({*rows})]
    said.value = {"Min": [*map(min, columns)], "Max": [*map(max, columns)]}
    if 2 <= len(different) <= 16:
        said.value["Values"] = different
    if not whole:
        said.value = {
            key: value[0] if key != "Values" else [each for (each,) in value] for key, value in said.value.items()
        }
    if missing:
        said.value["Missing"] = Decimal(missing)
    return said


def _fold(name: str) -> str:
    return FOLDED.get(name) or "".join(f" {word}" for word in _NAME_WORD.findall(name.lower()))


def _expected(instances: list[Dataset], first: Dataset) -> tuple[dict[str, Any], list[str]]:
    """All that the files say under the profile, and which attributes hold what cannot be typed."""
    entry_of: dict[str, Any] = {}
    missing: dict[str, Decimal] = {}
    invalid = []
    for name in (*SELECTED, *NAMED):
        try:
            said = _once(name, first) if _is_once(name) else _summed(name, instances)
        except InvalidError:
            invalid.append(name)
            continue
        entry_of |= said.entry()
        missing |= {name: Decimal(said.missing)} if said.missing else {}
        invalid += [name] if said.invalid else []
    return entry_of | ({"MissingIn": missing} if missing else {}), sorted(invalid)


@pytest.fixture(scope="module")
def files(indexed: Indexed) -> Iterator[dict[str, list[Dataset]]]:
    """Each image set's files as pydicom reads them, in the order of their import."""
    with _leniently():
        yield {
            image_set: [dcmread(indexed.folder / name, defer_size=2**16) for name in names]
            for image_set, names in indexed.files.items()
        }


@contextmanager
def _leniently() -> Iterator[None]:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
        yield


def _instances(datasets: list[Dataset]) -> list[Dataset]:
    """Of the files of one image set, those that stand: a later one of the same SOP instance replaced an earlier."""
    return list({str(dataset.SOPInstanceUID): dataset for dataset in datasets}.values())


def _frames(dataset: Dataset) -> int:
    has_pixels = any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
    return int(dataset.get("NumberOfFrames") or 1) if has_pixels else 0


def _group(dataset: Dataset) -> tuple[str, ...]:
    """What must agree within one image set ("Importing imaging data", HealthImaging's developer guide)."""
    keywords = ("StudyDate", "AccessionNumber", "PatientID", "StudyInstanceUID", "StudyID", "SeriesInstanceUID")
    return tuple(
        str("" if (value := dataset.get(keyword)) is None else value).strip() for keyword in (*keywords, "SeriesNumber")
    )


def test_every_instance_that_pydicom_ships_is_in_the_image_set_of_its_study_and_series(indexed: Indexed) -> None:
    groups = defaultdict(set)
    with _leniently():
        for path in indexed.folder.rglob("*"):
            if path.is_file() and path.read_bytes()[128:132] == b"DICM":
                with contextlib.suppress(Exception):  # pydicom raises of everything on files that are broken on purpose
                    dataset = dcmread(path, defer_size=2**16)
                    if (
                        "TransferSyntaxUID" in dataset.file_meta
                        and "SOPClassUID" in dataset
                        and "SOPInstanceUID" in dataset
                    ):
                        groups[_group(dataset)].add(str(path.relative_to(indexed.folder)))
    assert sorted(map(sorted, groups.values())) == sorted(map(sorted, indexed.files.values()))


def _as_pydicom(name: str, value: Any) -> Any:
    # The table keeps a name as it was written, pydicom without the groups at its end that are empty (PS3.5, 6.2.1.2).
    return value.rstrip("=") if name in NAMES else value


def test_each_selected_value_is_what_pydicom_reads(indexed: Indexed, files: dict[str, list[Dataset]]) -> None:
    compared = 0
    for image_set, datasets in files.items():
        instances = _instances(datasets)
        expected, invalid = _expected(instances, datasets[0])
        stored = plain(indexed.image_sets[image_set].entry)
        values = {name: _as_pydicom(name, value) for name, value in stored.items() if name not in OURS}
        assert values == expected, indexed.files[image_set]
        assert stored.get("InvalidAttributes", []) == invalid, indexed.files[image_set]
        for name in expected.keys() & set(SELECTED):
            compared += sum(len(_of(each, name)) for each in (datasets[:1] if _is_once(name) else instances))
    print(f"{compared} values of {len(SELECTED)} attributes compared in {len(files)} image sets")  # noqa: T201
    assert len(files) >= 55
    assert compared >= 1800


def test_what_the_index_derives_is_what_the_files_say(indexed: Indexed, files: dict[str, list[Dataset]]) -> None:
    for image_set, datasets in files.items():
        stored = plain(indexed.image_sets[image_set].entry)
        instances = _instances(datasets)
        assert stored["InstanceCount"] == len(instances)
        assert stored["FrameCount"] == sum(map(_frames, instances))
        assert (stored["FrameBytes"] > 0) == (stored["FrameCount"] > 0)
        assert stored["StudyMoment"] == stored.get("StudyDate", "00000000") + stored.get("StudyTime", "000000")[:6]
        groups = [_NAME_WORD.findall(group) for group in stored.get("PatientName", "").split("=")]
        first = next(filter(None, groups), [])
        folded = stored.get("PatientNameFolded", "").split()
        assert stored.get("PatientNameKey", "") == " ".join(folded[: len(first)])
        assert "SeriesInstanceUIDs" not in stored


def _geometry(instance: Dataset, keyword: str) -> Any:
    """A place or a direction, of frames that differ the list of them: at the top or in the functional groups."""
    macro = {"ImagePositionPatient": "PlanePositionSequence", "ImageOrientationPatient": "PlaneOrientationSequence"}
    for places in (
        [instance],
        [
            item
            for group in instance.get("SharedFunctionalGroupsSequence", [])
            for item in group.get(macro[keyword], [])
        ],
        [
            (group.get(macro[keyword]) or [Dataset()])[0]
            for group in instance.get("PerFrameFunctionalGroupsSequence", [])
        ],
    ):
        values = [each.get(keyword) for each in places]
        told = [[Decimal(str(part).strip()) for part in value] if value else None for value in values]
        if any(told):
            return told[0] if all(each == told[0] for each in told) else told
    return None


def test_each_instance_in_the_pages_is_what_pydicom_reads(indexed: Indexed, files: dict[str, list[Dataset]]) -> None:
    compared = 0
    for image_set, datasets in files.items():
        rows = {row["SOPInstanceUID"]: row for row in indexed.image_sets[image_set].instances}
        instances = _instances(datasets)
        assert rows.keys() == {str(instance.SOPInstanceUID) for instance in instances}
        for instance in instances:
            row = rows[str(instance.SOPInstanceUID)]
            assert row.get("SeriesInstanceUID", "") == str(instance.get("SeriesInstanceUID", ""))
            assert row.get("SOPClassUID") == str(instance.SOPClassUID)
            for keyword in ("InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames"):
                value = instance.get(keyword)
                assert row.get(keyword) == (None if value is None else int(value)), indexed.files[image_set]
            assert len(set(row["Frames"])) == len(row["Frames"]) == _frames(instance)
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
                assert row.get(keyword) == _geometry(instance, keyword), indexed.files[image_set]
            compared += len(row)
    print(f"{compared} values of {sum(map(len, indexed.files.values()))} files compared")  # noqa: T201
    assert compared >= 900
