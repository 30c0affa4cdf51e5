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

from pydicom import charset, config
from pydicom.datadict import get_entry
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_deferred_data_element
from pydicom.tag import BaseTag

from imaging_index.dicom import vrs
from imaging_index.dicom.dictionary import Level, lookup
from local.healthimaging.character_sets import CharacterSets

# pydicom's complaints about a value quote the value, which may be a patient's; who reads files also mutes its warnings.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").propagate = False


class _Terms(dict[str, str]):
    """pydicom's terms for character sets, in which a term with a NUL can be looked up without an error."""

    def __missing__(self, term: str) -> str:
        if "\0" not in term:
            raise KeyError(term)
        return charset.default_encoding


charset.python_encoding = _Terms(charset.python_encoding)

Values = dict[str, Any]

# Pixel data of three kinds (PS3.6) is not metadata; the padding after a data set means nothing (PS3.10, 7.2).
_LEFT_OUT: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010, 0xFFFCFFFC})
_FILE_META: Final = 0x0002
_CHARACTER_SET: Final = 0x00080005
_TEXTS: Final = (vrs.TEXTS - {"AT"}) | vrs.MOMENTS | {"DS", "IS"}
# A backslash is a character of these like others (PS3.5, section 6.2).
_OF_ONE_TEXT: Final = frozenset({"LT", "ST", "UR", "UT"})
# Above it not every whole FL or FD is an exact integer.
_EXACT: Final = 2.0**53


@dataclass(slots=True)
class Converted:
    """One data set: `levels` holds keyword (or GGGGEEEE) -> value at each level.

    `vrs` holds the VRs of attributes without a keyword; `discarded` counts top-level elements that could not be read.
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
    """All attributes of a data set that was read from a file, the file meta information (group 0002) among them.

    An element that cannot be read is left out and counted, as the service's import does (warning 0xB006).
    """
    converted = Converted()
    for part in (getattr(dataset, "file_meta", None) or Dataset(), dataset):
        sets = _character_sets(part, CharacterSets())
        for tag in _metadata_tags(part):
            attribute = _attribute(tag)
            level = attribute.level if attribute else Level.INSTANCE
            values = converted.levels[level]
            try:
                value, vr = _value(part, tag, sets)
            except Exception:  # whatever pydicom meets in a broken element, the rest of the file is good
                converted.discarded += 1
                continue
            key = _key(tag, values)
            values[key] = value
            if not attribute or key != attribute.keyword:
                converted.vrs[key] = vr
    return converted


def as_written(value: Any) -> str:
    """A value of a document as it is in the file: several values separated by backslashes; "" for null."""
    if isinstance(value, list):
        return "\\".join(map(as_written, value))
    return "" if value is None else str(value)


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
    """The name of a value in the document.

    The elements of a repeating group (60xx) share one keyword. [U] Here the first element has it, the others their
    tags.
    """
    attribute = _attribute(tag)
    return attribute.keyword if attribute and attribute.keyword not in values else f"{tag:08X}"


def _character_sets(dataset: Dataset, inherited: CharacterSets) -> CharacterSets:
    """The character sets of a data set, or of an item, which inherits its parent's (PS3.5, section 7.5.3)."""
    if _CHARACTER_SET not in dataset:
        return inherited
    terms = _raw(dataset, BaseTag(_CHARACTER_SET))
    if isinstance(terms, RawDataElement):
        return CharacterSets.of((terms.value or b"").decode("latin-1").split("\\"))
    return CharacterSets.of([terms.value] if isinstance(terms.value, str) else list(terms.value or ()))


def _raw(dataset: Dataset, tag: BaseTag) -> Any:
    """An element as it was read from the file, or pydicom's own if pydicom has interpreted it already."""
    element = dataset.get_item(tag, keep_deferred=True)
    if isinstance(element, RawDataElement) and element.value is None and element.length:
        return read_deferred_data_element(
            dataset.fileobj_type, dataset.buffer or dataset.filename, dataset.timestamp, element
        )
    return element


def _value(dataset: Dataset, tag: BaseTag, sets: CharacterSets) -> tuple[Any, str]:
    """The JSON value of one element, and its VR. Texts are in `sets` where the file has them as bytes."""
    attribute = _attribute(tag)
    raw = _raw(dataset, tag)
    if isinstance(raw, RawDataElement):
        vr = _vr(raw, attribute)
        if vr == "UN" and not attribute:
            return base64.b64encode(raw.value or b"").decode(), vr
        if vr in _TEXTS:
            return _listed(_texts(raw.value or b"", vr, sets), attribute), vr
    element = dataset[tag]
    value, vr = element.value, str(element.VR)
    if vr == "SQ":
        return [_item(item, sets) for item in value] or None, vr
    if vr == "UN" and not value:
        return "", vr
    if value is None:
        return None, vr
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        value = [value]
    return _listed([_json(one, vr) for one in value], attribute), vr


def _vr(raw: RawDataElement, attribute: _Attribute | None) -> str:
    """The VR of an element that was read from a file.

    The service knows the VR of a private element only from the file: in an implicit VR file it is UN, but for the
    creators (PS3.5, sections 6.2.2 and 7.8.1). [U] A public one that came as UN has the dictionary's VR.
    """
    stated = raw.VR if raw.VR != "UN" else None
    if raw.tag.is_private_creator:
        return stated or "LO"
    return stated or (attribute.vr if attribute else "UN")


def _texts(value: bytes, vr: str, sets: CharacterSets) -> list[str]:
    """The single texts in the bytes of a value, without padding. Numbers keep it, as in real documents."""
    text = sets.decode(value, vr)
    texts = [text] if vr in _OF_ONE_TEXT else text.split("\\")
    return [each.strip("\0") if vr in ("DS", "IS") else each.rstrip("\0 ") for each in texts]


def _item(dataset: Dataset, inherited: CharacterSets) -> Values:
    """An item of a sequence. [U] The VRs of its private attributes are not in the document."""
    values: Values = {}
    sets = _character_sets(dataset, inherited)
    for tag in _metadata_tags(dataset):
        try:
            value, _ = _value(dataset, tag, sets)
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
        case str():
            return str(value)
        case float():
            # JSON has no infinity and no NaN; the service writes whole numbers without a point.
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < _EXACT else value
    return value
