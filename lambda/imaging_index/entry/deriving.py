"""Makes the derived attributes that `profile/derived.py` declares."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import vrs
from imaging_index.dicom.person_names import name_key
from imaging_index.document.texts import decoded, only_uid
from imaging_index.entry import patient_age
from imaging_index.entry.item import Item, stored
from imaging_index.entry.volume import judged
from imaging_index.profile.derived import (
    ORIENTATION,
    PATIENT_AGE,
    PATIENT_NAME_KEY,
    SLICE_COUNT,
    SLICE_GAPS,
    SLICE_SPACING,
    STUDY_MOMENT,
    VOLUME_GEOMETRY,
    VOLUMES_BY,
)
from imaging_index.profile.privacy import Policy, capped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging_index.document.types import Values
    from imaging_index.entry.conversion import Flaws
    from imaging_index.entry.volume import Slices
    from imaging_index.profile.profile import Profile

# Of a distance in mm: more digits would be those of the arithmetic.
_DIGITS: Final = 4

_ZEROS: Final = {"StudyDate": "0" * 8, "StudyTime": "0" * 6}


def derived(attributes: Item, patient: Values, study: Values, profile: Profile, flaws: Flaws) -> Item:
    """The derived attributes of an entry that has `attributes`, from a document whose patient and study are given."""
    parts = [(_kept(name, attributes, profile) or zeros)[: len(zeros)] for name, zeros in _ZEROS.items()]
    item: Item = {STUDY_MOMENT.name: {"S": "".join(parts)}}
    name = _kept("PatientName", attributes, profile)
    if key := name_key(name or ""):
        item[PATIENT_NAME_KEY.name] = {"S": key}
    if wanted := profile.find(PATIENT_AGE.name):
        # Dates that are shifted are as far from each other as the document's own.
        private = {keyword for keyword, policy in profile.private.items() if policy not in (Policy.SHIFT, Policy.CAP)}
        try:
            age = patient_age.in_years(patient, study, private)
        except vrs.Unusable:
            flaws.invalid.add(PATIENT_AGE.name)
        else:
            age = capped(age) if age is not None and wanted.policy is Policy.CAP else age
            item |= {} if age is None else {PATIENT_AGE.name: stored(age)}
    return item


def geometry(slices: Slices, series: Iterable[Values], angle: float, flaws: Flaws) -> Item:
    """The geometry of an image set that has some slices, and series that say so much of themselves.

    A plane has its name within `angle` degrees; `flaws` gets what cannot be told.
    """
    frames_of_reference = {only_uid(decoded(getattr(values, "FrameOfReferenceUID", None))) for values in series}
    volume = judged(slices, len(frames_of_reference), angle)
    if slices.unusable:
        flaws.invalid.add(VOLUME_GEOMETRY.name)
    if volume.unknown:
        flaws.truncated.add(VOLUME_GEOMETRY.name)
    values: dict[str, str | int | float | None] = {
        VOLUME_GEOMETRY.name: volume.word,
        SLICE_SPACING.name: volume.spacing,
        SLICE_COUNT.name: volume.count,
        SLICE_GAPS.name: volume.gaps,
        ORIENTATION.name: volume.orientation,
    }
    values |= {VOLUMES_BY[by].name: count for by, count in volume.volumes.items()}
    return {
        name: stored(value if isinstance(value, str) else round(Decimal(value), _DIGITS).normalize())
        for name, value in values.items()
        if value is not None
    }


def _kept(name: str, attributes: Item, profile: Profile) -> str | None:
    """The text of an attribute, a date as it is shifted; None when the entry has none, or a token for it."""
    attribute = profile.find(name)
    if attribute is None or attribute.policy not in (Policy.KEEP, Policy.SHIFT) or name not in attributes:
        return None
    text: str = attributes[name]["S"]
    return text
