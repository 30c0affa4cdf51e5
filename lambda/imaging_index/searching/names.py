"""The attribute that a condition names: a keyword, a tag, a path, a name of the profile's own or of the index's own.

Capitals do not matter. What is not found is answered with the attribute that was most likely meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom import dictionary
from imaging_index.profile.derived import SELECTED
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import MOMENTS, OWN_KEYS
from imaging_index.searching.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile

# An attribute that no image set has: the modalities of the whole study (PS3.4, section C.3.4).
OF_STUDY: Final = "ModalitiesInStudy"

# What is not of an image set alone is nothing to compare: the table's key, and which part of an item it is.
_KEY: Final = ("ImageSet", "Part")
# How the values of the index's own attributes are compared: by these VRs, or as its moments or as true and false.
_OWN: Final[Mapping[str, str]] = {
    **{name: {"S": "LO", "N": "IS"}[kind] for name, kind in OWN_KEYS.items()},
    **dict.fromkeys(("EventTime", "FirstIndexedAt", "IndexedAt"), "own"),
    **dict.fromkeys(("Generation", "Attempt", "ProfileHash", "PagesChecksum", "DocumentIn"), "LO"),
    **dict.fromkeys(("InvalidAttributes", "TruncatedAttributes", "MissingIn"), "CS"),
    "IsPrimary": "bool",
    "Pages": "IS",
    "SeriesInstanceUIDs": "UI",
}

# What these are compared as.
VRS: Final[Mapping[str, str]] = {"own": "LO", "bool": "CS"}

_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# What people say for an attribute that has another keyword.
_EVERYDAY: Final[Mapping[str, str]] = {
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
# Counts that an answer has (PS3.4, section C.3.4), and what is of single instances.
_SENTENCES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "NumberOfPatientRelatedStudies",
            "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances",
            "NumberOfStudyRelatedSeries",
            "NumberOfStudyRelatedInstances",
            "NumberOfSeriesRelatedInstances",
        ),
        "{} is counted for each row of the answer, and cannot be a condition; InstanceCount, the number of instances "
        "of an image set, can.",
    ),
    "SOPInstanceUID": "{} is of a single instance, and is in no index: ask for the study with imaging-index show "
    "--study UID, and for the instances of its image sets with imaging-index show DATASTORE/IMAGESET --instances.",
    **dict.fromkeys(
        _KEY, "{} is the table's own key; write ImageSetId=..., or run imaging-index show DATASTORE/IMAGESET."
    ),
}


class Named(msgspec.Struct, frozen=True):
    """What a condition is on: its name in an entry, and its VR, or `own` for a moment and `bool` for true or false.

    `attribute` is the selected one, None for the index's own and for the study's modalities.
    """

    name: str
    vr: str
    attribute: Attribute | None = None


def find(written: str, profile: Profile) -> Named:
    """The attribute that is written.

    Raises:
        SearchError: no entry has it.
    """
    name = ".".join(_keyword(part) for part in written.split("."))
    selected = {attribute.name: attribute for attribute in profile.attributes}
    names = (*selected, *_OWN, OF_STUDY)
    if name not in names:
        name = {each.lower(): each for each in reversed(names)}.get(name.lower(), name)
    if name == OF_STUDY:
        modality = selected.get("Modality")
        if modality is None or modality.policy is not Policy.KEEP:
            raise SearchError(f"{name} needs Modality, which no entry has: let the profile keep it, and index again.")
        return Named(name, "CS")
    if name in selected:
        return Named(name, selected[name].vr.split(" or ", 1)[0], selected[name])
    if name in MOMENTS and profile.shifts:
        raise SearchError(f"No entry has {name}, since the profile shifts dates: it would tell by how many days.")
    if name in _OWN:
        return Named(name, _OWN[name])
    raise SearchError(_refusal(name, (*selected, *_OWN, OF_STUDY)))


def _keyword(part: str) -> str:
    """The keyword of a tag like 00080060, 0008,0060 or (0008,0060); anything else as it is."""
    match = _TAG.fullmatch(part)
    return (match and dictionary.keyword_of((match[1] + match[2]).upper())) or part


def _refusal(name: str, names: Sequence[str]) -> str:
    """Why an entry has no such attribute, and what to write instead."""
    for known, sentence in _SENTENCES.items():
        if name.lower() == known.lower():
            return sentence.format(known)
    path = name.split(".")
    inside = [each for each in names if each.startswith(f"{name}.") or each.endswith(f".{name}")]
    if inside:
        return f"The profile does not select {name} alone. Did you mean {inside[0]}?"
    if all(map(dictionary.lookup, path)) or name in SELECTED:
        said = _EVERYDAY.get(name.lower())
        instead = f", or ask for {said}" if said in names else ""
        return (
            f"The profile does not select {name}, so no entry has it. Add it to the profile, and index again{instead}."
        )
    if near := _by_words(name, names):
        return f"The profile does not select {name}. Did you mean {near}?"
    unselected = _of_words(name, dictionary.keywords())
    if unselected is None and (near := dictionary.nearest(name, names)):
        return f"The profile does not select {name}. Did you mean {near}?"
    if near := unselected or dictionary.nearest(name):
        return f"{name} is not a DICOM keyword. Did you mean {near}, which the profile does not select?"
    return f"{name} is not a DICOM keyword; imaging-index profile show lists what can be searched."


def _by_words(word: str, names: Sequence[str]) -> str | None:
    """The one of some names that is meant by a word, not by its letters but by what it says; None for no one.

    `MRN` is PatientID, as people say. `StudyUID` is StudyInstanceUID, whose words it has in their order.
    `SeriesModality` begins or ends like Modality.
    """
    letters = _letters(word)
    if (said := _EVERYDAY.get(letters)) in names:
        return said
    long = [each for each in names if len(each) > 2]
    alike = [each for each in long if letters.startswith(each.lower()) or letters.endswith(each.lower())]
    return _of_words(word, names) or max(alike, key=len, default=None)


def _of_words(word: str, names: Iterable[str]) -> str | None:
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
