"""Rows by month and study, by way of the disk: a million take no more memory than a hundred thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    Numbers = np.ndarray[Any, np.dtype[np.integer[Any]]]

# A month's rows are in one file, with those of the months some years apart; undated ones are in a file of their own.
_FILES: Final = 23
# Rows that are held before they are divided, and rows that are sorted together.
_HELD: Final = 16_384
_SORTED: Final = 16_384
_MONTH: Final = "_month"
_UNDATED: Final = -1


class Piece:
    """Some rows, ordered by month."""

    def __init__(self, rows: pa.Table, months: Numbers) -> None:
        self.rows = rows
        self._months = months

    def by_month(self) -> Iterator[tuple[str | None, pa.Table]]:
        """The rows by month of their StudyDate as `YYYY-MM`; those without a date are under None."""
        for start, end in _runs(self._months):
            yield _text(int(self._months[start])), self.rows.slice(start, end - start)


class Spill:
    """Takes rows in any order, and gives them in pieces that are in the order of months and studies.

    Nearly all image sets of a study are in one piece, where their texts compress well. On the disk a row has about a
    kilobyte: compressing it would take a sixth of the export's time.

    Raises (whatever writes):
        OSError: the disk is full, or cannot be written to.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """Write to a folder, which must be empty."""
        self._folder = folder
        self._schema = schema
        self._dated = "StudyDate" in schema.names and schema.field("StudyDate").type == pa.date32()
        self._order = [(_MONTH, "ascending")]
        self._order += [(name, "ascending") for name in ("StudyInstanceUID", "ImageSetId") if name in schema.names]
        self._held: list[pa.Table] = []
        self._writers: dict[int, pa.RecordBatchFileWriter] = {}
        self._with_month = schema.append(pa.field(_MONTH, pa.int32()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, rows: pa.Table) -> None:
        """Take some rows."""
        if len(rows):
            self._held.append(rows)
        if sum(map(len, self._held)) >= _HELD:
            self._divide()

    def pieces(self) -> Iterator[Piece]:
        """All rows."""
        self._divide()
        for writer in self._writers.values():
            writer.close()
        files, self._writers = sorted(self._writers), {}
        for number in files:
            for rows in self._read(number):
                ordered = rows.sort_by(self._order)
                months = pc.fill_null(ordered[_MONTH].combine_chunks(), _UNDATED)
                yield Piece(ordered.drop_columns(_MONTH), np.asarray(months))

    def _divide(self) -> None:
        if not self._held:
            return
        rows = pa.concat_tables(self._held).combine_chunks()
        self._held = []
        months = self._months(rows)
        rows = rows.append_column(_MONTH, months)
        files = np.where(np.asarray(months.is_valid()), np.asarray(pc.fill_null(months, 0)) % _FILES, _FILES)
        order = np.argsort(files, kind="stable")
        rows, files = rows.take(order), files[order]
        for start, end in _runs(files):
            self._writer(int(files[start])).write_table(rows.slice(start, end - start))

    def _months(self, rows: pa.Table) -> pa.Array:
        """Months since the year 0, null for a row without a date."""
        if not self._dated:
            return pa.nulls(len(rows), pa.int32())
        dates = rows["StudyDate"].combine_chunks()
        months = pc.add(pc.multiply(pc.year(dates), 12), pc.subtract(pc.month(dates), 1))
        return months.cast(pa.int32())

    def _writer(self, number: int) -> pa.RecordBatchFileWriter:
        if number not in self._writers:
            file = self._folder / f"{number}.arrow"
            self._writers[number] = pa.ipc.new_file(file, self._with_month)
        return self._writers[number]

    def _read(self, number: int) -> Iterator[pa.Table]:
        file = self._folder / f"{number}.arrow"
        with pa.OSFile(str(file)) as source:
            reader = pa.ipc.open_file(source)
            batches: list[pa.RecordBatch] = []
            for place in range(reader.num_record_batches):
                batches.append(reader.get_batch(place))
                if sum(map(len, batches)) >= _SORTED:
                    yield pa.Table.from_batches(batches)
                    batches = []
            if batches:
                yield pa.Table.from_batches(batches)
        file.unlink()


def _runs(values: Numbers) -> Iterator[tuple[int, int]]:
    """From where to where each value goes on."""
    borders = (np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()
    yield from zip([0, *borders], [*borders, len(values)], strict=True)


def _text(month: int) -> str | None:
    return None if month == _UNDATED else f"{month // 12:04}-{month % 12 + 1:02}"
