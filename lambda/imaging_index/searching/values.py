"""The value of a condition as it is written, by VR: a text -> its test, and what an index may be asked for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import vrs
from imaging_index.dicom.person_names import LONGEST_KEY, cut, fold, name_key, name_words
from imaging_index.searching import moments
from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Ages, Empty, Equal, Like, Present, Range, Test, Words, keys
from imaging_index.searching.moments import AFTER_ALL
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

# Text whose values can name a patient or an order, where it is a key of an index.
NAMING: Final = frozenset({"AE", "AT", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})

_WILD: Final = re.compile(r"[*?]")
_MOST_STARS: Final = 64
MOST_LISTED: Final = 100
_MOST_WORDS: Final = 8
_WITHOUT_WILDCARDS: Final = frozenset({"UI", "AS", "AT"})
_IN_ONE_CASE: Final = frozenset({"UI", "AS"})
_LISTED: Final = {"UI": re.compile(r"[,\\]"), "CS": re.compile(r"[,\\]")}
_ORDERED: Final = vrs.NUMBERS | vrs.MOMENTS | {"AS", "own"}
_EXAMPLES: Final = {"AS": "045Y, or a range like {}=018Y..065Y", "AT": "0018A001"}
# Ideographs, kana and hangul are in the second and third group of most names (PS3.5, section 6.2.1.2).
_IDEOGRAPHS: Final = re.compile("[\u2e80-\U0010ffff]")
_TAG: Final = re.compile(r"\s*\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?\s*")
_NUMBER: Final = re.compile(r"\s*(?:[0-9]+(?:\.[0-9]+)?)?\s*")
_FLAGS: Final = {"true": "true", "yes": "true", "false": "false", "no": "false"}


class Value:
    """What is written of an attribute: its test, what an index may be asked for it, and whether case counts.

    Args:
        name: of the attribute.
        vr: as `names.Named` has it.
        today: the caller's local day.
        exact: text is exactly what is written, as the standard has it.
        identifier: a key of some index. Without `exact` it is the text as it is written, in capitals or in small
            letters, which an index can be asked for, unlike text in any case.
    """

    def __init__(self, name: str, vr: str, today: date, *, exact: bool, identifier: bool) -> None:
        self._name, self._vr, self._today = name, vr, today
        self._literal, self.exact, self._identifier = exact, exact or vr == "own", identifier and not exact
        self.asked: tuple[str | Between, ...] = ()

    def test(self, value: str) -> Test:
        """The test of a value.

        Raises:
            SearchError: the attribute can have no such value.
        """
        if not value.strip():
            return Empty()
        if value == "*":
            return Present()
        if self._vr in _ORDERED and (ends := self._ends(value)):
            return self.between(*ends)
        if self._vr == "bool":
            return self._flag(value)
        if self._vr == "PN":
            return self._of_names(value)
        if self._vr == "own" and _WILD.search(value):
            return self._of_pattern(value)
        return self._of_ordered(value) if self._vr in _ORDERED - {"AS"} else self._of_text(value)

    def between(self, low: str, high: str) -> Test:
        """The test of a range; an end without a text is open.

        Raises:
            SearchError: the attribute has no ranges, or not this one.
        """
        if self._vr not in _ORDERED:
            whole = self._vr in _WITHOUT_WILDCARDS or self._vr == "bool"
            part = "" if whole else f", or its beginning, like {self._name}=A*"
            raise SearchError(
                f"{self._name} has no ranges, which are for numbers, dates, times and ages: write a whole value{part}."
            )
        if not low.strip() and not high.strip():
            return Present()
        first = self._span(low)[0] if low.strip() else None
        last = self._span(high)[1] if high.strip() else None
        if first is not None and last is not None and first > last:
            midnight = " A range of times cannot go over midnight: search up to 2359, and then from 0000."
            raise SearchError(
                f"The range of {self._name} ends before it begins; write the lower end first."
                f"{midnight if self._vr == 'TM' else ''}"
            )
        if self._vr in ("DA", "own"):
            self.asked = (Between(first or "00010101", last or AFTER_ALL),)
        return Ages(first, last) if self._vr == "AS" else Range(first, last)

    def _ends(self, value: str) -> tuple[str, str] | None:
        """The ends of a range, or None for what is none."""
        low, dots, high = value.partition("..")
        if dots:
            return low, high
        return moments.ends(self._vr, value) if self._vr in vrs.MOMENTS or self._vr == "own" else None

    def _span(self, written: str) -> tuple[Any, Any]:
        """The first and the last value that one end of a range can mean."""
        if self._vr in vrs.NUMBERS:
            return (self._number(written),) * 2
        if self._vr == "AS":
            return (vrs.years(str(self._stored(written))),) * 2
        return moments.span(self._vr, self._name, written, self._today)

    def _of_ordered(self, value: str) -> Test:
        """The test of a number, a day or a moment that is no range, unless a day has many moments."""
        first, last = self._span(value)
        # A time of day and a DT with hours are compared as they are; a DT of a day is all of the day.
        if self._vr == "TM" or (self._vr == "DT" and (self._literal or re.search(r"[T:]|[0-9]{10}", value))):
            last = first
        if self._vr in ("DA", "own"):
            self.asked = (first,) if first == last else (Between(first, last),)
        elif self._vr in vrs.NUMBERS:
            self.asked = (f"{first:f}",)
        return Equal(frozenset({first})) if first == last else Range(first, last)

    def _number(self, written: str) -> Decimal:
        try:
            value = vrs.number(written)
        except vrs.Unusable:
            value = None
        if value is None:
            raise SearchError(f"{self._name} is a number: write {self._name}=3, or a range like {self._name}=1..5.")
        return value

    def _flag(self, value: str) -> Equal:
        flag = _FLAGS.get(value.strip().lower())
        if flag is None:
            raise SearchError(f"{self._name} is true or false: write {self._name}=true or {self._name}=false.")
        return Equal(frozenset({flag}))

    def _of_names(self, value: str) -> Test:
        if value.startswith("~"):
            words = tuple(name_words(value[1:]))
            if not words:
                raise SearchError(f"Write at least one word behind the ~, like {self._name}=~doe.")
            return Words(words)
        if not _WILD.search(value):
            return self._of_name(value)
        self._check_stars(value)
        pattern = re.sub(r"[\^=,.\-\s]+", " ", fold(value)).lstrip()
        begun = cut(pattern.removesuffix("*"), LONGEST_KEY)
        # An index has the first group only.
        first = "=" not in value and not _IDEOGRAPHS.search(pattern)
        if begun and pattern.endswith("*") and not _WILD.search(begun) and first:
            # Behind a separator the word is complete: `doe^*` finds Doe and Doe^Peter, and not Doering.
            whole = begun.endswith(" ")
            self.asked = (Between(begun.rstrip(), f"{begun.rstrip()} {AFTER_ALL}" if whole else begun + AFTER_ALL),)
        return Like.of(pattern if pattern.endswith("*") else f"{pattern.rstrip()} ")

    def _of_name(self, value: str) -> Equal:
        """The test of a whole name; without ^ and comma the given names may come first (C.2.2.2.1.1 allows it)."""
        if not self._literal and sum("^" in part for part in value.split(",")) > 1:
            raise SearchError(
                f"{self._name} takes one name at a time: write doe^john, or {self._name}=@FILE with one name a line."
            )
        words = name_words(value)
        if not words:
            raise SearchError(f"Write {self._name} with at least one letter, the family name first: doe^john.")
        turns = [words]
        if not self._literal and len(words) <= _MOST_WORDS and not re.search(r"[\^=,]", value):
            turns = [words[at:] + words[:at] for at in range(len(words))]
        # An index has the first group only.
        first = [name_key(value)] if len(turns) == 1 else [cut(" ".join(turn), LONGEST_KEY) for turn in turns]
        if not _IDEOGRAPHS.search(first[0]):
            self.asked = tuple(dict.fromkeys(first))
        return Equal(frozenset("".join(f"{word} " for word in turn) for turn in turns))

    def _of_text(self, value: str) -> Test:
        if not self._literal:
            self._refuse_other_forms(value)
        if _WILD.search(value):
            return self._of_pattern(value)
        parts = _LISTED[self._vr].split(value) if self._vr in _LISTED else [value]
        if len(parts) > MOST_LISTED:
            raise SearchError(
                f"Give at most {MOST_LISTED} values of {self._name} at a time, or {self._name}=@FILE with one a line."
            )
        stored = [each for part in parts if (each := self._stored(part))]
        if self._identifier:
            # Text in capitals and in small letters cannot be told apart in an index.
            stored = [form for each in stored for form in (each, each.upper(), each.lower())]
            self.exact = True
        if self.exact or self._vr in _IN_ONE_CASE:
            self.asked = tuple(dict.fromkeys(stored))
        return Equal(frozenset(key for each in stored for key in keys(self._vr, each, exact=self.exact)))

    def _refuse_other_forms(self, value: str) -> None:
        """Refuse text that is surely meant as a range, as words or as a list, which it is not."""
        low, dots, high = value.partition("..")
        if dots and (low.strip() or high.strip()) and _NUMBER.fullmatch(low) and _NUMBER.fullmatch(high):
            self.between(low, high)
        if value.startswith("~"):
            raise SearchError(f"The ~ is for names of persons; write a part of {self._name} as {self._name}=*part*.")
        if self._identifier and self._vr not in _LISTED and "," in value:
            raise SearchError(
                f"{self._name} takes one value at a time: write {self._name}=@FILE with one a line, or --exact where "
                "the comma is a part of the value."
            )

    def _of_pattern(self, value: str) -> Like:
        if self._vr in _WITHOUT_WILDCARDS:
            raise SearchError(f"{self._name} takes no * and no ?: write the value whole.")
        self._check_stars(value)
        begun, rest = value[:-1], value[-1]
        if self.exact and rest == "*" and not _WILD.search(begun):
            self.asked = (Between(begun, begun + AFTER_ALL),)
        return Like.of(value if self.exact else value.casefold())

    def _check_stars(self, value: str) -> None:
        if value.count("*") > _MOST_STARS:
            raise SearchError(f"Write at most {_MOST_STARS} stars in a pattern.")

    def _stored(self, written: str) -> str | None:
        """A text in the form in which entries store it."""
        try:
            value = _tag(written) if self._vr == "AT" else vrs.parser(self._vr)(written)
        except vrs.Unusable:
            example = _EXAMPLES[self._vr].format(self._name)
            raise SearchError(
                f"This is not a valid value of {self._name}; write it like {self._name}={example}."
            ) from None
        return None if value is None else str(value)


def _tag(written: str) -> str:
    match = _TAG.fullmatch(written)
    if not match:
        raise vrs.Unusable
    return match[1] + match[2]
