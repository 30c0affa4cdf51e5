"""What is derived from what: the derived attributes with their names, what they are made of, and their forms.

`deriving` makes them, and `searching` turns a condition on a DICOM attribute into one on what is compared instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping


class Derived(msgspec.Struct, frozen=True):
    """A derived attribute: the keywords that it is made of, and how an entry holds it.

    An index is by it instead of by the attribute `compared`, if there is one: a condition on that is one on it.
    """

    name: str
    made_of: tuple[str, ...]
    form: Form
    compared: str | None = None


# Study date and time as `YYYYMMDDHHMMSS`, zeros for what is not there. Every entry has it.
STUDY_MOMENT: Final = Derived("StudyMoment", ("StudyDate", "StudyTime"), Form("moment"), "StudyDate")
# The folded words of the name's first group, the family name first.
PATIENT_NAME_KEY: Final = Derived("PatientNameKey", ("PatientName",), Form("text"), "PatientName")
# The patient's age at the study. It is selected by its name, like an attribute of DICOM.
PATIENT_AGE: Final = Derived(
    "PatientAgeYears", ("PatientBirthDate", "PatientIdentityRemoved", "PatientAge", "StudyDate"), Form("number")
)

BY_NAME: Final[Mapping[str, Derived]] = {each.name: each for each in (STUDY_MOMENT, PATIENT_NAME_KEY, PATIENT_AGE)}

# What follows the name of an attribute: a person's name as search compares it, and all of several values where DICOM
# allows one.
FOLDED: Final = "Folded"
SEVERAL: Final = "Values"

# These are read from the date and time of another attribute, where an instance has neither of them.
PARTS: Final[Mapping[str, str]] = {"AcquisitionDate": "AcquisitionDateTime", "AcquisitionTime": "AcquisitionDateTime"}
