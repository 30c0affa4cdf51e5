"""Texts and numbers of DynamoDB as values of Arrow's types, a column at a time.

A value that its column's type cannot hold becomes null; `rows.py` keeps its text.
"""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging_index.profile.form import Kind

# A DS has at most 16 characters (PS3.5, section 6.2), so that 15 of them are behind its point.
DECIMAL: Final = pa.decimal128(38, 18)
WHOLE_VRS: Final = frozenset({"IS", "US", "SS", "UL", "SL", "SV"})

# UTC. Without a zone in the type, since what reads Parquet would show the moment in the reader's own.
MOMENT: Final = pa.timestamp("us")
# A PN's groups (PS3.5, section 6.2.1), named as in the DICOM JSON Model (PS3.18, section F.2.2).
NAME: Final = pa.struct([(group, pa.string()) for group in ("Alphabetic", "Ideographic", "Phonetic")])

_TIME: Final = pa.time64("us")
_TYPES: Final[dict[str, pa.DataType]] = {"date": pa.date32(), "time": _TIME}
_DIGITS_OF_A_FRACTION: Final = 6
_SECONDS: Final = 60


def type_of(kind: Kind, vr: str) -> pa.DataType:
    """The type of a single value: text of a DT, which may be of any precision, and of a token."""
    if kind == "number":
        return pa.int64() if vr in WHOLE_VRS else DECIMAL
    return _TYPES.get(kind, pa.string())


def converted(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Texts as values of a type, null for one that the type cannot hold."""
    if wanted == texts.type:
        return texts
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), wanted)
    if wanted == _TIME:
        return _times(texts)
    if wanted == NAME and not pc.any(pc.match_substring(texts, "=")).as_py():
        none = pa.nulls(len(texts), pa.string())
        return pa.StructArray.from_arrays([texts, none, none], fields=[*NAME], mask=texts.is_null())
    if wanted == MOMENT:
        with contextlib.suppress(pa.ArrowInvalid):
            return pc.cast(pc.cast(texts, pa.timestamp("us", "UTC")), MOMENT)
    # What most image sets have in common is converted once.
    encoded = texts.dictionary_encode()
    return _distinct(encoded.dictionary, wanted).take(encoded.indices)


def _distinct(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_primitive(wanted) and wanted not in (pa.date32(), MOMENT):
        with contextlib.suppress(pa.ArrowInvalid):
            return pc.cast(texts, wanted)
    convert = _CONVERSIONS[wanted]
    return pa.array([convert(text) for text in texts.to_pylist()], wanted)


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        return None


def _name(text: str) -> dict[str, str | None]:
    groups = text.split("=", NAME.num_fields - 1)
    return {field.name: group or None for field, group in itertools.zip_longest(NAME, groups)}


def _whole(text: str) -> int | None:
    number = _number(text)
    if number is None or number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        return None
    return int(number)


def _decimal(text: str) -> Decimal | None:
    number = _number(text)
    if number is None or abs(number) >= Decimal(10) ** (DECIMAL.precision - DECIMAL.scale):
        return None
    with localcontext(prec=DECIMAL.precision):
        scaled = number.quantize(Decimal(1).scaleb(-DECIMAL.scale))
    return scaled if scaled == number else None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


_CONVERSIONS: Final[dict[pa.DataType, Callable[[str], Any]]] = {
    pa.date32(): _date,
    pa.int64(): _whole,
    DECIMAL: _decimal,
    MOMENT: _moment,
    NAME: _name,
}


def _times(texts: pa.Array) -> pa.Array:
    """TM as `HHMMSS[.ffffff]`; a leap second has no place in a day."""
    try:
        clock = pc.cast(pc.utf8_slice_codeunits(texts, 0, 6), pa.int64())
        fraction = pc.utf8_rpad(pc.utf8_slice_codeunits(texts, 7), _DIGITS_OF_A_FRACTION, "0")
        microseconds = pc.cast(fraction, pa.int64())
    except pa.ArrowInvalid:
        return pa.nulls(len(texts), _TIME)
    minutes = pc.divide(clock, 100)
    hours = pc.divide(minutes, 100)
    second = pc.subtract(clock, pc.multiply(minutes, 100))
    minute = pc.subtract(minutes, pc.multiply(hours, 100))
    whole = pc.add(pc.multiply(pc.add(pc.multiply(hours, 60), minute), 60), second)
    passed = pc.add(pc.multiply(whole, 1_000_000), microseconds)
    return pc.if_else(pc.less(second, _SECONDS), passed, None).cast(_TIME)
