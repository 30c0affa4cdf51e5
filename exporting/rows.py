"""Items in DynamoDB's JSON -> the rows of an export, a column at a time: no item becomes an object of Python."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from exporting.columns import BY_NAME, NUMBER, TEXT, columns, counted, several
from exporting.values import converted
from imaging_index.table.generation import TOMBSTONE
from imaging_index.table.layout import ENTRY

if TYPE_CHECKING:
    from imaging_index.profile.profile import Profile

    Rows = np.ndarray[Any, np.dtype[np.int64]]
    # By row, what each of some attributes has.
    ByName = dict[int, dict[str, Any]]

_PART: Final = "Part"
_KEYS: Final = pa.struct([("ImageSet", TEXT), (_PART, TEXT)])


class Wrapping(StrEnum):
    """What an item is in, of a line (Amazon DynamoDB Developer Guide, "DynamoDB table export output format")."""

    NONE = ""
    FULL = "Item"
    INCREMENTAL = "NewImage"


class Changes(NamedTuple):
    """The rows of entries that are new or changed, and `<datastoreId>/<imageSetId>` of those that were removed."""

    rows: pa.Table
    removed: list[str]


class RowsReader:
    """Makes rows of items under one profile. What an entry of another profile holds in another type is null.

    Under a profile that protects something, such an entry has no row: it may hold what the profile does not keep.

    Attributes:
        schema: the columns of the rows.
        left_out: how many entries have no row for that reason.
    """

    def __init__(self, profile: Profile, wrapping: Wrapping = Wrapping.NONE) -> None:
        self._wrapping = wrapping
        self._only = profile.hash if profile.private else None
        self.left_out = 0
        self._columns = columns(profile)
        self.schema = pa.schema(
            [*(each.field for each in self._columns), *(pa.field(*each) for each in BY_NAME.items())]
        )
        self._several = several(profile)
        fields = [(_PART, TEXT), *((each.name, each.raw) for each in self._columns)]
        fields += self._several.values()
        missing = pa.struct([(name, NUMBER) for name in counted(profile)])
        fields.append(("MissingIn", pa.struct([("M", missing)])))
        line = pa.schema(fields)
        if wrapping:
            line = pa.schema([(wrapping, pa.struct(fields)), ("Keys", _KEYS)])
        self._parsing = pa.json.ParseOptions(explicit_schema=line, unexpected_field_behavior="ignore")

    def read(self, lines: bytes) -> pa.Table:
        """The rows of items, each a line of DynamoDB's JSON; pages and tombstones have none.

        Raises:
            ArrowInvalid: a line is no item.
        """
        return self.changes(lines).rows

    def changes(self, lines: bytes) -> Changes:
        """The rows of items, and which image sets have none, since they have a tombstone or were deleted.

        Raises:
            ArrowInvalid: a line is no item.
        """
        if not lines.strip():
            return Changes(self.schema.empty_table(), [])
        whole = pa.json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
        raw = pa.json.read_json(pa.BufferReader(lines), read_options=whole, parse_options=self._parsing)
        removed: list[str] = []
        keys = None
        if self._wrapping:
            keys, raw = _array(raw, "Keys"), pa.Table.from_struct_array(_array(raw, self._wrapping))
        generations = _texts(raw, "Generation")
        entries = pc.and_(pc.equal(_texts(raw, _PART), ENTRY), pc.not_equal(generations, TOMBSTONE))
        if self._only:
            ours = pc.fill_null(pc.equal(_texts(raw, "ProfileHash"), self._only), False)
            others = pc.fill_null(pc.and_(entries, pc.invert(ours)), False)
            self.left_out += pc.sum(others).as_py() or 0
            entries = pc.and_(entries, ours)
            generations = pc.if_else(others, TOMBSTONE, generations)
        if keys is not None:
            removed = _removed(keys, generations)
        if not pc.all(entries, skip_nulls=False).as_py():
            raw = raw.filter(entries)
        return Changes(self._rows(raw), removed)

    def _rows(self, raw: pa.Table) -> pa.Table:
        if not len(raw):
            return self.schema.empty_table()
        rows: Rows = np.arange(len(raw))
        lost: ByName = {}
        arrays = [_Making(each.name, lost).made(_array(raw, each.name), each.type, rows) for each in self._columns]
        by_name = {"MissingIn": _missing(raw), "SeveralValues": self._several_values(raw), "InexactValues": lost}
        arrays += [_maps(len(raw), by_name[name], wanted) for name, wanted in BY_NAME.items()]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _several_values(self, raw: pa.Table) -> ByName:
        found: ByName = {}
        for name, (in_entry, _) in self._several.items():
            lists = _array(raw, in_entry)
            for row in _valid(lists):
                found.setdefault(row, {})[name] = [text for each in lists[row].as_py()["L"] for text in each.values()]
        return found


class _Making:
    """Makes one column; the texts of values that its type cannot hold are kept in `lost`."""

    def __init__(self, name: str, lost: ByName) -> None:
        self._name = name
        self._lost = lost

    def made(self, raw: pa.Array, wanted: pa.DataType, rows: Rows) -> pa.Array:
        """Values in DynamoDB's JSON as values of the type that is wanted; `rows` has the row of each."""
        if raw.null_count == len(raw):
            return pa.nulls(len(raw), wanted)
        inner = pc.struct_field(raw, 0)
        match raw.type.field(0).name:
            case "M":
                return self._summary(inner, wanted, rows)
            case "L":
                return self._list(inner, wanted, rows)
            case "BOOL":
                return inner
        return self._values(inner, wanted, rows)

    def _summary(self, raw: pa.Array, wanted: pa.DataType, rows: Rows) -> pa.Array:
        parts = [self.made(pc.struct_field(raw, place), field.type, rows) for place, field in enumerate(wanted)]
        parts[-1] = pc.fill_null(parts[-1], 0)  # an entry says only of some how many instances have none
        return pa.StructArray.from_arrays(parts, fields=[*wanted], mask=raw.is_null())

    def _list(self, raw: pa.Array, wanted: pa.DataType, rows: Rows) -> pa.Array:
        of_values = rows[np.asarray(pc.list_parent_indices(raw))]
        values = self.made(raw.flatten(), wanted.value_type, of_values)
        return pa.ListArray.from_arrays(raw.offsets, values, type=wanted, mask=raw.is_null())

    def _values(self, texts: pa.Array, wanted: pa.DataType, rows: Rows) -> pa.Array:
        # Several values have an empty text where an item of a sequence has none.
        if pc.any(pc.equal(texts, "")).as_py():
            texts = pc.if_else(pc.equal(texts, ""), None, texts)
        values = converted(texts, wanted)
        if values.null_count > texts.null_count:
            gone = pc.and_(pc.is_valid(texts), pc.is_null(values))
            for row, text in zip(rows[np.asarray(gone)].tolist(), texts.filter(gone).to_pylist(), strict=True):
                kept = self._lost.setdefault(row, {}).setdefault(self._name, [])
                kept += [] if text in kept else [text]
        return values


def _removed(keys: pa.Array, generations: pa.Array) -> list[str]:
    """The image sets whose entry has no new image, or a tombstone as that."""
    gone = pc.fill_null(pc.equal(generations, TOMBSTONE), True)
    of_entries = pc.fill_null(pc.equal(pc.struct_field(keys, [1, 0]), ENTRY), False)
    found: list[str] = pc.struct_field(keys, [0, 0]).filter(pc.and_(gone, of_entries)).to_pylist()
    return found


def _texts(raw: pa.Table, name: str) -> pa.Array:
    return pc.struct_field(_array(raw, name), 0)


def _missing(raw: pa.Table) -> ByName:
    counts = pc.struct_field(_array(raw, "MissingIn"), 0)
    return {
        row: {name: int(count["N"]) for name, count in counts[row].as_py().items() if count} for row in _valid(counts)
    }


def _maps(length: int, found: ByName, wanted: pa.DataType) -> pa.Array:
    if not found:
        return pa.nulls(length, wanted)
    return pa.array([[*found[row].items()] if row in found else None for row in range(length)], wanted)


def _valid(array: pa.Array) -> list[int]:
    """The rows that have a value."""
    if array.null_count == len(array):
        return []
    rows: list[int] = np.flatnonzero(np.asarray(array.is_valid())).tolist()
    return rows


def _array(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece."""
    column = table[name].combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
