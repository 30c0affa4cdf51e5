"""Bytes of text in a DICOM file -> the text, by its Specific Character Set (PS3.3, section C.12.1.1.2).

pydicom is not asked: it forgets that `^` and `=` end a code extension, leaves the escape sequences of GB 2312 in the
text, and does not know Latin-9.
"""

import codecs
import re
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple, Self

# PS3.3, tables C.12-2 to C.12-5: the number in a term, and Python's name of the character set. Those of JIS X 0208 and
# 0212 (87, 159) are reached by escape sequences only.
_NUMBERED: Final = {
    "6": "latin_1",  # ASCII; files that say nothing are Latin-1 more often than anything else
    "13": "shift_jis",
    "58": "gb2312",
    "87": "ascii",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "euc_kr",
    "159": "ascii",
    "166": "tis_620",
    "192": "utf_8",
    "203": "iso8859_15",
    "GBK": "gbk",
}
# `ISO_IR 100` and `ISO 2022 IR 100`, and what is met instead of them: `ISO-IR 100`, `ISO_2022_IR_100`, `iso 2022 58`.
_TERM: Final = re.compile(r"ISO[ _-]?(?P<extended>2022)?[ _-]?(?:IR)?[ _-]?(?P<number>[0-9]+|GBK)", re.IGNORECASE)
# They know no code extensions (PS3.3, table C.12-5).
_ALONE: Final = frozenset({"utf_8", "gb18030", "gbk"})

# PS3.3, tables C.12-3 and C.12-4. What an escape sequence invokes as G0, the bytes below 128: characters of one byte,
# or pairs, which EUC-JP has with the high bits set, those of JIS X 0212 behind a byte of their own.
_PAIRS_OF_G0: Final = {b"(B": None, b"(J": None, b"$B": b"", b"$(D": b"\x8f"}
# And as G1, the bytes from 128 on.
_G1: Final = {
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "tis_620",
    b"-b": "iso8859_15",
    b")I": "shift_jis",
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}

# PS3.5, section 6.1.2.2: text of any other VR uses the default repertoire.
_AFFECTED: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})

_ESCAPE: Final = rb"\x1b(?P<escape>%b)" % b"|".join(map(re.escape, (*_PAIRS_OF_G0, *_G1)))
_CONTROLS: Final = rb"\x00-\x1a\x1c-\x1f"
# The next piece while G0 is of pairs, in which the bytes of a delimiter may be half a character.
_IN_PAIRS: Final = re.compile(
    rb"(?s:%b|(?P<end>[%b])|(?P<pairs>(?:[\x21-\x7e]{2})+)|[\x80-\xff]+|.)" % (_ESCAPE, _CONTROLS)
)


def _pieces(delimiters: bytes) -> re.Pattern[bytes]:
    """The next piece of text while G0 is of single bytes."""
    ends = _CONTROLS + re.escape(delimiters)
    return re.compile(rb"(?s:%b|(?P<end>[%b])|[^\x1b%b]+|\x1b)" % (_ESCAPE, ends, ends))


_SINGLE: Final = _pieces(b"")
_SEVERAL: Final = _pieces(b"\\")
_NAMES: Final = _pieces(b"\\^=")
_BY_VR: Final = {"LO": _SEVERAL, "SH": _SEVERAL, "UC": _SEVERAL, "PN": _NAMES}


class CharacterSets(NamedTuple):
    """The character sets of a data set: Python's name of the first, and whether escape sequences may invoke others."""

    first: str = "latin_1"
    extended: bool = False

    @classmethod
    def of(cls, terms: Sequence[str]) -> Self:
        """The sets of values of Specific Character Set. An unknown first value means the default, as for pydicom."""
        first, extended = _known(terms[0] if terms else "")
        extended = extended or len(terms) > 1
        return cls(first, extended and first not in _ALONE)

    def decode(self, value: bytes, vr: str) -> str:
        """The text of some bytes of a VR: all values with their backslashes. Invalid bytes become U+FFFD.

        With code extensions, each escape sequence of the standard is understood, declared or not.
        """
        if vr not in _AFFECTED:
            return value.decode("latin_1")
        if not self.extended or b"\x1b" not in value:
            return value.decode(self.first, "replace")
        of_single = _BY_VR.get(vr, _SINGLE)
        text: list[str] = []
        pairs, g1, at = None, self.first, 0
        while piece := (of_single if pairs is None else _IN_PAIRS).match(value, at):
            at = piece.end()
            found = piece.groupdict()
            if (escape := found["escape"]) in _G1:
                g1 = _G1[escape]
            elif escape:
                pairs = _PAIRS_OF_G0[escape]
            elif pairs is not None and found.get("pairs"):
                text.append(_japanese(found["pairs"], pairs))
            else:
                if found["end"]:
                    # PS3.5, section 6.1.2.5.3: before a delimiter the first character set is active again.
                    pairs, g1 = None, self.first
                text.append(piece[0].decode(g1, "replace"))
        return "".join(text)


def _japanese(pairs: bytes, prefix: bytes) -> str:
    euc = bytes(byte | 0x80 for byte in pairs)
    return b"".join(prefix + euc[at : at + 2] for at in range(0, len(euc), 2)).decode("euc_jp", "replace")


@cache
def _known(term: str) -> tuple[str, bool]:
    """Python's name for a term's character set, and whether the term is for code extensions."""
    term = term.strip(" \0\t\r\n")
    match = _TERM.fullmatch(term)
    if match and match["number"].upper() in _NUMBERED:
        return _NUMBERED[match["number"].upper()], bool(match["extended"])
    try:
        # `GB18030` and `GBK` are terms, and `UTF-8` or `ISO 8859-1` are met; `hex` or UTF-16 cannot be meant.
        if b" ".decode(term, "replace") == " ":
            return codecs.lookup(term).name.replace("-", "_"), False
    except (LookupError, ValueError):
        pass
    return CharacterSets().first, False
