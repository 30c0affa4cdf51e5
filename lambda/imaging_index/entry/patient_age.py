"""The patient's age at the study in years, from PatientAge, the birth date and the study date."""

from collections.abc import Container
from decimal import Decimal
from typing import Final

from imaging_index.dicom import vrs
from imaging_index.document.texts import decoded, one
from imaging_index.document.types import Values

_OLDEST: Final = 130
# By how many years the two may differ: the one is rounded, and not always in the same direction.
_ROUNDED: Final = 1


def in_years(patient: Values, study: Values, private: Container[str]) -> Decimal | None:
    """The age, or None when nothing tells it; `private` has the keywords that are not kept.

    Dates tell nothing where the patient's identity was removed, since they are shifted or made up there (PS3.15,
    section E.3.6), nor where anything that the age comes from is private. An age of zero, which many write for an
    unknown one, is what the dates say.

    Raises:
        Unusable: the age and the dates contradict each other, or nobody is as old.
    """
    age = None if "PatientAge" in private else one("AS", vrs.age, _value(study, "PatientAge"))
    passed = _between_dates(patient, study, private)
    if age is None or (passed is not None and not int(age[:3])):
        years = passed
    else:
        years = vrs.years(age)
        if passed is not None and abs(int(years) - passed) > _ROUNDED:
            raise vrs.Unusable
    if years is not None and max(years, passed or 0) > _OLDEST:
        raise vrs.Unusable
    return years


def _between_dates(patient: Values, study: Values, private: Container[str]) -> Decimal | None:
    removed = vrs.components("CS", _value(patient, "PatientIdentityRemoved"))
    if any(isinstance(each, str) and each.strip() == "YES" for each in removed):
        return None
    if any(keyword in private for keyword in ("PatientAge", "PatientBirthDate", "StudyDate")):
        return None
    born = one("DA", vrs.date, _value(patient, "PatientBirthDate"))
    day = one("DA", vrs.date, _value(study, "StudyDate"))
    if not born or not day:
        return None
    passed = vrs.years_between(born, day)
    if passed is None:
        raise vrs.Unusable
    return passed


def _value(level: Values, keyword: str) -> object:
    return decoded(getattr(level, keyword, None))
