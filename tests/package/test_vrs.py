"""Values by VR, and text as search compares it."""

import math
import unicodedata
from datetime import date, datetime, time, timedelta, timezone
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.dicom import vrs
from imaging_index.dicom.person_names import cut, fold, name_folded, name_key

ANY_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1 ", "1"),
        ("120 ", "120"),
        ("-2.625000 ", "-2.625"),
        ("+1.5", "1.5"),
        ("1.", "1"),
        (".5", "0.5"),
        ("1.0E-03", "0.001"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("007", "7"),
        (1, "1"),
        (-0.07937499999068676, "-0.07937499999068676"),
        (0.1, "0.1"),
        (18446744073709551615, "18446744073709551615"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0.12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678"),
        ("1" + "0" * 125, "1" + "0" * 125),
        ("1e-130", "0." + "0" * 129 + "1"),
    ],
)
def test_a_number_keeps_its_digits_without_padding(written: object, stored: str) -> None:
    number = vrs.parser("DS")(written)
    assert isinstance(number, Decimal)
    assert f"{number:f}" == stored


@pytest.mark.parametrize(
    "written",
    [
        "***",
        "1,5",
        "1 2",
        "0x10",
        "1e",
        "NaN",
        "Infinity",
        "--1",
        "١٢",
        "１２",
        "1_000",
        "1\\2",
        math.nan,
        math.inf,
        True,
        ["1"],
        {"a": 1},
        "123456789012345678901234567890123456789",
        "1e126",
        "1e-131",
        "1e99999",
        10**126,
    ],
)
def test_what_is_no_number_that_dynamodb_keeps_is_unusable(written: object) -> None:
    with pytest.raises(vrs.Unusable):
        vrs.parser("DS")(written)


@pytest.mark.parametrize("vr", ["IS", "US", "SS", "UL", "SL", "US or SS"])
def test_an_integer_may_be_written_with_a_point_but_has_no_fraction(vr: str) -> None:
    assert vrs.parser(vr)("512.0") == 512
    assert vrs.parser(vr)(" 7 ") == 7
    for written in ("1.5", "12345678901234567890123456789012345678.5", 0.5):
        with pytest.raises(vrs.Unusable):
            vrs.parser(vr)(written)


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(-100, 80), st.sampled_from(("f", "e")))
def test_every_number_of_38_digits_comes_back_exactly(digits: int, exponent: int, form: str) -> None:
    value = Decimal(digits).scaleb(exponent, Context(prec=38))
    for vr in ("DS", "FD"):
        assert vrs.parser(vr)(f" {value:{form}} ") == value


@given(st.integers(-(10**38) + 1, 10**38 - 1))
def test_every_integer_string_comes_back_exactly(value: int) -> None:
    assert vrs.parser("IS")(f" {value:+} ") == vrs.parser("IS")(f"{value}.0") == value


@given(st.integers(-(2**63), 2**64 - 1))
def test_every_binary_integer_comes_back_exactly(value: int) -> None:
    assert vrs.integer(value) == value


@given(st.floats(width=64, allow_nan=False, allow_infinity=False, min_value=1e-100, max_value=1e100))
def test_every_binary_float_comes_back_exactly(value: float) -> None:
    number = vrs.number(value)
    assert number is not None
    assert float(number) == value


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("20240229", "20240229"),
        ("1993.04.30", "19930430"),
        ("0095.07.24", "00950724"),
        ("00010101", "00010101"),
        ("20240101 ", "20240101"),
        ("20240101\0", "20240101"),
        ("", None),
        ("   ", None),
        (None, None),
    ],
)
def test_a_date_is_eight_digits(written: object, stored: str | None) -> None:
    assert vrs.parser("DA")(written) == stored


@pytest.mark.parametrize(
    "written",
    [
        "1990/01/",
        "***",
        "UNKNOWN",
        "00000000",
        "20230229",
        "20240431",
        "20241301",
        "20240100",
        "202401",
        "2024",
        "2024-01-01",
        "2024.0101",
        "20240101-20240102",
        "２０２４０１０１",
        "20240101\n20240102",
        20240101,
        ["20240101"],
    ],
)
def test_what_is_no_day_of_the_calendar_is_unusable(written: object) -> None:
    with pytest.raises(vrs.Unusable):
        vrs.parser("DA")(written)


@given(st.dates(), st.dates())
def test_dates_are_in_order_as_text_and_come_back_from_either_form(one: date, other: date) -> None:
    first, second = (f"{day.year:04}{day.month:02}{day.day:02}" for day in (one, other))
    assert vrs.date(first) == vrs.date(f" {first[:4]}.{first[4:6]}.{first[6:]} ") == first
    assert (first < second, first == second) == (one < other, one == other)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("09:11:02.00000000", "091102"),
        ("09:11", "091100"),
        ("0835", "083500"),
        ("08", "080000"),
        ("083501.123456", "083501.123456"),
        ("083501.123456789", "083501.123456"),
        ("083501.1", "083501.1"),
        ("083501.10", "083501.1"),
        ("000000.000", "000000"),
        ("235960", "235960"),
        ("083501 ", "083501"),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_six_digits_and_at_most_six_of_a_second(written: object, stored: str | None) -> None:
    assert vrs.parser("TM")(written) == stored


@pytest.mark.parametrize(
    "written",
    [
        "240000",
        "006000",
        "000061",
        "8",
        "083",
        "08350",
        "083501.",
        "08:3501",
        "08:",
        "8:35:01",
        " 0835",
        "***",
        83501,
        "٠٨٣٥",
    ],
)
def test_what_is_no_time_of_day_is_unusable(written: object) -> None:
    with pytest.raises(vrs.Unusable):
        vrs.parser("TM")(written)


@given(st.times(), st.times())
def test_times_are_in_order_as_text(one: time, other: time) -> None:
    first, second = (vrs.time(each.strftime("%H%M%S.%f")) for each in (one, other))
    assert first is not None
    assert second is not None
    assert (first < second, first == second) == (one < other, one == other)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2024", "2024"),
        ("202402", "202402"),
        ("20240229", "20240229"),
        ("2024022908", "2024022908"),
        ("20240229083501.500000", "20240229083501.5"),
        ("20240229083501.123456789+0100", "20240229083501.123456+0100"),
        ("20240229083501.000000+0100", "20240229083501+0100"),
        ("20240229083501-1200", "20240229083501-1200"),
        ("2024+1400", "2024+1400"),
        ("20240229 ", "20240229"),
        ("", None),
    ],
)
def test_a_moment_keeps_its_precision_and_offset(written: object, stored: str | None) -> None:
    assert vrs.parser("DT")(written) == stored


@pytest.mark.parametrize(
    "written",
    [
        "20230229",
        "202413",
        "2024022924",
        "20240229083501+1500",
        "20240229083501-1201",
        "20240229083501+0060",
        "0000",
        "2024.02.29",
        2024,
    ],
)
def test_what_is_no_moment_is_unusable(written: object) -> None:
    with pytest.raises(vrs.Unusable):
        vrs.parser("DT")(written)


@given(
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001  a DT may have no offset
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001
    st.integers(-12 * 60, 14 * 60),
)
def test_moments_of_one_offset_are_in_order_as_text(one: datetime, other: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))

    def text(moment: datetime) -> str:
        offset = moment.replace(tzinfo=zone).strftime("%z")[:5]
        stored = vrs.moment(f"{moment.year:04}{moment:%m%d%H%M%S.%f}{offset}")
        assert stored is not None
        return stored

    assert (text(one) < text(other), text(one) == text(other)) == (one < other, one == other)


@pytest.mark.parametrize(("written", "stored"), [("075Y", "075Y"), ("75Y", "075Y"), ("6M ", "006M"), ("", None)])
def test_an_age_is_three_digits_and_a_unit(written: str, stored: str | None) -> None:
    assert vrs.parser("AS")(written) == stored


@pytest.mark.parametrize("written", ["24", "***", "0075Y", "75y", "Y", 75])
def test_an_age_without_a_unit_is_not_guessed(written: object) -> None:
    with pytest.raises(vrs.Unusable):
        vrs.parser("AS")(written)


@pytest.mark.parametrize("vr", ["AE", "CS", "LO", "SH", "UI"])
def test_blanks_at_both_ends_are_no_part_of_a_short_text(vr: str) -> None:
    assert vrs.parser(vr)("  A  B \0") == "A  B"
    assert vrs.parser(vr)(" \0 ") is None


@pytest.mark.parametrize("vr", ["PN", "ST", "LT", "UT", "UC", "UR"])
def test_leading_blanks_are_part_of_a_long_text(vr: str) -> None:
    assert vrs.parser(vr)("  A  B  ") == "  A  B"
    assert vrs.parser(vr)("    ") is None


@pytest.mark.parametrize("vr", sorted(vrs.TEXTS - {"AS"}))
def test_text_is_kept_whatever_its_length_and_repertoire(vr: str) -> None:
    for text in ("1.2.3..4", "lower case, of 17 and more characters" * 9, "Ångström\\x"):
        assert vrs.parser(vr)(text) == text


@given(ANY_JSON, st.sampled_from(sorted(vrs.NUMBERS | vrs.MOMENTS | vrs.TEXTS)))
def test_any_json_is_typed_or_empty_or_unusable_without_a_word(value: object, vr: str) -> None:
    try:
        parsed = vrs.parser(vr)(value)
    except vrs.Unusable as unusable:
        words: tuple[object, ...] = unusable.args
    else:
        words = ()
        assert parsed is None or isinstance(parsed, Decimal if vr in vrs.NUMBERS else str)
        assert parsed != ""
    assert words == ()


@pytest.mark.parametrize("vr", ["SQ", "OB", "OW", "UN", "OB or OW"])
def test_a_vr_without_searchable_values_has_no_parser(vr: str) -> None:
    with pytest.raises(KeyError):
        vrs.parser(vr)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("HOMER", "homer"),
        ("Müller", "muller"),
        ("Jérôme", "jerome"),
        ("Straße", "strasse"),
        ("Søren Ørsted", "soren orsted"),
        ("Łukasz", "lukasz"),
        ("Đorđe", "dorde"),
        ("Iğdır", "igdir"),
        ("İzmir", "izmir"),
        ("Æsop Œuvre", "aesop oeuvre"),
        ("ﬁn", "fin"),
        ("ＨＯＭＥＲ", "homer"),
        ("Διονύσιος", "διονυσιοσ"),
        ("ΔΙΟΝΥΣΙΟΣ", "διονυσιοσ"),
        ("Люксембург Ёлкин Йод", "люксембург ёлкин йод"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("がぎ", "がぎ"),
        ("山田", "山田"),
        ("홍길동", "홍길동"),
        ("שרון", "שרון"),
    ],
)
def test_case_width_and_latin_and_greek_accents_are_folded_and_other_marks_are_kept(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(unicodedata.normalize("NFD", text)) == folded


@given(st.text())
def test_what_was_folded_is_not_folded_further(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(), st.text(max_size=5))
def test_folding_does_not_hang_on_the_form_a_text_comes_in(text: str, more: str) -> None:
    assert fold(unicodedata.normalize("NFC", text + more)) == fold(unicodedata.normalize("NFD", text + more))


@pytest.mark.parametrize(
    ("name", "folded", "key"),
    [
        ("Doe^John", " doe john", "doe john"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", " yamada tarou 山田 太郎 やまだ たろう", "yamada tarou"),
        ("=山田^太郎", " 山田 太郎", "山田 太郎"),
        ("Doe^", " doe", "doe"),
        ("Wang^XiaoDong=王^小東=", " wang xiaodong 王 小東", "wang xiaodong"),
        ("Smith-Jones, A.B.", " smith jones a b", "smith jones a b"),
        ("O'Neil^^^Dr.", " o'neil dr", "o'neil dr"),
        ("^^^^", "", ""),
        ("==", "", ""),
    ],
)
def test_a_name_is_found_by_the_words_of_all_its_groups_and_sorted_by_the_first(
    name: str, folded: str, key: str
) -> None:
    assert name_folded([name]) == folded
    assert name_key(name) == key


def test_several_names_are_folded_into_one_text() -> None:
    assert name_folded(["Doe^John", "Roe"]) == " doe john roe"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_every_word_of_a_name_stands_behind_a_blank_and_the_key_is_bounded(name: str) -> None:
    folded = name_folded([name])
    assert folded == "".join(f" {word}" for word in folded.split())
    assert len(name_key(name).encode()) <= 256


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(0, 40))
def test_a_cut_text_is_a_beginning_within_the_size_and_as_long_as_fits(text: str, size: int) -> None:
    short = cut(text, size)
    assert text.startswith(short)
    assert len(short.encode()) <= size
    assert short == text or len(text[: len(short) + 1].encode()) > size


_OFFSETS = st.sampled_from(("", "+0000", "-1200", "+1400", "+0530", "-0330"))


@given(st.datetimes(), st.sampled_from((4, 6, 8, 10, 12, 14)), _OFFSETS)
def test_a_moment_comes_back_in_the_precision_it_has(moment: datetime, length: int, offset: str) -> None:
    written = f"{moment.year:04}{moment:%m%d%H%M%S}"[:length] + offset
    assert vrs.parser("DT")(f"{written} ") == written


@given(st.integers(0, 999), st.sampled_from("DWMY"))
def test_every_age_comes_back_in_three_digits(number: int, unit: str) -> None:
    assert vrs.parser("AS")(f" {number}{unit} ") == vrs.parser("AS")(f"{number:03}{unit}") == f"{number:03}{unit}"


@pytest.mark.parametrize("vr", sorted(vrs.TEXTS - {"AS", "PN"}))
@given(inner=st.text(min_size=1), left=st.text(" ", max_size=3), right=st.text(" \0", max_size=3))
def test_a_text_comes_back_without_its_padding(vr: str, inner: str, left: str, right: str) -> None:
    value = inner.strip(" \0\t\r\n")
    kept = vr in {"LT", "PN", "ST", "UC", "UR", "UT"}
    assert vrs.parser(vr)(f"{left}{value}{right}") == ((left + value if kept else value) if value else None)


@pytest.mark.parametrize("empty", ["^", "^^^^", "==", "^=^", " ^ = ^ ", "^\0", "=\u3000="])
def test_a_name_of_delimiters_and_blanks_alone_is_empty(empty: str) -> None:
    assert vrs.parser("PN")(empty) is None
    assert vrs.parser("LO")(empty) is not None


@pytest.mark.parametrize("name", ["^^^Dr^", "=\u5c71", "-", ",", "  Roe^ ", "^.^"])
def test_a_name_with_anything_else_is_kept_as_written(name: str) -> None:
    assert vrs.parser("PN")(name) == name.rstrip()


@given(st.text("^= \0A", max_size=8))
def test_a_name_is_empty_when_nothing_is_between_its_delimiters(text: str) -> None:
    assert (vrs.parser("PN")(text) is None) == ("A" not in text)
