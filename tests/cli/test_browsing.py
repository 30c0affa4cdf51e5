"""`imaging-index search --web`: the question of the command line in the address of the page."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from cli.search import browsing
from cli.search.options import Options
from imaging_index.searching.errors import SearchError
from proof.harness.canary import MARKER
from proof.harness.image_sets import PROFILE
from tests.cli.fake_search import STORE, Fake, fake

if TYPE_CHECKING:
    from collections.abc import Callable

TODAY = date(2024, 3, 15)
OTHER = "e" * 32


def fields(*conditions: str, **options: Any) -> dict[str, str]:
    """The fields of the page that conditions and options fill in."""
    text = browsing.fragment(Options(conditions=conditions, **options), PROFILE, TODAY)
    return {name: value for name, (value,) in parse_qs(text, strict_parsing=bool(text)).items()}


def test_conditions_fill_in_the_fields_of_the_page() -> None:
    assert browsing.fragment(Options(), PROFILE, TODAY) == ""
    assert fields(
        "PatientName=~jo doe",
        "PatientID= P&1 ",
        "AccessionNumber=A#1",
        "StudyDescription=*spine*",
        "ModalitiesInStudy=CT,MR",
        "Modality=CT",
        "00180015=HEAD",
        "StationName=a=b&c",
        all_copies=True,
    ) == {
        "PatientName": "jo doe",
        "PatientID": "P&1",
        "AccessionNumber": "A#1",
        "StudyDescription": "*spine*",
        "ModalitiesInStudy": "CT,MR",
        "other": "Modality=CT&00180015=HEAD&StationName=a%3Db%26c",
        "allcopies": "true",
    }


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("20240131", None, {"from": "2024-01-31"}),
        (None, "2024-01-31", {"to": "2024-01-31"}),
        ("2023", "2023", {"from": "2023-01-01", "to": "2023-12-31"}),
        ("202402", "202402", {"from": "2024-02-01", "to": "2024-02-29"}),
        ("yesterday", "today", {"from": "2024-03-14", "to": "2024-03-15"}),
    ],
)
def test_the_days_of_the_studies_are_whole_days_of_the_calendar(
    first: str | None, last: str | None, days: dict[str, str]
) -> None:
    assert fields(first_day=first, last_day=last) == days
    if first and last:
        assert fields(f"StudyDate={first}..{last}") == days
    assert fields(f"StudyDate={first or ''}-{last or ''}") == days


def test_one_day_is_the_first_and_the_last() -> None:
    assert fields("StudyDate=today") == {"from": "2024-03-15", "to": "2024-03-15"}
    with pytest.raises(SearchError, match="no calendar has"):
        fields("StudyDate=20240230")


WRONG = {
    "not": ([f"PatientID!={MARKER}"], "takes conditions of the form Keyword=value"),
    "every": ([f"Rows:every={MARKER}"], "takes conditions of the form Keyword=value"),
    "at least": ([f"StudyDate>={MARKER}"], "takes conditions of the form Keyword=value"),
    "file": ([f"PatientID=@{MARKER}"], "takes conditions of the form Keyword=value"),
    "no condition": ([MARKER], "takes conditions of the form Keyword=value"),
    "twice": ([f"PatientID={MARKER}", "PatientID=2"], "one field for each attribute"),
    "dates twice": (["StudyDate=2024", "--from", "2023"], "one field for each attribute"),
    "level": (["--level", "series"], "leave other options out"),
    "limit": (["--limit", "7"], "leave other options out"),
    "json": (["--json"], "leave other options out"),
    "arrived": (["--arrived", "1h"], "leave other options out"),
    "from": (["--from", MARKER], "Write --from as a day"),
}


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Fake:
    return fake(monkeypatch)


@pytest.mark.parametrize(("arguments", "sentence"), WRONG.values(), ids=WRONG)
def test_what_the_page_cannot_ask_is_one_sentence_without_the_value(
    searches: Fake, arguments: list[str], sentence: str
) -> None:
    ended = searches.run("--web", *arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert MARKER not in ended.stderr


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Has the command end when the page is up, and lists the data stores that each page would search."""
    asked: list[tuple[str, ...]] = []

    class Server(SimpleNamespace):
        address = "http://127.0.0.1:1/token/"

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None: ...

    def server(_: object, datastores: Callable[[], tuple[str, ...]]) -> Server:
        asked.append(datastores())
        return Server()

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.web.worklist.server", server)
    monkeypatch.setattr("cli.search.browsing.wait", interrupted)
    return asked


def test_the_address_is_all_that_is_printed_for_programs_and_ctrl_c_is_no_failure(
    searches: Fake, served: list[tuple[str, ...]]
) -> None:
    ended = searches.run("--web")
    assert (ended.exit_code, ended.stdout) == (0, "http://127.0.0.1:1/token/\n")
    ended = searches.run("--web", "PatientName=Dö", "--datastore", OTHER)
    assert ended.stdout == "http://127.0.0.1:1/token/#PatientName=D%C3%B6\n"
    assert "until Ctrl-C" in ended.stderr
    assert served == [(STORE,), (OTHER,)]
    assert not searches.questions
