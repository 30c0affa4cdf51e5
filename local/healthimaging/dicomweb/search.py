"""SearchDICOMSeries of a study, and SearchDICOMInstances of a series."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from local.healthimaging.dicomweb.dicom_json import Object, tag_of
from local.healthimaging.dicomweb.series import answer, find, of_instances, of_series, opened
from local.healthimaging.errors import Invalid
from local.healthimaging.service import Answer, Call

_MOST: Final = 1_000  # results of one search (developer guide, "Searching DICOM data in HealthImaging")
# What is returned besides what is asked for (PS3.18, tables 10.6.3-4 and 10.6.3-5).
_OF_SERIES: Final = ("00080060", "0008103E", "0020000D", "0020000E", "00200011", "00201209")
_OF_INSTANCES: Final = (
    *("00080016", "00080018", "0020000D", "0020000E", "00200013"),
    *("00280008", "00280010", "00280011", "00280100"),
)
# What is matched: Modality and SeriesInstanceUID; SOPClassUID and SOPInstanceUID.
_SERIES_KEYS: Final = ("00080060", "0020000E")
_INSTANCE_KEYS: Final = ("00080016", "00080018")


async def search_series(call: Call) -> Answer:
    """The series of a study that match, in the order of their numbers. Only primary image sets are searched."""
    image_sets = call.account.active(call["datastoreId"]).primaries.get(call["study"], {}).values()
    documents = [await opened(image_set) for image_set in image_sets]
    rows = [of_series(document, uid) for document in documents for uid in document.study.series]
    rows.sort(key=lambda row: _number(row, "00200011"))
    return answer(_selected(rows, call["parameters"], _OF_SERIES, _SERIES_KEYS))


async def search_instances(call: Call) -> Answer:
    """The instances of a series that match, in the order of their numbers."""
    found = await find(call)
    rows = await asyncio.to_thread(of_instances, found.document, call["series"])
    rows.sort(key=lambda row: _number(row, "00200013"))
    return answer(_selected(rows, call["parameters"], _OF_INSTANCES, _INSTANCE_KEYS))


def _selected(
    rows: Iterable[Object], parameters: Iterable[tuple[str, str]], always: Sequence[str], keys: Sequence[str]
) -> list[Object]:
    """The rows that match, with the attributes that are asked for.

    Raises:
        Invalid: a parameter is not one that HealthImaging has at this level.
    """
    wanted: set[str | None] = {*always}
    conditions: dict[str, str] = {}
    bounds = {"limit": _MOST, "offset": 0}
    for name, value in parameters:
        if name == "includefield":
            wanted |= {each if each == "all" else tag_of(each) for each in value.split(",")}
        elif name in bounds:
            if not re.fullmatch("[0-9]{1,7}", value):
                raise Invalid(f"{name} is not a whole number.")
            bounds[name] = int(value)
        elif (tag := tag_of(name)) in keys and tag:
            conditions[tag] = value
        elif name != "fuzzymatching":
            raise Invalid(f"A query parameter is not one of: includefield, limit, offset, {', '.join(keys)}.")
    found = [row for row in rows if all(str(_first(row, tag)) == value for tag, value in conditions.items())]
    page = found[bounds["offset"] :][: min(bounds["limit"], _MOST)]
    return [{tag: value for tag, value in row.items() if tag in wanted or "all" in wanted} for row in page]


def _first(row: Mapping[str, Any], tag: str) -> Any:
    return row.get(tag, {}).get("Value", [None])[0]


def _number(row: Object, tag: str) -> float:
    """The number to order by; rows without one come first."""
    value = _first(row, tag)
    return value if isinstance(value, int | float) else -1
