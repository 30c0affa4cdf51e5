"""What the documented questions read. `python -m proof.searching.figures` writes the tables of docs/searching.md.

Each question is asked of the modelled archive with 10^5 entries, and of the newest 100,000 entries of larger ones, if
it needs no older ones. What others read grows in proportion.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from imaging_index.searching.estimating import SECONDS_A_PAGE, SECONDS_AN_ENTRY
from imaging_index.searching.gathering import FEW
from imaging_index.searching.grammar import parse, since
from imaging_index.searching.question import LIMIT, Level, Order, Question
from imaging_index.searching.search import Search
from infra.prices import Prices
from proof.searching import archive
from proof.searching.table import Table

if TYPE_CHECKING:
    from imaging_index.table.reading import TableReader

PAGE: Final = Path(__file__).parents[2] / "docs/searching.md"
SIZES: Final = (10**5, 10**6, 10**7, 10**8)
# What the command shows of a study.
SHOWN: Final = ("StudyDate", "StudyTime", "PatientName", "PatientID", "AccessionNumber", "StudyDescription")
_TABLES: Final = re.compile(r"(<!-- questions -->\n).*?(<!-- end of questions -->)", re.DOTALL)


class Documented(NamedTuple):
    """A question as it is documented.

    Attributes:
        title: the question.
        texts: the conditions, with names in braces for values of the archive.
        options: of the command and of `Index.search`, with their values.
        boto3: the index, and the condition on its keys.
        recent: it needs no entries but the newest ones, or those of one patient.
    """

    title: str
    texts: tuple[str, ...]
    options: dict[str, Any]
    boto3: str
    recent: bool = True


QUESTIONS: Final = (
    Documented("a study", ("StudyInstanceUID={uid}",), {}, "study: StudyInstanceUID = :uid"),
    Documented("a series", ("SeriesInstanceUID={uid}.1",), {"level": "series"}, "series: SeriesInstanceUID = :uid"),
    Documented("an order", ("AccessionNumber={number}",), {}, "accession: store, AccessionNumber = :number"),
    Documented("a patient's studies", ("PatientID={patient}",), {}, "patient: store, PatientID = :id"),
    Documented("the newest 100 studies", (), {"limit": 100}, "date: store, backwards, Limit"),
    Documented(
        "the CTs of a day", ("Modality=CT",), {"since": "yesterday"}, "date: store, StudyMoment >= :day; compare"
    ),
    Documented(
        "a scanner's studies of a day",
        ("StationName=CT03",),
        {"since": "yesterday"},
        "date: store, StudyMoment >= :day; compare",
    ),
    Documented(
        "what arrived in 12 hours",
        (),
        {"arrived": "12h", "order": "arrived"},
        "arrived: store, FirstIndexedAt >= :moment",
    ),
    Documented(
        "a word of the description, 30 days",
        ("StudyDescription=*chest*",),
        {"since": "2025-12-02"},
        "date: store, StudyMoment >= :day; compare",
        recent=False,
    ),
    Documented(
        "a family name (0.1 % of all)",
        ("PatientName={family}^*",),
        {},
        "name: store, PatientNameKey BETWEEN :low AND :high",
        recent=False,
    ),
    Documented("a given name, all years", ("PatientName=~jane",), {}, "date: store; compare", recent=False),
    Documented(
        "body part and slice thickness, all years",
        ("BodyPartExamined=CHEST", "SliceThickness=..1"),
        {"level": "image-set"},
        "date: store; compare",
        recent=False,
    ),
    Documented(
        "studies with a PT, a year",
        ("ModalitiesInStudy=PT",),
        {"since": "2025-01-01"},
        "date: store, StudyMoment >= :day; compare",
        recent=False,
    ),
    Documented("100 studies without a date", ("StudyDate=",), {"limit": 100}, 'date: store, StudyMoment < "0001"'),
    Documented(
        "what is not primary",
        ("NonPrimary=1",),
        {"all_copies": True, "level": "image-set"},
        'nonprimary: store, NonPrimary = "1"',
        recent=False,
    ),
)


class Read(NamedTuple):
    """What a question read: entries, read request units, and the seconds that it takes by the formula."""

    entries: float
    units: float
    seconds: float

    def times(self, factor: float) -> "Read":
        """As much of everything."""
        return Read(self.entries * factor, self.units * factor, self.seconds * factor)


def search(table: Table, asked: Documented) -> Search:
    """The search that a question is."""
    item = next(each for each in table.items[5_000:] if "StudyDate" in each)
    values = {
        "uid": item["StudyInstanceUID"]["S"],
        "number": item["AccessionNumber"]["S"],
        "patient": item["PatientID"]["S"],
        "family": item["PatientName"]["S"].partition("^")[0],
    }
    options = asked.options
    texts = [text.format(**values) for text in asked.texts]
    if "since" in options:
        texts.append(f"StudyDate>={options['since']}")
    if "arrived" in options:
        texts.append(f"FirstIndexedAt>={since(options['arrived'], archive.NOW)}")
    question = Question(
        datastores=(archive.STORE,),
        conditions=tuple(parse(texts, archive.PROFILE, archive.NOW.date())),
        level=Level(options.get("level", Level.STUDY)),
        order=Order(options.get("order", Order.DATE)),
        limit=options.get("limit"),
        all_copies=options.get("all_copies", False),
        budget=None,
    )
    table.calls.clear()
    return Search(cast("TableReader", table), question, SHOWN)


def read(table: Table, asked: Documented) -> Read:
    """What a question reads in a table."""
    running = search(table, asked)
    for _ in running:
        pass
    report = running.report
    one_by_one = table.calls.count(report.index)
    pages = one_by_one + math.ceil((len(table.calls) - one_by_one) / FEW)
    return Read(report.entries, report.units, pages * SECONDS_A_PAGE + report.entries * SECONDS_AN_ENTRY)


def _figures() -> dict[str, list[Read]]:
    found: dict[str, list[Read]] = {}
    for size in SIZES:
        table = archive.table(size)
        for asked in QUESTIONS:
            known = found.setdefault(asked.title, [])
            known.append(read(table, asked) if asked.recent or not known else known[0].times(size / SIZES[0]))
    return found


def ways_to_ask() -> Iterator[str]:
    """The lines of the table with the calls."""
    yield "| question | command: `imaging-index search` ... | Python: `index.search(...)` | boto3 |"
    yield "| --- | --- | --- | --- |"
    for asked in QUESTIONS:
        yield f"| {asked.title} | {_command(asked)} | {_python(asked)} | {asked.boto3} |"


def _costs(figures: dict[str, list[Read]]) -> Iterator[str]:
    yield "| entries read, units, seconds, dollars | 10^5 entries | 10^6 | 10^7 | 10^8 |"
    yield "| --- | --- | --- | --- | --- |"
    for title, reads in figures.items():
        yield f"| {title} | {' | '.join(map(_cell, reads))} |"


def _command(asked: Documented) -> str:
    words = [f"'{text}'" if re.search(r"[*~{]|=$", text) else text for text in map(_shown, asked.texts)]
    for name, value in asked.options.items():
        option = {"since": "from", "order": "sort"}.get(name, name.replace("_", "-"))
        if name != "limit" or value != LIMIT:
            words.append(f"--{option}" + ("" if value is True else f" {value}"))
    return f"`{' '.join(words)}`" if words else "no condition"


def _python(asked: Documented) -> str:
    words = [f'"{text}"' for text in map(_shown, asked.texts)]
    words += [f"{name}={value!r}".replace("'", '"') for name, value in asked.options.items()]
    return f"`{', '.join(words)}`"


def _shown(text: str) -> str:
    return text.replace("{uid}", "1.2.3").format(number="A1", patient="P1", family="doe")


def _cell(found: Read) -> str:
    seconds = found.seconds
    time = (
        f"{seconds:.1f} s"
        if seconds < 60
        else f"{seconds / 60:.0f} min"
        if seconds < 7_200
        else f"{seconds / 3_600:.0f} h"
    )
    dollars = found.units * Prices().read_unit
    cost = f", ${dollars:.2g}" if dollars >= 0.001 else ""
    return f"{_rounded(found.entries)}, {_rounded(found.units)} u, {time}{cost}"


def _rounded(number: float) -> str:
    """With two digits, as a person reads it; 10,000 and more with its unit."""
    if number < 100:
        return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"
    exact = float(f"{number:.2g}")
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if exact >= unit * 10 or (unit == 1e6 and exact >= unit):
            return f"{exact / unit:g}{name}"
    return f"{exact:,.0f}"


def number_of(text: str) -> float:
    """A number as `_rounded` writes it."""
    value, _, unit = text.strip().replace(",", "").partition(" ")
    return float(value) * {"": 1, "k": 1e3, "M": 1e6}[unit]


def documented(page: str) -> dict[str, float]:
    """The entries that the page says each question reads at 10^5."""
    tables = page.partition("<!-- questions -->")[2].partition("<!-- end of questions -->")[0]
    rows = tables.partition("| entries read")[2].splitlines()[2:]
    cells = [row.split("|") for row in rows if row.startswith("|")]
    return {row[1].strip(): number_of(re.split(r", (?=\S+( [kM])? u)", row[2])[0]) for row in cells}


if __name__ == "__main__":
    lines = "\n".join((*ways_to_ask(), "", *_costs(_figures())))
    PAGE.write_text(_TABLES.sub(lambda match: f"{match[1]}\n{lines}\n\n{match[2]}", PAGE.read_text("utf-8")), "utf-8")
