"""Finds the elements that HealthImaging keeps under their tags, `GGGGEEEE`, since it has no keyword for them.

Most are private, and found by their creator (PS3.5, section 7.8.1). A creator reserves a block of its group, in each
data set anew: `00190010: "SIEMENS MR HEADER"` makes `0019100C` the element `0019xx0C` of that creator. Creators are
compared trimmed and without case, within their group. Where a creator reserves two blocks, the first with a value
counts. Private elements inside sequences are not looked for. The others are DICOM's own, but newer than the service's
dictionary.

An instance's `DICOMVRs` list all such elements with their VRs, and most instances of a series have the same list. A
value is read as its listed VR. A value of unknown VR is bytes in base64. It is read as the VR of its source (PS3.5,
section 6.2.2), never as another VR, and not at all if the bytes cannot be of that VR.
"""

import base64
import functools
import math
import re
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from imaging_index.dicom import vrs
from imaging_index.profile.attributes import Source

# Little-endian binary numbers, and the two halves of a tag: how HealthImaging hands on what came as UN.
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d", "AT": "HH"}
_OPAQUE: Final = frozenset({"UN", "OB", "OW", "OD", "OF", "OL", "OV"})
# Text in the character set of its file (PS3.5, section 6.1.2.3). All other text is ASCII.
_IN_CHARACTER_SET: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
# An escape to another character set (PS3.5, section 6.1.2.5.3), so that the bytes alone do not show the first one.
_ESCAPE: Final = b"\x1b"
# The VRs of one value, in which a backslash is a character like others (PS3.5, section 6.2).
_WITH_BACKSLASHES: Final = frozenset({"LT", "ST", "UR", "UT"})
_VALUES: Final = vrs.TEXTS | vrs.NUMBERS | vrs.MOMENTS

_EMPTY: Final = re.compile(rb'(?:null|"(?: |\\[tnr]|\\u0000)*+"|[\[\], \t\n\r])*+')
_UNREADABLE: Final = b"false"  # what no parser takes
_LAYOUTS_KEPT: Final = 64
_LONGEST_KEPT: Final = 64 * 2**10
# The JSON of an LO, of at most 64 characters (PS3.5, section 6.2), each of them escaped, and of what pads it.
_LONGEST_CREATOR: Final = 1024
_any_object: Final = msgspec.json.Decoder(dict[str, Any])


class Place(NamedTuple):
    """A place where an element may be: the keys of its creator and of the element.

    DICOM's own elements have no creator. `listed_vr` is the text that `DICOMVRs` has for the element, or empty.
    """

    source: Source
    creator: str
    element: str
    listed_vr: str

    @property
    def keys(self) -> tuple[str, ...]:
        """What an instance has to be read for."""
        return (self.creator, self.element) if self.creator else (self.element,)


Places = tuple[Place, ...]


class _Whole(msgspec.Struct, rename={"dicom": "DICOM"}):
    """An instance whose `DICOM` stays text."""

    dicom: msgspec.Raw = None  # type: ignore[assignment]


class PrivateElements:
    """Finds the values of the sources that are stored under tags."""

    def __init__(self, sources: Collection[Source]) -> None:
        self._sources = sources
        elements = "|".join(sorted({source.path[0].replace("xx", "[1-9A-F][0-9A-F]") for source in sources}))
        self._elements = re.compile(rb'"(%b)"' % elements.encode(), re.IGNORECASE)
        creators = sorted({f"{source.path[0][:4]}00[1-9A-F][0-9A-F]" for source in sources if source.creator})
        self._wanted = re.compile("|".join((elements, *creators)), re.IGNORECASE)
        # Of one document: see `forget`.
        self._listed = functools.lru_cache(_LAYOUTS_KEPT)(self._in_listing)
        self._name = functools.lru_cache(_LAYOUTS_KEPT)(_name)

    def forget(self) -> None:
        """Forget everything about the document that was read."""
        self._listed.cache_clear()
        self._name.cache_clear()

    def wanted(self, key: str) -> bool:
        """Whether a source, or the creator of one, may be stored under a key."""
        return self._wanted.fullmatch(key) is not None

    def places(self, instances: Mapping[str, Any], text: bytes) -> list[Places]:
        """For each instance, the places where a source may be. `instances` are by key, decoded from `text`.

        An instance without usable `DICOMVRs` is searched whole.
        """
        whole: dict[str, _Whole] = {}
        found: list[Places] = []
        last: msgspec.Raw | None = None
        for key, instance in instances.items():
            # To compare texts is cheaper than to hash them, and most are the same.
            if last is not None and instance.vrs == last:
                found.append(found[-1])
                continue
            last, places = instance.vrs, self.listed(instance.vrs)
            if places is None:
                whole = whole or _whole.decode(text)
                last, places = None, self.searched(bytes(whole[key].dicom or b""))
            found.append(places)
        return found

    def columns(self, places: Iterable[Places], instances: Collection[Any]) -> dict[Source, list[bytes | None]]:
        """The JSON texts of the sources that some instances have: of each source one an instance, None without it.

        Their `dicom` must have the elements at the places as `_GGGGEEEE`.
        """
        columns: dict[Source, list[bytes | None]] = {}
        for row, (where, instance) in enumerate(zip(places, instances, strict=True)):
            if where and instance.dicom is not None:
                values = {key: getattr(instance.dicom, f"_{key}") for place in where for key in place.keys}
                for source, text in self.find(where, values.get).items():
                    columns.setdefault(source, [None] * len(instances))[row] = text
        return columns

    def listed(self, vrs: msgspec.Raw | None) -> Places | None:
        """The places where the sources may be in an instance with these `DICOMVRs`, or None if these are no object."""
        text = b"" if vrs is None else bytes(vrs)
        if not text.startswith(b"{"):
            return None
        return self._listed(text) if len(text) <= _LONGEST_KEPT else self._in_listing(text)

    def _in_listing(self, vrs: bytes) -> Places:
        try:
            return self._places(vrs, _any_object.decode(vrs))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return ()

    def searched(self, values: bytes) -> Places:
        """The places where the sources may be in an instance with this `DICOM` and no usable `DICOMVRs`."""
        return self._places(values, {})

    def _places(self, text: bytes, vrs: Mapping[str, Any]) -> Places:
        return tuple(
            Place(source, f"{key[:4]}00{key[4:6]}" if source.creator else "", key, str(vrs.get(key, "")))
            for key in sorted({match.decode() for match in self._elements.findall(text)})
            for source in self._sources
            if key.upper() == source.path[0].replace("xx", key[4:6].upper())
        )

    def find(self, places: Iterable[Place], get: Callable[[str], msgspec.Raw | None]) -> dict[Source, bytes]:
        """The JSON texts of the sources that an instance has; `get` gives the JSON text at a key, None without one.

        Of an element of several values the text is a list.
        """
        found: dict[Source, bytes] = {}
        for place in places:
            source = place.source
            if source in found and not _EMPTY.fullmatch(found[source]):
                continue
            element = get(place.element)
            if element is None:
                continue
            if place.creator:
                creator = get(place.creator)
                if creator is None or len(creator) > _LONGEST_CREATOR or self._name(bytes(creator)) != source.creator:
                    continue
            found[source] = _read(bytes(element).strip(), place.listed_vr, source.vr or "")
        return found


def _name(text: bytes) -> str:
    """A creator as it is compared."""
    try:
        return msgspec.json.decode(text, type=str).strip(" \0").upper()
    except (msgspec.MsgspecError, UnicodeError):
        return ""


def _read(element: bytes, listed_vr: str, vr: str) -> bytes:
    """The JSON of an element of the listed VR, or else of `vr`, with several values as a list."""
    if listed_vr in _OPAQUE:
        return _opened(element, vr)
    if not element.startswith(b'"') or b"\\" not in element:
        return element
    try:
        text = msgspec.json.decode(element, type=str)
    except (msgspec.MsgspecError, UnicodeError):
        return _UNREADABLE
    if "\\" not in text:
        return element
    # HealthImaging does not know how many values it has, and so leaves them together.
    several = (listed_vr if listed_vr in _VALUES else vr) not in _WITH_BACKSLASHES
    return msgspec.json.encode(text.split("\\") if several else [text])


def _opened(element: bytes, vr: str) -> bytes:
    """The values in the bytes of an element of unknown VR, as one that is known to be of `vr`, in JSON."""
    try:
        content = base64.b64decode(msgspec.json.decode(element, type=str | None) or "", validate=True)
        values: list[Any]
        if not content:
            return b"null"
        if vr in _BINARY:
            numbers = struct.iter_unpack(f"<{_BINARY[vr]}", content)
            values = [f"{each[0]:04X}{each[1]:04X}" if vr == "AT" else each[0] for each in numbers]
        else:
            text = _text(content, vr)
            values = [text] if vr in _WITH_BACKSLASHES else text.split("\\")
        return msgspec.json.encode([each if _is(each, vr) else False for each in values])
    except (ValueError, struct.error):  # base64, UTF-8 and msgspec raise kinds of the former
        return _UNREADABLE


def _text(content: bytes, vr: str) -> str:
    """Bytes as text. The file's character set is unknown here, so the bytes must be unambiguous without it.

    Raises:
        ValueError: they are ambiguous, or not text of that VR.
    """
    if vr not in _VALUES or _ESCAPE in content:
        raise ValueError
    return content.decode("utf-8" if vr in _IN_CHARACTER_SET else "ascii")


def _is(value: Any, vr: str) -> bool:
    """Whether a value is one of a VR, or empty."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        vrs.parser(vr)(value)
    except vrs.Unusable:
        return False
    return True


_whole: Final = msgspec.json.Decoder(dict[str, _Whole])
