"""How far a search reads, what it says when that ends early, and what paging through an answer reads."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imaging_index.qido import positions, recent
from imaging_index.qido.service import Options, Service
from imaging_index.table.reading import Damaged
from proof.searching import archive
from proof.searching.table import Table
from tests.qido.asking import get, message, objects, values
from tests.qido.hospital import service, table_of
from tests.qido.stored import ROOT, STORE, Stored, image_set

if TYPE_CHECKING:
    from imaging_index.table.reading import Page

DAY = 20


class Counting(Table):
    """A table that counts how often each entry was read, by the index."""

    def __init__(self, items: Any, **how: Any) -> None:
        super().__init__(items, archive.PROFILE.indexes, **({"page": None, "times": 1_000} | how))
        self.read: Counter[str] = Counter()

    def page(self, index: str, *arguments: Any, **options: Any) -> Page:
        page = super().page(index, *arguments, **options)
        self.read.update(item["ImageSet"]["S"] for item in page.items)
        return page


def hospital(studies: int, sets: int, a_day: int = DAY) -> Counting:
    """Studies one behind the other, so many a day."""
    step = timedelta(days=1) / a_day
    return Counting(
        [
            entry
            for number in range(studies)
            for entry in archive.study(number, moment=archive.NOW - step * (number + 0.5), sets=sets)
        ]
    )


def on(table: Any, **options: Any) -> Service:
    return Service(table, archive.PROFILE, lambda: (archive.STORE,), Options(**({"retrieve_root": ROOT} | options)))


def paged(answering: Service, address: str, limit: int) -> list[str]:
    """The studies of all pages, until one is empty."""
    found: list[str] = []
    while True:
        rows = objects(get(answering, f"{address}{'&' if '?' in address else '?'}limit={limit}&offset={len(found)}"))
        if not rows:
            return found
        found += [uid for (uid,) in values(rows, "0020000D")]


def test_a_search_that_its_budget_ends_without_a_row_is_no_empty_list() -> None:
    table = hospital(200, 1)
    response = get(on(table, budget=100), "/studies?PatientName=nobody*nowhere*&StudyDescription=*")
    assert response.status == 413
    assert "Narrow it by a range of StudyDate, or a whole PatientID, AccessionNumber or UID." in message(response)
    assert response.headers["X-Read-Back-To"].startswith("2025")
    assert get(on(table, budget=100), "/studies/count").status == 413
    assert get(on(table, budget=2_000), "/studies?PatientName=nobody*nowhere*").body == b"[]"
    assert get(on(table, budget=2_000), "/studies/count").body == b'{"count":200}'


def test_a_search_that_its_budget_ends_with_rows_warns_says_how_far_it_read_and_can_be_gone_on_with() -> None:
    table = hospital(400, 1)
    answering = on(table, budget=100)
    response = get(answering, "/studies?Modality=CT&limit=1000")
    rows = objects(response)
    assert 0 < len(rows) < 100
    assert f"go on with offset={len(rows)}." in response.headers["Warning"]
    days = [day for (day,) in values(rows, "00080020") if day]
    assert response.headers["X-Read-Back-To"] <= f"{min(days)}999999"
    everything = paged(on(table), "/studies?Modality=CT", 1_000)
    assert sorted(paged(answering, "/studies?Modality=CT", 1_000)) == sorted(everything)
    assert len(everything) > 2 * len(rows)


def test_an_answer_that_is_cut_at_the_most_says_how_to_go_on() -> None:
    answering = on(hospital(1_200, 1))
    for query, count in (("", 100), ("limit=5000", 1_000), ("limit=1001", 1_000)):
        response = get(answering, f"/studies?{query}")
        assert len(objects(response)) == count
        assert f"There may be more results. Go on with offset={count}." in response.headers["Warning"]
    for query in ("limit=100", "limit=1000", "offset=1150"):
        assert "Warning" not in get(answering, f"/studies?{query}").headers


@pytest.mark.parametrize(
    ("studies", "sets", "limit"), [(10_000, 1, 100), (1_500, 3, 100), (4_000, 1, 1_000), (300, 5, 7)]
)
def test_image_sets_are_read_twice_at_most_but_for_few_when_a_client_pages_through_all_studies(
    studies: int, sets: int, limit: int
) -> None:
    table = hospital(studies, sets)
    found = paged(on(table), "/studies?includefield=00081030", limit)
    assert len(set(found)) == len(found) == studies
    often = Counter(table.read.values())
    # A study at the border of two pages is looked up by itself; so are the few image sets that are not primary.
    assert table.read.total() <= 2 * studies * sets
    assert sum(count for times, count in often.items() if times > 2) < studies * sets / 10
    assert max(often) <= 4


@pytest.mark.parametrize(("sets", "first", "later"), [(1, 115, 25), (3, 115, 70), (5, 115, 115)])
def test_a_work_list_takes_one_query_and_reads_little_more_than_it_shows(sets: int, first: int, later: int) -> None:
    """The units of 101 studies in the index by date, which has whole entries of 1,500 bytes."""
    table = hospital(1_000, sets)
    answering = on(table, shows_read_units=True)
    for most in (first, later):
        table.calls.clear()
        response = get(answering, "/studies?limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060")
        assert len(objects(response)) == 101
        assert float(response.headers["X-Read-Units"]) <= most
        # One study without a primary image set is looked up by itself, or the last one of the page.
        assert table.calls.count("date") == 1
        assert len(table.calls) <= 3


def test_pages_are_the_same_whether_the_service_remembers_where_they_begin_or_not() -> None:
    table = hospital(150, 2)
    for query, budget in (
        ("?", 20_000),
        ("?PatientSex=F&", 20_000),
        ("?orderby=PatientName&", 20_000),
        ("?orderby=PatientName&", 150),
    ):
        warm = paged(on(table, budget=budget), f"/studies{query}", 40)
        cold: list[str] = []
        while rows := objects(get(on(table, budget=budget), f"/studies{query}limit=40&offset={len(cold)}")):
            cold += [uid for (uid,) in values(rows, "0020000D")]
        assert warm == cold, query
        assert len({*warm}) == len(warm)


def test_a_repeated_page_is_the_same_page() -> None:
    answering = on(hospital(300, 2))
    addresses = [f"/studies?limit=50&offset={offset}" for offset in (0, 50, 100, 50, 50, 0, 100, 250, 300, 300)]
    pages: dict[str, Any] = {}
    for address in addresses:
        body = get(answering, address).body
        assert pages.setdefault(address, body) == body


def test_the_first_page_is_always_read_anew() -> None:
    table = hospital(30, 1)
    answering = on(table)
    first = objects(get(answering, "/studies?limit=10"))
    (more,) = archive.study(99, moment=archive.NOW, sets=1)
    newer = Counting([*table.items, more])
    answering._table = newer  # type: ignore[assignment]
    again = objects(get(answering, "/studies?limit=10"))
    assert again[0]["0020000D"] == {"vr": "UI", "Value": [more["StudyInstanceUID"]["S"]]}
    assert values(first, "0020000D")[:9] == values(again, "0020000D")[1:]


def test_what_was_read_long_ago_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table = hospital(200, 1)
    answering = on(table)
    clock = [0.0]
    for module in (positions, recent):
        monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    get(answering, "/studies?limit=20")
    newest = max(table.items, key=lambda item: item["StudyMoment"]["S"])["ImageSet"]["S"]
    # At first the page is used again, then the place where it begins, and in the end neither.
    for seconds, asked, from_the_beginning in ((1, False, False), (61, True, False), (3_601, True, True)):
        clock[0] = seconds
        table.calls.clear()
        table.read.clear()
        assert len(objects(get(answering, "/studies?limit=20&offset=20"))) == 20
        assert ("date" in table.calls, newest in table.read) == (asked, from_the_beginning), seconds


def test_a_search_is_remembered_apart_from_others() -> None:
    answering = on(hospital(300, 1))
    for query in (
        "Modality=CT",
        "Modality=MR",
        "PatientSex=F",
        "StudyDate=20250101-&StudyTime=1000-1100",
        "Modality=CT,MR",
    ):
        both = [
            objects(get(each, f"/studies?{query}&limit=20&offset={at}"))
            for at in (0, 20)
            for each in (answering, on(hospital(300, 1)))
        ]
        assert both[0] == both[1]
        assert both[2] == both[3]


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_MOST_ENTRIES", 300)
    monkeypatch.setattr(positions, "_MOST_CHARACTERS", 2_000)
    answering = on(hospital(500, 1))
    assert len({*paged(answering, "/studies", 50)}) == 500
    for number in range(20):
        get(answering, f"/studies?limit=1&PatientID=P{number}")
    kept = [page for pages in answering._recent._pages.values() for page in pages]
    assert sum(max(len(each.page.items), 1) for each in kept) == answering._recent._entries <= 300
    assert answering._positions._characters <= 2_000


def test_threads_that_page_side_by_side_do_not_disturb_each_other() -> None:
    answering = on(hospital(200, 2))
    wanted = paged(on(hospital(200, 2)), "/studies", 50)
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(paged(answering, "/studies", 50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 4


def test_instances_are_paged_through_with_none_twice_or_missing() -> None:
    for path, count in (("/instances", 141), ("/studies/1.2.3.1/instances", 6)):
        for limit in (1, 4, 50):
            answering = service()
            found: list[Any] = []
            while rows := objects(get(answering, f"{path}?limit={limit}&offset={len(found)}")):
                found += values(rows, "00991001", "00080018")
            assert len({*found}) == len(found), (path, limit)
            assert len(found) == int(get(service(), f"{path}/count").body[9:-1]), (path, limit, count)


def test_instances_of_many_image_sets_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaging_index.qido.reading.MOST_IMAGE_SETS", 9)
    answering = service()
    first = get(answering, "/instances?limit=5000")
    assert 9 <= len(objects(first)) < 60
    assert "go on with offset=" in first.headers["Warning"]
    assert get(answering, "/instances?InstanceNumber=99").status == 413
    assert get(answering, "/instances/count?InstanceNumber=1").status == 413


def test_an_answer_is_no_larger_than_lambda_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaging_index.qido.service.LARGEST", 20_000)
    table = hospital(100, 1)
    answering = on(table)
    response = get(answering, "/studies?limit=100")
    assert 5 < len(objects(response)) < 30
    assert len(response.body) <= 20_001
    assert f"Go on with offset={len(objects(response))}." in response.headers["Warning"]
    assert "X-Total-Count" not in response.headers
    assert len({*paged(answering, "/studies", 100)}) == 100
    assert get(service(), "/studies/1.2.3.1?tree").status == 200
    monkeypatch.setattr("imaging_index.qido.service.LARGEST", 2_000)
    assert get(service(), "/studies/1.2.3.1?tree").status == 413


def test_pages_that_are_being_written_are_asked_for_again() -> None:
    class Changing(Stored):
        def read(self, key: Any) -> Any:
            raise Damaged(str(key))

    response = get(service(Changing(image_set())), "/studies/1.2/instances")
    assert (response.status, "Retry-After" in response.headers) == (503, True)


def test_an_index_that_is_replaced_between_two_pages_is_said_and_the_repeated_request_is_answered() -> None:
    table = hospital(60, 1)
    answering = on(table)
    get(answering, "/studies?limit=20")
    del table.indexes["date"]
    response = get(answering, "/studies?limit=20&offset=20")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert len(objects(get(answering, "/studies?limit=20&offset=20"))) == 20


def test_a_table_without_a_fitting_index_is_said_so() -> None:
    table = hospital(3, 1)
    for name in ("date", "arrived"):
        del table.indexes[name]
    response = get(on(table), "/studies")
    assert (response.status, "no index that answers this search" in message(response)) == (400, True)


def test_without_data_stores_nothing_is_found() -> None:
    nowhere = Service(table_of(archive.PROFILE), archive.PROFILE, tuple, Options(retrieve_root=ROOT))  # type: ignore[arg-type]
    for path in ("/studies", "/series", "/instances", "/studies/1.2.3.1/series"):
        assert (get(nowhere, path).status, get(nowhere, path).body) == (200, b"[]")


def test_a_data_store_of_a_path_is_the_only_one_that_is_read() -> None:
    asked: list[int] = []

    def stores() -> tuple[str, ...]:
        asked.append(1)
        return (STORE,)

    answering = Service(table_of(archive.PROFILE), archive.PROFILE, stores, Options(retrieve_root=ROOT))  # type: ignore[arg-type]
    assert len(objects(get(answering, f"/datastore/{STORE}/studies?limit=3"))) == 3
    assert not asked
    assert len(objects(get(answering, "/studies?limit=3"))) == 3
    assert asked
