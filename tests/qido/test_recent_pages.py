"""Pages of a table that were read are used again, as far as they are what would be read."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from imaging_index.profile.profile import Index
from imaging_index.qido.recent import Recent, RecentReader
from imaging_index.searching.moments import AFTER_ALL
from imaging_index.table.layout import Between
from imaging_index.table.reading import Page, TableDescription
from proof.searching.table import Table

if TYPE_CHECKING:
    from imaging_index.entry.item import Item
    from imaging_index.table.reading import TableReader

INDEXES = {
    "date": Index(("DatastoreId",), ("StudyMoment", "ImageSetId")),
    "unordered": Index(("DatastoreId",), ("StudyMoment",)),
}
QUERY = {"DatastoreId": "d"}


def entry(number: int, moment: str) -> Item:
    texts = {"DatastoreId": "d", "ImageSetId": f"{number:04}", "StudyMoment": moment, "Part": "entry"}
    return {"ImageSet": {"S": f"d/{number:04}"}, **{name: {"S": value} for name, value in texts.items()}}


def everything(reader: Any, conditions: Any, *, backwards: bool, chance: Random) -> list[str]:
    """What a query finds, read by pages of any length."""
    found: list[str] = []
    start = None
    while True:
        most = chance.choice((None, 1, 3, 7, 40))
        page = reader.page("date", conditions, {}, backwards=backwards, start=start, most=most)
        assert most is None or len(page.items) <= most
        found += [item["ImageSetId"]["S"] for item in page.items]
        start = page.next
        if start is None:
            return found


@pytest.mark.parametrize("seed", range(60))
def test_any_queries_find_what_the_table_has_whatever_was_read_before(seed: int) -> None:
    """Of ranges that overlap, forwards and backwards, begun at any entry."""
    chance = Random(seed)
    items = [
        entry(number, f"2024{chance.randrange(1, 13):02}{chance.randrange(1, 5):02}000000") for number in range(60)
    ]
    recent = Recent()
    table = Table(items, INDEXES, page=chance.choice((4, 11, 1_000)))
    for _ in range(30):
        conditions: dict[str, Any] = dict(QUERY)
        if chance.random() < 0.7:
            low, high = sorted(f"2024{chance.randrange(1, 13):02}{chance.choice(('', '01', '03'))}" for _ in range(2))
            conditions["StudyMoment"] = Between(low, chance.choice((high, high + AFTER_ALL)))
        backwards = chance.random() < 0.5
        reader = RecentReader(cast("TableReader", table), recent, reuses=True)
        found = everything(reader, conditions, backwards=backwards, chance=chance)
        assert found == everything(table, conditions, backwards=backwards, chance=chance), (seed, conditions, backwards)


def test_what_was_read_is_not_read_again_if_it_is_to_be_reused() -> None:
    table = Table([entry(number, "20240101000000") for number in range(50)], INDEXES)
    recent = Recent()
    for reuses, calls in ((False, 1), (True, 1), (False, 2), (True, 2)):
        reader = RecentReader(cast("TableReader", table), recent, reuses=reuses)
        page = reader.page("date", QUERY, {})
        assert (len(page.items), len(table.calls), page.units > 0) == (50, calls, not reuses)
    part: dict[str, Any] = {**QUERY, "StudyMoment": Between("2024", "20240101")}
    for backwards, calls in ((False, 2), (True, 3)):
        reader = RecentReader(cast("TableReader", table), recent, reuses=True)
        page = reader.page("date", part, {}, backwards=backwards)
        assert (len(page.items), page.next, len(table.calls)) == (0, None, calls)


def test_a_range_that_ends_within_a_page_is_not_asked_for_behind_it() -> None:
    table = Table([entry(number, f"202401{number + 1:02}000000") for number in range(20)], INDEXES, page=10)
    reader = RecentReader(cast("TableReader", table), Recent(), reuses=True)
    assert reader.page("date", QUERY, {}).next
    page = reader.page("date", {**QUERY, "StudyMoment": Between("20240103", "20240105")}, {})
    assert ([item["ImageSetId"]["S"] for item in page.items], page.next) == (["0002", "0003"], None)
    assert len(table.calls) == 1


def test_a_place_that_entries_share_is_not_gone_on_from_unless_it_is_known_which_came_before() -> None:
    items = [entry(number, "20240101000000") for number in (2, 1, 3)]

    class Unordered:
        asked = 0

        def describe(self) -> TableDescription:
            return TableDescription(INDEXES, {})

        def page(self, *_: Any, **__: Any) -> Page:
            self.asked += 1
            return Page(items, 1.0, None)

    table = Unordered()
    reader = RecentReader(cast("TableReader", table), Recent(), reuses=True)
    reader.page("unordered", QUERY, {})
    start = {name: items[0][name] for name in ("DatastoreId", "StudyMoment", "ImageSet", "Part")}
    reader.page("unordered", QUERY, {}, start=start)
    assert table.asked == 2
