"""Conditions on what is not stored as it is: tokens, mapped UIDs, shifted dates and capped ages.

They are asked for as they are stored. Whoever may use the key may ask for a token or a UID in the clear.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imaging_index.dicom import vrs
from imaging_index.profile.privacy import OLDEST_TOLD, Policy, is_standard
from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Condition, Empty, Equal, Present
from imaging_index.searching.values import MOST_LISTED

if TYPE_CHECKING:
    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.privacy import Privacy

_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_UID: Final = re.compile(r"[0-9.]+")
_LIST: Final = re.compile(r"[,\\]")
_YEARS: Final = re.compile(r"([0-9]+) *Y", re.IGNORECASE)
# A number without what is behind its point; two points are between the ends of a range.
_WHOLE_YEARS: Final = re.compile(r"(?:(?<=\.\.)|(?<![0-9.]))[0-9]+")


def condition(attribute: Attribute, value: str | None, privacy: Privacy | None, *, negated: bool) -> Condition:
    """The condition on an attribute that is hashed, or whose UIDs are mapped.

    Args:
        attribute: which one.
        value: as it is written, None for a range.
        privacy: makes what is stored of a value in the clear; None where that is not to be.
        negated: whether no value may be the one.

    Raises:
        SearchError: it has no such value as it is stored.
    """
    name = attribute.name
    if value in ("", "*"):
        return Condition(name, "UI", Present() if value else Empty(), negated=negated)
    parts = [] if value is None else _LIST.split(value) if attribute.vr == "UI" else [value]
    if not 1 <= len(parts) <= MOST_LISTED:
        raise _refusal(attribute)
    stored = tuple(_stored(attribute, part.strip(), privacy) for part in parts)
    return Condition(name, "UI", Equal(frozenset(stored)), negated=negated, asked=stored)


def check(attribute: Attribute, texts: tuple[str, ...], privacy: Privacy | None) -> None:
    """Check a condition on an attribute that is compared as it is stored, whose values and ends are `texts`.

    Raises:
        SearchError: nothing is stored in such a way.
    """
    if attribute.policy is Policy.SHIFT and privacy is not None:
        raise SearchError(
            f"{attribute.name} is shifted by other days for each patient. Ask for it as it is stored, without --clear: "
            "imaging-index pseudonym has the days of a patient."
        )
    if attribute.policy is Policy.CAP and any(int(years[:9]) > OLDEST_TOLD + 1 for years in _years(attribute, texts)):
        written = "090Y" if attribute.vr == "AS" else "90"
        raise SearchError(f"{attribute.name} has 90 years for all ages over {OLDEST_TOLD}: write {written}.")


def _years(attribute: Attribute, texts: tuple[str, ...]) -> list[str]:
    """The years that texts name: those of an AS have a unit."""
    return [years for text in texts for years in (_YEARS if attribute.vr == "AS" else _WHOLE_YEARS).findall(text)]


def _stored(attribute: Attribute, value: str, privacy: Privacy | None) -> str:
    """What is stored of a value in the clear, or the value itself where it is in the form of what is stored."""
    token = attribute.policy is Policy.HASH and _TOKEN.fullmatch(value)
    if token or (privacy is None and attribute.policy is Policy.UID and _is_uid_as_stored(value)):
        return value
    if privacy is None:
        raise _refusal(attribute)
    try:
        typed = vrs.parser(attribute.vr)(value)
    except vrs.Unusable:
        typed = None
    if typed is None or (attribute.vr != "UI" and re.search(r"[*?]", value)):
        raise SearchError(f"{attribute.name} is not stored as it is: write one whole value, without * and ?.")
    stored: str = privacy.apply(attribute.policy, typed)
    return stored


def _is_uid_as_stored(value: str) -> bool:
    return _UID.fullmatch(value) is not None and (value.startswith("2.25.") or is_standard(value))


def _refusal(attribute: Attribute) -> SearchError:
    how = "Whoever may use the key asks in the clear: imaging-index search --clear."
    if attribute.policy is Policy.HASH:
        return SearchError(f"{attribute.name} is stored as a token. Search for the token, 64 hexadecimal digits. {how}")
    return SearchError(f"{attribute.name} is stored as another UID. Search for that one, which begins 2.25. {how}")
