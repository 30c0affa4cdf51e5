"""Matching, kind by kind and VR by VR, as PS3.4, section C.2.2.2, has it."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.profile import toml_file
from imaging_index.searching.grammar import parse
from imaging_index.searching.matching import Like, Match, match_all

NO, POSSIBLE, YES = Match.NO, Match.POSSIBLE, Match.YES
TODAY: Final = date(2024, 1, 31)

VRS: Final = (
    *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "SV"),
    *("TM", "UC", "UI", "UL", "UR", "US", "UT", "UV"),
)
TEXTS: Final = ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT")
NUMBERS: Final = ("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV")
# An attribute of each VR, `OfAE` and so on: a private element may have any.
PROFILE: Final = toml_file.parse(
    'revision = 1\nattributes = ["StudyInstanceUID"]\n'
    + "".join(
        f'[named.Of{vr}]\nfrom = [{{ creator = "ACME", element = "0101xx{number:02X}", vr = "{vr}" }}]\n'
        for number, vr in enumerate(VRS)
    )
)


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
    return condition.match(item | {name: stored(each) for name, each in more.items()})


# The section of PS3.4 (or of PS3.18), the VRs, what is written, what is stored, and how it matches.
CASES: Final[list[tuple[str, tuple[str, ...], str, Any, Match]]] = [
    # Single value matching.
    ("C.2.2.2.1", TEXTS, "ABC", "ABC", YES),
    ("C.2.2.2.1", TEXTS, "abc", "ABC", YES),
    ("C.2.2.2.1", TEXTS, "ABC", "ABCD", NO),
    ("C.2.2.2.1", TEXTS, "ABC ", "ABC", YES),
    ("C.2.2.2.1", TEXTS, "AB", ["AB", "CD"], YES),
    ("C.2.2.2.1", TEXTS, "EF", ["AB", "CD"], NO),
    ("C.2.2.2.1", TEXTS, "AB", None, NO),
    ("C.2.2.2.1", ("AE", "CS", "LO", "SH"), " ABC", "ABC", YES),
    ("C.2.2.2.1", ("LT", "ST", "UC", "UR", "UT"), " ABC", "ABC", NO),
    ("C.2.2.2.1", ("LO", "PN", "SH"), "A,B", "A,B", YES),
    ("C.2.2.2.1", ("CS", "LO", "SH"), "B", ["A\\B\\C", "D"], YES),
    ("C.2.2.2.1", ("LO", "SH"), "A\\B\\C", ["A\\B\\C", "D"], YES),
    ("C.2.2.2.1", ("LO", "SH"), "A\\B", ["A\\B\\C", "D"], NO),
    # A backslash is a character of these (PS3.5, section 6.2).
    ("C.2.2.2.1", ("LT", "ST", "UR", "UT"), "B", ["A\\B"], NO),
    ("C.2.2.2.1", ("LT", "ST", "UR", "UT"), "A\\B", ["A\\B"], YES),
    ("C.2.2.2.1", NUMBERS, "7", 7, YES),
    ("C.2.2.2.1", NUMBERS, "007", 7, YES),
    ("C.2.2.2.1", NUMBERS, "+7", 7, YES),
    ("C.2.2.2.1", NUMBERS, "7.0", 7, YES),
    ("C.2.2.2.1", NUMBERS, "-7", 7, NO),
    ("C.2.2.2.1", NUMBERS, "7", [6, 7], YES),
    ("C.2.2.2.1", NUMBERS, "7", None, NO),
    ("C.2.2.2.1", ("AS",), "45Y", "045Y", YES),
    ("C.2.2.2.1", ("AS",), "045Y", "045Y", YES),
    ("C.2.2.2.1", ("AS",), "045M", "045Y", NO),
    ("C.2.2.2.1", ("AT",), "0018A001", "0018A001", YES),
    ("C.2.2.2.1", ("AT",), "0018a001", "0018A001", YES),
    ("C.2.2.2.1", ("UI",), "1.2.3", "1.2.3", YES),
    ("C.2.2.2.1", ("UI",), "1.2.3", "1.2.34", NO),
    ("C.2.2.2.1", ("DA",), "20240131", "20240131", YES),
    ("C.2.2.2.1", ("DA",), "2024.01.31", "20240131", YES),
    ("C.2.2.2.1", ("DA",), "2024-01-31", "20240131", YES),
    ("C.2.2.2.1", ("DA",), "today", "20240131", YES),
    ("C.2.2.2.1", ("DA",), "yesterday", "20240130", YES),
    ("C.2.2.2.1", ("DA",), "20240131", "20240130", NO),
    ("C.2.2.2.1", ("TM",), "2230", "223000", YES),
    ("C.2.2.2.1", ("TM",), "22:30", "223000", YES),
    ("C.2.2.2.1", ("TM",), "223000.0", "223000", YES),
    ("C.2.2.2.1", ("TM",), "223000.5", "223000.5", YES),
    ("C.2.2.2.1", ("TM",), "223000", "223000.000001", NO),
    ("C.2.2.2.1", ("DT",), "20240101120000+0100", "20240101110000+0000", YES),
    ("C.2.2.2.1", ("DT",), "20240101120000", "20240101120000+0000", YES),
    ("C.2.2.2.1", ("DT",), "20240101120000", "20240101120000.5", NO),
    # Names: case, accents and how they are separated do not matter; the whole or one of its groups.
    ("C.2.2.2.1", ("PN",), "Doe^John", "DOE^John", YES),
    ("C.2.2.2.1", ("PN",), "doe^john", "Doe^John^^^", YES),
    ("C.2.2.2.1", ("PN",), "doe john", "Doe^John", YES),
    ("C.2.2.2.1", ("PN",), "doe", "Doe^John", NO),
    ("C.2.2.2.1", ("PN",), "muller", "Müller", YES),
    ("C.2.2.2.1", ("PN",), "Yamada^Tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    ("C.2.2.2.1", ("PN",), "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    ("C.2.2.2.1", ("PN",), "やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    ("C.2.2.2.1", ("PN",), "山田", "Yamada^Tarou=山田^太郎=やまだ^たろう", NO),
    # List of UID matching; several values of CS as viewers write them (PS3.18, section 8.3.4.1).
    ("C.2.2.2.2", ("UI",), "1.2,1.3", "1.3", YES),
    ("C.2.2.2.2", ("UI",), "1.2\\1.3", "1.3", YES),
    ("C.2.2.2.2", ("UI",), "1.2,1.3", "1.4", NO),
    ("C.2.2.2.2", ("UI",), "1.2,1.3", ["1.4", "1.2"], YES),
    ("8.3.4.1", ("CS",), "CT,MR", "MR", YES),
    ("8.3.4.1", ("CS",), "CT,MR", "US", NO),
    # Universal matching is no condition; `*` alone asks for any value.
    ("C.2.2.2.3", TEXTS, "*", "ABC", YES),
    ("C.2.2.2.3", TEXTS, "*", None, NO),
    ("C.2.2.2.3", NUMBERS, "*", 0, YES),
    ("C.2.2.2.3", NUMBERS, "*", None, NO),
    ("C.2.2.2.3", ("AS", "AT", "DA", "DT", "PN", "TM", "UI"), "*", None, NO),
    # Wild card matching.
    ("C.2.2.2.4", TEXTS, "A*", "ABC", YES),
    ("C.2.2.2.4", TEXTS, "*C", "ABC", YES),
    ("C.2.2.2.4", TEXTS, "*B*", "ABC", YES),
    ("C.2.2.2.4", TEXTS, "A?C", "ABC", YES),
    ("C.2.2.2.4", TEXTS, "A?", "ABC", NO),
    ("C.2.2.2.4", TEXTS, "A*", "BAC", NO),
    ("C.2.2.2.4", TEXTS, "[A]*", "[A]BC", YES),
    ("C.2.2.2.4", TEXTS, "[A]*", "ABC", NO),
    ("C.2.2.2.4", TEXTS, "a*", ["BC", "ABC"], YES),
    ("C.2.2.2.4", TEXTS, "a*", None, NO),
    ("C.2.2.2.4", ("PN",), "doe*", "Doe^John", YES),
    ("C.2.2.2.4", ("PN",), "doe*", "Doering^John", YES),
    ("C.2.2.2.4", ("PN",), "doe^*", "Doe^John", YES),
    ("C.2.2.2.4", ("PN",), "doe^*", "Doering^John", NO),
    ("C.2.2.2.4", ("PN",), "*john", "Doe^John", YES),
    ("C.2.2.2.4", ("PN",), "*JOHN*", "Doe^Johnny", YES),
    ("C.2.2.2.4", ("PN",), "d?e^john", "Doe^John", YES),
    ("C.2.2.2.4", ("PN",), "山*", "Yamada^Tarou=山田^太郎", YES),
    # Range matching.
    ("C.2.2.2.5", ("DA",), "20240101-20240131", "20240131", YES),
    ("C.2.2.2.5", ("DA",), "20240101-20240131", "20240201", NO),
    ("C.2.2.2.5", ("DA",), "20240101-", "20991231", YES),
    ("C.2.2.2.5", ("DA",), "-20240101", "20240101", YES),
    ("C.2.2.2.5", ("DA",), "-20240101", "20240102", NO),
    ("C.2.2.2.5", ("DA",), "2024-01-01-2024-01-31", "20240115", YES),
    ("C.2.2.2.5", ("DA",), "202401", "20240131", YES),
    ("C.2.2.2.5", ("DA",), "202401", "20240201", NO),
    ("C.2.2.2.5", ("DA",), "2024", "20241231", YES),
    ("C.2.2.2.5", ("DA",), "2023-2024", "20241231", YES),
    ("C.2.2.2.5", ("DA",), "2023-2024", "20221231", NO),
    ("C.2.2.2.5", ("DA",), "20240101-20240131", None, NO),
    ("C.2.2.2.5", ("TM",), "0800-0835", "083559.999999", YES),
    ("C.2.2.2.5", ("TM",), "0800-0835", "083600", NO),
    ("C.2.2.2.5", ("TM",), "08-", "235959", YES),
    ("C.2.2.2.5", ("TM",), "-08", "085959", YES),
    ("C.2.2.2.5", ("TM",), "-08", "090000", NO),
    ("C.2.2.2.5", ("DT",), "2024-2025", "20251231235959", YES),
    ("C.2.2.2.5", ("DT",), "20240101-20240102", "20240102235959.999999", YES),
    ("C.2.2.2.5", ("DT",), "20240101-20240102", "20240103", NO),
    ("C.2.2.2.5", ("DT",), "-20240101", "20240101235959", YES),
    ("C.2.2.2.5", ("DT",), "20240101-0500", "20240101050000+0000", YES),
    ("C.2.2.2.5", ("DT",), "20240101000000-0500-20240101010000-0500", "20240101053000+0000", YES),
    # Ranges of numbers are ours.
    ("ours", NUMBERS, "5..7", 7, YES),
    ("ours", NUMBERS, "5..7", 8, NO),
    ("ours", NUMBERS, "5..", 8, YES),
    ("ours", NUMBERS, "..5", 8, NO),
    ("ours", NUMBERS, "5..7", [8, 6], YES),
    ("ours", ("DS", "FD", "FL"), "0.5..0.75", Decimal("0.75"), YES),
    # Empty value matching.
    ("C.2.2.2.7", VRS, "", None, YES),
    ("C.2.2.2.7", TEXTS, "", "ABC", NO),
    ("C.2.2.2.7", NUMBERS, "", 0, NO),
    # What an entry holds of the instances.
    ("ours", NUMBERS, "3", {"Min": 1, "Max": 5}, POSSIBLE),
    ("ours", NUMBERS, "1", {"Min": 1, "Max": 5}, YES),
    ("ours", NUMBERS, "5", {"Min": 1, "Max": 5}, YES),
    ("ours", NUMBERS, "6", {"Min": 1, "Max": 5}, NO),
    ("ours", NUMBERS, "3", {"Min": 1, "Max": 5, "Values": [1, 2, 5]}, NO),
    ("ours", NUMBERS, "2", {"Min": 1, "Max": 5, "Values": [1, 2, 5]}, YES),
    ("ours", NUMBERS, "3", {"Min": 3, "Max": 3}, YES),
    ("ours", NUMBERS, "2..3", {"Min": 1, "Max": 5}, POSSIBLE),
    ("ours", NUMBERS, "0..1", {"Min": 1, "Max": 5}, YES),
    ("ours", NUMBERS, "4..9", {"Min": 1, "Max": 5}, YES),
    ("ours", NUMBERS, "0..9", {"Min": 1, "Max": 5}, YES),
    ("ours", NUMBERS, "6..", {"Min": 1, "Max": 5}, NO),
    ("ours", NUMBERS, "2", {"Min": [1, 2], "Max": [1, 2]}, YES),
    ("ours", NUMBERS, "3", {"Min": [1, 2], "Max": [1, 4]}, POSSIBLE),
    ("ours", NUMBERS, "3", {"Min": [1, 2], "Max": [1, 4], "Values": [[1, 2], [1, 4]]}, NO),
    ("ours", ("DA",), "20240115", {"Min": "20240101", "Max": "20240131"}, POSSIBLE),
    ("ours", ("DA",), "20240101-20240105", {"Min": "20240101", "Max": "20240131"}, YES),
    ("ours", ("DA",), "20240105-20240110", {"Min": "20240101", "Max": "20240131"}, POSSIBLE),
    ("ours", ("TM",), "1200", {"Min": "113000", "Max": "123000.5"}, POSSIBLE),
    ("ours", ("DT",), "20240101113000+0000", {"Min": "20240101120000+0100", "Max": "20240101120000+0000"}, POSSIBLE),
]


def _cells() -> list[Any]:
    return [
        pytest.param(f"Of{vr}={value}", kept, expected, id=f"{section} {vr} {value} {kept}"[:60] + f" {number}")
        for number, (section, vrs, value, kept, expected) in enumerate(CASES)
        for vr in vrs
    ]


@pytest.mark.parametrize(("written", "value", "expected"), _cells())
def test_a_value_matches_as_the_standard_has_it(written: str, value: Any, expected: Match) -> None:
    assert matched(written, value) is expected


def test_the_table_has_every_vr_and_at_least_300_cells() -> None:
    assert {vr for _, vrs, *_ in CASES for vr in vrs} == {*VRS}
    assert len(_cells()) >= 300


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


def test_words_begin_words_of_a_name_in_any_order() -> None:
    folded: Any = {"OfPNFolded": " doe john 山田"}
    for written, expected in (("~jo", YES), ("~john doe", YES), ("~doe jane", NO), ("~ohn", NO), ("~山", YES)):
        assert matched(f"OfPN={written}", "Doe^John=山田", **folded) is expected


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


@given(st.text("ab*?[]^.\\", max_size=8), st.text("ab[]^.\\", max_size=12))
def test_a_pattern_matches_what_its_definition_says(pattern: str, text: str) -> None:
    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(matches(pattern[1:], text[start:]) for start in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    assert Like.of(pattern).holds(text) is matches(pattern, text)


def test_a_pattern_of_many_stars_takes_linear_time() -> None:
    # As a plain regular expression this takes longer than the universe has.
    assert not Like.of("*a" * 64 + "*b").holds("a" * 1024)
