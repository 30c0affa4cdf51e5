"""Random questions of random tables: a case for each number, the same one in every run.

The tables are such as HealthImaging makes them: the primary image sets of a study agree in its date, its accession
number and its patient, those that are not primary and the series need not agree in anything.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from datetime import date
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

import msgspec

from imaging_index.dicom.person_names import name_folded, name_key
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from imaging_index.searching import gathering, stream
from imaging_index.searching import search as engine
from imaging_index.searching.gathering import leaves_out_undated
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level, Order, Question
from imaging_index.searching.report import Ended, Report
from imaging_index.searching.rows import Row, key_of
from imaging_index.searching.search import Search
from proof.searching import truth
from proof.searching.table import Table

if TYPE_CHECKING:
    from imaging_index.table.reading import TableReader

PROFILE: Final = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")
_TODAY: Final = date(2024, 1, 31)
_STORES: Final = ("a" * 32, "b" * 32)
_DAYS: Final = ("20231231", "20240101", "20240131", "20240229")
_NAMES: Final = ("Doe^John", "Doe", "Doering^Ann", "Müller", "山田^太郎", "O'Hara")
_STUDY: Final[dict[str, Sequence[str]]] = {
    "PatientID": ("1", "12", "2", "A1", "a1"),
    "AccessionNumber": ("A", "B", "a"),
    "StudyDate": _DAYS,
}
_SERIES: Final[dict[str, Sequence[str]]] = {
    "Modality": ("CT", "MR", "US"),
    "StudyDescription": ("Head", "head and neck", "CHEST"),
    "PatientName": _NAMES,
    "IssuerOfPatientID": ("X", "Y"),
    "StationName": ("S1", "S2"),
}
_QUESTIONS: Final = (
    *("PatientID=1", "PatientID=1*", "PatientID!=1", "PatientID=?", "PatientID=", "PatientID=A1", "PatientID=a1"),
    *("Modality=CT", "Modality=CT,MR", "Modality=*", "Modality!=CT", "Modality="),
    *("AccessionNumber=A", "StudyInstanceUID=1.2", "StudyInstanceUID=1.2,1.3", "SeriesInstanceUID=1.2.1"),
    *("StudyDate=20240101", "StudyDate=2024", "StudyDate=202401", "StudyDate=-20240101", "StudyDate=20240101-"),
    *("StudyDate!=20240131", "StudyDate=", "StudyDate=*", "StudyDate=20231231-20240131"),
    *("PatientName=doe", "PatientName=doe*", "PatientName=doe^*", "PatientName=*john", "PatientName=山*"),
    *("PatientName=~jo doe", "PatientName=doe^john", "PatientName="),
    *("StudyDescription=*ea*", "StudyDescription=Head", "StudyDescription=", "StationName=S1", "StationName!=S1"),
    *("SliceThickness=3", "SliceThickness=1..2", "NonPrimary=1", "IsPrimary=false"),
    *("FirstIndexedAt=2024-01-1*", "FirstIndexedAt=2024*-1*"),
)
_OF_STUDIES: Final = ("ModalitiesInStudy=CT", "ModalitiesInStudy=CT,MR", "ModalitiesInStudy!=CT")
# Some indexes and what they hold: everything, keys alone, or what most rows show.
_HELD: Final = (None, (), ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "InstanceCount", "IsPrimary"))
_FLAWS: Final = ("InvalidAttributes", "TruncatedAttributes")
# What few entries have: values that differ from instance to instance, that were cut, or that are invalid.
_OTHERS: Final[tuple[Item, ...]] = (
    {},
    {},
    {"SliceThickness": {"M": {"Min": {"N": "1"}, "Max": {"N": "5"}}}},
    {"SliceThickness": {"N": "3"}},
    {"TruncatedAttributes": {"L": [{"S": "StudyDescription"}]}},
    {"InvalidAttributes": {"L": [{"S": "StationName"}]}, "StationNameValues": {"L": [{"S": "S1"}, {"S": "S2"}]}},
)


def run(first: int, count: int) -> list[str]:
    """What is wrong with the answers of some cases, a line each."""
    return [f"case {case}: {wrong}" for case in range(first, first + count) for wrong in harms(case)]


def harms(case: int) -> Iterator[str]:
    """What is wrong with the answer of one case."""
    chance = Random(case)
    items = [*_entries(chance)]
    table = _table(chance, items)
    question = _question(chance)
    limit, budget = chance.choice((None, 1, 2, 5)), chance.choice((None, 1, 3, 10, 40))
    question = msgspec.structs.replace(question, limit=limit, budget=budget)
    # The tables are small, and a search treats few studies otherwise than many, and many entries in parts.
    few, chunk = chance.choice((0, gathering.FEW)), chance.choice((1, 3, stream.CHUNK))
    largest = chance.choice((1, 2, stream.LARGEST))
    try:
        with (
            mock.patch.object(gathering, "FEW", few),
            mock.patch.object(engine, "CHUNK", chunk),
            mock.patch.object(stream, "LARGEST", largest),
        ):
            pages = [*_pages(table, question)]
    except SearchError as error:
        if {"date", "arrived"} & table.indexes.keys():
            yield f"refused: {error}"
        return
    expected = truth.rows(items, question)
    rows = [row for found, _ in pages for row in found]
    found = {key_of(row.entries[0], question.level): row for row in rows}
    if len(found) != len(rows):
        yield "a row comes twice"
    # Without an index by study, nothing says whether a study has primary image sets elsewhere.
    knows = ("patient" if question.level is Level.PATIENT else "study") in table.indexes
    sure = {key: each for key, each in expected.items() if knows or not each[4] or key in found}
    if "study" not in table.indexes and any(each.attribute == OF_STUDY for each in question.conditions):
        # Nothing says either which modalities a study has, unless it was read as a whole by chance.
        found = {key: row for key, row in found.items() if key in sure or not row.possible}
        sure = {key: each for key, each in sure.items() if key in found}
        expected = {key: (*each[:3], found[key].possible, *each[4:]) for key, each in sure.items()}
    if found.keys() != sure.keys():
        yield f"{len(sure.keys() - found.keys())} rows are missing, {len(found.keys() - sure.keys())} are too many"
        return
    for key, row in found.items():
        if (told := truth.said(row)) is not None and told != expected[key]:
            yield f"a row says {told} instead of {expected[key]}"
        if told is None and knows:
            yield "a row leaves out its counts"
        of_study = None if row.study is None else {item["ImageSet"]["S"] for item in row.study}
        if question.level is Level.SERIES and (knows or of_study) and of_study != truth.study(items, question, row):
            yield "a series has not the image sets of its study"
    yield from _order(table, question, pages)
    yield from _mentions(items, question, pages[0], expected)


def _pages(table: Table, question: Question) -> Iterator[tuple[list[Row], Report]]:
    """The answer, from cursor to cursor."""
    cursor = None
    for _ in range(2_000):
        search = Search(
            cast("TableReader", table), msgspec.structs.replace(question, cursor=cursor), executor=_AtOnce()
        )
        rows = [*search]
        yield rows, search.report
        cursor = search.report.cursor
        if cursor is None:
            return
    raise AssertionError("the search does not end")


class _AtOnce(Executor):
    """Runs each call when it is submitted: a search of a few entries needs no threads."""

    def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*arguments, **options))
        return done


def _order(table: Table, question: Question, pages: Sequence[tuple[list[Row], Report]]) -> Iterator[str]:
    name = {Order.DATE: "StudyMoment", Order.ARRIVED: "FirstIndexedAt", Order.NAME: "PatientNameKey"}[question.order]
    descends = (question.order is not Order.NAME) is not question.reverse
    for rows, report in pages:
        # Each part of a sorted answer is sorted; so is each part of one that was read in the order of rows.
        values = [[item[name]["S"] for item in row.entries if name in item] for row in rows]
        best = [(max if descends else min)(each) for each in values if each]
        dated = [each for each in best if not each.startswith("0" * 8)]
        if dated != sorted(dated, reverse=descends) and (report.ended is not Ended.BUDGET or table.indexes):
            yield "the rows are not in order"


def _mentions(
    items: Sequence[Item], question: Question, first: tuple[list[Row], Report], expected: dict[tuple[str, ...], Any]
) -> Iterator[str]:
    """Nothing is both unread and unmentioned on the first page."""
    rows, report = first
    if len(rows) < len(expected) and not report.cursor and not report.non_primary:
        yield "rows are missing and there is no cursor"
    of_studies = any(each.attribute == OF_STUDY for each in question.conditions)
    if any(map(leaves_out_undated, question.conditions)) and not of_studies:
        open_ = [each for each in question.conditions if each.attribute != "StudyDate"]
        without = msgspec.structs.replace(question, conditions=tuple(open_))
        undated = [
            item for item in items if item["StudyMoment"]["S"].startswith("0" * 8) and truth.rows([item], without)
        ]
        missing = [item for item in undated if key_of(item, question.level) not in expected]
        if missing and not (report.undated or report.more_undated or report.cursor or report.non_primary):
            yield "image sets without a date are not mentioned"


def _question(chance: Random) -> Question:
    texts = [*chance.choices(_QUESTIONS, k=chance.randrange(4)), *chance.choices(_OF_STUDIES, k=chance.random() < 0.2)]
    # The last condition on each attribute.
    by_attribute = {text.partition("=")[0].rstrip("!"): text for text in texts}
    return Question(
        datastores=chance.choice((_STORES, _STORES[:1])),
        conditions=tuple(parse(by_attribute.values(), PROFILE, _TODAY, exact=chance.random() < 0.5)),
        level=chance.choice([*Level, Level.STUDY]),
        order=chance.choice([*Order, Order.DATE]),
        reverse=chance.random() < 0.3,
        all_copies=chance.random() < 0.2,
    )


def _table(chance: Random, items: Sequence[Item]) -> Table:
    indexes = {}
    for name, index in PROFILE.indexes.items():
        if chance.random() < 0.75:
            held = chance.choice(_HELD)
            flaws = _FLAWS if chance.random() < 0.5 else ()
            indexes[name] = msgspec.structs.replace(index, holds=None if held is None else (*held, *flaws))
    return Table(items, indexes, page=chance.choice((2, 5, 1_000)))


def _entries(chance: Random) -> Iterator[Item]:
    """The entries of some studies in two data stores, some of them in both."""
    agreed: dict[tuple[str, str], Item] = {}
    for number in range(chance.randrange(25)):
        store, uid = chance.choice(_STORES), chance.choice(("", "1.2", "1.3", "1.4", f"1.5.{number % 7}"))
        item: Item = {"DatastoreId": {"S": store}, "ImageSetId": {"S": f"{chance.getrandbits(128):032x}"}}
        item |= {"ImageSet": {"S": f"{store}/{item['ImageSetId']['S']}"}, "Part": {"S": "entry"}}
        item |= {"InstanceCount": {"N": str(chance.randrange(1, 9))}, "Generation": {"S": "1"}}
        item |= {"ProfileHash": {"S": "h"}, "PagesChecksum": {"S": "c"}}
        primary = chance.choice((True, True, True, False, None))
        of_study = agreed.setdefault((store, uid), _some(chance, _STUDY)) if uid and primary is not False else None
        item |= (_some(chance, _STUDY) if of_study is None else of_study) | _some(chance, _SERIES)
        if primary is not None:
            item["IsPrimary"] = {"BOOL": primary}
        if primary is False:
            item["NonPrimary"] = {"S": "1"}
        if uid:
            item["StudyInstanceUID"] = {"S": uid}
            item["SeriesInstanceUID"] = {"S": f"{uid}.{chance.randrange(1, 3)}"}
        day = item.get("StudyDate", {"S": "0" * 8})["S"]
        clock = "000000" if day == "0" * 8 else chance.choice(("000000", "080000", "115959", "235959"))
        item |= {"StudyMoment": {"S": day + clock}}
        item |= {"FirstIndexedAt": {"S": f"2024-01-{chance.randrange(1, 29):02}T00:00:00Z"}}
        if "PatientName" in item:
            name = item["PatientName"]["S"]
            item |= {"PatientNameKey": {"S": name_key(name)}, "PatientNameFolded": {"S": name_folded([name])}}
        item |= chance.choice(_OTHERS)
        yield item


def _some(chance: Random, values: dict[str, Sequence[str]]) -> Item:
    return {name: {"S": chance.choice(each)} for name, each in values.items() if chance.random() < 0.8}
