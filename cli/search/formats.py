"""The forms of output for programs: JSON, a JSON object a line, CSV, and the DICOM JSON Model."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import typer

from cli.output import encoded, print_json_array, screen, shown
from cli.search.columns import Column, said
from cli.search.text import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imaging_index.searching.rows import Row

Report = dict[str, Any]


def print_json(name: str, objects: Iterable[Any], report: Callable[[], Report], **more: Callable[[], Any]) -> None:
    """Print an object with the list `name`, each of its objects on a line as soon as it comes, and the report.

    `report` and `more`, which has further members of the object, are asked when the list has ended.
    """
    typer.echo(f'{{"{name}": [')
    separator = ""
    for each in objects:
        typer.echo(f"{separator}{encoded(each)}", nl=False)
        separator = ",\n"
    typer.echo("\n]" if separator else "]", nl=False)
    for member, value in more.items():
        typer.echo(f',\n"{member}": {encoded(value())}', nl=False)
    typer.echo(f',\n"report": {encoded(report())}}}')


def print_jsonl(objects: Iterable[Any], report: Callable[[], Report], **more: Callable[[], Any]) -> None:
    """Print a line for each object as soon as it comes, and a last one with the report."""
    for each in objects:
        typer.echo(encoded(each))
    typer.echo(encoded({**{member: value() for member, value in more.items()}, "report": report()}))


def print_csv(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Print rows as CSV, with a line of names first."""
    print_csv_lines([column.name for column in columns], (values(row, columns) for row in rows))


def print_csv_lines(heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Print lines as CSV (RFC 4180): values with commas, quotes or ends of lines in quotes, lines that end in CR LF.

    Values are exact, so one may begin with `=`, which spreadsheets take for a formula. On a terminal alone, dots
    replace the characters that it would obey.
    """
    clean = (lambda text: shown(text).plain) if screen.is_terminal else str
    # Not echo, which takes out what a terminal would obey.
    writer = csv.writer(sys.stdout)
    writer.writerow(heads)
    for line in lines:
        writer.writerow([clean(said(value)) for value in line])


def print_dicom_json(objects: Iterable[Any]) -> None:
    """Print a list of DICOM JSON objects, each on a line as soon as it comes."""
    print_json_array(objects)
