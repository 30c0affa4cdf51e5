"""Tables whose words are never split: a keyword is whole, or its path continues on the next line behind a dot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cli.output import message_text, screen, shown

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table, or where the window is too narrow for its words as a paragraph for each row."""
    for lines in (rows, [[text.replace(".", ".\n") for text in row] for row in rows]):
        if widths := _widths([heads, *lines]):
            columns = (Column(head, width=width) for head, width in zip(heads, widths, strict=True))
            table = Table(*columns, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0))
            for line in lines:
                table.add_row(*map(message_text, line))
            screen.print()
            screen.print(table)
            return
    for first, *others in rows:
        screen.print(f"\n[b]{first}[/b]")
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for head, text in zip(heads[1:], others, strict=True):
            if text:
                table.add_row(f"  {head}", shown(text))
        screen.print(table)
    screen.print()


def _widths(lines: Sequence[Sequence[str]]) -> list[int] | None:
    """A width for each column, so that no word is split and the window is not exceeded; None where that cannot be."""
    columns = [*zip(*lines, strict=True)]
    widths = [max(len(word) for text in column for word in text.split()) for column in columns]
    spare = screen.width - sum(widths) - (len(widths) - 1)
    if spare < 0:
        return None
    wanted = [max(len(line) for text in column for line in text.split("\n")) for column in columns]
    # Those that need little get it first.
    for place in sorted(range(len(widths)), key=lambda each: wanted[each] - widths[each]):
        more = min(wanted[place] - widths[place], spare)
        widths[place] += more
        spare -= more
    return widths
