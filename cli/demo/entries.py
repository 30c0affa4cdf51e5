"""The entries that the demo has in its table, read back as a profile's indexes allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from imaging_index.entry.item import plain
from imaging_index.searching.errors import SearchError
from imaging_index.searching.question import Level, Question
from imaging_index.searching.search import Search
from imaging_index.table.layout import ENTRY, Key, head_of
from imaging_index.table.reading import TableReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.output import Entry


class Entries:
    """The entries of one data store.

    Args:
        table: the table's name.
        datastore: the data store's id.

    Attributes:
        way: how `all_` reads them, in words.
    """

    def __init__(self, table: str, datastore: str) -> None:
        self._client = boto3.client("dynamodb")
        self._name = table
        self._table = TableReader(self._client, table)
        self._datastore = datastore
        try:
            index = Search(self._table, self._question()).plan.index
        except SearchError:  # no index has all entries of a data store
            self.way = "a scan of the table"
            self._is_scanned = True
        else:
            self.way = f"the index {index}"
            self._is_scanned = False

    def all_(self) -> list[Entry]:
        """All entries, newest study first."""
        found = self._scanned() if self._is_scanned else self._searched()
        return sorted(found, key=lambda entry: str(entry.get("StudyMoment", "")), reverse=True)

    def one(self, image_set_id: str) -> Entry | None:
        """The entry of an image set, if it has one."""
        found = self._table.read(Key(self._datastore, image_set_id))
        return plain(found.entry) if found else None

    def is_deleted(self, image_set_id: str) -> bool:
        """Whether only a tombstone is left of an image set."""
        head = self._table.head(Key(self._datastore, image_set_id))
        return bool(head and head.tombstone)

    def _question(self) -> Question:
        return Question(datastores=(self._datastore,), level=Level.IMAGE_SET, limit=None, budget=None, all_copies=True)

    def _searched(self) -> list[Entry]:
        return [plain(row.entries[0]) for row in Search(self._table, self._question())]

    def _scanned(self) -> list[Entry]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._name,
            ConsistentRead=True,
            FilterExpression="Part = :entry",
            ExpressionAttributeValues={":entry": {"S": ENTRY}},
        )
        items: Iterable[Any] = (item for page in pages for item in page["Items"])
        return [plain(item) for item in items if not head_of(item).tombstone]
