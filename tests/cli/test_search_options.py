"""The options of a search: what they ask, and one sentence for each that is wrong."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import deployed
from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Range
from imaging_index.searching.question import BUDGET, LIMIT, Level, Order
from proof.harness.canary import MARKER
from tests.cli.fake_search import STORE, Fake, fake, item, row

OTHER = "e" * 32


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Fake:
    answers = fake(monkeypatch)
    answers.rows = [[row(item(1))]]
    return answers


def test_without_anything_the_newest_studies_are_asked_for(searches: Fake) -> None:
    assert searches.run().exit_code == 0
    asked = searches.question
    assert (asked.conditions, asked.level, asked.order, asked.reverse) == ((), Level.STUDY, Order.DATE, False)
    assert (asked.datastores, asked.limit, asked.budget, asked.cursor) == ((STORE,), LIMIT, BUDGET, None)
    assert (asked.all_copies, asked.index) == (False, None)


def test_each_option_is_asked(searches: Fake) -> None:
    searches.run(
        *("Modality=CT", "--level", "series", "--sort", "name", "--reverse", "--limit", "7", "--cursor", "abc"),
        *("--all-copies", "--index", "name", "--datastore", OTHER, "--datastore", STORE, "--exact"),
    )
    asked = searches.question
    assert [each.attribute for each in asked.conditions] == ["Modality"]
    assert asked.conditions[0].exact
    assert (asked.level, asked.order, asked.reverse) == (Level.SERIES, Order.NAME, True)
    assert (asked.datastores, asked.limit, asked.cursor) == ((OTHER, STORE), 7, "abc")
    assert (asked.all_copies, asked.index) == (True, "name")


def test_a_limit_of_zero_is_all(searches: Fake) -> None:
    searches.run("--limit", "0")
    assert searches.question.limit is None


@pytest.mark.parametrize(
    ("arguments", "low", "high"),
    [
        (["--from", "20240105"], "20240105", None),
        (["--to", "2024-01-31"], None, "20240131"),
        (["--from", "2023-12", "--to", "2024"], "20231200", "20249999"),
    ],
)
def test_from_and_to_are_the_days_of_the_studies_both_included(
    searches: Fake, arguments: list[str], low: str | None, high: str | None
) -> None:
    assert searches.run(*arguments).exit_code == 0
    (condition,) = searches.question.conditions
    assert condition.attribute == "StudyDate"
    assert condition.test == Range(low, high)


def test_arrived_is_a_span_or_a_moment(searches: Fake) -> None:
    now = datetime.now(UTC)
    searches.run("--arrived", "12h")
    (condition,) = searches.question.conditions
    assert condition.attribute == "FirstIndexedAt"
    assert isinstance(condition.test, Range)
    since = datetime.fromisoformat(str(condition.test.low))
    assert abs((now - since).total_seconds() - 12 * 3600) < 600
    searches.run("--arrived", "2024-01-31T12:00+02:00")
    assert searches.question.conditions[0].test == Range("2024-01-31T10:00:00.000000Z", None)
    assert searches.question.conditions[0].asked


def test_stack_and_data_stores_are_also_taken_from_the_environment(
    searches: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    found = deployed.find("any")

    def find(name: str) -> deployed.Stack:
        names.append(name)
        return found

    monkeypatch.setattr("cli.deployed.find", find)
    monkeypatch.setenv("IMAGING_INDEX_STACK", "Other")
    monkeypatch.setenv("IMAGING_INDEX_DATASTORE", f"{STORE} {OTHER}")
    searches.run()
    assert (names, searches.question.datastores) == (["Other"], (STORE, OTHER))
    searches.run("--stack", "Third", "--datastore", OTHER)
    assert (names, searches.question.datastores) == (["Other", "Third"], (OTHER,))


def test_without_a_data_store_there_is_nothing_to_search(searches: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.deployed.datastores", lambda _: [])
    ended = searches.run()
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "The account has no data store in this region" in ended.stderr


def test_a_data_store_that_is_named_twice_is_searched_once(searches: Fake) -> None:
    searches.run("--datastore", STORE, "--datastore", STORE)
    assert searches.question.datastores == (STORE,)


def test_today_is_the_day_that_is_printed(searches: Fake) -> None:
    today = datetime.now().astimezone().date().isoformat()
    for arguments in (
        ["StudyDate=today"],
        ["--from", "yesterday"],
        ["StudyDate=20240101-today"],
        ["--arrived", "today"],
    ):
        assert f"Today was taken as {today}." in searches.run(*arguments).stderr, arguments
    for arguments in (["StudyDescription=today"], ["--from", "2024"], ["PatientName=~today"]):
        assert "Today" not in searches.run(*arguments).stderr, arguments


WRONG = {
    "two forms": (["--json", "--csv"], "--json and --csv are two forms of output"),
    "by alone": (["--by", "Year"], "add --count"),
    "empty by": (["--count", "--by", "Year,"], "Write --by as keywords with commas"),
    "by twice": (["--count", "--by", "Year,Year"], "--by has a keyword twice"),
    "by of nothing": (["--count", "--by", "Modalty"], "Modality"),
    "count as DICOM": (["--count", "--dicom-json"], "A count has no DICOM JSON"),
    "count from a cursor": (["--count", "--cursor", "x"], "takes no --cursor"),
    "count with columns": (["--count", "--show", "Modality"], "group it with --by"),
    "yes alone": (["--yes"], "add --scan"),
    "level": (["--level", "patients"], "--level is one of image-set, series, study, patient. Did you mean patient?"),
    "order": (["--sort", MARKER], "--sort is one of date, arrived, name."),
    "days": (["--from", "2024-02-01", "--to", "20240131"], "--from is after --to"),
    "no day": (["--from", "20240230"], "Write --from as a day that a calendar has"),
    "no date": (["--to", MARKER], "Write --to as a day that a calendar has"),
    "a range as a day": (["--from", "20240101-20240131"], "Write --from as a day"),
    "a wildcard as a day": (["--to", "*"], "Write --to as a day"),
    "two days": (["--from", "2024", "StudyDate=2025"], "a condition on StudyDate besides --from and --to"),
    "two arrivals": (["--arrived", "7d", "FirstIndexedAt=2025-01-01"], "FirstIndexedAt besides --arrived"),
    "span": (["--arrived", MARKER], "Write --arrived as a span like 90m"),
    "data store": (["--datastore", MARKER], "A data store's id is 32"),
    "shown": (["--show", "SliceThicknes"], "SliceThickness"),
    "condition": ([MARKER], "Write a condition as"),
    "keyword": (["Modalty=CT"], "Modality"),
    "value": ([f"Rows={MARKER}"], "Rows is a number"),
    "nobody to ask": (["--scan"], "add --yes"),
    "no file": ([f"PatientID=@/{MARKER}"], "The file behind @ cannot be read"),
    "file as DICOM": (["PatientID=@-", "--dicom-json"], "have no DICOM JSON"),
    "two files": (["PatientID=@-", "AccessionNumber=@-"], "one file at a time"),
    "file negated": (["PatientID!=@-"], "="),
}


@pytest.mark.parametrize(("arguments", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_sentence_with_the_way_out_and_without_the_value(
    searches: Fake, arguments: list[str], sentence: str
) -> None:
    ended = searches.run(*arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    lines = ended.stderr.splitlines()
    assert len(lines) == (2 if arguments == ["--scan"] else 1)
    assert sentence in lines[-1]
    assert MARKER not in ended.stderr


def test_what_the_search_refuses_is_wrong_usage(searches: Fake) -> None:
    searches.error = SearchError("This cursor is of another search.")
    ended = searches.run("--cursor", "abc")
    assert (ended.exit_code, ended.stderr) == (2, "This cursor is of another search.\n")


def test_a_scan_says_what_it_takes_and_asks_unless_it_is_told_yes(searches: Fake) -> None:
    ended = searches.run("--scan", "--yes")
    assert ended.exit_code == 0
    assert "This reads about 7 entries, which takes 2.5 read units, $0.00000031 and less than a second." in ended.stderr
    assert searches.question.budget is None


@pytest.mark.parametrize(("answer", "status", "searched"), [("y\n", 0, 1), ("n\n", 1, 0)], ids=["yes", "no"])
def test_on_a_terminal_a_scan_begins_only_after_a_yes(
    searches: Fake, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, searched: int
) -> None:
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("cli.asking.sys", terminal)
    ended = searches.run("--scan", stdin=answer)
    assert (ended.exit_code, len(searches.questions)) == (status, searched)
    assert "Begin?" in ended.stderr
    assert "Begin?" not in ended.stdout


def test_the_values_of_a_file_are_asked_at_once(searches: Fake, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbfP1\r\n\r\n P2 \nP1\nP3\n")
    searches.rows = [[row(item(1)), row(item(2)), row(item(9, PatientID="P2"), possible=True)]]
    ended = searches.run(f"PatientID=@{file}")
    (condition,) = searches.question.conditions
    assert {"P1", "P2", "P3"} <= {*condition.asked}
    assert searches.question.limit is None
    names, *lines = (line.split("\t") for line in ended.stdout.splitlines())
    assert names[:4] == ["Value", "Found", "DatastoreId", "StudyInstanceUID"]
    assert [line[:2] + line[3:4] for line in lines] == [
        ["P1", "one", "1.2.1"],
        ["P2", "several (2)", "1.2.2"],
        ["P2", "several (2)", "1.2.9"],
        ["P3", "none", ""],
    ]
    assert "3 values: 1 found once, 1 several times, 1 not found." in ended.stderr
    assert ended.exit_code == 1


def test_when_each_value_of_a_file_is_found_the_exit_status_is_0(searches: Fake) -> None:
    ended = searches.run("StudyInstanceUID=@-", "Modality=CT", stdin="1.2.1\n")
    assert ended.exit_code == 0
    assert "1 value: 1 found once, 0 several times, 0 not found." in ended.stderr


def test_of_several_values_where_dicom_allows_one_each_is_found(searches: Fake) -> None:
    searches.rows = [[row(item(1, PatientIDValues=["P1", "P9"]))]]
    ended = searches.run("PatientID=@-", "--csv", stdin="P9\nP1\nP8\n")
    assert [line.split(",")[:2] for line in ended.stdout.splitlines()[1:]] == [
        ["P9", "one"],
        ["P1", "one"],
        ["P8", "none"],
    ]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("\n \n", "The file has no values"),
        ("".join(f"{n}\n" for n in range(10_001)), "more than 10,000 values"),
        ("A*\n", "Each line of the file is one value of PatientID"),
    ],
    ids=["none", "too many", "a pattern"],
)
def test_a_file_that_is_no_list_of_values_is_refused(searches: Fake, lines: str, sentence: str) -> None:
    ended = searches.run("PatientID=@-", stdin=lines)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert sentence in ended.stderr
