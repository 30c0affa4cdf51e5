"""A hospital's archive as a table of entries: the same one each time, made in seconds.

Five image sets a study, five studies a patient, spread evenly over ten years; 16 % of the studies have no date, as of
real files; of each hundredth study one image set is not primary. Patients have one of a thousand family names. An entry
has about 1,500 bytes.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from imaging_index.dicom.person_names import name_folded, name_key
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from proof.searching.table import Table

PROFILE: Final = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")
STORE: Final = "5" * 32
ENTRIES: Final = 100_000
# The day after the last one of the archive is the day of whoever asks.
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)

_YEARS: Final = timedelta(days=3_652)
_SETS: Final = 5
_STUDIES_A_PATIENT: Final = 5
_UNDATED: Final = 16  # of a hundred
_WITH_NON_PRIMARY: Final = 100
_WHICH: Final = 50  # of them; it has a date
# A step that passes through a hundred and a thousand in no order that another attribute has.
_STEP: Final = 37
_MANY: Final = 1_001  # more than a search keeps in mind
_MODALITIES: Final = ("CT",) * 30 + ("MR",) * 20 + ("DX",) * 28 + ("US",) * 16 + ("MG",) * 4 + ("PT",) * 2
_PARTS: Final = ("CHEST", "HEAD", "ABDOMEN", "KNEE", "SPINE", "PELVIS", "HAND", "NECK", "HIP", "ANKLE")
_WHAT: Final = ("routine", "follow-up", "with contrast", "without contrast", "emergency", "staging", "control")
_GIVEN: Final = (
    "Jane",
    "John",
    "Ann",
    "Peter",
    "María",
    "Ali",
    "Li",
    "Zoë",
    "Ivan",
    "Noor",
    "Max",
    "Eva",
    "Tom",
    "Ida",
)
_SYLLABLES: Final = ("ba", "do", "fe", "gi", "ku", "la", "mo", "ne", "ri", "su")


def table(of: int = ENTRIES) -> Table:
    """The table of an archive of so many entries, with the indexes that the radiology profile declares.

    It has the newest 100,000 of them, and older ones that are not primary, up to 1,001.
    """
    items = [*entries(ENTRIES, of)]
    apart = sum("NonPrimary" in item for item in items)
    items += [*_older_non_primary(min(of // _SETS // _WITH_NON_PRIMARY, _MANY) - apart, ENTRIES // _SETS)]
    return Table(items, PROFILE.indexes, page=None, times=of / ENTRIES)


def entries(count: int, of: int) -> Iterator[Item]:
    """The newest entries of an archive of so many, in fives."""
    for number in range(count // _SETS):
        yield from study(number, moment=NOW - _YEARS * (number + 0.5) / (of // _SETS))


def _older_non_primary(count: int, after: int) -> Iterator[Item]:
    for number in range(count):
        *_, last = study(after + number * _WITH_NON_PRIMARY + _WHICH, moment=NOW - _YEARS)
        yield last


def study(number: int, *, moment: datetime, sets: int = _SETS) -> Iterator[Item]:
    """The entries of one study, each with a series of its own."""
    patient = number // _STUDIES_A_PATIENT * 7_919 % 1_000_003
    chance = Random(number)
    modality, part = chance.choice(_MODALITIES), chance.choice(_PARTS)
    uid = f"1.2.826.0.1.3680043.8.498.{10_000_000_000 + number}"
    dated = number * _STEP % 100 >= _UNDATED
    common: Item = {name: {"S": value} for name, value in _of_patient(patient, moment).items()}
    texts = {
        "DatastoreId": STORE,
        "StudyInstanceUID": uid,
        "StudyID": str(number),
        "AccessionNumber": f"A{number:09}",
        "StudyDescription": f"{modality} {part.title()} {chance.choice(_WHAT)}",
        "ReferringPhysicianName": f"{_family(number % 97)}^{_GIVEN[number % 11]}^^Dr.",
        "StudyMoment": f"{moment:%Y%m%d%H%M%S}" if dated else "0" * 14,
        "Modality": modality,
        "BodyPartExamined": part,
        "StationName": f"{modality}{number % 10:02}",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "SOMATOM Definition AS+",
        "InstitutionName": "General Hospital",
        "FrameOfReferenceUID": f"{uid}.0",
        "FirstIndexedAt": f"{moment + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S.000000Z}",
        "IndexedAt": f"{moment + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S.000000Z}",
        "EventTime": f"{moment + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
        "Cause": "event",
        "ProfileHash": "5b2f6a1c9e3d7f40",
        "Part": "entry",
    }
    if dated:
        texts |= {"StudyDate": f"{moment:%Y%m%d}", "StudyTime": f"{moment:%H%M%S}"}
    common |= {name: {"S": value} for name, value in texts.items()} | _OF_INSTANCES
    for series in range(sets):
        image_set = hashlib.blake2b(f"{number}/{series}".encode(), digest_size=16).hexdigest()
        non_primary = number % _WITH_NON_PRIMARY == _WHICH and series == sets - 1
        yield common | {
            "ImageSet": {"S": f"{STORE}/{image_set}"},
            "ImageSetId": {"S": image_set},
            "Generation": {"S": "0000000001/0002/0003/0000"},
            "Attempt": {"S": image_set[:16]},
            "PagesChecksum": {"S": image_set},
            "SeriesInstanceUID": {"S": f"{uid}.{0 if non_primary else series + 1}"},
            "SeriesNumber": {"N": str(series + 1)},
            "SeriesDescription": {"S": f"{part.title()} {series + 1}.0 B30f"},
            "SliceThickness": _RANGES[series % 3],
            "InstanceCount": {"N": str(60 * series + 20)},
            "IsPrimary": {"BOOL": not non_primary},
            **({"NonPrimary": {"S": "1"}} if non_primary else {}),
        }


def _of_patient(patient: int, moment: datetime) -> dict[str, str]:
    name = f"{_family(patient % 1_000)}^{_GIVEN[patient % len(_GIVEN)]}"
    return {
        "PatientID": f"P{patient:07}",
        "IssuerOfPatientID": "GENERAL",
        "PatientName": name,
        "PatientNameFolded": name_folded([name]),
        "PatientNameKey": name_key(name),
        "PatientBirthDate": f"{1930 + patient % 80}0{1 + patient % 9}1{patient % 10}",
        "PatientSex": "FM"[patient % 2],
        "PatientAge": f"{min(moment.year - 1930 - patient % 80, 99):03}Y",
    }


def _family(number: int) -> str:
    """One of a thousand names, none the beginning of another one."""
    return "".join(_SYLLABLES[number // power % 10] for power in (100, 10, 1)).title()


_RANGES: Final[tuple[Item, ...]] = (
    {"M": {"Min": {"N": "1"}, "Max": {"N": "1"}, "Values": {"L": [{"N": "1"}]}}},
    {"M": {"Min": {"N": "0.6"}, "Max": {"N": "5"}, "Values": {"L": [{"N": "0.6"}, {"N": "5"}]}}},
    {"M": {"Min": {"N": "3"}, "Max": {"N": "3"}, "Values": {"L": [{"N": "3"}]}}},
)
_OF_INSTANCES: Final[Item] = {
    "SOPClassUID": {"L": [{"S": "1.2.840.10008.5.1.4.1.1.2"}]},
    "TransferSyntaxUID": {"L": [{"S": "1.2.840.10008.1.2.4.201"}]},
    "ImageType": {"L": [{"S": "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"}]},
    "PhotometricInterpretation": {"L": [{"S": "MONOCHROME2"}]},
    "Rows": {"M": {"Min": {"N": "512"}, "Max": {"N": "512"}, "Values": {"L": [{"N": "512"}]}}},
    "Columns": {"M": {"Min": {"N": "512"}, "Max": {"N": "512"}, "Values": {"L": [{"N": "512"}]}}},
    "KVP": {"M": {"Min": {"N": "120"}, "Max": {"N": "120"}, "Values": {"L": [{"N": "120"}]}}},
    "ConvolutionKernel": {"L": [{"S": "B30f"}]},
    "ImageSetVersion": {"N": "1"},
    "FrameCount": {"N": "140"},
    "FrameBytes": {"N": "73400320"},
    "Pages": {"N": "1"},
}
