"""What a shell completes in a search: attributes, indexes and words. It calls nothing: a shell would wait for it."""

from collections.abc import Iterable
from typing import Final

import typer

from cli import profiles
from imaging_index.dicom import dictionary
from imaging_index.profile.schema import OWN_KEYS
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level, Order

# With two of them a shell completes the attribute and puts no blank behind it.
_OPERATORS: Final = ("=", "!=")


def conditions(ctx: typer.Context, incomplete: str) -> list[str]:
    """The conditions that begin with an attribute; none behind its operator, where the value is."""
    # Bash takes the operator for a word of its own.
    before = ctx.params.get("conditions") or [""]
    if "=" in incomplete or before[-1].endswith("="):
        return []
    return [f"{name}{operator}" for name in _beginning(incomplete) for operator in _OPERATORS]


def keywords(incomplete: str) -> list[str]:
    """The lists of attributes that begin with one; the last of them is completed."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last)]


def groups(incomplete: str) -> list[str]:
    """What `--by` may be, which is also a part of the study's date."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{each}" for each in _those(("Year", "Month", "Day"), last)] + keywords(incomplete)


def indexes(incomplete: str) -> list[str]:
    """The indexes that are shipped; a profile of one's own may have others."""
    return _those(profiles.load(profiles.DEFAULT).indexes, incomplete)


def levels(incomplete: str) -> list[str]:
    """The levels."""
    return _those(map(str, Level), incomplete)


def orders(incomplete: str) -> list[str]:
    """The orders of rows."""
    return _those(map(str, Order), incomplete)


def spans(incomplete: str) -> list[str]:
    """Some spans, to show what they look like."""
    return _those(("90m", "12h", "7d", "today", "yesterday"), incomplete)


def days(incomplete: str) -> list[str]:
    """The days that have words."""
    return _those(("today", "yesterday"), incomplete)


def _beginning(word: str) -> list[str]:
    """The attributes that begin with a word: those that are shipped, or where none does, those of the dictionary."""
    shipped = [each.name for each in profiles.load(profiles.DEFAULT).attributes]
    return _those([*shipped, OF_STUDY, *OWN_KEYS], word) or _those(dictionary.keywords(), word)


def _those(words: Iterable[str], beginning: str) -> list[str]:
    return [each for each in words if each.startswith(beginning)]
