"""The attribute that a condition names: a keyword, a tag, a path, a name of the profile's own or of the index's own.

Capitals do not matter. What is not found is answered with the attribute that was most likely meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom import dictionary, functional_groups, meant
from imaging_index.profile.derived import SELECTED
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import MOMENTS, OWN_KEYS
from imaging_index.searching.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    raise SearchError(_under_another_name(name, selected) or _refusal(name, (*selected, *_OWN, OF_STUDY)))


def _keyword(part: str) -> str:
    """The keyword of a tag like 00080060, 0008,0060 or (0008,0060); anything else as it is."""
    match = _TAG.fullmatch(part)
    return (match and dictionary.keyword_of((match[1] + match[2]).upper())) or part


def _under_another_name(name: str, selected: Mapping[str, Attribute]) -> str | None:
    """Where the profile has the value: in functional groups it is looked for by itself, or it has a name of its own."""
    path = tuple(name.split("."))
    if (inside := functional_groups.instead(path)) in selected:
        return f"What {name} has in functional groups, entries have as {inside}. Write {inside}."
    for each in selected.values():
        if each.name != name and any(source.path == path for source in each.sources if not source.creator):
            return f"The profile has {name} under another name: write {each.name}."
    return None


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
        said = meant.EVERYDAY.get(name.lower())
        instead = f", or ask for {said}" if said in names else ""
        return (
            f"The profile does not select {name}, so no entry has it. Add it to the profile, and index again{instead}."
        )
    if near := meant.by_words(name, names):
        return f"The profile does not select {name}. Did you mean {near}?"
    unselected = meant.of_words(name, dictionary.keywords())
    if unselected is None and (near := dictionary.nearest(name, names)):
        return f"The profile does not select {name}. Did you mean {near}?"
    if near := unselected or dictionary.nearest(name):
        return f"{name} is not a DICOM keyword. Did you mean {near}, which the profile does not select?"
    return f"{name} is not a DICOM keyword; imaging-index profile show lists what can be searched."
