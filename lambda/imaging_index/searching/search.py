"""Finds entries: conditions -> the index that answers them -> the entries that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imaging_index.dicom import vrs
from imaging_index.searching.conditions import SearchError, number_needed
from imaging_index.searching.planner import plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.table.layout import Between
    from imaging_index.table.reading import TableReader


def search(
    table: TableReader, datastores: Sequence[str], conditions: Mapping[str, str | Between], index: str | None = None
) -> Iterator[Item]:
    """The entries of `datastores` that match all `conditions`, in the order of the index.

    Raises:
        SearchError: when no index, or not `index`, answers them, or a number is compared with something else.
    """
    description = table.describe()
    for name, condition in conditions.items():
        if description.key_types.get(name) == "N" and not _is_number(condition):
            raise SearchError(number_needed(name))
    for datastore in datastores:
        found = plan(description.indexes, {"DatastoreId": datastore, **conditions}, index)
        for item in table.query(found.index, found.conditions, description.key_types):
            if item["DatastoreId"]["S"] in datastores:
                yield item
        if "DatastoreId" not in found.conditions:
            return  # an index that spans all data stores


def _is_number(condition: str | Between) -> bool:
    try:
        return isinstance(condition, str) and vrs.number(condition) is not None
    except vrs.Unusable:
        return False
