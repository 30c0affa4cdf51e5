"""Conditions as they are written on the command line and in Python: a text -> the condition.

A condition is `ATTRIBUTE=VALUE`, `ATTRIBUTE!=VALUE` or `ATTRIBUTE:every=VALUE`; `ATTRIBUTE>=VALUE` and `<=` are ranges
with an open end. The value is text, text with `*` and `?`, several values with commas (UI and CS), a range (`a..b`, of
DA, TM and DT also `a-b`), `~` and words (PN), nothing (no value), or `*` alone (any value). Days are written 20240131,
2024-01-31, 202401, 2024, today or yesterday.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import PATIENT_NAME_KEY
from imaging_index.profile.privacy import Policy
from imaging_index.searching import names, pseudonyms
from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Condition, Empty
from imaging_index.searching.moments import AFTER_ALL, since
from imaging_index.searching.values import NAMING, Value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from imaging_index.profile.privacy import Privacy
    from imaging_index.profile.profile import Profile

__all__ = ["AFTER_ALL", "SearchError", "each_of", "listed", "parse", "since"]

_CONDITION: Final = re.compile(r"\s*([A-Za-z0-9_.(),]+?)(:every)?\s*(!=|==|>=|<=|=|>|<)(.*)", re.DOTALL)
_BEGINNING: Final = re.compile(r"\s*([A-Za-z0-9_.(),]+)")
_LISTED: Final = re.compile(r"(\s*[A-Za-z0-9_.(),]+?(?::every)?\s*(?:!=|>=|<=|=))@(.+)", re.DOTALL)
_MOST_LINES: Final = 10_000


class _Written(msgspec.Struct):
    """One condition in its parts: a value, or of a range the ends."""

    named: names.Named
    every: bool
    operator: str
    value: str | None
    low: str = ""
    high: str = ""


def parse(
    texts: Iterable[str], profile: Profile, today: date, *, exact: bool = False, privacy: Privacy | None = None
) -> list[Condition]:
    """The conditions that some texts write, such as `Modality=CT,MR`.

    Args:
        texts: one condition each.
        profile: of the stack that is searched.
        today: the caller's local day.
        exact: text is exactly what is written, also its case, as the standard has it.
        privacy: with the key of the stack, for values in the clear of what is hashed or mapped; else None.

    Raises:
        SearchError: a text is no condition, or its value does not fit its attribute.
    """
    conditions: list[Condition] = []
    for written in _joined([_split(text, profile) for text in texts]):
        condition = _condition(written, profile, today, privacy, exact=exact)
        attribute = written.named.attribute
        several = attribute.multiple if attribute else written.named.vr in ("CS", "UI")
        if not several and not condition.negated and any(_asks_alike(condition, each) for each in conditions):
            raise SearchError(
                f"There are two conditions on {condition.attribute}, which has one value; write one, or a range."
            )
        conditions.append(condition)
    return conditions


def _asks_alike(one: Condition, other: Condition) -> bool:
    return (one.attribute, one.every, False) == (other.attribute, other.every, other.negated)


def listed(text: str) -> tuple[str, str] | None:
    """A condition of values in a file, `PatientID=@FILE`, as `("PatientID=", "FILE")`; None for any other text.

    Raises:
        SearchError: its operator is another one.
    """
    match = _LISTED.fullmatch(text)
    if match is None:
        return None
    if not re.fullmatch(r"[^:!<>]+=", match[1]):
        raise SearchError("Values in a file are for the operator = alone: write Keyword=@FILE.")
    return match[1], match[2]


def each_of(beginning: str, lines: Iterable[str]) -> list[str]:
    """The condition for each value of a file: `beginning` is what `listed` returned, `lines` have one value each.

    Blank lines are left out, and so are values that were there before.

    Raises:
        SearchError: there is no value, or there are more than 10,000.
    """
    values = dict.fromkeys(value for line in lines if (value := line.strip()))
    if not values:
        raise SearchError("The file has no values; write one a line.")
    if len(values) > _MOST_LINES:
        raise SearchError(f"The file has more than {_MOST_LINES:,} values; split it.")
    return [beginning + value for value in values]


def _split(text: str, profile: Profile) -> _Written:
    match = _CONDITION.fullmatch(text)
    if not match:
        raise SearchError(_how_to_write(text, profile))
    attribute, every, operator, value = match.groups()
    named = names.find(attribute, profile)
    if operator in ("<", ">"):
        raise SearchError(f"A range includes its ends: write {named.name}{operator}=value, in quotes.")
    if operator in (">=", "<="):
        if not value.strip():
            raise SearchError(f"Write a value behind {named.name}{operator}, and quotes around the condition.")
        low, high = (value, "") if operator == ">=" else ("", value)
        return _Written(named, bool(every), "=", None, low, high)
    return _Written(named, bool(every), operator, value)


def _how_to_write(text: str, profile: Profile) -> str:
    """How to write a condition on the attribute that a text begins with, if it does.

    The shell may have taken its `>` for a redirection.
    """
    beginning = _BEGINNING.match(text)
    try:
        name = names.find(beginning[1] if beginning else "", profile).name
    except SearchError:
        return (
            "Write a condition as Keyword=value, like PatientID=1234, StudyDate=20240101-20240131 or "
            "SeriesDescription=*chest*."
        )
    return (
        f"Write a condition as {name}=value, or {name}=* for any value. Put quotes around one with < or >, or write a "
        "range as a..b."
    )


def _joined(conditions: Iterable[_Written]) -> list[_Written]:
    """Some conditions, with `>=` and `<=` of one attribute as the one range that they are."""
    joined: list[_Written] = []
    for each in conditions:
        other = next((other for other in joined if _completes(each, other)), None)
        if other:
            other.low, other.high = other.low or each.low, other.high or each.high
        else:
            joined.append(each)
    return joined


def _completes(one: _Written, other: _Written) -> bool:
    open_ends = one.value is None and other.value is None and bool(one.low) is bool(other.high)
    return open_ends and not (other.low and other.high) and (one.named, one.every) == (other.named, other.every)


def _condition(written: _Written, profile: Profile, today: date, privacy: Privacy | None, *, exact: bool) -> Condition:
    named, negated = written.named, written.operator == "!="
    name, attribute = named.name, named.attribute
    if written.every and (attribute is None or attribute.form.arrangement != "range"):
        raise SearchError(f"{name}:every is for numbers and dates of the instances; write {name}=...")
    if written.every and negated:
        raise SearchError(f"{name}!=... already asks that no instance has the value; write it without :every.")
    if attribute and attribute.policy in (Policy.HASH, Policy.UID):
        return pseudonyms.condition(attribute, written.value, privacy, negated=negated)
    if attribute:
        texts = (written.low, written.high) if written.value is None else (written.value,)
        pseudonyms.check(attribute, texts, privacy)
    own = attribute is None and named.vr != "CS"
    identifier = attribute is not None and named.vr in NAMING and _is_key(name, profile)
    value = Value(name, named.vr, today, exact=exact or own, identifier=identifier)
    test = value.between(written.low, written.high) if written.value is None else value.test(written.value)
    # An index has no values of a whole study, and folded names of PatientName alone: of another name, it has the text.
    folded = name == PATIENT_NAME_KEY.compared and not _is_key(name, profile)
    asked = () if name == names.OF_STUDY or (named.vr == "PN" and not folded) else value.asked
    # No instance has a value, if the attribute is absent.
    every = written.every and not isinstance(test, Empty)
    whole = attribute is not None and attribute.form.whole
    return Condition(name, names.VRS.get(named.vr, named.vr), test, value.exact, negated, every, asked, whole)


def _is_key(name: str, profile: Profile) -> bool:
    return any(name in index.partition for index in profile.indexes.values())
