"""Rows for people: a table on the screen, and plain lines with tabs in a pipe or file."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Column as TableColumn
from rich.table import Table

from cli.output import printable, screen, shown
from cli.search.columns import LEGEND, MARKS, Column, conflicts, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.text import Text

    from imaging_index.searching.rows import Row

_DIGITS = 8  # of a DA
_TOKEN = re.compile("[0-9a-f]{64}")  # of a hashed value; beside whole ones, the other columns would have no room


def print_rows(rows: Iterable[Row], columns: Sequence[Column]) -> None:
    """Print rows: a table on a terminal, else a line with tabs for each as soon as it comes."""
    if screen.is_terminal:
        found = [*rows]
        marked = any(MARKS.value(row, {}) for row in found)
        all_columns = [*columns, MARKS] if marked else columns
        if found:
            screen.print(table(all_columns, (values(row, all_columns) for row in found)))
        if marked:
            screen.print(LEGEND, style="dim", soft_wrap=True)
    else:
        print_lines([column.name for column in columns], (values(row, columns) for row in rows))


def values(row: Row, columns: Sequence[Column]) -> list[Any]:
    """What a row has in each column."""
    differing = conflicts(row)
    return [column.value(row, differing) for column in columns]


def print_lines(heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Print a line of names, then a line for each sequence of values. Nothing is cut; no value has a tab."""
    sys.stdout.write("\t".join(heads) + "\n")
    for line in lines:
        sys.stdout.write("\t".join([printable(said(value)) for value in line]) + "\n")


def table(columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> Table:
    """A table of values. It narrows names, descriptions and tokens first, whole columns only when these are gone."""
    every = [*lines]
    made = Table(
        *(_table_column(column, [line[number] for line in every]) for number, column in enumerate(columns)),
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 0),
    )
    for line in every:
        made.add_row(*(_cell(column, value) for column, value in zip(columns, line, strict=True)))
    return made


def _table_column(column: Column, cells: Sequence[Any]) -> TableColumn:
    narrowed = column.kind == "text" or any(isinstance(cell, str) and _TOKEN.fullmatch(cell) for cell in cells)
    justify = "right" if column.kind == "number" else "left"
    return TableColumn(column.heading, justify=justify, no_wrap=not narrowed)  # type: ignore[arg-type]


def _cell(column: Column, value: Any) -> Text:
    text = said(value)
    if column.kind == "day" and len(text) == _DIGITS and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    cell = shown(text)
    cell.no_wrap, cell.overflow = (True, "ellipsis") if column.kind == "text" else (False, "fold")
    return cell
