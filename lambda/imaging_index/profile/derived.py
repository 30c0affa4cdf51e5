"""What is derived from what: the derived attributes with their names, what they are made of, and their forms.

`deriving` makes them, and `searching` turns a condition on a DICOM attribute into one on what is compared instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom.dictionary import Level
from imaging_index.profile.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imaging_index.profile.form import Kind


class Derived(msgspec.Struct, frozen=True):
    """A derived attribute: the keywords that it is made of, and how an entry holds it.

    An index is by it instead of by the attribute `compared`, if there is one: a condition on that is one on it. One
    with a `level` is selected by its name, like an attribute of DICOM that has this level and VR.
    """

    name: str
    made_of: tuple[str, ...]
    form: Form
    compared: str | None = None
    level: Level | None = None
    vr: str = ""


# Study date and time as `YYYYMMDDHHMMSS`, zeros for what is not there. Every entry has it.
STUDY_MOMENT: Final = Derived("StudyMoment", ("StudyDate", "StudyTime"), Form("moment"), "StudyDate")
# The folded words of the name's first group, the family name first.
PATIENT_NAME_KEY: Final = Derived("PatientNameKey", ("PatientName",), Form("text"), "PatientName")
# The patient's age at the study.
PATIENT_AGE: Final = Derived(
    "PatientAgeYears",
    ("PatientBirthDate", "PatientIdentityRemoved", "PatientAge", "StudyDate"),
    Form("number"),
    level=Level.STUDY,
    vr="DS",
)

# What the slices of an image set are made of: where they lie, what they have in common, and what tells those at one
# place apart.
OF_SLICES: Final = (
    *("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "PixelSpacing", "Rows", "Columns"),
    *("EchoNumbers", "EchoTime", "DiffusionBValue", "DiffusionGradientOrientation"),
    *("TemporalPositionIdentifier", "TriggerTime", "AcquisitionNumber", "AcquisitionTime", "AcquisitionDateTime"),
)


def _of_slices(name: str, kind: Kind, vr: str) -> Derived:
    return Derived(name, OF_SLICES, Form(kind), level=Level.SERIES, vr=vr)


# What the slices are together, in words and numbers: docs/geometry.md.
VOLUME_GEOMETRY: Final = _of_slices("VolumeGeometry", "text", "CS")
SLICE_SPACING: Final = _of_slices("SliceSpacing", "number", "DS")
SLICE_COUNT: Final = _of_slices("SliceCount", "number", "IS")
SLICE_GAPS: Final = _of_slices("SliceGaps", "number", "IS")
ORIENTATION: Final = _of_slices("Orientation", "text", "CS")
# How many volumes there are, by what their slices at one position differ in.
VOLUMES_BY: Final[Mapping[str, Derived]] = {
    by: _of_slices(f"VolumesBy{by}", "number", "IS") for by in ("Echo", "BValue", "Time", "Acquisition")
}
VOLUME: Final = (VOLUME_GEOMETRY, SLICE_SPACING, SLICE_COUNT, SLICE_GAPS, ORIENTATION, *VOLUMES_BY.values())

BY_NAME: Final[Mapping[str, Derived]] = {
    each.name: each for each in (STUDY_MOMENT, PATIENT_NAME_KEY, PATIENT_AGE, *VOLUME)
}
# Those that a profile selects by their names.
SELECTED: Final = frozenset(each.name for each in BY_NAME.values() if each.level)

# What follows the name of an attribute: a person's name as search compares it, and all of several values where DICOM
# allows one.
FOLDED: Final = "Folded"
SEVERAL: Final = "Values"

# These are read from the date and time of another attribute, where an instance has neither of them.
PARTS: Final[Mapping[str, str]] = {"AcquisitionDate": "AcquisitionDateTime", "AcquisitionTime": "AcquisitionDateTime"}
