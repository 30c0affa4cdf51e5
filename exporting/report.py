"""What an archive has, as figures for pictures: studies by month, slice thickness by vendor, missing attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from exporting.columns import INDEX_COLUMNS
from exporting.series import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporting.database import Database

MOST_MODALITIES: Final = 7
_MOST_MONTHS: Final = 144
OTHERS: Final = "others"
SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

_SPAN: Final = "SELECT date_diff('month', min(StudyDate), max(StudyDate)) FROM series"
_STUDIES: Final = """
SELECT date_trunc('{unit}', StudyDate) AS first_day, coalesce(Modality, 'none given') AS modality,
       count(DISTINCT StudyInstanceUID) AS studies
FROM series WHERE StudyDate IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_THICKNESS: Final = """
SELECT coalesce(Manufacturer, 'none given') AS vendor, count(*) AS series,
       quantile_cont(SliceThickness_min::DOUBLE, [0.05, 0.25, 0.5, 0.75, 0.95]) AS shares
FROM series WHERE SliceThickness_min IS NOT NULL GROUP BY vendor ORDER BY series DESC, vendor LIMIT 12
"""


class Vendor(msgspec.Struct, frozen=True):
    """The slice thickness of a vendor's series, in mm: of each of `SHARES` of them, what it is at most."""

    name: str
    series: int
    thickness: list[float]


class Report(msgspec.Struct, frozen=True):
    """The figures of an archive.

    Attributes:
        image_sets: how many there are, and `as_of` when.
        unit: `month` or `year`.
        studies: of each month or year, by its first day, the studies by modality; none between is left out.
        modalities: the most frequent ones in their order, and `others` if there are more.
        vendors: the most frequent ones.
        missing: the share of image sets that have no value, by attribute, the greatest first.
    """

    image_sets: int
    as_of: str
    unit: str
    studies: dict[str, dict[str, int]]
    modalities: list[str]
    vendors: list[Vendor]
    missing: dict[str, float]


def report(database: Database) -> Report:
    """The figures of an export. What its profile does not select is empty."""
    types = {str(name): str(kind) for name, kind, *_ in database.ask("DESCRIBE series").rows()}
    studies: dict[str, dict[str, int]] = {}
    modalities: list[str] = []
    unit = "month"
    if (
        types.keys() >= {"StudyDate", "StudyInstanceUID", "Modality"}
        and types["StudyDate"] == "DATE"
        and _dated(database)
    ):
        unit, studies, modalities = _studies(database)
    vendors = []
    if types.keys() >= {"Manufacturer", "SliceThickness_min"}:
        vendors = [Vendor(*row) for row in database.ask(_THICKNESS).rows()]
    return Report(
        image_sets=database.about.image_sets,
        as_of=database.about.as_of,
        unit=unit,
        studies=studies,
        modalities=modalities,
        vendors=vendors,
        missing=_missing(database),
    )


def _dated(database: Database) -> bool:
    """Whether some study has a date; without the attribute, there is a column of nulls."""
    return next(iter(database.ask("SELECT count(StudyDate) > 0 FROM series").rows()))[0] is True


def _studies(database: Database) -> tuple[str, dict[str, dict[str, int]], list[str]]:
    ((months,),) = database.ask(_SPAN).rows()
    unit = "month" if months is not None and months <= _MOST_MONTHS else "year"
    found: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for first_day, modality, count in database.ask(_STUDIES.format(unit=unit)).rows():
        found.setdefault(f"{first_day:%Y-%m}", {})[modality] = count
        totals[modality] = totals.get(modality, 0) + count
    frequent = sorted(totals, key=lambda each: (-totals[each], each))
    modalities = frequent if len(frequent) <= MOST_MODALITIES else [*frequent[: MOST_MODALITIES - 1], OTHERS]
    return unit, {when: _gathered(counts, modalities) for when, counts in found.items()}, modalities


def _gathered(counts: Mapping[str, int], modalities: list[str]) -> dict[str, int]:
    gathered = {each: counts[each] for each in modalities if each in counts}
    rest = sum(counts.values()) - sum(gathered.values())
    return gathered | ({OTHERS: rest} if rest else {})


def _missing(database: Database) -> dict[str, float]:
    names = [str(row[0]) for row in database.ask("DESCRIBE image_sets").rows()]
    attributes = [name for name in names if name not in INDEX_COLUMNS]
    if not attributes or not database.about.image_sets:
        return {}
    counts = ", ".join(f"count({quoted(name)})" for name in attributes)
    (there,) = database.ask(f"SELECT {counts} FROM image_sets").rows()  # noqa: S608
    shares: dict[str, Any] = {
        name: 1 - count / database.about.image_sets for name, count in zip(attributes, there, strict=True)
    }
    return dict(sorted(shares.items(), key=lambda each: (-each[1], each[0])))
