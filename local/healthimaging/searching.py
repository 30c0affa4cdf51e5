"""SearchImageSets' criteria: what matches, and in which order."""

import re
from collections.abc import Callable
from typing import Any, Final

from local.healthimaging.errors import Invalid
from local.healthimaging.paging import Key
from local.healthimaging.store import ImageSet

Matches = Callable[[ImageSet], bool]

_RANGED: Final = frozenset({"createdAt", "updatedAt", "DICOMStudyDateAndTime"})
_DEFAULT_SORT: Final = {"sortField": "updatedAt", "sortOrder": "DESC"}


def matcher(criteria: dict[str, Any]) -> Matches:
    """Whether an image set meets all filters (the API reference's SearchFilter).

    Raises:
        Invalid: the values do not suit their operator, or the service does not combine the two filters.
    """
    filters = [_filter(one["operator"], one["values"]) for one in criteria.get("filters", [])]
    # The guide's only example of two filters: one attribute that is equal, and one range of time.
    if len(filters) == 2 and sorted(one["operator"] for one in criteria["filters"]) != ["BETWEEN", "EQUAL"]:
        raise Invalid("Two filters must be one EQUAL and one BETWEEN.")
    return lambda image_set: all(one(image_set) for one in filters)


def order(criteria: dict[str, Any]) -> tuple[dict[str, str], Callable[[ImageSet], Key], bool]:
    """The sort to apply, its key, and whether it descends. In ASC image sets without the field come first."""
    sort = criteria.get("sort") or _DEFAULT_SORT
    field = sort["sortField"]
    return sort, lambda image_set: (_value(image_set, field) or "", image_set.id), sort["sortOrder"] == "DESC"


def _filter(operator: str, values: list[dict[str, Any]]) -> Matches:
    (name,) = values[0]
    if operator == "EQUAL":
        if len(values) != 1:
            raise Invalid("EQUAL takes one value.")
        wanted = _bound(values[0], name, "000000")
        return lambda image_set: _value(image_set, name) == wanted
    if name not in _RANGED or len(values) != 2 or name not in values[1]:
        raise Invalid(f"BETWEEN takes two values of one of: {', '.join(sorted(_RANGED))}.")
    low, high = _bound(values[0], name, "000000"), _bound(values[1], name, "235959.999999")
    return lambda image_set: (value := _value(image_set, name)) is not None and low <= value <= high


def _bound(value: dict[str, Any], name: str, time: str) -> Any:
    if name != "DICOMStudyDateAndTime":
        return value[name]
    moment = value[name]
    return _moment(moment["DICOMStudyDate"], moment.get("DICOMStudyTime") or time)


def _value(image_set: ImageSet, name: str) -> Any:
    """The value of an image set to compare with; None if it has none."""
    match name:
        case "createdAt":
            return image_set.created_at
        case "updatedAt":
            return image_set.latest.updated_at
        case "isPrimary":
            return image_set.is_primary
        case "DICOMStudyDateAndTime":
            date = image_set.tags.get("DICOMStudyDate")
            return _moment(date, image_set.tags.get("DICOMStudyTime") or "000000") if date else None
    return image_set.tags.get(name)


def _moment(date: str, time: str) -> str:
    """Date and time as one text whose order is that of time: YYYYMMDDHHMMSS.FFFFFF."""
    whole, _, fraction = re.sub("[^0-9.]", "", time).partition(".")
    return f"{re.sub('[^0-9]', '', date)}{whole:0<6}.{fraction:0<6}"
