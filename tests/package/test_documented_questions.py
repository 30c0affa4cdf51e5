"""What docs/searching.md says that questions read, asked of the modelled archive of 100,000 entries."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from imaging_index.searching.grammar import parse
from imaging_index.searching.question import Level, Question
from imaging_index.searching.rows import Row
from imaging_index.searching.search import Search
from proof.searching import archive, figures
from proof.searching.table import Table

if TYPE_CHECKING:
    from imaging_index.entry.item import Item
    from imaging_index.table.reading import TableReader

MOST = 1.2
# How many image sets each of 100 studies has, and how many that are not primary.
ALL_BUT_ONE = [(5, 0)] * 99 + [(4, 1)]
DOCUMENTED = figures.documented(figures.PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def table() -> Table:
    return archive.table()


@pytest.fixture(scope="module")
def entries_read(table: Table) -> Callable[[figures.Documented], float]:
    """How many entries a question reads, asked once."""
    known: dict[str, float] = {}

    def ask(asked: figures.Documented) -> float:
        if asked.title not in known:
            known[asked.title] = figures.read(table, asked).entries
        return known[asked.title]

    return ask


def rows(table: Table, *texts: str, level: Level = Level.STUDY) -> list[Row]:
    table.calls.clear()
    conditions = tuple(parse(texts, archive.PROFILE, archive.NOW.date()))
    question = Question(datastores=(archive.STORE,), conditions=conditions, level=level)
    return [*Search(cast("TableReader", table), question, figures.SHOWN)]


def said(row: Row) -> tuple[int, int]:
    assert row.counts is not None
    assert row.non_primary is not None
    return row.counts.image_sets, row.non_primary


@pytest.mark.parametrize("asked", figures.QUESTIONS, ids=[each.title for each in figures.QUESTIONS])
def test_a_documented_question_reads_what_the_page_says(
    entries_read: Callable[[figures.Documented], float], asked: figures.Documented
) -> None:
    assert DOCUMENTED[asked.title] / MOST <= entries_read(asked) <= DOCUMENTED[asked.title] * MOST


def test_the_page_has_every_question_as_it_is_asked() -> None:
    assert "\n".join(figures.ways_to_ask()) in figures.PAGE.read_text("utf-8")
    assert [*DOCUMENTED] == [each.title for each in figures.QUESTIONS]


def test_the_estimate_of_a_range_of_days_and_of_all_years_is_what_is_read(
    table: Table, entries_read: Callable[[figures.Documented], float]
) -> None:
    for title in ("a word of the description, 30 days", "studies with a PT, a year", "a given name, all years"):
        (asked,) = (each for each in figures.QUESTIONS if each.title == title)
        read, estimate = entries_read(asked), figures.search(table, asked).estimate()
        # The first 100 image sets without a date, and those that are not primary, are read besides.
        assert (read - 300) / MOST <= estimate.entries <= read * MOST, title


def test_the_estimate_of_image_sets_without_a_date_is_not_nothing(table: Table) -> None:
    (asked,) = (each for each in figures.QUESTIONS if each.texts == ("StudyDate=",))
    undated = sum("StudyDate" not in item for item in table.items)
    assert undated / MOST <= figures.search(table, asked).estimate().entries <= undated * MOST


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE_SET])
def test_a_study_of_50_series_is_read_once(level: Level) -> None:
    items = [*archive.study(5_001, moment=archive.NOW - timedelta(days=1), sets=50)]
    table = Table([*archive.entries(1_000, of=1_000), *items], archive.PROFILE.indexes)
    found = rows(table, f"StudyInstanceUID={items[0]['StudyInstanceUID']['S']}", level=level)
    assert table.calls == ["study"]
    assert len(found) == (1 if level is Level.STUDY else 50)


def test_a_work_list_of_100_studies_by_date_takes_at_most_3_queries(table: Table) -> None:
    found = rows(table)
    assert sorted((said(row) for row in found), reverse=True) == ALL_BUT_ONE
    assert sorted(table.calls) == ["date", "date", "nonprimary"]


@pytest.mark.parametrize(("condition", "index"), [("PatientID=P7", "patient"), ("AccessionNumber=A7", "accession")])
def test_a_work_list_of_100_studies_of_one_patient_or_order_takes_at_most_3_queries(condition: str, index: str) -> None:
    name, _, value = condition.partition("=")
    one: list[Item] = [
        item | {name: {"S": value}}
        for number in range(1_000, 1_100)
        for item in archive.study(number, moment=archive.NOW - timedelta(days=number))
    ]
    table = Table([*archive.entries(2_500, of=2_500), *one], archive.PROFILE.indexes)
    found = rows(table, condition)
    assert sorted((said(row) for row in found), reverse=True) == ALL_BUT_ONE
    assert len(table.calls) <= 3
    assert {*table.calls} == {index, "nonprimary"}
