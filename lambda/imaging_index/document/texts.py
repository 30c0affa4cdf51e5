"""The values in a document's JSON texts, before they are typed; and its UIDs."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from imaging_index.dicom import vrs
from imaging_index.profile.schema import LONGEST_TEXT

NO_VALUE: Final = object()  # no parser takes it
_LONG_NUMBER: Final = re.compile(rb"(?<![-+.0-9eE])[-+.0-9eE]{%d}" % (vrs.LONGEST_NUMBER + 1))
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"')

_Read = TypeVar("_Read")


def decoded(text: bytes | None) -> object:
    """The value of a JSON text; of one that cannot be decoded, like a number beyond Python's, what no parser takes."""
    if text is None:
        return None
    if len(text) > vrs.LONGEST_NUMBER and _LONG_NUMBER.search(text) and _LONG_NUMBER.search(_TEXT.sub(b"", text)):
        return NO_VALUE
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return NO_VALUE


def one(vr: str, parse: Callable[[object], _Read | None], value: object) -> _Read | None:
    """The value of an attribute of one VR that DICOM gives one; None for none, for several, and for what is none."""
    try:
        if isinstance(value, str) and "\\" not in value:
            return parse(value)
        found = {parse(part) for part in vrs.components(vr, value)} - {None}
    except vrs.Unusable:
        return None
    return found.pop() if len(found) == 1 else None


def uid(value: object) -> str | None:
    """A UID, or None for what is none, or several."""
    if isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isascii() and value.isprintable():
        # All but a few are, and this is far cheaper: blanks are all that is left to strip.
        return None if "\\" in value else value.strip(" ") or None
    try:
        text = vrs.text_both_ends(value)
    except vrs.Unusable:
        return None
    return text if text and "\\" not in text and len(text.encode()) <= LONGEST_TEXT else None


def only_uid(value: object) -> str | None:
    """The UID in a value that may be a list, or say it several times; None for what is none, or several."""
    return uid(value) or uid(one("UI", vrs.text_both_ends, value))


def series_uid(values: object, key: str) -> str:
    """The UID of a series: what its values say counts, and where they say nothing the key of the map; or nothing."""
    value = decoded(getattr(values, "SeriesInstanceUID", None))
    # Of several, none is the right one, and so the key is not either.
    return only_uid(value) or (len(present("UI", value)) <= 1 and uid(key)) or ""


def present(vr: str, value: object) -> list[object]:
    """The single values in one value of a VR that are not empty, also those that cannot be used."""
    return [
        part
        for part in vrs.components(vr, value)
        if (part.strip(" \0\t\r\n") if isinstance(part, str) else part is not None)
    ]
