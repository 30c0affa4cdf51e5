"""Private elements of an instance: found by their creator (PS3.5, section 7.8.1) among HealthImaging's `GGGGEEEE` keys.

A creator reserves a block of its group, in each data set anew: `00190010: "SIEMENS MR HEADER"` makes `0019100C` the
element `0019xx0C` of that creator. Creators are compared trimmed and without case, within their group. Private elements
inside sequences are not looked for.

Where to look, an instance's `DICOMVRs` tell, which list the VRs of all its private elements. Most instances of a series
have the same.
"""

import base64
import functools
import math
import re
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from imaging_index import dicom
from imaging_index.selection import Source

# Little-endian binary numbers: how HealthImaging hands on what came as UN (PS3.5, section 6.2.2).
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_OPAQUE: Final = frozenset({"UN", "OB", "OW", "OD", "OF", "OL", "OV"})
_UNREADABLE: Final = b"false"  # what no parser takes
_LAYOUTS_KEPT: Final = 64
_LONGEST_KEPT: Final = 64 * 2**10
# The JSON of an LO, of at most 64 characters (PS3.5, section 6.2), each of them escaped, and of what pads it.
_LONGEST_CREATOR: Final = 1024
_any_object: Final = msgspec.json.Decoder(dict[str, Any])


class Place(NamedTuple):
    """Where an element may stand: the keys of its creator and of itself, and whether it is bytes in base64."""

    source: Source
    creator: str
    element: str
    opaque: bool

    @property
    def keys(self) -> tuple[str, str]:
        """What an instance has to be read for."""
        return self.creator, self.element


Places = tuple[Place, ...]


class _Whole(msgspec.Struct, rename={"dicom": "DICOM"}):
    """An instance whose `DICOM` stays text."""

    dicom: msgspec.Raw = None  # type: ignore[assignment]


class PrivateElements:
    """Finds the values of some private sources; `vrs` has the VR that each is to be read as."""

    def __init__(self, vrs: Mapping[Source, str]) -> None:
        self._vrs = vrs
        elements = "|".join(sorted({source.path[0].replace("xx", "[1-9A-F][0-9A-F]") for source in vrs}))
        self._elements = re.compile(rb'"(%b)"' % elements.encode(), re.IGNORECASE)
        creators = "|".join(sorted({f"{source.path[0][:4]}00[1-9A-F][0-9A-F]" for source in vrs}))
        self._wanted = re.compile(f"{elements}|{creators}", re.IGNORECASE)
        # Of one document: see `forget`.
        self._listed = functools.lru_cache(_LAYOUTS_KEPT)(self._in_listing)
        self._name = functools.lru_cache(_LAYOUTS_KEPT)(_name)

    def forget(self) -> None:
        """Hold nothing any more of the document that was read."""
        self._listed.cache_clear()
        self._name.cache_clear()

    def wanted(self, key: str) -> bool:
        """Whether at a key there may be one of the sources, or a creator of one."""
        return self._wanted.fullmatch(key) is not None

    def places(self, instances: Mapping[str, Any], text: bytes) -> list[Places]:
        """Where the sources may stand in each of some instances by key, that were decoded from a text.

        One whose `DICOMVRs` do not tell is searched itself.
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
        """Where the sources may stand in an instance with these `DICOMVRs`; None when these do not tell."""
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
        """Where the sources may stand in an instance that has no `DICOMVRs`, but this `DICOM`."""
        return self._places(values, {})

    def _places(self, text: bytes, vrs: Mapping[str, Any]) -> Places:
        return tuple(
            Place(source, f"{key[:4]}00{key[4:6]}", key, str(vrs.get(key)) in _OPAQUE)
            for key in sorted({match.decode() for match in self._elements.findall(text)})
            for source in self._vrs
            if key.upper() == source.path[0].replace("xx", key[4:6].upper())
        )

    def find(self, places: Iterable[Place], get: Callable[[str], msgspec.Raw | None]) -> dict[Source, bytes]:
        """The JSON texts of the sources that an instance has; `get` gives the JSON text at a key, None without one."""
        found: dict[Source, bytes] = {}
        for place in places:
            creator, element = get(place.creator), get(place.element)
            if creator is None or element is None or place.source in found:
                continue
            if len(creator) <= _LONGEST_CREATOR and self._name(bytes(creator)) == place.source.creator:
                found[place.source] = _opened(element, self._vrs[place.source]) if place.opaque else bytes(element)
        return found


def _name(text: bytes) -> str:
    """A creator as it is compared."""
    try:
        return msgspec.json.decode(text, type=str).strip(" \0").upper()
    except (msgspec.MsgspecError, UnicodeError):
        return ""


def _opened(element: msgspec.Raw, vr: str) -> bytes:
    """The value in the bytes of an element of unknown VR, as one that is known to be of `vr`, in JSON."""
    try:
        content = base64.b64decode(msgspec.json.decode(element, type=str | None) or "", validate=True)
        if vr not in _BINARY:
            return msgspec.json.encode(content.decode("ascii" if vr in dicom.NUMBERS else "utf-8"))
        values = struct.unpack(f"<{len(content) // struct.calcsize(_BINARY[vr])}{_BINARY[vr]}", content)
        return msgspec.json.encode(values) if all(map(math.isfinite, values)) else _UNREADABLE
    except (ValueError, struct.error):  # base64, UTF-8 and msgspec raise kinds of the former
        return _UNREADABLE


_whole: Final = msgspec.json.Decoder(dict[str, _Whole])
