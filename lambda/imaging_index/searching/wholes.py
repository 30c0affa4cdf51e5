"""Reads whole studies and patients: an index that a search reads may have a part of them only."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from imaging_index.searching.judging import fetch, holds
from imaging_index.searching.planner import has_all
from imaging_index.searching.question import Level
from imaging_index.searching.rows import NEEDED, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Index
    from imaging_index.searching.planner import Query
    from imaging_index.searching.rows import RowKey
    from imaging_index.searching.stream import Allowance, Source
    from imaging_index.table.reading import Page, TableDescription

_BY_STUDY: Final = (("StudyInstanceUID",), ("DatastoreId", "StudyInstanceUID"))
_BY_PATIENT: Final = (("DatastoreId", "PatientID"),)
_BY_NON_PRIMARY: Final = (("DatastoreId", "NonPrimary"),)
# What says which study and series an image set is of.
_PLACES: Final = ("StudyInstanceUID", "SeriesInstanceUID")
# Image sets that are not primary are few. Where they are not, each study is asked for its own.
_MOST_NON_PRIMARY: Final = 1_000


class Wholes:
    """All entries of studies and patients, those that are not primary included.

    Attributes:
        study_index: the index that studies are read from, and its name; None if the table has none.
        patient_index: the one for patients.
    """

    def __init__(self, source: Source, table: TableDescription, allowance: Allowance) -> None:
        self._source, self._allowance = source, allowance
        self.study_index = _find(table, _BY_STUDY)
        self.patient_index = _find(table, _BY_PATIENT)
        self._non_primary_index = _find(table, _BY_NON_PRIMARY)
        self._non_primary: dict[str, list[Item] | None] = {}

    def studies(self, keys: Iterable[RowKey]) -> dict[RowKey, list[Item]]:
        """The entries of studies by the key of the study; nothing if the table has no index by study."""
        if self.study_index is None:
            return {}
        name, index = self.study_index
        queries: dict[RowKey, Query] = {
            (datastore, uid): {each: datastore if each == "DatastoreId" else uid for each in index.partition}
            for datastore, uid in keys
        }
        return self._read(name, index, queries, Level.STUDY)

    def patients(self, keys: Iterable[RowKey]) -> dict[RowKey, list[Item]]:
        """The entries of patients by the key of the patient; nothing if the table has no index by patient."""
        if self.patient_index is None:
            return {}
        queries: dict[RowKey, Query] = {key: {"DatastoreId": key[0], "PatientID": key[1]} for key in keys}
        return self._read(*self.patient_index, queries, Level.PATIENT)

    def non_primary(self, datastore: str) -> list[Item] | None:
        """The entries of a data store that are not primary, as their index holds them; None if there are many."""
        if datastore not in self._non_primary:
            self._non_primary[datastore] = self._read_non_primary(datastore)
        return self._non_primary[datastore]

    def _read_non_primary(self, datastore: str) -> list[Item] | None:
        if self._non_primary_index is None:
            return None
        name, index = self._non_primary_index
        if not holds(index, _PLACES):
            return None
        page = self._page(name, {"DatastoreId": datastore, "NonPrimary": "1"}, None, _MOST_NON_PRIMARY)
        self._account([page])
        return None if page.next else [*page.items]

    def _read(self, name: str, index: Index, queries: Mapping[RowKey, Query], level: Level) -> dict[RowKey, list[Item]]:
        """The entries of each row that an index is asked for, side by side."""
        found: dict[RowKey, list[Item]] = {}
        for key, pages in zip(
            queries, self._source.executor.map(lambda query: self._pages(name, query), queries.values()), strict=True
        ):
            self._account(pages)
            found[key] = [item for page in pages for item in page.items]
        if not holds(index, NEEDED):
            whole = fetch(self._source, chain(*found.values()))
            found = {
                key: [whole[each] for item in items if (each := item["ImageSet"]["S"]) in whole]
                for key, items in found.items()
            }
        return {key: [item for item in items if key_of(item, level) == key] for key, items in found.items()}

    def _pages(self, name: str, query: Query) -> list[Page]:
        pages = [self._page(name, query, None, None)]
        while pages[-1].next:
            pages.append(self._page(name, query, pages[-1].next, None))
        return pages

    def _page(self, name: str, query: Query, start: Item | None, most: int | None) -> Page:
        return self._source.table.page(name, query, self._source.key_types, start=start, most=most)

    def _account(self, pages: Sequence[Page]) -> None:
        for page in pages:
            self._source.report.add(page)
            # A query that finds nothing costs something as well.
            self._allowance.take(max(len(page.items), 1))


def _find(table: TableDescription, partitions: Sequence[tuple[str, ...]]) -> tuple[str, Index] | None:
    found = [
        (index.holds is not None, name)
        for name, index in table.indexes.items()
        if tuple(sorted(index.partition)) in partitions and has_all(index, index.partition)
    ]
    return (min(found)[1], table.indexes[min(found)[1]]) if found else None
