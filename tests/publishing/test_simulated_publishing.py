"""The real function that announces, killed and refused at random, number by number; and wrong ways, which all show."""

from types import ModuleType

import pytest

from proof.publishing import changes, jobs, studies
from proof.publishing.variants import Variant

CHANGES = 1_000  # make prove: 20,000, and 10,000 of each of the others
KILLED = 8
STUDIES = 1_600
JOBS = 600
AT_A_TIME = 300
MOST = 2_100


@pytest.mark.parametrize("first", range(0, CHANGES, 500))
def test_each_change_of_an_entry_has_its_event_in_order_and_nothing_else_has_one(first: int) -> None:
    report = changes.run(first, 500)
    assert report.harms == []
    assert report.events > report.changes > 1_000
    assert report.doubled > 0


def test_killed_before_or_after_any_call_it_announces_the_same_events() -> None:
    runs = 0
    for number in range(KILLED):
        report = changes.kills(number)
        assert report.harms == []
        runs += report.tried
    assert runs > 500


@pytest.mark.parametrize("first", range(0, STUDIES, 800))
def test_a_study_is_announced_with_all_that_it_holds_and_never_early(first: int) -> None:
    report = studies.run(first, 800)
    assert (report.early, report.lost, report.parked) == ([], [], 0)
    assert report.harms == []
    assert report.announced > report.tried
    assert len(report.late) > 100
    # Lag and kills were there: some were announced within the quiet time of a deletion, some twice.
    assert report.after_deletion > 0
    assert report.doubled > 0
    assert report.corrected > 10


@pytest.mark.parametrize("first", range(0, JOBS, 300))
def test_an_import_job_is_announced_once_and_never_early(first: int) -> None:
    report = jobs.run(first, 300)
    assert (report.early, report.lost, report.wrong) == ([], [], [])
    assert report.announced > 250
    assert report.parked > 0


@pytest.mark.parametrize("part", [changes, studies, jobs], ids=["changes", "studies", "jobs"])
def test_the_right_way_shows_none_of_what_the_wrong_ones_do(part: ModuleType) -> None:
    report = part.run(0, AT_A_TIME)
    assert [variant.name for variant in part.VARIANTS if variant.shows(report)] == []


VARIANTS = [(part, variant) for part in (changes, studies, jobs) for variant in part.VARIANTS]


@pytest.mark.parametrize(("part", "variant"), VARIANTS, ids=lambda each: getattr(each, "name", ""))
def test_a_wrong_way_shows(part: ModuleType, variant: Variant) -> None:
    with variant.planted():
        assert any(variant.shows(part.run(first, AT_A_TIME)) for first in range(0, MOST, AT_A_TIME))
