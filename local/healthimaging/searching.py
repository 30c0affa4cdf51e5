"""SearchImageSets: what matches its criteria, in which order, page by page."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from local.healthimaging.errors import Invalid
from local.healthimaging.paging import OF_ANOTHER_LIST, Key, first, page, place
from local.healthimaging.store import DataStore, ImageSet

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


def search(
    data_store: DataStore, criteria: dict[str, Any], *, size: int | None, token: str | None
) -> tuple[list[ImageSet], dict[str, str], str | None]:
    """A page of the image sets that meet the criteria, the sort that was applied, and the token of the next page.

    Raises:
        Invalid: `matcher` refuses the criteria, or the token is not of this list.
    """
    matches = matcher(criteria)
    sort, key, descending = order(criteria)
    if sort["sortField"] == "updatedAt":
        found, following = first(
            filter(matches, _by_update(data_store, criteria, token, descending=descending)), key, size
        )
    else:
        living = (one for one in data_store.image_sets.values() if one.deleted_at is None and matches(one))
        found, following = page(living, key, descending=descending, size=size, token=token)
    return found, sort, following


def _by_update(
    data_store: DataStore, criteria: dict[str, Any], token: str | None, *, descending: bool
) -> Iterator[ImageSet]:
    """The image sets that follow the token by `updatedAt`, of those that a filter of it leaves."""
    ranges = [one["values"] for one in criteria.get("filters", []) if "updatedAt" in one["values"][0]]
    low, high = (ranges[0][0]["updatedAt"], ranges[0][-1]["updatedAt"]) if ranges else (-math.inf, math.inf)
    after: Any = None if token is None else place(token)
    try:
        ids = data_store.updates.walk(low, high, after, descending=descending)
    except TypeError as error:
        raise Invalid(OF_ANOTHER_LIST) from error
    found = (data_store.image_sets[identifier] for identifier in ids)
    return (image_set for image_set in found if image_set.deleted_at is None)


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
