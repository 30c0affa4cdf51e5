"""The position and direction of an instance, or of each of its frames, as the pages hold it."""

import itertools
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from imaging_index.document.types import MOST_IN_ORDER
from imaging_index.entry.conversion import Conversion, Text, Whole
from imaging_index.profile.attributes import Attribute

# A list of DS as most are: plain numbers in as few signs as JSON's, with a blank at the end or without.
_NUMBERS: Final = re.compile(rb'\[(?:"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})? ?"(?:,(?=")|(?=\])))++\]')
_SIGNS: Final = b'" '


def placed(attribute: Attribute, conversion: Conversion, texts: Sequence[Text]) -> Any:
    """The value of one of the geometry's attributes in an instance, whose JSON at the attribute's sources is `texts`.

    Returns:
        None without one. A number, or of a VM other than 1 the list of its components. Of frames that differ the list
        of these, None for a frame without; of more than `MOST_IN_ORDER` frames a map: of each component the least
        (`Min`) and the greatest (`Max`), and how many values differ (`Distinct`).
    """
    first = texts[0]
    if attribute.whole and isinstance(first, bytes) and _NUMBERS.fullmatch(first):
        return msgspec.Raw(first.translate(None, _SIGNS))
    for source, text in zip(attribute.sources, texts, strict=True):
        if text is not None:
            frames, complete = conversion.frames(attribute, source, text)
            if any(frames):
                return _of_frames(attribute, frames, complete=complete)
    return None


def _of_frames(attribute: Attribute, frames: Sequence[Whole | None], *, complete: bool) -> Any:
    distinct = {whole for whole in frames if whole}
    if len(distinct) == 1 and None not in frames:
        return _plain(attribute, frames[0])
    if complete and len(frames) <= MOST_IN_ORDER:
        return [_plain(attribute, whole) for whole in frames]
    columns = [[part for part in column if part != ""] for column in itertools.zip_longest(*distinct, fillvalue="")]
    low, high = tuple(map(min, columns)), tuple(map(max, columns))
    return {"Min": _plain(attribute, low), "Max": _plain(attribute, high), "Distinct": len(distinct)}


def _plain(attribute: Attribute, whole: Whole | None) -> Any:
    if whole is None:
        return None
    return [*whole] if attribute.whole else whole[0]
