"""Text in every character set of DICOM: by the standard's tables, and against pydicom where it is right."""

import random
from collections.abc import Sequence

import pytest
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import TEXT_VR_DELIMS

from imaging_index.dicom.dictionary import Level
from local.healthimaging.character_sets import CharacterSets
from local.healthimaging.conversion import convert
from tests.healthimaging.test_conversion import element, of_bytes, sequence

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# A word in each single-byte character set of PS3.3, tables C.12-2 and C.12-3: number, escape sequence, bytes, text.
ONE_BYTE = [
    ("100", "2D41", "4AE972F46D65", "Jérôme"),
    ("101", "2D42", "A3F364BC", "Łódź"),
    ("109", "2D43", "A161F5", "Ħaġ"),
    ("110", "2D44", "D3BA6E69F1B9", "Ķēniņš"),
    ("144", "2D4C", "BBEEDA", "Люк"),
    ("127", "2D47", "E2C8C7E6EA", "قباني"),
    ("126", "2D46", "C4E9EFED", "Διον"),
    ("138", "2D48", "F9F8E5EF", "שרון"),
    ("148", "2D4D", "C761F072FD", "Çağrı"),
    ("203", "2D62", "A42063BD7572", "€ cœur"),
    ("13", "2949", "D4CFC0DE", "ﾔﾏﾀﾞ"),
    ("166", "2D54", "B9D2C1", "นาม"),
]
# Table C.12-4. JIS X 0208 and 0212 are G0, the others G1.
SEVERAL_BYTES = [
    ("87", "2442", "3B33454442404F3A", "山田太郎"),
    ("159", "242844", "3021", "丂"),
    ("149", "242943", "B1E8C8F1", "김희"),
    ("58", "242941", "D5C5D0A1B6AB", "张小东"),
]
# Table C.12-5, which know no code extensions.
ALONE = [
    ("ISO_IR 192", "E78E8B5EE5B08FE4B89C", "王^小东"),
    ("GB18030", "CDF55E8139EE39", "王^㐀"),
    ("GBK", "E9465E81408140", "镕^丂丂"),
]


def name(terms: Sequence[str], value: bytes) -> str:
    return CharacterSets.of(terms).decode(value, "PN")


@pytest.mark.parametrize(("number", "escape", "value", "text"), ONE_BYTE)
def test_a_single_byte_character_set_is_read_alone_and_behind_its_escape_sequence(
    number: str, escape: str, value: str, text: str
) -> None:
    word = bytes.fromhex(value)
    assert name([f"ISO_IR {number}"], word) == text
    assert name([f"ISO 2022 IR {number}", "ISO 2022 IR 87"], word) == text
    assert name(["", f"ISO 2022 IR {number}"], b"A^\x1b" + bytes.fromhex(escape) + word) == f"A^{text}"


@pytest.mark.parametrize(("number", "escape", "value", "text"), SEVERAL_BYTES)
def test_a_multi_byte_character_set_is_read_behind_its_escape_sequence(
    number: str, escape: str, value: str, text: str
) -> None:
    word = b"\x1b" + bytes.fromhex(escape) + bytes.fromhex(value)
    assert name(["", f"ISO 2022 IR {number}"], b"A=" + word + b"\x1b(B^B") == f"A={text}^B"
    assert name([f"ISO 2022 IR {number}"], b"A=" + word + b"\x1b(B^B") == f"A={text}^B"


@pytest.mark.parametrize(("term", "value", "text"), ALONE)
def test_a_character_set_that_stands_alone_keeps_bytes_that_look_like_delimiters(
    term: str, value: str, text: str
) -> None:
    assert name([term], bytes.fromhex(value)) == text
    assert name([term, "ISO 2022 IR 87"], bytes.fromhex(value)) == text


def test_text_without_a_character_set_is_ascii_and_often_latin_1() -> None:
    for terms in ([], [""], ["ISO_IR 6"], ["ISO 2022 IR 6", "ISO 2022 IR 87"], ["NONSENSE"]):
        assert name(terms, b"K\xf6ln") == "Köln"


@pytest.mark.parametrize(
    ("terms", "value", "text"),
    [
        # German and Greek; Latin-1 and Korean; kana of one byte and kanji.
        (["ISO 2022 IR 100", "ISO 2022 IR 126"], b"\xe4^\x1b-F\xc1^\xe4=\x1b-F\xc1=\xe4", "ä^Α^ä=Α=ä"),
        (["ISO 2022 IR 100", "ISO 2022 IR 149"], b"\xe7=\x1b$)C\xb1\xe8=\xe7", "ç=김=ç"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], b"\xd4\xcf=\x1b$B;3\x1b(J^\xd4", "ﾔﾏ=山^ﾔ"),
        # Bytes of kanji that are `=` and `^`.
        (["", "ISO 2022 IR 87"], b"\x1b$B==5^\x1b(B^A", "十急^A"),
    ],
)
def test_the_delimiters_of_a_name_end_a_code_extension(terms: list[str], value: bytes, text: str) -> None:
    assert name(terms, value) == text


def test_each_value_begins_in_the_first_character_set_again() -> None:
    sets = CharacterSets.of(["ISO 2022 IR 100", "ISO 2022 IR 144"])
    value = b"\xe4\\\x1b-L\xcf\\\xe4"
    for vr in ("LO", "SH", "UC", "PN"):
        assert sets.decode(value, vr) == "ä\\Я\\ä"
    # In text of one value a backslash is a character (PS3.5, section 6.2).
    for vr in ("LT", "ST", "UT"):
        assert sets.decode(value, vr) == "ä\\Я\\ф"


@pytest.mark.parametrize("control", ["\t", "\n", "\f", "\r", "\r\n"])
def test_each_line_begins_in_the_first_character_set_again(control: str) -> None:
    end = control.encode()
    korean = CharacterSets.of(["ISO 2022 IR 100", "ISO 2022 IR 149"])
    kanji = CharacterSets.of(["ISO 2022 IR 100", "ISO 2022 IR 87"])
    for vr in ("ST", "LT", "UT", "LO", "PN"):
        assert korean.decode(b"\x1b$)C\xb1\xe8" + end + b"\xe7", vr) == f"김{control}ç"
        assert kanji.decode(b"\x1b$B;3" + end + b"AB\xe7", vr) == f"山{control}ABç"


def test_only_the_delimiters_of_the_vr_end_a_code_extension() -> None:
    sets = CharacterSets.of(["", "ISO 2022 IR 144"])
    assert sets.decode(b"\x1b-L\xcf^\xcf=\xcf", "LO") == "Я^Я=Я"


def test_text_of_other_vrs_is_not_of_the_character_set() -> None:
    assert CharacterSets.of(["ISO_IR 192"]).decode(b"\xc3\xa4", "CS") == "Ã¤"
    assert CharacterSets.of(["", "ISO 2022 IR 87"]).decode(b"\x1b$B;3", "UI") == "\x1b$B;3"


def test_kana_of_one_byte_stand_between_kanji() -> None:
    assert name(["ISO 2022 IR 13", "ISO 2022 IR 87"], b"\x1b$B;3\xd4 ED\x1b(J") == "山ﾔ 田"


def test_escape_sequences_are_text_without_code_extensions() -> None:
    assert name(["ISO_IR 100"], b"\x1b-L\xcf") == "\x1b-LÏ"
    for terms in (["ISO_IR 192"], ["ISO_IR 192", "ISO 2022 IR 87"], ["GB18030", "ISO 2022 IR 58"]):
        assert name(terms, b"\x1b$B;3") == "\x1b$B;3"


def test_an_escape_sequence_of_none_of_the_tables_stays_in_the_text() -> None:
    assert name(["", "ISO 2022 IR 87"], b"A\x1b%GB\x1b") == "A\x1b%GB\x1b"


def test_an_escape_sequence_that_was_not_declared_is_understood_all_the_same() -> None:
    # Writers of Japanese return to Roman letters without naming ISO 2022 IR 13.
    assert name(["", "ISO 2022 IR 87"], b"\x1b$B;3\x1b(J^A") == "山^A"


def test_bytes_that_are_no_characters_are_replaced_and_the_rest_is_read() -> None:
    assert name(["ISO_IR 192"], b"A\xffB") == "A\ufffdB"
    assert name(["", "ISO 2022 IR 87"], b"\x1b$B~~;3;\x1b(B^A") == "\ufffd\ufffd山;^A"


@pytest.mark.parametrize(
    "term",
    [" ISO_IR 192", "ISO_IR 192 ", "ISO_IR 192\0", "iso_ir 192", "ISO-IR 192", "ISO IR 192", "ISO_IR_192", "UTF-8"],
)
def test_blanks_case_and_strokes_do_not_make_another_term(term: str) -> None:
    assert name([term], "Köln 김".encode()) == "Köln 김"


@pytest.mark.parametrize(
    "term", [" ISO 2022 IR 58", "ISO 2022 IR 58\0", "iso 2022 ir 58", "ISO_2022_IR_58", "ISO-2022-IR-58", "ISO 2022 58"]
)
def test_nor_of_those_with_code_extensions(term: str) -> None:
    assert name(["", term], b"\x1b$)A\xd5\xc5") == "张"


@pytest.mark.parametrize("term", ["hex", "idna", "utf-16", "ISO_IR 9999", "ISO\0IR", "\xe4"])
def test_what_is_no_term_is_the_default(term: str) -> None:
    assert CharacterSets.of([term]) == CharacterSets()


def test_pydicom_reads_the_same_where_no_delimiter_follows_an_escape_sequence() -> None:
    rng = random.Random(11)
    # pydicom does not know Latin-9, and leaves the escape sequence of GB 2312 in the text.
    single = [each for each in ONE_BYTE if each[0] != "203"]
    several = [each for each in SEVERAL_BYTES if each[0] != "58"]
    for _ in range(2_000):
        first = rng.choice(single)
        others = rng.sample([*single, *several], rng.randint(1, 4))
        terms = [f"ISO 2022 IR {number}" for number, *_ in (first, *others)]
        value = bytes.fromhex(first[2])
        for _, escape, word, _ in rng.choices(others, k=5):
            value += b"\x1b" + bytes.fromhex(escape + word) + b"\x1b(BA"
        assert name(terms, value) == decode_bytes(value, convert_encodings(terms), TEXT_VR_DELIMS), terms


def test_an_item_of_a_sequence_has_its_own_character_set_or_that_of_what_it_is_in() -> None:
    meaning = element(0x00080104, "LO", b"\xc1 ")
    own = element(0x00080005, "CS", b" ISO_IR 126 ") + meaning + sequence(0x0040A170, meaning)
    dataset = of_bytes(
        element(0x00080005, "CS", b"ISO_IR 144"),
        sequence(0x0040A043, own, meaning, element(0x00080005, "CS", b"") + meaning),
    )
    items = convert(dataset).levels[Level.INSTANCE]["ConceptNameCodeSequence"]
    assert [item["CodeMeaning"] for item in items] == ["Α", "С", "Á"]
    assert items[0]["PurposeOfReferenceCodeSequence"][0]["CodeMeaning"] == "Α"


@pytest.mark.parametrize(
    ("terms", "vr", "value", "text"),
    [
        (b"\\ISO 2022 IR 58 ", "LO", b"\x1b$)A\xd0\xd8\xb2\xbf", "胸部"),
        (b" ISO_IR 192 ", "LO", "Köln 김".encode(), "Köln 김"),
        (b"\0ISO_IR 192\0", "LO", "Köln 김".encode(), "Köln 김"),
        (b"ISO_IR 100\0\\ISO 2022 IR 87\0", "LO", b"\xe4\x1b$B;3", "ä山"),
        (b" \\ ISO 2022 IR 58 ", "LO", b"\x1b$)A\xd0\xd8\xb2\xbf", "胸部"),
        (b"ISO 2022 IR 203\\ISO 2022 IR 87", "ST", b"\xa4\r\n\x1b$B;3\x1b(B\xa4", "€\r\n山€"),
        (b"\\ISO 2022 IR 58", "UT", b"\x1b$)A\xd0\xd8\r\n\x1b$)A\xb2\xbf", "胸\r\n部"),
        (b"ISO_IR 192", "LO", b"\\ ", None),
    ],
)
def test_the_character_sets_of_a_file_are_those_of_all_its_text(
    terms: bytes, vr: str, value: bytes, text: str | None
) -> None:
    tags = {"LO": 0x00081030, "ST": 0x00080081, "UT": 0x0040A160}
    levels = convert(of_bytes(element(0x00080005, "CS", terms), element(tags[vr], vr, value))).levels
    found = {**levels[Level.STUDY], **levels[Level.SERIES], **levels[Level.INSTANCE]}
    assert found[{"LO": "StudyDescription", "ST": "InstitutionAddress", "UT": "TextValue"}[vr]] == text
