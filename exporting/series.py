"""The view `series` over an export, in DuckDB's SQL: a row is a series, and most columns are single values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporting.columns import ARRANGEMENT
from exporting.values import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

# The columns of idc-index's table `index` whose names are no keywords, and what they are here, but for `instanceCount`,
# which the view of that name has. One data store is nearest to one of its collections.
_OF_IDC: Final[Mapping[str, str]] = {
    "collection_id": '"DatastoreId"',
    "series_size_MB": 'round("FrameBytes" / 1e6, 2)',
}
# And its columns that are keywords: null where the profile does not select them, so that a question about them runs.
_KEYWORDS_OF_IDC: Final = (
    *("PatientID", "PatientAge", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyDescription"),
    *("SeriesInstanceUID", "SeriesDate", "SeriesDescription", "SeriesNumber", "Modality", "BodyPartExamined"),
    *("Manufacturer", "ManufacturerModelName"),
)


def series(schema: pa.Schema) -> str:
    """The query of the view, over `image_sets` with an export's columns.

    Image sets that are not primary have no row. Of an attribute of the instances, the column is null where these
    differ, and beside it are `_min` and `_max` of numbers, dates and times, and `_all` of texts.
    """
    columns = [*_columns(schema), *(f"{source} AS {name}" for name, source in _OF_IDC.items())]
    columns += [f'NULL::VARCHAR AS "{name}"' for name in _KEYWORDS_OF_IDC if name not in schema.names]
    return f'SELECT {", ".join(columns)} FROM image_sets WHERE "IsPrimary" IS NOT FALSE'  # noqa: S608


def _columns(schema: pa.Schema) -> Iterator[str]:
    for field in schema:
        name = quoted(field.name)
        arrangement = (field.metadata or {}).get(ARRANGEMENT, b"").decode()
        if arrangement == "range":
            yield f"CASE WHEN {name}.min = {name}.max THEN {name}.min END AS {name}"
            yield from (f"{name}.{bound} AS {quoted(f'{field.name}_{bound}')}" for bound in ("min", "max"))
        elif arrangement == "distinct":
            yield f"CASE WHEN len({name}) = 1 THEN {name}[1] END AS {name}"
            yield f"{name} AS {quoted(f'{field.name}_all')}"
        elif field.type == NAME:
            yield f"{name}.Alphabetic AS {name}"
        else:
            yield name


def quoted(name: str) -> str:
    """A name as SQL has it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
