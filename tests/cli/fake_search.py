"""A stack and a search without AWS: tests give the rows and the report of an answer, and see the question."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from cli.main import application
from imaging_index.searching.planner import Plan
from imaging_index.searching.question import Level, Order, Question
from imaging_index.searching.report import Estimate, Report
from imaging_index.searching.rows import Row
from proof.harness.image_sets import PROFILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest
    from typer.testing import Result

    from imaging_index.entry.item import AttributeValue, Item

STORE = "d" * 32


def stored(value: Any) -> AttributeValue:
    """A plain value in DynamoDB's form."""
    match value:
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case list():
            return {"L": [stored(each) for each in value]}
        case dict():
            return {"M": {name: stored(each) for name, each in value.items()}}
        case _:
            return {"S": value}


def item(number: int, **values: Any) -> Item:
    """The entry of an image set, which is a study of its own, with some values more or others."""
    plain = {
        "ImageSet": f"{STORE}/{number:032}",
        "DatastoreId": STORE,
        "ImageSetId": f"{number:032}",
        "StudyInstanceUID": f"1.2.{number}",
        "SeriesInstanceUID": f"1.2.{number}.1",
        "PatientName": f"Doe^Number{number}",
        "PatientID": f"P{number}",
        "StudyDate": f"202401{number:02}",
        "StudyMoment": f"202401{number:02}120000",
        "Modality": "CT",
        "StudyDescription": "Thorax",
        "SeriesNumber": number,
        "InstanceCount": 10,
        **values,
    }
    return {name: stored(value) for name, value in plain.items() if value is not None}


def row(*items: Item, level: Level = Level.STUDY, **more: Any) -> Row:
    """A row of some entries, which are all that it has."""
    return Row(level=level, entries=items, **({"whole": items} | more))


class Fake:
    """What the searches of one command answer, one after the other, and what they were asked."""

    def __init__(self) -> None:
        self.rows: list[list[Row]] = [[]]
        self.reports: list[Report] = [Report(index="date", entries=7, calls=2, units=2.5)]
        self.plan = Plan("date", ({"DatastoreId": STORE},), 7, bounded=False, ordered=Order.DATE)
        self.takes = Estimate(7, 2.5, 0.4)
        self.questions: list[Question] = []
        self.shown: list[Sequence[str] | None] = []
        self.error: Exception | None = None
        self.stack = SimpleNamespace()

    @property
    def question(self) -> Question:
        """The one question that was asked."""
        (question,) = self.questions
        return question

    def search(self, _: object, question: Question, shown: Sequence[str] | None, *, whole: bool) -> Any:
        """Stands for `Search`."""
        assert isinstance(whole, bool)
        if self.error:
            raise self.error
        return _Search(self, question, shown)

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run `imaging-index search`."""
        self.questions.clear()
        self.shown.clear()
        return CliRunner().invoke(application, ["search", *arguments], input=stdin)


class _Search:
    def __init__(self, answers: Fake, question: Question, shown: Sequence[str] | None) -> None:
        self._answers, self._question, self._shown = answers, question, shown
        self.plan, self.report = answers.plan, Report()

    def estimate(self) -> Estimate:
        return self._answers.takes

    def __iter__(self) -> Iterator[Row]:
        number = len(self._answers.questions)
        self._answers.questions.append(self._question)
        self._answers.shown.append(self._shown)
        yield from self._answers.rows[number]
        self.report = self._answers.reports[number]


def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Searches that answer what the test gives."""
    answers = Fake()
    stack = SimpleNamespace(profile=PROFILE, table=None, session=None)
    answers.stack = stack
    monkeypatch.setattr("cli.deployed.find", lambda _: stack)
    monkeypatch.setattr("cli.deployed.datastores", lambda _: [STORE])
    monkeypatch.setattr("cli.search.answer.Search", answers.search)
    for name in ("IMAGING_INDEX_STACK", "IMAGING_INDEX_DATASTORE"):
        monkeypatch.delenv(name, raising=False)
    return answers
