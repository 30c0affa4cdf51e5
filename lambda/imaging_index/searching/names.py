"""The attribute that a condition names: a keyword, a tag, a path, a name of the profile's own or of the index's own.

Capitals do not matter. What is not found is answered with the attribute that was most likely meant.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom import dictionary
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import OWN_KEYS
from imaging_index.searching.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    **dict.fromkeys(("Generation", "Attempt", "ProfileHash", "PagesChecksum"), "LO"),
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
    if name in _OWN:
        return Named(name, _OWN[name])
    raise SearchError(_refusal(name, (*selected, *_OWN, OF_STUDY)))


def _keyword(part: str) -> str:
    """The keyword of a tag like 00080060, 0008,0060 or (0008,0060); anything else as it is."""
    match = _TAG.fullmatch(part)
    return (match and dictionary.keyword_of((match[1] + match[2]).upper())) or part


def _refusal(name: str, names: Iterable[str]) -> str:
    """Why an entry has no such attribute, and what to write instead."""
    for known, sentence in _SENTENCES.items():
        if name.lower() == known.lower():
            return sentence.format(known)
    path = name.split(".")
    inside = [each for each in names if each.startswith(f"{name}.") or each.endswith(f".{name}")]
    if inside:
        return f"The profile does not select {name} alone. Did you mean {inside[0]}?"
    if all(map(dictionary.lookup, path)):
        return f"The profile does not select {name}, so no entry has it. Add it to the profile, and index again."
    if near := nearest(name, names):
        return f"The profile does not select {name}. Did you mean {near}?"
    near = nearest(name, dictionary.keywords())
    meant = (
        f"Did you mean {near}? The profile does not select it."
        if near
        else "imaging-index profile show lists what can be searched."
    )
    return f"{name} is not a DICOM keyword. {meant}"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The one of some names that a word most likely means, by what the words of the name say before its letters.

    `StudyUID` is StudyInstanceUID, whose words it has in their order. `SeriesModality` has all words of Modality. `MRN`
    is PatientID, as people say. Only then comes what is spelt alike.
    """
    names = [*names]
    letters = re.sub(r"[^a-z0-9.]", "", word.lower())
    if (said := _EVERYDAY.get(letters)) in names:
        return said
    fewest: tuple[int, str] | None = None
    for name in names:
        words = _WORD.findall(name)
        # Each word may be there or not; which are left out is counted by letters.
        if letters and re.fullmatch("".join(f"(?:{each.lower()})?" for each in words), letters):
            left_out = len(name) - len(letters)
            fewest = min(fewest or (left_out, name), (left_out, name), key=lambda each: each[0])
    if fewest:
        return fewest[1]
    parts = [name for name in names if len(name) > 2 and letters.startswith(name.lower())]
    parts += [name for name in names if len(name) > 2 and letters.endswith(name.lower())]
    if parts:
        return max(parts, key=len)
    by_letters = {name.lower(): name for name in names}
    close = difflib.get_close_matches(letters, by_letters, n=1, cutoff=0.75)
    return by_letters[close[0]] if close else None
