"""The patient's age in years: what PatientAge says, held against the dates."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proof.harness.built import build

PROFILE = 'attributes = ["PatientAgeYears", "PatientAge"]'
DAYS = st.dates(date(1850, 1, 1), date(2030, 12, 31))


def years(age: object = None, born: object = None, studied: object = None, **patient: str) -> tuple[Any, Any]:
    """The age, and the attributes that are named as invalid."""
    found = build(
        PROFILE, patient={"PatientBirthDate": born} | patient, study={"PatientAge": age, "StudyDate": studied}
    )
    return found.get("PatientAgeYears"), found.get("InvalidAttributes")


NAMED = (None, ["PatientAgeYears"])


@pytest.mark.parametrize(
    ("age", "told"),
    [("075Y", "75"), ("75Y", "75"), ("006M", "0.5"), ("003W", "0.06"), ("100D", "0.27"), ("130Y", "130")],
)
def test_an_age_alone_is_told_in_years(age: str, told: str) -> None:
    assert years(age) == (Decimal(told), None)


@pytest.mark.parametrize(
    ("born", "studied", "told"),
    [
        ("19500302", "20200301", 69),  # the day before the birthday
        ("19500302", "20200302", 70),
        ("19500302", "20200303", 70),
        ("20000229", "20010228", 0),
        ("20000229", "20010301", 1),
        ("20200301", "20200301", 0),
        ("1950.03.02", "20200302", 70),
        ("19500302", "20800302", 130),
    ],
)
def test_without_an_age_the_full_years_between_the_dates_are_told(born: str, studied: str, told: int) -> None:
    for age in (None, "", "***", "24", "045Y\\055Y"):
        assert years(age, born, studied)[0] == told


@pytest.mark.parametrize(
    ("born", "studied"), [(None, "20200301"), ("19500302", None), ("?", "20200301"), ("19500302\\19500303", "20200301")]
)
def test_without_both_dates_nothing_is_counted(born: object, studied: object) -> None:
    assert years(None, born, studied) == (None, None)
    assert years("045Y", born, studied) == (45, None)


@pytest.mark.parametrize("age", ["000Y", "000M", "000W", "000D", "0Y"])
def test_an_age_of_zero_is_what_the_dates_say(age: str) -> None:
    assert years(age, "19500302", "20200301") == (69, None)
    assert years(age) == (0, None)
    assert years(age, "20200301") == (0, None)
    assert years(age, "19500302", "20200301", PatientIdentityRemoved="YES") == (0, None)


@pytest.mark.parametrize(
    ("age", "told"),
    [
        ("068Y", 68),
        ("069Y", 69),
        ("070Y", 70),
        ("067Y", None),
        ("071Y", None),
        ("840M", 70),
        ("852M", None),
        ("001D", None),
    ],
)
def test_an_age_more_than_a_year_away_from_the_dates_is_left_out_and_named(age: str, told: int | None) -> None:
    assert years(age, "19500302", "20200301") == ((told, None) if told else NAMED)


def test_a_child_of_months_is_held_against_whole_years() -> None:
    assert years("018M", "20180901", "20200301") == (Decimal("1.5"), None)
    assert years("018M", "20160901", "20200301") == NAMED


@pytest.mark.parametrize("age", [None, "000Y", "001Y", "045Y"])
def test_dates_out_of_order_leave_the_age_out_and_name_it(age: str | None) -> None:
    assert years(age, "20200302", "20200301") == NAMED


@pytest.mark.parametrize(
    ("age", "born", "studied"),
    [("131Y", None, None), ("999Y", None, None), (None, "18890301", "20200301"), ("000D", "18890301", "20200301")],
)
def test_nobody_is_older_than_130_years(age: str | None, born: str | None, studied: str | None) -> None:
    assert years(age, born, studied) == NAMED
    assert years("130Y", "18890301", "20200301") == NAMED


@pytest.mark.parametrize("removed", ["YES", "YES ", ["YES"], "NO\\YES"])
def test_dates_tell_nothing_where_the_identity_was_removed(removed: Any) -> None:
    assert years(None, "19500302", "20200301", PatientIdentityRemoved=removed) == (None, None)
    assert years("045Y", "20200302", "20200301", PatientIdentityRemoved=removed) == (45, None)
    assert years(None, "19500302", "20200301", PatientIdentityRemoved="NO") == (69, None)


@pytest.mark.parametrize("word", ["drop", "hash"])
@pytest.mark.parametrize("private", ["PatientAge", "PatientBirthDate", "StudyDate"])
def test_dates_tell_nothing_where_a_source_is_private(private: str, word: str) -> None:
    text = f'attributes = ["PatientAgeYears"]\n[privacy]\n{private} = "{word}"\n'
    patient, study = {"PatientBirthDate": "19500302"}, {"StudyDate": "20200301"}
    assert not {"PatientAgeYears", "InvalidAttributes"} & build(text, patient=patient, study=study).keys()
    found = build(text, patient=patient, study=study | {"PatientAge": "020Y"})
    assert found.get("PatientAgeYears") == (None if private == "PatientAge" else 20)


def test_the_age_itself_stays_as_it_is_written() -> None:
    for age, born in (("000Y", "19500302"), ("45Y", "19500302"), ("999Y", None)):
        found = build(PROFILE, patient={"PatientBirthDate": born}, study={"PatientAge": age, "StudyDate": "20200301"})
        assert found["PatientAge"] == age.zfill(4)


@given(DAYS, DAYS)
def test_the_years_between_dates_are_the_birthdays_in_between(born: date, studied: date) -> None:
    told, named = years(None, f"{born:%Y%m%d}", f"{studied:%Y%m%d}")
    birthdays = 0
    while True:
        year = born.year + birthdays + 1
        leap = (born.month, born.day) == (2, 29) and (year % 4 != 0 or year in (1900, 2100))
        birthday = date(year, 3, 1) if leap else born.replace(year=year)
        if birthday > studied:
            break
        birthdays += 1
    if studied < born or birthdays > 130:
        assert (told, named) == NAMED
    else:
        assert (told, named) == (birthdays, None)


@given(st.integers(0, 999), st.sampled_from("DWMY"), DAYS, st.integers(0, 48_000))
def test_what_is_told_never_contradicts_the_dates(number: int, unit: str, born: date, days: int) -> None:
    studied = born + timedelta(days)
    told, named = years(f"{number:03}{unit}", f"{born:%Y%m%d}", f"{studied:%Y%m%d}")
    assert (told is None) == (named is not None)
    if told is not None:
        assert 0 <= told <= 130
        assert abs(int(told) - days // Decimal("365.25")) <= 2
