"""Rows as the DICOM JSON Model has them (PS3.18, Annex F), with what counts the whole of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.search.columns import MODALITIES
from imaging_index.qido.elements import MISSING_IN, Elements, add, element, has_values, in_order, values_of
from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.profile.profile import Profile
    from imaging_index.searching.rows import Counts, Row

# PS3.4, section C.3.4, and PS3.18, section 10.6.3: what counts the whole of a patient, study or series.
_COUNTS: Final[dict[Level, tuple[tuple[str, str], ...]]] = {
    Level.PATIENT: (
        ("NumberOfPatientRelatedStudies", "studies"),
        ("NumberOfPatientRelatedSeries", "series"),
        ("NumberOfPatientRelatedInstances", "instances"),
    ),
    Level.STUDY: (("NumberOfStudyRelatedSeries", "series"), ("NumberOfStudyRelatedInstances", "instances")),
    Level.SERIES: (("NumberOfSeriesRelatedInstances", "instances"),),
    Level.IMAGE_SET: (),
}


def elements(row: Row, names: Sequence[str] | None, profile: Profile) -> Elements:
    """A row's elements, in the order of their tags: the attributes that have values, and those that count.

    `names` are the attributes; None for all that the profile selects.
    """
    wanted = profile.attributes if names is None else [each for name in names if (each := profile.find(name))]
    found: Elements = {}
    missing = row.value(MISSING_IN) or {}
    for attribute in wanted:
        if attribute.name not in missing and has_values(attribute):
            add(found, attribute, values_of(attribute, row.value(attribute.name)))
    if row.level in (Level.STUDY, Level.PATIENT):
        found |= element(MODALITIES, row.modalities or ())
    if row.counts is not None:
        for keyword, name in _COUNTS[row.level]:
            found |= element(keyword, [_number(row.counts, name)])
    return in_order(found)


def _number(counts: Counts, name: str) -> int:
    return int(getattr(counts, name))
