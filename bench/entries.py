"""A page of entries as DynamoDB answers a query: 1 MiB of them, which is the most that a page has."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from bench import DATASTORE_ID
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import Item
from imaging_index.profile.profile import Profile
from imaging_index.table.layout import Key, item_key
from local.capacity import item_size

# Amazon DynamoDB Developer Guide, "Paginating table query results".
_PAGE: Final = 2**20
# The index whose page has studies of five image sets each, the newest first.
WORK_LIST: Final = "worklist"
_SETS: Final = 5


def page(documents: Iterable[bytes], profile: Profile) -> list[Item]:
    """Entries of these documents in turns, each of an image set of its own, until a page is full."""
    reader = Reader(profile)
    made = [entry.build(reader, [document]).attributes for document in documents]
    items = (attributes | _ours(number) for number, attributes in enumerate(itertools.cycle(made)))
    found: list[Item] = []
    room = _PAGE
    while (room := room - item_size(item := next(items))) >= 0:
        found.append(item)
    return found


def work_list(page: Iterable[Item]) -> list[Item]:
    """The entries of a page as those of one study after the other, each a minute older."""
    newest = datetime(2026, 1, 1)  # noqa: DTZ001  of a study's date and time, which have no zone
    return [
        item
        | {
            "StudyInstanceUID": {"S": f"1.2.{number // _SETS}"},
            "SeriesInstanceUID": {"S": f"1.2.{number // _SETS}.{number % _SETS}"},
            "StudyMoment": {"S": f"{newest - timedelta(minutes=number // _SETS):%Y%m%d%H%M%S}"},
        }
        for number, item in enumerate(page)
    ]


def _ours(number: int) -> Item:
    """The attributes that an entry has besides those of its document."""
    image_set = f"{number:032}"
    moment = f"2026-01-01T00:00:00.{number:06}Z"
    texts = {
        "DatastoreId": DATASTORE_ID,
        "ImageSetId": image_set,
        "Generation": "00000001.000001.0006.00000000",
        "Attempt": f"{number:016x}",
        "ProfileHash": f"{number:064x}",
        "PagesChecksum": f"{number:064x}",
        "IndexedAt": moment,
        "FirstIndexedAt": moment,
        "EventTime": moment,
        "Cause": "event",
    }
    numbers = {"ImageSetVersion": "1", "Pages": "1"}
    item: Item = item_key(Key(DATASTORE_ID, image_set), "entry")
    item |= {name: {"S": text} for name, text in texts.items()} | {name: {"N": text} for name, text in numbers.items()}
    return item | {"IsPrimary": {"BOOL": True}}
