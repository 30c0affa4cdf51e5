"""Matching, kind by kind and VR by VR, as PS3.4, section C.2.2.2, has it."""

import re
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from imaging_index.dicom.person_names import name_folded, name_words
from imaging_index.profile import toml_file
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.matching import Condition, Like, Match, match_all
from tests.package.conformance import (
    CASES,
    CELLS,
    NO,
    OTHERS,
    POSSIBLE,
    PROFILE,
    REFUSED,
    SAMPLES,
    TEXTS,
    VRS,
    YES,
    Kind,
    how,
    table,
)

TODAY: Final = date(2024, 1, 31)


def stored(value: Any) -> dict[str, Any]:
    """A value in DynamoDB's form."""
    match value:
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case list():
            return {"L": [stored(each) for each in value]}
        case _:
            return {"M": {name: stored(each) for name, each in value.items()}}


def matched(written: str, value: Any, *, exact: bool = False, **more: Any) -> Match:
    """How an entry matches a condition like `OfCS=CT`, whose attribute has a value; None for no value."""
    (condition,) = parse([written], PROFILE, TODAY, exact=exact)
    item = {} if value is None else {condition.attribute: stored(value)}
    if condition.vr == "PN" and isinstance(value, str):
        item[f"{condition.attribute}Folded"] = stored(name_folded([value]))
    return condition.match(item | {name: stored(each) for name, each in more.items()})


def _cells() -> list[Any]:
    return [
        pytest.param(f"Of{vr}={value}", kept, expected, id=f"{kind} {vr} {value} {kept}"[:60] + f" {number}")
        for number, (kind, vrs, value, kept, expected) in enumerate(CASES)
        for vr in vrs
    ]


@pytest.mark.parametrize(("written", "value", "expected"), _cells())
def test_a_value_matches_as_the_standard_has_it(written: str, value: Any, expected: Match | None) -> None:
    if expected is REFUSED:
        with pytest.raises(SearchError):
            matched(written, value)
    else:
        assert matched(written, value) is expected


def pair(vr: str, one: str, other: str) -> list[Condition]:
    """Conditions on two attributes of one sequence, or twice on one attribute, like `S.A`."""
    parsed = [parse([f"Of{vr}={written}"], PROFILE, TODAY)[0] for written in (SAMPLES[vr][0], OTHERS[vr][0])]
    return [structs.replace(each, attribute=name) for each, name in zip(parsed, (one, other), strict=True)]


@pytest.mark.parametrize("vr", CELLS[Kind.SEQUENCE]["yes"])
def test_conditions_on_a_sequence_hold_in_one_item_for_every_vr(vr: str) -> None:
    one, other = SAMPLES[vr][1], OTHERS[vr][1]
    both = pair(vr, "S.A", "S.B")
    assert match_all(both, {"S.A": stored(["", one]), "S.B": stored([other, other])}) is YES
    assert match_all(both, {"S.A": stored([one, other]), "S.B": stored([one, other])}) is NO
    assert match_all(pair(vr, "A", "B"), {"A": stored([one, other]), "B": stored([one, other])}) is YES


@pytest.mark.parametrize("vr", [*CELLS[Kind.MULTIPLE]["yes"], *CELLS[Kind.MULTIPLE]["ours"]])
def test_conditions_on_several_values_all_hold_in_any_order_for_every_vr(vr: str) -> None:
    one, other = SAMPLES[vr][1], OTHERS[vr][1]
    both = pair(vr, "A", "A")
    assert match_all(both, {"A": stored([other, one])}) is YES
    assert match_all(both, {"A": stored([one, one])}) is NO
    assert match_all(both, {}) is NO


@pytest.mark.parametrize("vr", CELLS[Kind.MULTIPLE]["refused"])
def test_two_conditions_on_one_value_are_refused(vr: str) -> None:
    with pytest.raises(SearchError, match="two conditions"):
        parse([f"Of{vr}=A", f"Of{vr}=B"], PROFILE, TODAY)


def test_no_cell_of_kind_and_vr_is_without_cases() -> None:
    met: dict[tuple[Kind, str], set[Match | None]] = {}
    for kind, vrs, _, _, expected in CASES:
        for vr in vrs:
            met.setdefault((kind, vr), set()).add(expected)
    needed: dict[str, set[Match | None]] = {
        "yes": {YES, NO},
        "ours": {YES, NO},
        "text": {YES, NO},
        "refused": {REFUSED},
    }
    for kind in CELLS.keys() - {Kind.SEQUENCE, Kind.MULTIPLE}:
        for vr in VRS:
            assert needed[how(kind, vr)] <= met.get((kind, vr), set()), (kind, vr)
    assert len(_cells()) >= 300


def test_the_documented_table_is_that_of_the_cases() -> None:
    page = (Path(__file__).parents[2] / "docs/searching.md").read_text()
    assert table() in page, f"The table of docs/searching.md is now:\n{table()}"


@pytest.mark.parametrize("vr", TEXTS)
def test_text_is_compared_with_its_case_when_exact(vr: str) -> None:
    assert matched(f"Of{vr}=abc", "ABC", exact=True) is NO
    assert matched(f"Of{vr}=a*", "ABC", exact=True) is NO
    assert matched(f"Of{vr}=A*", "ABC", exact=True) is YES


@pytest.mark.parametrize("vr", ["CS", "LO", "US", "DA"])
def test_what_is_not_equal_has_no_value_that_is(vr: str) -> None:
    value, other = {"US": (7, 8), "DA": ("20240131", "20240130")}.get(vr, ("A", "B"))
    assert matched(f"Of{vr}!={value}", value) is NO
    assert matched(f"Of{vr}!={value}", other) is YES
    assert matched(f"Of{vr}!={value}", [other, value]) is NO
    assert matched(f"Of{vr}!={value}", None) is YES


def test_what_may_be_equal_may_be_unequal() -> None:
    assert matched("OfUS!=3", {"Min": 1, "Max": 5}) is POSSIBLE


def test_every_instance_has_a_value_in_the_range() -> None:
    assert matched("OfUS:every=1..5", {"Min": 1, "Max": 5}) is YES
    assert matched("OfUS:every=1..4", {"Min": 1, "Max": 5}) is NO
    assert matched("OfUS:every=1..5", {"Min": 1, "Max": 5, "Missing": 1}) is NO
    assert matched("OfUS:every=3", {"Min": 3, "Max": 3}) is YES
    assert matched("OfUS:every=3", {"Min": 1, "Max": 3}) is NO
    assert matched("OfUS:every=3", None) is NO


def test_what_was_cut_away_is_possible() -> None:
    cut = ["OfLO"]
    assert matched("OfLO=ABC", ["A"], TruncatedAttributes=cut) is POSSIBLE
    assert matched("OfLO=A", ["A"], TruncatedAttributes=cut) is YES
    assert matched("OfLO=ABC", ["A"], TruncatedAttributes=["Other"]) is NO


def test_an_invalid_value_is_not_an_absent_one() -> None:
    assert matched("OfDA=", None, InvalidAttributes=["OfDA"]) is NO
    assert matched("OfDA=", None, InvalidAttributes=["Other"]) is YES


def test_each_of_several_values_where_dicom_allows_one_matches() -> None:
    several: Any = {"OfLOValues": ["A1", "A2"], "InvalidAttributes": ["OfLO"]}
    assert matched("OfLO=A2", "A1", **several) is YES
    assert matched("OfLO=A3", "A1", **several) is NO
    assert matched("OfUI=1.3", None, OfUIValues=["1.2", "1.3"]) is YES


CODES: Final = toml_file.parse(
    "revision = 1\nattributes = ['ImageType', 'PixelSpacing', 'PatientID', 'ProcedureCodeSequence.CodeValue', "
    "'ProcedureCodeSequence.CodingSchemeDesignator']\n"
)
CODE, SCHEME = "ProcedureCodeSequence.CodeValue", "ProcedureCodeSequence.CodingSchemeDesignator"


def matched_all(written: list[str], **item: Any) -> Match:
    return match_all(parse(written, CODES, TODAY), {name: stored(value) for name, value in item.items()})


def test_conditions_on_one_sequence_hold_in_one_item() -> None:
    item: Any = {CODE: ["51185008", "T-D4000", ""], SCHEME: ["SCT", "SRT", "SCT"]}
    assert matched_all([f"{CODE}=51185008", f"{SCHEME}=SCT"], **item) is YES
    assert matched_all([f"{CODE}=T-*", f"{SCHEME}=SRT"], **item) is YES
    assert matched_all([f"{CODE}=51185008", f"{SCHEME}=SRT"], **item) is NO
    assert matched_all([f"{CODE}=51185008", f"{SCHEME}=SRT"], **item, TruncatedAttributes=[CODE, SCHEME]) is POSSIBLE
    assert matched_all([f"{CODE}=51185008", f"{SCHEME}!=SRT"], **item) is NO
    assert matched_all([f"{CODE}=51185008", f"{SCHEME}!=99X"], **item) is YES


def test_conditions_on_one_attribute_hold_in_one_whole_value() -> None:
    kept = ["ORIGINAL\\PRIMARY\\AXIAL", "DERIVED\\SECONDARY\\LOCALIZER"]
    assert matched_all(["ImageType=ORIGINAL", "ImageType=AXIAL"], ImageType=kept) is YES
    assert matched_all(["ImageType=ORIGINAL", "ImageType=LOCALIZER"], ImageType=kept) is NO
    assert matched_all(["ImageType=ORIGINAL", "ImageType!=LOCALIZER"], ImageType=kept) is NO


def test_two_numbers_of_one_attribute_that_differs_are_possible_in_one_instance() -> None:
    both = ["PixelSpacing=..0.6", "PixelSpacing=0.7.."]
    assert matched_all(both, PixelSpacing={"Min": [Decimal("0.5")] * 2, "Max": [Decimal("0.9")] * 2}) is POSSIBLE
    values = {"Min": [Decimal("0.5")] * 2, "Max": [Decimal("0.9")] * 2}
    whole = [[Decimal("0.5"), Decimal("0.5")], [Decimal("0.9"), Decimal("0.9")]]
    assert matched_all(both, PixelSpacing=values | {"Values": whole}) is NO
    assert matched_all(both, PixelSpacing=values | {"Values": [[Decimal("0.5"), Decimal("0.9")]]}) is YES


def test_gaps_in_rows_are_no_values() -> None:
    assert matched("OfLO=*x*", ["", "A"]) is NO
    assert matched("OfLO=?", [""]) is NO


def like(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern, by the definition."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(like(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])


@given(st.text("ab*?[]^.\\\n", max_size=8), st.text("ab[]^.\\\n", max_size=12))
def test_a_pattern_matches_what_its_definition_says(pattern: str, text: str) -> None:
    assert Like.of(pattern).holds(text) is like(pattern, text)


@pytest.mark.parametrize("vr", TEXTS)
@given(st.text("aAbB*?[", min_size=1, max_size=8).filter(re.compile("[*?]").search), st.text("aAbB[", max_size=12))
def test_a_wild_card_of_every_text_matches_without_its_case(vr: str, pattern: str, text: str) -> None:
    assume(pattern != "*")
    assert (matched(f"Of{vr}={pattern}", text or None) is YES) == (bool(text) and like(pattern.lower(), text.lower()))
    assert (matched(f"Of{vr}={pattern}", text or None, exact=True) is YES) == (bool(text) and like(pattern, text))


@given(st.text("aB ^*?é", min_size=1, max_size=8).filter(re.compile("[*?]").search), st.text("abE ^", max_size=12))
def test_a_wild_card_of_a_name_matches_its_folded_words(pattern: str, name: str) -> None:
    assume(pattern.strip() != "*" and name.strip(" ^"))
    key = "".join(f"{word} " for word in name_words(name))
    folded = re.sub(r"[ ^]+", " ", pattern.lower().replace("é", "e")).lstrip()
    wanted = folded if folded.endswith("*") else f"{folded.rstrip()} "
    assert (matched(f"OfPN={pattern}", name) is YES) == like(wanted, key)


# As a plain regular expression each of these takes longer than the universe has.
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 63 + "*b", "a" * 1024),
        ("*a?" * 64 + "b", "a" * 1024),
        ("*ab*a" * 32 + "?c", "ab" * 5000),
        ("?*" * 64 + "b", "a" * 10_000),
        ("*" * 64 + "b", "a" * 10_000),
    ],
)
def test_a_pattern_of_many_stars_takes_linear_time(pattern: str, text: str) -> None:
    assert not Like.of(pattern).holds(text)
    assert matched(f"OfLT={pattern}", text) is NO
    assert matched(f"OfPN={pattern}", text) is NO


def test_a_long_condition_is_read_in_linear_time() -> None:
    for text in ("a" * 100_000, " " * 100_000, "(" * 100_000, "1." * 50_000, "OfDA=" + "-" * 100_000, "=" * 100_000):
        with pytest.raises(SearchError):
            parse([text], PROFILE, TODAY)
    for value in ("2024-" * 20_000, "-" * 100_000, "0" * 100_000, "." * 100_000, "doe^" * 25_000, "1," * 50):
        for vr in VRS:
            with suppress(SearchError):
                parse([f"Of{vr}={value}"], PROFILE, TODAY)
