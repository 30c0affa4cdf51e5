"""Rows and reports as JSON objects, in the shapes of docs/search.schema.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cli.search.columns import MODALITIES, entry, image_sets, not_primary
from cli.search.costs import dollars
from imaging_index.dicom.dictionary import Level as Place
from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.profile.profile import Profile
    from imaging_index.searching.report import Report
    from imaging_index.searching.rows import Counts, Row

# The levels of DICOM whose attributes are those of a row.
_PLACES: Final = {
    Level.PATIENT: (Place.PATIENT,),
    Level.STUDY: (Place.PATIENT, Place.STUDY),
    Level.SERIES: (Place.PATIENT, Place.STUDY, Place.SERIES),
}


def attributes_of(level: Level, shown: Sequence[str], profile: Profile) -> tuple[str, ...] | None:
    """The attributes that the objects of a level have; None for whole entries.

    `shown` are those that were asked for; without them an object has the attributes of its level that are selected.
    """
    if shown:
        return tuple(shown)
    if level is Level.IMAGE_SET:
        return None
    return tuple(each.name for place in _PLACES[level] for each in profile.at(place))


def record(row: Row, names: Sequence[str] | None) -> dict[str, Any]:
    """A row with some attributes, or with its whole entry. What is not known is null; what has no value is left out."""
    return {
        "level": row.level.value,
        "datastoreId": row.datastore_id,
        "imageSets": image_sets(row),
        "possible": row.possible,
        "notPrimary": not_primary(row),
        "leftOut": row.non_primary,
        "counts": counts(row.counts),
        "modalities": None if row.modalities is None else [*row.modalities],
        "conflicts": {name: [*values] for name, values in row.conflicts.items()},
        "attributes": entry(row) if names is None else _values(row, names),
    }


def _values(row: Row, names: Sequence[str]) -> dict[str, Any]:
    values = {name: row.value(name) for name in names if name != MODALITIES}
    return {name: value for name, value in values.items() if value is not None}


def counts(found: Counts | None) -> dict[str, int] | None:
    """How much there is of a whole study, series or patient; None where it was not read."""
    if found is None:
        return None
    return {
        "studies": found.studies,
        "series": found.series,
        "imageSets": found.image_sets,
        "instances": found.instances,
    }


def report(found: Report, **more: Any) -> dict[str, Any]:
    """What a search reports of itself, with what the command adds; of that, what is None is left out."""
    return {
        "index": found.index,
        "entries": found.entries,
        "calls": found.calls,
        "units": found.units,
        "dollars": dollars(found.units),
        "ended": found.ended.value,
        "readBackTo": found.read_back_to,
        "cursor": found.cursor,
        "undated": found.undated,
        "moreUndated": found.more_undated,
        "leftOut": found.non_primary,
        "withoutValue": found.without_value,
        "matched": found.matched,
        "deleted": found.deleted,
        **{name: value for name, value in more.items() if value is not None},
    }
