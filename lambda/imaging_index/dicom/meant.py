"""The keyword that people mean who write a word that is none: by what it says, not by its letters.

Only what answers a mistake imports this.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import dictionary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# What people say for an attribute that has another keyword.
EVERYDAY: Final[Mapping[str, str]] = {
    said: keyword
    for keyword, words in {
        "PatientID": "mrn pid patient patientnumber medicalrecordnumber",
        "PatientName": "name",
        "PatientBirthDate": "dob birthday born dateofbirth",
        "PatientSex": "gender patientgender",
        "PatientAge": "age",
        "StudyInstanceUID": "study uid suid",
        "StudyDate": "date day examdate scandate acquired",
        "StudyTime": "time",
        "StudyDescription": "exam examination examdescription description",
        "AccessionNumber": "acc accno accessionno ordernumber",
        "ReferringPhysicianName": "physician referrer referringdoctor referringphysician",
        "SeriesInstanceUID": "series",
        "SeriesDescription": "sequence sequencename",
        "SeriesNumber": "seriesno",
        "Manufacturer": "vendor scanner make manufacturername",
        "ManufacturerModelName": "model scannermodel",
        "StationName": "station device aet aetitle stationaetitle",
        "InstitutionName": "hospital site clinic",
        "BodyPartExamined": "anatomy organ region bodyregion",
        "Laterality": "side",
        "SliceThickness": "slice slicewidth",
        "ConvolutionKernel": "kernel reconstructionkernel",
        "ContrastBolusAgent": "contrast contrastagent",
        "MagneticFieldStrength": "tesla fieldstrength",
        "RepetitionTime": "tr",
        "EchoTime": "te",
        "KVP": "kv voltage tubevoltage",
        "DiffusionBValue": "b bval",
        "SOPClassUID": "sopclass sopclassesinstudy",
        "ModalitiesInStudy": "modalities studymodality studymodalities",
        "ImageSetId": "imagesetid",
        "DatastoreId": "store datastore",
        "ImageSetVersion": "version versionid",
        "InstanceCount": "images instances slices numberofimages numberofinstances numberofslices imagecount",
        "FrameCount": "frames numberofframes",
        "FirstIndexedAt": "arrived arrival added created createdat received",
        "IndexedAt": "indexed updated updatedat modified",
        "IsPrimary": "primary",
    }.items()
    for said in words.split()
}


def keyword(word: str) -> str | None:
    """The keyword of DICOM that is most likely meant; None for no one."""
    said = EVERYDAY.get(_letters(word))
    if said and dictionary.lookup(said):
        return said
    return of_words(word, dictionary.keywords()) or _without_prefix(word) or dictionary.nearest(word)


def _without_prefix(word: str) -> str | None:
    """What is meant by a word behind that of a level, such as by the `DOB` of `PatientDOB`."""
    for level in dictionary.Level:
        if word.startswith(level.value) and (said := EVERYDAY.get(_letters(word.removeprefix(level.value)))):
            return said
    return None


def by_words(word: str, names: Sequence[str]) -> str | None:
    """The one of some names that is meant by a word, not by its letters but by what it says; None for no one.

    `MRN` is PatientID, as people say. `StudyUID` is StudyInstanceUID, whose words it has in their order.
    `SeriesModality` begins or ends like Modality.
    """
    letters = _letters(word)
    if (said := EVERYDAY.get(letters)) in names:
        return said
    long = [each for each in names if len(each) > 2]
    alike = [each for each in long if letters.startswith(each.lower()) or letters.endswith(each.lower())]
    return of_words(word, names) or max(alike, key=len, default=None)


def of_words(word: str, names: Iterable[str]) -> str | None:
    """The shortest of some names that has all words of a word in their order, and others between them."""
    letters = _letters(word)
    return min((name for name in names if letters and _is_of(letters, name)), key=len, default=None)


def _is_of(letters: str, name: str) -> bool:
    ends = {0}
    for each in _WORD.findall(name):
        ends |= {end + len(each) for end in ends if letters.startswith(each.lower(), end)}
    return len(letters) in ends


def _letters(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
