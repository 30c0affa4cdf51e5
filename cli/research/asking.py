"""`imaging-index sql`: a question over an export."""

from __future__ import annotations

import contextlib
import csv as csv_files
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from boto3 import Session
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cli.output import Failure, Misuse, counted, errors, print_json_array, screen, shown
from cli.research.s3_object import ADDRESS, Object
from cli.waiting import interruptible
from exporting.about import NotOurs
from exporting.database import Answer, Database, Refused
from imaging_index.entry.entry import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.text import Text

_SHOWN: Final = 100
# A column with less room than this shows nothing that can be read.
_LEAST_WIDTH: Final = 8
_json: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def ask(question: str, place: str, *, csv: bool, json: bool) -> None:
    """Print the answer to a question over an export.

    Raises:
        Misuse: it is no question, or one that is refused.
    """
    try:
        with opened(place) as database:
            if database.instances_are_of_another and "instances" in question:
                errors.print(
                    "The instances beside this export are of another one, so there is no table `instances`. Export "
                    "again with --instances.",
                    style="yellow",
                    soft_wrap=True,
                )
            _print_answer(database.ask(question), csv=csv, json=json)
    except Refused as error:
        raise Misuse(str(error)) from None


def _print_answer(answer: Answer, *, csv: bool, json: bool) -> None:
    if json:
        print_json_array(_plain(dict(zip(answer.names, row, strict=True))) for row in answer.rows())
    elif csv:
        writer = csv_files.writer(sys.stdout)
        writer.writerow(answer.names)
        writer.writerows([_cell(value) for value in row] for row in answer.rows())
    else:
        _print(answer.names, answer.rows())


@contextlib.contextmanager
def opened(place: str) -> Iterator[Database]:
    """An export, with a warning where entries have a newer format by now.

    Raises:
        Failure: there is none.
    """
    # A copy, and what does not fit into memory, is removed also where the command is ended or its terminal closed.
    with interruptible(), contextlib.ExitStack() as on_disk:
        path = Path(place).absolute()
        if in_s3 := ADDRESS.fullmatch(place):
            path = on_disk.enter_context(Object(Session(), in_s3[1], in_s3[2]).local())
        try:
            database = Database(path)
        except NotOurs as error:
            raise Failure(str(error)) from None
        on_disk.callback(database.close)
        _warn(database)
        yield database


def _warn(database: Database) -> None:
    if database.about.entry_format < FORMAT:
        errors.print(
            f"This export is of {database.about.as_of}, before the format of entries changed. Export again.",
            style="yellow",
            soft_wrap=True,
        )


def _print(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    count = 0
    cells = []
    for count, row in enumerate(rows, 1):
        if count <= _SHOWN:
            cells.append([shown(_cell(value)) for value in row])
    if screen.width < _LEAST_WIDTH * len(names):
        for number, row_cells in enumerate(cells, 1):
            screen.print(f"Row {number}", style="bold")
            screen.print(_table(("", ""), zip(map(shown, names), row_cells, strict=True)))
    else:
        screen.print(_table(names, cells))
    if count > _SHOWN:
        errors.print(f"The first {_SHOWN} of {counted(count, 'row')}. --csv and --json print all.", soft_wrap=True)


def _table(names: Sequence[str], rows: Iterable[Iterable[Text]]) -> Table:
    columns = (Column(name, overflow="fold") for name in names)
    table = Table(*columns, box=SIMPLE_HEAD, show_header=any(names), pad_edge=False, padding=(0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _cell(value: Any) -> Any:
    """A value on one line: lists and structs as JSON."""
    plain = _plain(value)
    if isinstance(plain, Decimal):
        return f"{plain:f}"
    return _json.encode(plain).decode() if isinstance(plain, list | dict) else plain


def _plain(value: Any) -> Any:
    """A value without the zeros at the end of its decimals."""
    match value:
        case Decimal():
            whole = value.to_integral_value()
            return whole if whole == value else value.normalize()
        case list() | tuple():
            return [*map(_plain, value)]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
    return value
