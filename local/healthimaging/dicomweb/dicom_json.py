"""The values of a metadata document as the DICOM JSON model has them (PS3.18, annex F), as DICOMweb's answers do."""

import math
import re
from functools import cache
from typing import Any, Final

from pydicom._dicom_dict import RepeatersDictionary

from imaging_index.dicom.dictionary import lookup
from local.healthimaging.conversion import Values

Object = dict[str, dict[str, Any]]

_TAG: Final = re.compile(r"[0-9A-F]{8}")
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_FILE_META: Final = "0002"
_CHARACTER_SET: Final = "00080005"
_PN_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def dicom_json(values: Values, vrs: dict[str, str] | None = None) -> Object:
    """The attributes by tag, in the order of the tags.

    The file meta information is left out: it is not metadata (PS3.18, section 10.4.1.1.2). So are attributes whose VR
    the document does not have, which are the private ones within sequences.

    Args:
        values: keyword (or GGGGEEEE) -> value, as in a document.
        vrs: the VRs of attributes without a keyword.
    """
    signed = values.get("PixelRepresentation") == 1
    found: Object = {}
    for key, value in values.items():
        tag, vr = _element(key)
        vr = (vrs or {}).get(key) or _chosen(vr, value, signed=signed)
        if vr and not tag.startswith(_FILE_META):
            found[tag] = _attribute(value, vr)
    if "Value" in found.get(_CHARACTER_SET, {}):
        found[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8, whatever the file was in
    return dict(sorted(found.items()))


def tag_of(name: str) -> str | None:
    """The tag of a keyword, or of a tag in hexadecimal digits; None for anything else."""
    if _TAG.fullmatch(name.upper()):
        return name.upper()
    element = lookup(name)
    return element.tag if element else None


@cache
def _element(key: str) -> tuple[str, str]:
    """The tag of a document's key, and its VR as the dictionary has it: `US or SS`; "" where it has none."""
    if element := lookup(key):
        return element.tag, element.vr
    if key in _repeating():
        return _repeating()[key]
    private = _TAG.fullmatch(key) is not None and int(key[3], 16) % 2 == 1
    # A private creator is LO (PS3.5, section 7.8.1).
    return key, "LO" if private and key.startswith("00", 4) else ""


@cache
def _repeating() -> dict[str, tuple[str, str]]:
    """The elements of repeating groups by keyword. The first group has the keyword in a document."""
    return {entry[4]: (mask.replace("x", "0").upper(), entry[0]) for mask, entry in RepeatersDictionary.items()}


def _chosen(vr: str, value: Any, *, signed: bool) -> str:
    """The VR of an attribute for which the dictionary allows several, as its value shows it."""
    choices = vr.split(" or ")
    if len(choices) == 1:
        return vr
    if isinstance(value, str) or (isinstance(value, list) and any(isinstance(each, str) for each in value)):
        return "OW"
    return "SS" if signed and "SS" in choices else choices[0] if choices[0] != "OB" else "OW"


def _attribute(value: Any, vr: str) -> dict[str, Any]:
    items = value if isinstance(value, list) else [value]
    if value is None or not any(each not in (None, "") for each in items):
        return {"vr": vr}
    if vr in _BINARY:
        return {"vr": vr, "InlineBinary": items[0]}
    return {"vr": vr, "Value": [_json(each, vr) for each in items]}


def _json(value: Any, vr: str) -> Any:
    if value in (None, ""):
        return None
    match vr:
        case "SQ":
            return dicom_json(value)
        case "PN":
            groups = zip(_PN_GROUPS, str(value).split("="), strict=False)
            return {name: text for name, text in groups if text}
        case "DS" | "IS":
            return _number(value)
    return value


def _number(value: Any) -> Any:
    """The number of a decimal or integer string; one that cannot be read stays as it is (PS3.18, F.2.3.1)."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return value
    if not math.isfinite(number):
        return value
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else number
