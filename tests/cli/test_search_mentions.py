"""What a search says besides its rows: what it read and did not show, how it came about, and why it found nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from imaging_index.searching.planner import Plan
from imaging_index.searching.question import BUDGET, Order
from imaging_index.searching.report import Ended, Estimate, Report
from imaging_index.table.layout import Between
from proof.harness.canary import MARKER
from tests.cli.fake_search import STORE, Fake, fake, item, row


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Fake:
    answers = fake(monkeypatch)
    answers.rows = [[row(item(1)), row(item(2), possible=True)]]
    return answers


def test_a_line_says_what_was_found_what_was_read_and_what_it_cost(searches: Fake) -> None:
    searches.reports = [Report(index="date", entries=12_345, calls=9, units=800_000.0)]
    assert searches.run().stderr == (
        "2 studies, 1 of them possible matches. Read 12,345 entries of the index date in 9 calls of DynamoDB: "
        "800,000.0 read units, $0.10.\n"
    )


MENTIONS: Mapping[str, tuple[dict[str, Any], str]] = {
    "limit": ({"ended": Ended.LIMIT, "cursor": "abc"}, "There may be more: go on with --cursor abc, or raise --limit"),
    "budget": (
        {"ended": Ended.BUDGET, "cursor": "abc", "entries": BUDGET, "read_back_to": "20240131123456"},
        "The search ended after 100,000 entries, back to the study date 2024-01-31. Add a condition such as --from or "
        "PatientID=, go on with --cursor abc, or read all with --scan.",
    ),
    "budget in another order": ({"ended": Ended.BUDGET, "cursor": "abc"}, "The search ended after 0 entries. Add"),
    "undated": (
        {"undated": 3},
        "3 image sets without a usable study date match as well: StudyDate= finds those without a date, and "
        "InvalidAttributes=StudyDate those with an invalid one.",
    ),
    "one undated": ({"undated": 1}, "1 image set without a usable study date matches as well"),
    "more undated": ({"more_undated": True}, "Further image sets without a usable study date were not read: --scan"),
    "not primary": ({"non_primary": 2}, "2 image sets that are not primary were left out: --all-copies shows them."),
    "without value": ({"without_value": 4}, "4 image sets match != without having a value."),
    "deleted": ({"deleted": 1}, "1 image set was deleted in the meantime."),
}


@pytest.mark.parametrize(("report", "sentence"), MENTIONS.values(), ids=MENTIONS)
@pytest.mark.parametrize("form", [[], ["--csv"], ["--dicom-json"]], ids=str)
def test_what_is_not_shown_is_mentioned_on_standard_error(
    searches: Fake, report: dict[str, Any], sentence: str, form: list[str]
) -> None:
    searches.reports = [Report(index="date", **report)]
    ended = searches.run(*form)
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (0, 2)
    assert ended.stderr.splitlines()[1].startswith(sentence)
    assert sentence not in ended.stdout


def test_conflicting_values_of_a_patient_are_counted_without_naming_them(searches: Fake) -> None:
    searches.rows = [[row(item(1, PatientSex="F"), item(2, PatientSex="M", StudyInstanceUID="1.2.1"))]]
    ended = searches.run()
    assert "1 study has conflicting values of the patient, which --json lists." in ended.stderr
    assert "P2" not in ended.stderr


def test_an_accession_number_without_a_hit_is_looked_for_in_the_requests_of_the_series(searches: Fake) -> None:
    searches.rows = [[], [row(item(1))]]
    searches.reports = [
        Report(index="accession", entries=0, calls=1, units=0.5),
        Report(index="date", entries=90, calls=2, units=20.0, ended=Ended.BUDGET, cursor="abc"),
    ]
    ended = searches.run("AccessionNumber=A1", "Modality=CT")
    first, second = searches.questions
    assert [each.attribute for each in first.conditions] == ["AccessionNumber", "Modality"]
    accession, modality = second.conditions
    assert (accession.attribute, accession.asked) == ("RequestAttributesSequence.AccessionNumber", ())
    assert (accession.test, modality) == (first.conditions[0].test, first.conditions[1])
    assert second.budget == BUDGET
    assert len(ended.stdout.splitlines()) == 2
    assert "Read 90 entries of the index date in 3 calls of DynamoDB: 20.5 read units" in ended.stderr
    assert (
        "No entry has this AccessionNumber, so RequestAttributesSequence.AccessionNumber was looked into"
        in ended.stderr
    )
    assert "--cursor abc and RequestAttributesSequence.AccessionNumber in place of AccessionNumber" in ended.stderr


@pytest.mark.parametrize("arguments", [["AccessionNumber!=A1"], ["AccessionNumber="], ["PatientID=1"]], ids=str)
def test_nothing_else_is_looked_into_for_other_questions(searches: Fake, arguments: list[str]) -> None:
    searches.rows = [[]]
    searches.run(*arguments)
    assert len(searches.questions) == 1


def test_an_accession_number_that_was_found_is_looked_for_nowhere_else(searches: Fake) -> None:
    searches.run("AccessionNumber=A1")
    assert len(searches.questions) == 1


def of(index: str, bounded: bool = True, **keys: str | Between) -> Plan:
    return Plan(index, ({"DatastoreId": STORE, **keys},), 5, bounded=bounded, ordered=Order.DATE)


WHY: Mapping[str, tuple[list[str], Plan, dict[str, Any], str]] = {
    "a value that no entry has": (
        ["PatientID=X1"],
        of("patient", PatientID="X1"),
        {},
        "No entry has this PatientID. In an index, PatientID is looked up as it is written, in capitals and in small "
        "letters: write a mixed case as it is stored.",
    ),
    "another case": (
        ["StudyDescription=X1", "--exact"],
        of("date"),
        {"entries": 9, "matched": {"StudyDescription": 0}},
        "None of the 9 entries that were read matches the condition on StudyDescription. With --exact the case of text "
        "counts: leave it out to find another case.",
    ),
    "the first group only": (
        ["PatientName=x*"],
        of("name", PatientNameKey=Between("x", "y")),
        {},
        "No entry has this PatientName. The index name has the first group of a name alone, family name first: "
        "PatientName=~words with --index date finds words in any order and group.",
    ),
    "the whole name": (
        ["PatientName=x"],
        of("date"),
        {"entries": 9, "matched": {"PatientName": 0}},
        "None of the 9 entries that were read matches the condition on PatientName. A name is compared whole: doe^* or "
        "~john doe finds more.",
    ),
    "one of two": (
        ["Modality=CT", "StationName=X1"],
        of("date"),
        {"entries": 1000, "matched": {"Modality": 400, "StationName": 0}},
        "None of the 1,000 entries that were read matches the condition on StationName.",
    ),
    "not together": (
        ["Modality=CT", "StationName=X1"],
        of("date"),
        {"entries": 9, "matched": {"Modality": 4, "StationName": 3}},
        "Each condition matches some entries, but no image set matches them all.",
    ),
    "in no index": (
        ["StationName=X1"],
        of("date"),
        {"entries": 9, "ended": Ended.BUDGET, "matched": {"StationName": 0}},
        "Not all was read, since no index narrows this search down enough: all takes about 5,000,000 entries, "
        "900,000.0 read units, $0.11 and 5 min with --scan. None of the 9 entries that were read matches the condition "
        "on StationName.",
    ),
    "only what is not primary": (
        ["Modality=CT"],
        of("date"),
        {"entries": 9, "matched": {"Modality": 2}, "non_primary": 2},
        "Only image sets that are not primary match: --all-copies shows them.",
    ),
    "nothing there": ([], of("date"), {}, "The data stores have no indexed image sets there: imaging-index doctor"),
    "behind a cursor": (["--cursor", "abc"], of("date"), {}, "There are no more rows behind the cursor."),
}


@pytest.mark.parametrize(("arguments", "plan", "report", "why"), WHY.values(), ids=WHY)
def test_no_rows_are_followed_by_why(
    searches: Fake, arguments: list[str], plan: Plan, report: dict[str, Any], why: str
) -> None:
    searches.rows, searches.plan = [[]], plan
    searches.takes = Estimate(5_000_000, 900_000.0, 290.0)
    searches.reports = [Report(index=plan.index, **report)]
    ended = searches.run(*arguments)
    assert ended.stderr.startswith("0 studies. Read ")
    assert why in " ".join(ended.stderr.splitlines())
    assert "X1" not in ended.stderr


def test_explain_names_the_keys_that_were_asked_without_values_and_what_was_estimated_and_read(searches: Fake) -> None:
    searches.plan = of("patient", PatientID=MARKER, StudyMoment=Between("20240101", "20240131\U0010ffff"))
    searches.takes = Estimate(25, 4.5, 0.05)
    searches.reports = [Report(index="patient", entries=20, calls=1, units=3.5, cursor="abc", ended=Ended.LIMIT)]
    ended = searches.run(f"PatientID={MARKER}", "--from", "202401", "--to", "202401", "--explain")
    lines = ended.stderr.splitlines()[-6:]
    assert lines[0] == "index         patient"
    assert lines[1] == (
        "range         1 query: DatastoreId of one value, PatientID of one value, StudyMoment from 2024-01-01 to "
        "2024-01-31"
    )
    assert lines[2] == "estimated     25 entries, 4.5 read units, $0.00000056, less than a second"
    assert lines[3].startswith("read          20 entries, 3.5 read units, $0.00000044, ")
    assert lines[4:] == ["read back to  the end", "cursor        abc"]
    assert MARKER not in ended.output


def test_explain_counts_queries_and_leaves_open_ends_open(searches: Fake) -> None:
    searches.plan = Plan(
        "date",
        tuple({"DatastoreId": each, "StudyMoment": Between("00010101", "\U0010ffff")} for each in "ab"),
        9,
        bounded=False,
        ordered=Order.DATE,
    )
    assert "2 queries: DatastoreId of 2 values, StudyMoment from any day to any day" in searches.run("--explain").stderr


def test_a_count_is_a_number_alone_in_a_pipe(searches: Fake) -> None:
    ended = searches.run("--count", "Modality=CT")
    assert ended.stdout == "2\n"
    assert ended.stderr.startswith("2 studies. Read 7 entries")
    assert searches.question.limit is None


def test_a_count_is_grouped_by_parts_of_the_date_and_attributes_and_names_what_has_none(searches: Fake) -> None:
    two = row(item(1, Modality="PT"), item(2, StudyInstanceUID="1.2.1"))
    searches.rows = [
        [row(item(3)), two, row(item(4, StudyDate=None, Modality=None)), row(item(5, StudyDate="20231231"))]
    ]
    ended = searches.run("--count", "--by", "Year,modality")
    assert [line.split("\t") for line in ended.stdout.splitlines()] == [
        ["Year", "Modality", "Count"],
        ["2023", "CT", "1"],
        ["2024", "CT", "2"],
        ["2024", "PT", "1"],
        ["undated", "no value", "1"],
    ]
    assert ended.stderr.startswith("4 studies.")
    assert {*(searches.shown[0] or ())} == {"StudyDate", "Modality"}
    assert searches.run("--count", "--by", "Month", "--csv").stdout_bytes.startswith(b"Month,Count\r\n2023-12,1\r\n")
    assert "2024-01-03\t1" in searches.run("--count", "--by", "Day").stdout
    assert "CT | PT\t1" in searches.run("--count", "--by", "ModalitiesInStudy").stdout


def test_a_count_that_its_budget_ended_is_refused_with_what_all_of_it_takes(searches: Fake) -> None:
    searches.takes = Estimate(5_000_000, 900_000.0, 7_300.0)
    searches.reports = [Report(index="date", ended=Ended.BUDGET)]
    for form in ([], ["--json"], ["--by", "Year"]):
        ended = searches.run("--count", *form)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr == (
            "A count reads everything that could match: about 5,000,000 entries, which takes 900,000.0 read units, "
            "$0.11 and 2.0 h. Add --scan to do so, or narrow it down by --from and --to or another condition.\n"
        )
    searches.reports = [Report(index="date")]
    assert searches.run("--count", "--scan", "--yes").stdout == "2\n"
