"""Conditions as they are written on the command line and in Python: a text -> the condition.

A condition is `ATTRIBUTE=VALUE`, `ATTRIBUTE!=VALUE` or `ATTRIBUTE:every=VALUE`. The value is text, text with `*` and
`?`, several values with commas (UI and CS), a range (`a-b` of DA, TM and DT, `a..b` of numbers), `~` and words (PN),
nothing (no value), or `*` alone (any value). Days are written 20240131, 2024-01-31, 202401, 2024, today or yesterday.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from imaging_index.dicom import dictionary, vrs
from imaging_index.dicom.person_names import LONGEST_KEY, cut, fold, name_key, name_words
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import OWN_KEYS
from imaging_index.searching.matching import Condition, Empty, Equal, Like, Present, Range, Test, Words, keys, name_of
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from imaging_index.profile.profile import Profile

# The end of an open range: DynamoDB compares text by its bytes in UTF-8.
AFTER_ALL: Final = "\U0010ffff"

_CONDITION: Final = re.compile(r"([A-Za-z0-9.]+)(:every)?(!?=)(.*)", re.DOTALL)
_WILD: Final = re.compile(r"[*?]")
_MOST_STARS: Final = 64
_MOST_LISTED: Final = 100
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{6}|[0-9]{4}|today|yesterday"
_DAYS: Final = re.compile(rf"({_DAY})?-({_DAY})?")
_ONE_DAY: Final = re.compile(rf"{_DAY}|[0-9]{{4}}\.[0-9]{{2}}\.[0-9]{{2}}")
_CLOCK: Final = r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
_CLOCKS: Final = re.compile(rf"({_CLOCK})?-({_CLOCK})?")
_ONE_CLOCK: Final = re.compile(rf"{_CLOCK}|[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}})?")
_MOMENT: Final = r"[0-9]{4}(?:[0-9]{2}){0,5}(?:\.[0-9]{1,6})?(?:[+-][0-9]{4})?"
_MOMENTS: Final = re.compile(rf"({_MOMENT})?-({_MOMENT})?")
_WITHOUT_WILDCARDS: Final = frozenset({"UI", "AS", "AT"}) | vrs.NUMBERS | vrs.MOMENTS
_LISTED: Final = {"UI": re.compile(r"[,\\]"), "CS": re.compile(r"[,\\]")}
_EXAMPLES: Final = {"AS": "045Y", "DA": "20240131", "DT": "20240131120000", "TM": "120000", "UI": "1.2.840.10008"}
# What an entry has of its own is compared as it is written, and may have a `*`.
_OWN_VRS: Final = {"S": "LO", "N": "IS"}


class SearchError(ValueError):
    """A search that cannot be made. The text says what can be, and quotes no value."""


def parse(texts: Iterable[str], profile: Profile, today: date, *, exact: bool = False) -> list[Condition]:
    """The conditions that some texts write, such as `Modality=CT,MR`.

    Args:
        texts: one condition each.
        profile: of the stack that is searched.
        today: the caller's local day.
        exact: compare text with its case, as the standard does.

    Raises:
        SearchError: a text is no condition, or its value does not fit its attribute.
    """
    conditions: list[Condition] = []
    for text in texts:
        condition = _parse(text, profile, today, exact=exact)
        same = [each for each in conditions if each.attribute == condition.attribute]
        attribute = profile.find(condition.attribute)
        if same and not (attribute and attribute.multiple) and not any(each.negated for each in (condition, *same)):
            raise SearchError(
                f"There are two conditions on {condition.attribute}, which has one value; write one, or a range."
            )
        conditions.append(condition)
    return conditions


def _parse(text: str, profile: Profile, today: date, *, exact: bool) -> Condition:
    match = _CONDITION.fullmatch(text)
    if not match:
        raise SearchError("Write a condition as Keyword=value, like PatientID=1234 or StudyDate=20240101-20240131.")
    written, every, operator, value = match.groups()
    name = (dictionary.keyword_of(written.upper()) if re.fullmatch(r"[0-9A-Fa-f]{8}", written) else None) or written
    attribute = profile.find(name)
    if attribute is None and name not in OWN_KEYS:
        raise SearchError(_not_selected(name, profile))
    vr = attribute.vr.split(" or ", 1)[0] if attribute else _OWN_VRS[OWN_KEYS[name]]
    if every and (attribute is None or attribute.form.arrangement != "range"):
        raise SearchError(f"{name}:every is for numbers and dates of the instances; write {name}=...")
    if attribute and attribute.policy is Policy.HASH:
        if not _TOKEN.fullmatch(value):
            raise SearchError(f"{name} is stored as a token. Search for the token, 64 hexadecimal digits.")
        return Condition(name, "UI", Equal(frozenset({value})), negated=operator == "!=", asked=(value,))
    read = _Value(name, vr, value, today, exact or attribute is None)
    return Condition(name, vr, read.test, read.exact, operator == "!=", bool(every), read.asked)


def _not_selected(name: str, profile: Profile) -> str:
    selected = [attribute.name for attribute in profile.attributes] + [*OWN_KEYS]
    if near := dictionary.nearest(name, selected):
        return f"The profile does not select {name}. Did you mean {near}?"
    if dictionary.lookup(name.rpartition(".")[2]):
        return f"The profile does not select {name}, so no entry has it. Add it to the profile, and index again."
    near = dictionary.nearest(name)
    return f"{name} is not a DICOM keyword.{f' Did you mean {near}?' if near else ''}"


class _Value:
    """The value of one condition: its test, and what an index may be asked."""

    def __init__(self, name: str, vr: str, value: str, today: date, exact: bool) -> None:
        self._name, self._vr, self._today, self.exact = name, vr, today, exact
        self.asked: tuple[str | Between, ...] = ()
        self.test: Test = self._test(value)

    def _test(self, value: str) -> Test:
        if not value.strip():
            return Empty()
        if value == "*":
            return Present()
        if self._vr in vrs.NUMBERS:
            return self._of_numbers(value)
        if self._vr == "DA":
            return self._of_days(value)
        if self._vr == "TM":
            return self._of_clocks(value)
        if self._vr == "DT":
            return self._of_moments(value)
        if self._vr == "PN":
            return self._of_names(value)
        if _WILD.search(value):
            return self._of_pattern(value)
        parts = _LISTED[self._vr].split(value) if self._vr in _LISTED else [value]
        if len(parts) > _MOST_LISTED:
            raise SearchError(f"Give at most {_MOST_LISTED} values of {self._name} at a time.")
        stored = [each for part in parts if (each := self._stored(part))]
        self.asked = tuple(dict.fromkeys(map(str, stored)))
        return Equal(frozenset(key for each in stored for key in keys(self._vr, each, exact=self.exact)))

    def _stored(self, written: str) -> str | Decimal | None:
        """A value in the form in which entries store it."""
        try:
            return vrs.parser(self._vr)(written)
        except vrs.Unusable:
            example = _EXAMPLES.get(self._vr)
            like = f"; write it like {self._name}={example}" if example else ""
            raise SearchError(f"This is not a valid value of {self._name}{like}.") from None

    def _key(self, written: str) -> Any:
        (key,) = keys(self._vr, self._stored(written) or "", exact=True)
        return key

    def _check_stars(self, value: str) -> None:
        if value.count("*") > _MOST_STARS:
            raise SearchError(f"Write at most {_MOST_STARS} stars in a pattern.")

    def _of_pattern(self, value: str) -> Like:
        if self._vr in _WITHOUT_WILDCARDS:
            raise SearchError(f"{self._name} takes no * and no ?: write the value whole.")
        self._check_stars(value)
        begun, rest = value[:-1], value[-1]
        if rest == "*" and not _WILD.search(begun):
            self.asked = (Between(begun, begun + AFTER_ALL),)
        return Like.of(value if self.exact else value.casefold())

    def _of_names(self, value: str) -> Test:
        if value.startswith("~"):
            words = tuple(name_words(value[1:]))
            if not words:
                raise SearchError(f"Write at least one word behind the ~, like {self._name}=~doe.")
            return Words(words)
        if not _WILD.search(value):
            if not (name := name_of(value)):
                raise SearchError(f"Write {self._name} with at least one letter, the family name first: doe^john.")
            self.asked = (name_key(value),)
            return Equal(frozenset({name}))
        self._check_stars(value)
        pattern = re.sub(r"[\^=,.\-\s]+", " ", fold(value)).lstrip()
        begun = cut(pattern.removesuffix("*"), LONGEST_KEY)
        # An index has the first group only.
        if begun and pattern.endswith("*") and not _WILD.search(begun) and "=" not in value:
            # Behind a separator the word is complete: `doe^*` finds Doe and Doe^Peter, and not Doering.
            whole = begun.endswith(" ")
            self.asked = (Between(begun.rstrip(), f"{begun.rstrip()} {AFTER_ALL}" if whole else begun + AFTER_ALL),)
        return Like.of(pattern if pattern.endswith("*") else f"{pattern.rstrip()} ")

    def _of_numbers(self, value: str) -> Test:
        low, dots, high = value.partition("..")
        if not dots:
            number = self._number(value)
            self.asked = (f"{number:f}",)
            return Equal(frozenset({number}))
        ends = [self._number(end) if end.strip() else None for end in (low, high)]
        return Present() if ends == [None, None] else self._range(*ends)

    def _number(self, written: str) -> Decimal:
        try:
            value = vrs.number(written)
        except vrs.Unusable:
            value = None
        if value is None:
            raise SearchError(f"{self._name} is a number: write {self._name}=3, or a range like {self._name}=1..5.")
        return value

    def _of_days(self, value: str) -> Test:
        if _ONE_DAY.fullmatch(value.strip()):
            first, last = self._day(value.strip(), last=False), self._day(value.strip(), last=True)
            self.asked = (first,) if first == last else (Between(first, last),)
            return Equal(frozenset({first})) if first == last else Range(first, last)
        days = _DAYS.fullmatch(value)
        if not days:
            raise SearchError(
                f"Write {self._name} as a day (20240131 or 2024-01-31), a month (202401), a year (2024), today or "
                "yesterday, or as a range (20240101-20240131, 20240101- or -20240131)."
            )
        if value == "-":
            return Present()
        low = self._day(days[1], last=False) if days[1] else None
        high = self._day(days[2], last=True) if days[2] else None
        self.asked = (Between(low or "00010101", high or AFTER_ALL),)
        return self._range(low, high)

    def _day(self, written: str, *, last: bool) -> str:
        if written in ("today", "yesterday"):
            return (self._today - timedelta(days=written == "yesterday")).strftime("%Y%m%d")
        digits = re.sub(r"[-.]", "", written)
        try:
            vrs.moment(digits)
        except vrs.Unusable:
            raise SearchError(
                f"{self._name} names a day that no calendar has; write year, month and day, as in 20240131."
            ) from None
        return digits.ljust(8, "9") if last else f"{digits}0101"[:8] if len(digits) == 4 else digits.ljust(8, "0")

    def _of_clocks(self, value: str) -> Test:
        if _ONE_CLOCK.fullmatch(value.strip()):
            return Equal(frozenset({self._key(value)}))
        clocks = _CLOCKS.fullmatch(value)
        if not clocks:
            raise SearchError(f"Write {self._name} as 120000 or 1200, or as a range like 0800-1200.")
        if value == "-":
            return Present()
        return self._range(
            self._key(clocks[1]) if clocks[1] else None, self._key(_to_the_end(clocks[2])) if clocks[2] else None
        )

    def _of_moments(self, value: str) -> Test:
        # What ends in -NNNN has an offset if there is such a one, and is a range of years if not.
        if re.fullmatch(_MOMENT, value) and (not re.fullmatch(r"[0-9]{4}-[0-9]{4}", value) or value[5:] <= "1200"):
            return Equal(frozenset({self._key(value)}))
        moments = _MOMENTS.fullmatch(value)
        if not moments:
            raise SearchError(f"Write {self._name} as 20240131120000, or as a range like 20240131-20240201.")
        if value == "-":
            return Present()
        try:
            high = vrs.end_of(moments[2]) if moments[2] else None
        except vrs.Unusable:
            raise SearchError(f"This is not a valid value of {self._name}.") from None
        return self._range(self._key(moments[1]) if moments[1] else None, high)

    def _range(self, low: Any, high: Any) -> Range:
        if low is not None and high is not None and low > high:
            over = " A range of times cannot go over midnight." if self._vr == "TM" else ""
            raise SearchError(f"The range of {self._name} ends before it begins; write the lower end first.{over}")
        return Range(low, high)


def _to_the_end(clock: str) -> str:
    """The last microsecond that a time of day with some digits left out can mean (PS3.4, section C.2.2.2.5)."""
    whole, dot, fraction = clock.partition(".")
    return f"{whole}{'5959'[len(whole) - 2 :]}.{fraction.ljust(6, '0') if dot else '9' * 6}"
