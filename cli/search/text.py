"""Rows for people: a table on the screen, and plain lines with tabs in a pipe or file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column as TableColumn
from rich.table import Table

from cli.output import screen, shown
from cli.search.columns import LEGEND, MARKS, Column, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.text import Text

    from imaging_index.searching.rows import Row

_DIGITS = 8  # of a DA


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
    conflicts = row.conflicts
    return [column.value(row, conflicts) for column in columns]


def print_lines(heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Print a line of names, then a line for each sequence of values. Nothing is cut; no value has a tab."""
    typer.echo("\t".join(heads))
    for line in lines:
        typer.echo("\t".join(shown(said(value)).plain for value in line))


def table(columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> Table:
    """A table of values. It narrows names and descriptions first, and whole columns only when these are gone."""
    made = Table(*map(_table_column, columns), box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    for line in lines:
        made.add_row(*(_cell(column, value) for column, value in zip(columns, line, strict=True)))
    return made


def _table_column(column: Column) -> TableColumn:
    justify = "right" if column.kind == "number" else "left"
    return TableColumn(column.heading, justify=justify, no_wrap=column.kind != "text")  # type: ignore[arg-type]


def _cell(column: Column, value: Any) -> Text:
    text = said(value)
    if column.kind == "day" and len(text) == _DIGITS and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    cell = shown(text)
    cell.no_wrap, cell.overflow = (True, "ellipsis") if column.kind == "text" else (False, "fold")
    return cell
