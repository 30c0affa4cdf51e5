"""Shifts the dates of an entry, and leaves them out where they would tell an age over 89.

This is done to the attributes as they are stored, when the whole document was read: its instances may come before its
patient. Moving all dates of a patient by the same days leaves their order, so that a summary's least stays the least.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from imaging_index.dicom import vrs
from imaging_index.document.document import Document
from imaging_index.document.texts import decoded, one, only_uid
from imaging_index.document.types import Values
from imaging_index.entry.conversion import Conversion
from imaging_index.entry.item import AttributeValue, Item
from imaging_index.profile.attributes import Attribute
from imaging_index.profile.privacy import OLDEST_TOLD, Policy, Privacy, moved

_BORN: Final = "PatientBirthDate"


def applied(attributes: Item, document: Document, conversion: Conversion) -> Item:
    """The attributes without the dates that may not be stored, and with the others shifted as the profile says.

    All dates go where one of them may be of a day on which the patient is over 89, if ages are capped: with the dates
    and ages of the patient's other image sets, any of them would tell that age.
    """
    profile, flaws = conversion.profile, conversion.flaws
    dates = [each for each in profile.attributes if each.is_date and each.policy in (Policy.KEEP, Policy.SHIFT)]
    left = dict(attributes)
    if profile.caps and _may_be_over_89(attributes, dates, document):
        for each in dates:
            left.pop(each.name, None)
            conversion.several.pop(each.name, None)
        return left
    days = _days(document, conversion.privacy) if profile.shifts else None
    for each in dates:
        if each.policy is Policy.SHIFT and each.name in left:
            try:
                left[each.name] = _shifted(left[each.name], days)
            except (ValueError, OverflowError):
                del left[each.name]
                flaws.invalid.add(each.name)
    return left


def _days(document: Document, privacy: Privacy) -> int | None:
    """By how many days the dates of the document's patient are moved; None when it names neither patient nor study."""
    patient = _text(document.patient, "PatientID")
    if patient:
        issuer = _text(document.patient, "IssuerOfPatientID") or ""
        return privacy.days_of_patient(str(document.datastore_id), patient, issuer)
    study = only_uid(decoded(getattr(document.study, "StudyInstanceUID", None)))
    return privacy.days_of_study(str(document.datastore_id), study) if study else None


def _text(values: Values, keyword: str) -> str | None:
    return one("LO", vrs.text_both_ends, decoded(getattr(values, keyword, None)))


def _shifted(value: AttributeValue, days: int | None) -> AttributeValue:
    """A date, or a list or summary of dates, moved back.

    Raises:
        ValueError, OverflowError: there is no such day, or nothing says by how many days.
    """
    if days is None:
        raise ValueError
    ((kind, content),) = value.items()
    if kind == "M":
        return {"M": {name: _shifted(each, days) for name, each in content.items()}}
    if kind == "L":
        return {"L": [_shifted(each, days) for each in content]}
    return {"S": moved(content, days)} if kind == "S" and content else value


def _may_be_over_89(attributes: Item, dates: list[Attribute], document: Document) -> bool:
    """Whether the patient may be over 89 on some day that the entry has, or nothing says how old the patient is."""
    days = [day for each in dates if each.name in attributes for day in _days_in(attributes[each.name])]
    if not days:
        return False
    last = max(days)
    ages = [*_ages(document, last)]
    return not ages or max(ages) > OLDEST_TOLD


def _ages(document: Document, last: str) -> Iterator[Decimal]:
    """How old the patient is on a day at most, by the birth date and by the age at the study."""
    born = one("DA", vrs.date, decoded(getattr(document.patient, _BORN, None)))
    if born and (passed := vrs.years_between(born, last)) is not None:
        yield passed
    age = one("AS", vrs.age, decoded(getattr(document.study, "PatientAge", None)))
    if age:
        day = one("DA", vrs.date, decoded(getattr(document.study, "StudyDate", None)))
        # The age is of the last birthday before the study, and the next one may come before the last day.
        older = 0 if born or (day and day >= last) else 1
        yield vrs.years(age) + older + ((vrs.years_between(day, last) or 0) if day and older else 0)


def _days_in(value: AttributeValue) -> Iterator[str]:
    """The days in a date, or in a list or summary of dates."""
    ((kind, content),) = value.items()
    if kind in ("M", "L"):
        for each in content.values() if kind == "M" else content:
            yield from _days_in(each)
    elif kind == "S" and content[:8].isdigit() and len(content) >= 8:
        yield content[:8]
