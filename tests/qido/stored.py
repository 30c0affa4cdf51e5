"""Image sets as the index stores them, made of documents by the real code, in a table in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from pydicom import Dataset, config

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.pages import unpack
from imaging_index.qido.answers import Object, Objects, Wanted, needed, of_instances
from imaging_index.searching.grammar import parse
from imaging_index.searching.question import Level, Question
from imaging_index.searching.search import Search
from imaging_index.table.layout import Key
from imaging_index.table.reading import ImageSet, TableReader
from proof.harness.built import SECRET
from proof.searching.archive import NOW, PROFILE
from proof.searching.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.rows import Row

STORE: Final = "a" * 32
OTHER: Final = "b" * 32
ROOT: Final = "https://dicom-medical-imaging.eu-west-1.amazonaws.com"

Values = dict[str, Any]

# A study with a value of every attribute of Tables 10.6.3-3 to 10.6.3-5.
PATIENT: Final[Values] = {
    "PatientName": "Doe^Jane=山田^花子=やまだ^はなこ",
    "PatientID": "P1",
    "IssuerOfPatientID": "GENERAL",
    "PatientBirthDate": "19700131",
    "PatientSex": "F",
}
STUDY: Final[Values] = {
    "StudyInstanceUID": "1.2",
    "StudyDate": "20240131",
    "StudyTime": "083015.5",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "StudyDescription": "Thorax",
    "ReferringPhysicianName": "Smith^Ann",
}
SERIES: Final[Values] = {
    "SeriesInstanceUID": "1.2.1",
    "SeriesNumber": "3",
    "Modality": "CT",
    "SeriesDescription": "Lung",
    "RequestAttributesSequence": [{"ScheduledProcedureStepID": "SPS1", "RequestedProcedureID": "RP1"}],
}
INSTANCE: Final[Values] = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "InstanceNumber": "1",
    "TimezoneOffsetFromUTC": "+0100",
    "PerformedProcedureStepStartDate": "20240131",
    "PerformedProcedureStepStartTime": "0830",
    "Rows": 512,
    "Columns": 256,
    "BitsAllocated": 16,
    "NumberOfFrames": "2",
    "SliceThickness": "2.50",
}


class Stored(Table):
    """A table of image sets with their instances."""

    def __init__(self, *image_sets: ImageSet, profile: Profile = PROFILE) -> None:
        # As if there were many others, so that a search reads the index of a study or a patient.
        super().__init__([each.entry for each in image_sets], profile.indexes, times=100_000)
        self._image_sets = {each.entry["ImageSet"]["S"]: each for each in image_sets}

    def read(self, key: Key) -> ImageSet | None:
        """As the table's reader does."""
        return self._image_sets.get(str(key))


def image_set(
    number: int = 1,
    *instances: Mapping[str, Any],
    datastore: str = STORE,
    primary: bool | None = True,
    version: int = 1,
    profile: Profile = PROFILE,
    patient: Values | None = None,
    study: Values | None = None,
    series: Values | None = None,
) -> ImageSet:
    """The image set of a number: the study above, where a level is not given, with instances of two frames each."""
    patient, study, series = (
        {**one, **(two or {})} for one, two in ((PATIENT, patient), (STUDY, study), (SERIES, series))
    )
    uid = series.get("SeriesInstanceUID")
    numbered = {f"{uid}.{place}": {**INSTANCE, **each} for place, each in enumerate(instances or ({},), 1)}
    return of_document(
        {
            "Patient": {"DICOM": _there(patient)},
            "Study": {
                "DICOM": _there(study),
                "Series": {
                    str(uid): {
                        "DICOM": _there(series),
                        "Instances": {
                            name: {"DICOM": _there({"SOPInstanceUID": name, **each})} for name, each in numbered.items()
                        },
                    }
                },
            },
        },
        Key(datastore, f"{number:032}"),
        primary=primary,
        version=version,
        profile=profile,
    )


def of_document(
    document: Any, key: Key, *, primary: bool | None = True, version: int = 1, profile: Profile = PROFILE
) -> ImageSet:
    """A document as it is stored."""
    content = entry.build(Reader(profile), [json.dumps(document).encode()], SECRET)
    arrived = f"{NOW:%Y-%m-%dT%H:%M:%S.%fZ}"
    item: Item = content.attributes | {
        "ImageSet": {"S": str(key)},
        "Part": {"S": "entry"},
        "DatastoreId": {"S": key.datastore_id},
        "ImageSetId": {"S": key.image_set_id},
        "ImageSetVersion": {"N": str(version)},
        "Generation": {"S": "1"},
        "Attempt": {"S": "1"},
        "ProfileHash": {"S": profile.hash},
        "Pages": {"N": str(len(content.pages))},
        "PagesChecksum": {"S": content.checksum},
        "IndexedAt": {"S": arrived},
        "FirstIndexedAt": {"S": arrived},
        "Cause": {"S": "event"},
    }
    if primary is not None:
        item["IsPrimary"] = {"BOOL": primary}
        item |= {} if primary else {"NonPrimary": {"S": "1"}}
    return ImageSet(item, unpack(content.pages)[0])


def _there(values: Values) -> Values:
    return {name: value for name, value in values.items() if value is not None}


def wanted(level: Level = Level.STUDY, *, relational: bool = False, **more: Any) -> Wanted:
    return Wanted(level=level, relational=relational, **({"retrieve_root": ROOT} | more))


def rows(table: Table, what: Wanted, *conditions: str, profile: Profile = PROFILE) -> list[Row]:
    """What a search finds for an answer, as the service does it."""
    asked = tuple(parse(conditions, profile, NOW.date(), exact=True))
    question = Question(
        datastores=(STORE, OTHER), conditions=asked, level=what.level, all_copies=what.all_copies, limit=None
    )
    return [*Search(cast("TableReader", table), question, needed(what, profile))]


def answers(table: Table, what: Wanted, *conditions: str, profile: Profile = PROFILE) -> list[Object]:
    """The objects of an answer."""
    what = msgspec.structs.replace(what, conditions=tuple(parse(conditions, profile, NOW.date(), exact=True)))
    found = rows(table, what, *conditions, profile=profile)
    if what.level is Level.IMAGE_SET:
        reader = cast("TableReader", table)
        return [plain(each) for row in found for _, each in of_instances(row, what, profile, reader)]
    made = Objects(what, profile)
    return [plain(made.of_row(row)) for row in found]


def plain(made: Any) -> Any:
    """What a client gets of an object."""
    return json.loads(_ENCODER.encode(made))


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def read(made: Object) -> Dataset:
    """An object as pydicom reads it, which refuses values that are invalid by their VR."""
    with config.strict_reading():
        dataset = Dataset.from_json(json.dumps(made))
        # Sequences are read when they are looked into.
        assert [*dataset.iterall()]
        return dataset


def keywords(made: Object) -> set[str]:
    """The keywords of an object's public elements."""
    return {each.keyword for each in read(made) if not each.tag.is_private}


def by_series(objects: Iterable[Object]) -> dict[str, Object]:
    return {each["0020000E"]["Value"][0]: each for each in objects}
