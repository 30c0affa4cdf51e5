"""The keys of a query as conditions: what is matched in entries, and what in each instance (PS3.4, section C.2.2.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.dicom import vrs
from imaging_index.dicom.person_names import name_words
from imaging_index.profile.derived import PATIENT_NAME_KEY
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import LONGEST_TEXT
from imaging_index.qido.combined import combine
from imaging_index.qido.keys import spelled
from imaging_index.qido.refusal import Refusal, bad_request
from imaging_index.searching import moments, names, pseudonyms
from imaging_index.searching.errors import SearchError
from imaging_index.searching.matching import Condition, Empty, Equal, Range, Words
from imaging_index.searching.question import Level
from imaging_index.searching.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile
    from imaging_index.qido.keys import Keys
    from imaging_index.qido.parameters import Parameters
    from imaging_index.searching.names import Named

MOST_KEYS: Final = 100
_UNIVERSAL: Final = re.compile(r"[\s*]*")
_WILD: Final = re.compile(r"[*?]")
_EMPTY: Final = '""'
_LISTED: Final = frozenset({"UI", "CS"})
_LIST: Final = re.compile(r"[,\\]")
# PS3.4, section C.2.2.2.8: those of which all of several values may be asked for.
_SEVERAL: Final = frozenset({"AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"})
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_CHARACTER_SET: Final = "SpecificCharacterSet"
_UTF_8: Final = "ISO_IR 192"
_ZONE: Final = "TimezoneOffsetFromUTC"
_HOW: Final = {
    "DA": "Write a day like 20240131, or a range like 20240101-20240131, 20240101- or -20240131.",
    "TM": "Write a time like 1200 or 120000, or a range like 0800-1200, which does not go over midnight.",
    "DT": "Write a moment like 20240131120000 or 20240131120000+0100, or a range like 20240131-20240201.",
    "PN": "Write a name like Doe^John, with at least one letter.",
    "AS": "Write an age like 045Y.",
    "AT": "Write a tag like 00180050.",
    "UI": "Write UIDs without * and ?, at most 100 with commas between them.",
    "CS": "Write codes in capitals, at most 100 with commas between them, or a pattern with at most 64 stars.",
    "bool": "Write true or false.",
    "own": "Write a moment in UTC like 2024-01-31T12:00, or a range like 2024-01-30..2024-01-31.",
    **dict.fromkeys(vrs.NUMBERS, "Write a number like 3 or 2.5."),
}
_HOW_TEXT: Final = "Write a pattern with at most 64 stars."


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the keys of a query ask for.

    Attributes:
        of_entries: the conditions on entries.
        of_instances: those on what the pages have of each instance.
        names: the selected attributes that are matched or asked for.
        ignored: how many keys were ignored.
    """

    of_entries: tuple[Condition, ...] = ()
    of_instances: tuple[Condition, ...] = ()
    names: tuple[str, ...] = ()
    ignored: int = 0


class Reader:
    """Reads the keys of queries on one profile."""

    def __init__(
        self, profile: Profile, keys: Keys, token: Callable[[str], str] | None, *, ignores_unknown: bool
    ) -> None:
        """Read keys that name what `keys` has.

        Args:
            profile: what is selected.
            keys: of it.
            token: makes the token of a value, if the profile hashes attributes.
            ignores_unknown: keys that nothing can be searched by are left out, unless they are of identity.
        """
        self._keys, self._token, self._ignores_unknown = keys, token, ignores_unknown
        self._partitions = frozenset(key for index in profile.indexes.values() for key in index.partition)
        self._separate = frozenset(each.name for each in profile.attributes if each.form.arrangement != "one")

    def read(self, path: Iterable[tuple[str, str]], parameters: Parameters, level: Level, today: date) -> Asked:
        """What a request asks for.

        Args:
            path: the UIDs that its path names, with their keywords.
            parameters: of its query.
            level: of the objects that are searched for.
            today: the day that a value may name by this word.

        Raises:
            Refusal: nothing can be searched by a key, or its value is invalid.
        """
        grouped: dict[str, list[str]] = {}
        for key, value in parameters.keys:
            grouped.setdefault(spelled(key), []).append(value)
        if len(grouped) > MOST_KEYS:
            raise bad_request(f"A query has at most {MOST_KEYS} keys.")
        shown = [name for each in parameters.included for name in self._keys.selected(spelled(each))]
        found: dict[str, tuple[Named, list[str]]] = {}
        ignored = 0
        for key, values in grouped.items():
            shown += self._keys.selected(key)
            matched = [*dict.fromkeys(value for value in values if not _UNIVERSAL.fullmatch(value))]
            if not matched or not _is_compared(key, matched):
                continue
            try:
                named = self._keys.find(key, level)
            except Refusal:
                if not self._ignores_unknown or not self._keys.may_be_ignored(key):
                    raise
                ignored += 1
                continue
            values_of = found.setdefault(named.name, (named, []))[1]
            values_of += (value for value in matched if value not in values_of)
        below = [(self._keys.find(key, level), [value]) for key, value in path]
        conditions = [
            each
            for named, values in (*below, *found.values())
            for each in self._conditions(named, values, parameters, today)
        ]
        of_instances = [each for each in conditions if self._keys.is_of_instances(each.attribute)]
        of_entries = combine([each for each in conditions if self._keys.is_of_entries(each.attribute)], self._separate)
        for each in filter(_goes_over_midnight, (*of_entries, *of_instances)):
            raise _invalid(self._keys.find(each.attribute, level))
        return Asked(
            of_entries=of_entries,
            of_instances=tuple(of_instances) if level is Level.IMAGE_SET else (),
            names=tuple(dict.fromkeys(shown)),
            ignored=ignored,
        )

    def _conditions(self, named: Named, values: list[str], parameters: Parameters, today: date) -> Iterator[Condition]:
        """The conditions of an attribute's values: all must hold."""
        listed = named.vr in _LISTED
        if parameters.several and named.vr in _SEVERAL:
            values = [part for value in values for part in value.split("\\") if not _UNIVERSAL.fullmatch(part)]
            if len(values) > 1 and any(map(_WILD.search, values)):
                raise bad_request(f"Of several values that {named.name} must all have, none has * or ?.")
        elif listed:
            values = [",".join(values)]
        elif len(values) > 1:
            raise bad_request(f"There are several values of {named.name}. Write one, or one search for each.")
        for value in values:
            if any(len(part.encode()) > LONGEST_TEXT for part in (_LIST.split(value) if listed else [value])):
                raise bad_request(f"No value of {named.name} is as long as this one.")
            yield self._condition(named, value, parameters, today)

    def _condition(self, named: Named, value: str, parameters: Parameters, today: date) -> Condition:
        name, vr, attribute = named.name, named.vr, named.attribute
        if parameters.empty and value == _EMPTY:
            return Condition(name, names.VRS.get(vr, vr), Empty(), exact=True)
        if attribute and attribute.policy is Policy.HASH:
            return self._of_token(attribute, value, parameters)
        if vr == "PN" and parameters.fuzzy:
            words = tuple(name_words(_WILD.sub(" ", value)))
            if not words:
                raise _invalid(named)
            return Condition(name, vr, Words(words), exact=True)
        if attribute and attribute.policy is Policy.CAP:
            try:
                pseudonyms.check(attribute, (value,), None)
            except SearchError as error:
                raise bad_request(str(error)) from None
        written = Value(name, vr, today, exact=True, identifier=False)
        try:
            ends = moments.ends(vr, value) if vr == "TM" else None
            test = written.test(value) if ends is None else _hours(written, *ends)
        except SearchError:
            raise _invalid(named) from None
        # An index has no values of a whole study, and folded names of PatientName alone.
        folded = name == PATIENT_NAME_KEY.compared and name not in self._partitions
        asked = () if name == names.OF_STUDY or (vr == "PN" and not folded) else written.asked
        whole = attribute is not None and attribute.form.whole
        return Condition(name, names.VRS.get(vr, vr), test, exact=True, asked=asked, whole=whole)

    def _of_token(self, attribute: Attribute, value: str, parameters: Parameters) -> Condition:
        """The condition on an attribute that is hashed: it has one of some values, as they are stored."""
        parts = _LIST.split(value) if attribute.vr in _LISTED else [value]
        if (attribute.vr == "PN" and parameters.fuzzy) or any(map(_WILD.search, parts)):
            raise bad_request(
                f"{attribute.name} is stored as a token: write a whole value, without * and ? and fuzzymatching."
            )
        tokens = []
        for part in parts:
            if _TOKEN.fullmatch(part):
                tokens.append(part)
                continue
            try:
                stored = vrs.parser(attribute.vr)(part)
            except vrs.Unusable:
                raise bad_request(
                    f"{attribute.name} is stored as a token: write one whole value of it, no range."
                ) from None
            if stored is not None and self._token is None:
                raise bad_request(f"{attribute.name} is stored as a token: write the token, 64 hexadecimal digits.")
            if stored is not None and self._token is not None:
                tokens.append(self._token(f"{stored:f}" if not isinstance(stored, str) else stored))
        test = Equal(frozenset(tokens))
        return Condition(attribute.name, "UI", test, exact=True, asked=tuple(dict.fromkeys(tokens)))


def _is_compared(key: str, values: list[str]) -> bool:
    """Whether a key is compared with entries.

    Raises:
        Refusal: it is about how values are written, in a way that they are not.
    """
    if key == _ZONE:
        raise bad_request(f"Dates and times are compared as they are stored: leave out {_ZONE}.")
    if key == _CHARACTER_SET and values != [_UTF_8]:
        raise bad_request(f"Queries are in UTF-8: leave out {_CHARACTER_SET}, or write {_UTF_8}.")
    return key != _CHARACTER_SET


def _hours(written: Value, low: str, high: str) -> Range:
    """A range of times. Together with a range of dates, it may begin later in the day than it ends."""
    first, last = written.between(low, ""), written.between("", high)
    return Range(first.low if isinstance(first, Range) else None, last.high if isinstance(last, Range) else None)


def _goes_over_midnight(condition: Condition) -> bool:
    test = condition.test
    if not isinstance(test, Range) or condition.vr != "TM" or test.low is None or test.high is None:
        return False
    return bool(test.low > test.high)


def _invalid(named: Named) -> Refusal:
    return bad_request(f"This is not a valid value of {named.name}. {_HOW.get(named.vr, _HOW_TEXT)}")
