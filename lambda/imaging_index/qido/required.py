"""The attributes that each answer has: PS3.18, section 10.6.3.3, Tables 10.6.3-3 to 10.6.3-5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

# PS3.4, section C.2.2.1: unique, required, required under a condition; and `O` for one that is optional there.
Type = Literal["U", "R", "C", "O"]


class Required(msgspec.Struct, frozen=True):
    """An attribute of an answer.

    Attributes:
        keyword: behind that of its sequence, if it is in one.
        type: `U` and `R` are there without a value too; `C` and `O` are there if they have one.
        computed: it is made for the answer, whatever the profile selects.
    """

    keyword: str
    type: Type
    computed: bool = False


STUDY: Final = (
    Required("StudyDate", "R"),
    Required("StudyTime", "R"),
    Required("AccessionNumber", "R"),
    Required("InstanceAvailability", "C", computed=True),
    Required("ModalitiesInStudy", "R", computed=True),
    Required("ReferringPhysicianName", "R"),
    Required("TimezoneOffsetFromUTC", "C"),
    # Not in the table, but in all work lists.
    Required("StudyDescription", "O"),
    Required("RetrieveURL", "C", computed=True),
    Required("PatientName", "R"),
    Required("PatientID", "R"),
    Required("PatientBirthDate", "R"),
    Required("PatientSex", "R"),
    Required("StudyInstanceUID", "U"),
    Required("StudyID", "R"),
    Required("NumberOfStudyRelatedSeries", "R", computed=True),
    Required("NumberOfStudyRelatedInstances", "R", computed=True),
)
SERIES: Final = (
    Required("Modality", "R"),
    Required("TimezoneOffsetFromUTC", "C"),
    Required("SeriesDescription", "C"),
    Required("RetrieveURL", "C", computed=True),
    Required("SeriesInstanceUID", "U"),
    Required("SeriesNumber", "R"),
    Required("NumberOfSeriesRelatedInstances", "R", computed=True),
    Required("PerformedProcedureStepStartDate", "C"),
    Required("PerformedProcedureStepStartTime", "C"),
    Required("RequestAttributesSequence.ScheduledProcedureStepID", "R"),
    Required("RequestAttributesSequence.RequestedProcedureID", "R"),
)
INSTANCE: Final = (
    Required("SOPClassUID", "R"),
    Required("SOPInstanceUID", "U"),
    Required("InstanceAvailability", "C", computed=True),
    Required("TimezoneOffsetFromUTC", "C"),
    Required("RetrieveURL", "C", computed=True),
    Required("InstanceNumber", "R"),
    Required("Rows", "C"),
    Required("Columns", "C"),
    Required("BitsAllocated", "C"),
    Required("NumberOfFrames", "C"),
)
TABLES: Final[Mapping[Level, tuple[Required, ...]]] = {
    Level.STUDY: STUDY,
    Level.SERIES: SERIES,
    Level.IMAGE_SET: INSTANCE,
}
# The levels above each, from the top. Their unique keys are in any answer, so that it says where it belongs.
ABOVE: Final[Mapping[Level, tuple[Level, ...]]] = {
    Level.STUDY: (),
    Level.SERIES: (Level.STUDY,),
    Level.IMAGE_SET: (Level.STUDY, Level.SERIES),
}


def of(level: Level, *, relational: bool) -> tuple[Required, ...]:
    """The attributes of a level's objects, and in a relational query those of all levels above, each once."""
    above = [each for up in ABOVE[level] for each in TABLES[up] if relational or each.type == "U"]
    found: dict[str, Required] = {}
    for each in (*TABLES[level], *above):
        found.setdefault(each.keyword, each)
    return tuple(found.values())
