"""Private elements of an instance: found by their creator (PS3.5, section 7.8.1) among HealthImaging's `GGGGEEEE` keys.

A creator reserves a block of its group, in each data set anew: `00190010: "SIEMENS MR HEADER"` makes `0019100C` the
element `0019xx0C` of that creator. Creators are compared trimmed and without case, within their group. Private elements
inside sequences are not looked for.
"""

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from imaging_index import dicom
from imaging_index.selection import Source

# Little-endian binary numbers: how HealthImaging hands on what came as UN (PS3.5, section 6.2.2).
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_OPAQUE: Final = frozenset({"UN", "OB", "OW", "OD", "OF", "OL", "OV"})
_CREATOR: Final = re.compile(r"([0-9A-F]{4})00([1-9A-F][0-9A-F])")
_UNREADABLE: Final = object()  # what no parser takes


class PrivateElements:
    """Finds the values of some private sources; `vrs` has the VR that each is to be read as."""

    def __init__(self, vrs: Mapping[Source, str]) -> None:
        self._vrs = vrs
        # A creator with a character that JSON may escape cannot be looked for in the plain bytes.
        self._plain_creators = [
            creator.encode() for creator in {source.creator or "" for source in vrs} if not set(creator) & set('/"\\')
        ]
        self._all_plain = len(self._plain_creators) == len({source.creator for source in vrs})
        self._decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def find(self, raw: msgspec.Raw, vrs: Mapping[str, Any] | None) -> dict[Source, Any]:
        """The JSON values of the sources that an instance has.

        Args:
            raw: the instance's `DICOM` object.
            vrs: its `DICOMVRs`: the VRs of its private elements.
        """
        plain = bytes(raw)
        if self._all_plain:
            # Most instances have none of the creators, and this is far cheaper than to decode them.
            upper = plain.upper()
            if not any(creator in upper for creator in self._plain_creators):
                return {}
        elements = {key.upper(): value for key, value in self._decoder.decode(plain).items()}
        blocks: dict[tuple[str, str], list[str]] = {}
        for key, value in elements.items():
            match = _CREATOR.fullmatch(key)
            if match and isinstance(creator := msgspec.json.decode(value), str):
                blocks.setdefault((match[1], creator.strip(" \0").upper()), []).append(match[2])
        opaque = {key.upper() for key, vr in (vrs or {}).items() if isinstance(vr, str) and vr in _OPAQUE}
        found = {}
        for source, vr in self._vrs.items():
            group, element = source.path[0].split("xx")
            for block in blocks.get((group, source.creator or ""), ()):
                key = f"{group}{block}{element}"
                if key in elements and source not in found:
                    value = msgspec.json.decode(elements[key])
                    found[source] = _opened(value, vr) if key in opaque else value
        return found


def _opened(value: object, vr: str) -> object:
    """The value in the bytes of an element of unknown VR, as one that is known to be of `vr`."""
    if not value:
        return None
    if not isinstance(value, str):
        return _UNREADABLE
    try:
        content = base64.b64decode(value, validate=True)
        if vr not in _BINARY:
            return content.decode("ascii" if vr in dicom.NUMBERS else "utf-8").split("\\")
        return list(struct.unpack(f"<{len(content) // struct.calcsize(_BINARY[vr])}{_BINARY[vr]}", content))
    except (ValueError, struct.error):  # base64 and UTF-8 raise kinds of the former
        return _UNREADABLE
