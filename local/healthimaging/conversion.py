"""A DICOM data set -> the JSON values of HealthImaging's metadata, each at its level.

The encoding is that of real documents: DS and IS as strings with the padding of the file, a list wherever the
dictionary's VM is not 1, null for what is empty, binary values as base64 (HealthImaging's developer guide, "DICOM
metadata support" and "Understanding image sets").
"""

import base64
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from pydicom import config
from pydicom.charset import decode_bytes
from pydicom.datadict import get_entry
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import TEXT_VR_DELIMS, PersonName

from imaging_index.dictionary import Level, lookup

# pydicom's complaints about a value quote the value, which may be a patient's; who reads files also mutes its warnings.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").propagate = False

Values = dict[str, Any]

# Pixel data of three kinds (PS3.6) is not metadata; the padding after a data set means nothing (PS3.10, 7.2).
_LEFT_OUT: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010, 0xFFFCFFFC})
_FILE_META: Final = 0x0002
# Above it not every whole FL or FD is an exact integer.
_EXACT: Final = 2.0**53


@dataclass(slots=True)
class Converted:
    """One data set: `levels` holds keyword (or GGGGEEEE) -> value at each level, `vrs` the VRs of what has no keyword.

    `discarded` counts top-level elements that could not be read.
    """

    levels: dict[Level, Values] = field(default_factory=lambda: {level: {} for level in Level})
    vrs: dict[str, str] = field(default_factory=dict)
    discarded: int = 0


@dataclass(frozen=True, slots=True)
class _Attribute:
    keyword: str
    vr: str
    several: bool
    level: Level


def convert(dataset: Dataset) -> Converted:
    """All attributes of a data set, the file meta information (group 0002) among them.

    An element that cannot be read is left out and counted, as the service's import does (warning 0xB006).
    """
    converted = Converted()
    for part in (getattr(dataset, "file_meta", None) or Dataset(), dataset):
        for tag in _metadata_tags(part):
            attribute = _attribute(tag)
            level = attribute.level if attribute else Level.INSTANCE
            values = converted.levels[level]
            try:
                value, vr = _value(part, tag)
            except Exception:  # whatever pydicom meets in a broken element, the rest of the file is good
                converted.discarded += 1
                continue
            key = _key(tag, values)
            values[key] = value
            if not attribute or key != attribute.keyword:
                converted.vrs[key] = vr
    return converted


def _metadata_tags(dataset: Dataset) -> Iterable[BaseTag]:
    # Group lengths outside group 2 are retired and describe the file, not the patient (PS3.5, 7.2).
    return (
        tag for tag in sorted(dataset.keys()) if tag not in _LEFT_OUT and (tag.element != 0 or tag.group == _FILE_META)
    )


@cache
def _attribute(tag: int) -> _Attribute | None:
    """The public attribute of a tag, by pydicom's dictionary; None for private and unknown tags."""
    try:
        vr, vm, _, _, keyword = get_entry(tag)
    except KeyError:
        return None
    if not keyword:
        return None
    known = lookup(keyword)
    return _Attribute(keyword, vr, vm != "1", known.level if known else Level.INSTANCE)


def _key(tag: BaseTag, values: Values) -> str:
    """The name a value stands under.

    A repeating group (60xx) has one keyword for all of it: [U] the first to come has it here, the others their tags.
    """
    attribute = _attribute(tag)
    return attribute.keyword if attribute and attribute.keyword not in values else f"{tag:08X}"


def _value(dataset: Dataset, tag: BaseTag) -> tuple[Any, str]:
    """The JSON value of one element, and its VR."""
    attribute = _attribute(tag)
    raw = dataset.get_item(tag, keep_deferred=True)
    if isinstance(raw, RawDataElement) and raw.value is not None:
        vr = raw.VR or (attribute.vr if attribute else "UN")
        # pydicom's own values of these lose the padding, and the last groups of a name when they are empty.
        if vr in ("DS", "IS"):
            return _listed([text.strip("\0") for text in raw.value.decode("latin-1").split("\\")], attribute), vr
        if vr == "PN":
            encodings = dataset.original_character_set or ["iso8859"]
            names = decode_bytes(raw.value.rstrip(b"\0 "), encodings, TEXT_VR_DELIMS)
            return _listed(names.split("\\"), attribute), vr
    element = dataset[tag]
    value, vr = element.value, str(element.VR)
    if vr == "SQ":
        return [_item(item) for item in value] or None, vr
    if vr == "UN" and not value:
        return "", vr
    if value is None:
        return None, vr
    if isinstance(value, str | bytes | PersonName) or not isinstance(value, Iterable):
        value = [value]
    return _listed([_json(one, vr) for one in value], attribute), vr


def _item(dataset: Dataset) -> Values:
    """An item of a sequence. [U] The VRs of private attributes in it stand nowhere."""
    values: Values = {}
    for tag in _metadata_tags(dataset):
        try:
            value, _ = _value(dataset, tag)
        except Exception:  # noqa: S112  as at the top level
            continue
        values[_key(tag, values)] = value
    return values


def _listed(values: list[Any], attribute: _Attribute | None) -> Any:
    """One value, a list, or null. [U] More values than the dictionary allows are a list too."""
    if all(value is None or (isinstance(value, str) and not value.strip()) for value in values):
        return None
    return values if len(values) > 1 or (attribute and attribute.several) else values[0]


def _json(value: Any, vr: str) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case _ if vr == "AT":
            return f"{int(value):08X}"
        case str() | PersonName():
            return str(value)
        case _ if vr in ("DS", "IS"):
            return str(value)
        case float():
            # JSON has no infinity and no NaN; the service writes whole numbers without a point.
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < _EXACT else value
    return value
