"""DICOM's data dictionary (PS3.6, section 6) with the level at which HealthImaging keeps each attribute.

And the VRs of private elements that are known from pydicom's dictionary of them. `tools/dictionary.py` writes both.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from pathlib import Path

import msgspec


class Level(StrEnum):
    """Where HealthImaging's metadata holds an attribute (its developer guide, "Metadata normalization")."""

    PATIENT = "Patient"
    STUDY = "Study"
    SERIES = "Series"
    INSTANCE = "Instance"


class Element(msgspec.Struct, frozen=True):
    """One line of the dictionary: `tag` as 8 hexadecimal digits, `vr` and `vm` as in PS3.6 (`US or SS`, `1-n`).

    `newer` says that HealthImaging's own dictionary, PS3.6 2022b, may not have it.
    """

    keyword: str
    tag: str
    vr: str
    vm: str
    level: Level
    retired: bool
    newer: bool


@cache
def _text(file: str = "dictionary.tsv") -> str:
    return (Path(__file__).parent / file).read_text("utf-8")


@cache
def lookup(keyword: str) -> Element | None:
    """The element of a keyword, or None for a word that is not in the dictionary.

    Searches the file's text instead of parsing its 5,000 lines: a cold start looks up a hundred of them.
    """
    text = _text()
    start = text.find(f"\n{keyword}\t") + 1
    if not start or not keyword.isalnum():
        return None
    _, tag, vr, vm, level, retired, newer = text[start : text.index("\n", start)].split("\t")
    return Element(keyword, tag, vr, vm, Level(level or Level.INSTANCE), retired == "retired", newer == "newer")


def keyword_of(tag: str) -> str | None:
    """The keyword of a tag, 8 hexadecimal digits in capitals, or None when the dictionary has none."""
    text = _text()
    at = text.find(f"\t{tag}\t")
    return None if at < 0 else text[text.rindex("\n", 0, at) + 1 : at]


def private_vr(creator: str, element: str) -> str | None:
    """The VR of a creator's private element, like `0019xx0C`, or None when it is not known.

    The creator is in capitals. Only a profile that does not say a VR itself has the file read.
    """
    text = _text("private_dictionary.tsv")
    line = f"\n{creator}\t{element}\t"
    start = text.find(line)
    return None if start < 0 else text[start + len(line) : text.index("\n", start + 1)]


def keywords() -> list[str]:
    """All keywords, in the order of their tags."""
    return [line.split("\t", 1)[0] for line in _text().splitlines()[1:]]


def nearest(word: str, words: Iterable[str] | None = None) -> str | None:
    """The one of some words, or of all keywords, that a misspelt `word` was most likely meant to be; None: no one."""
    import difflib  # for a mistake alone: a cold start does without

    by_lower = {each.lower(): each for each in (keywords() if words is None else words)}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.75)
    return by_lower[found[0]] if found else None
