"""Persons' names and other text as search compares them."""

import re
import unicodedata
from typing import Final

# Bytes of UTF-8 that an index has of a name.
LONGEST_KEY: Final = 256

_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})
_SEPARATORS: Final = re.compile(r"[\^=,.\-\s]+")


def fold(text: str) -> str:
    """Text as search compares it: case and width folded, accents dropped from Latin and Greek letters only.

    Kana and Cyrillic keep their marks, since there a mark makes another letter.
    """
    if text.isascii():
        return text.lower()
    folded: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold()):
        if not unicodedata.combining(character):
            base = character
        elif unicodedata.name(base, "").startswith(("LATIN", "GREEK")) if base else False:
            continue
        folded.append(character)
    return unicodedata.normalize("NFC", "".join(folded)).translate(_LETTERS)


def name_words(name: str) -> list[str]:
    """The folded words of a PN (PS3.5 6.2.1), of all its groups, in their order."""
    return [word for word in _SEPARATORS.split(fold(name)) if word]


def name_folded(names: list[str]) -> str:
    """One or more PN as search compares them: each folded word behind a blank, so that ` hom` finds a word's start."""
    return "".join(f" {word}" for name in names for word in name_words(name))


def name_key(name: str) -> str:
    """The folded words of a PN's first group that is not empty, the family name first, at most 256 bytes of UTF-8."""
    groups = (" ".join(name_words(group)) for group in name.split("="))
    return cut(next(filter(None, groups), ""), LONGEST_KEY)


def cut(text: str, size: int) -> str:
    """At most `size` bytes of `text` in UTF-8, never half a character."""
    encoded = text.encode("utf-8")
    return text if len(encoded) <= size else encoded[:size].decode("utf-8", "ignore")
