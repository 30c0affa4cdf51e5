"""What commands print: tables for people, JSON for programs on standard output, errors on standard error."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

# In output to a file or another program nothing is cut or folded.
_ANY_WIDTH: Final = 100_000

screen: Final = Console(highlight=False, width=None if sys.stdout.isatty() else _ANY_WIDTH)
errors: Final = Console(stderr=True, highlight=False)

Entry = dict[str, Any]

# Numbers as DICOM wrote them: a float would show 0.1 as something else.
_json: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class Failure(typer.Exit):
    """Ends a command that could not do its work: exit status 1, and a sentence on standard error."""

    status = 1

    def __init__(self, message: str) -> None:
        errors.print(message_text(message), style="red", soft_wrap=True)
        super().__init__(self.status)


class Misuse(Failure):
    """Ends a command that was used wrongly: exit status 2."""

    status = 2


# Characters that JSON allows and a terminal obeys: DEL, the C1 controls, and marks that turn the direction of writing
# (Unicode Standard Annex 9, "Directional Formatting Characters"). In JSON they are within texts only.
_OBEYED: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_json(value: Any) -> None:
    """Print a JSON value on one line."""
    typer.echo(encoded(value))


def print_json_array(values: Iterable[Any]) -> None:
    """Print a JSON array, each value as soon as it comes."""
    separator = "["
    for value in values:
        typer.echo(f"{separator}{encoded(value)}")
        separator = ","
    typer.echo("[]" if separator == "[" else "]")


def encoded(value: Any) -> str:
    """A value as JSON on one line, without what a terminal obeys."""
    return _OBEYED.sub(lambda obeyed: f"\\u{ord(obeyed[0]):04x}", _json.encode(value).decode())


def printable(text: str) -> str:
    """A text for the screen. Dots replace the characters that could command a terminal."""
    # Most texts are, and this is far cheaper.
    return text if text.isprintable() else "".join(each if each.isprintable() else "·" for each in text)


def shown(value: Any) -> Text:
    """A value of a document as text for the screen. Characters that could command a terminal are shown as dots."""
    return Text(printable("" if value is None else str(value)))


def message_text(message: str) -> Text:
    """Sentences for the screen, which may quote from a file."""
    return Text("\n").join(map(shown, message.split("\n")))


def counted(number: int, noun: str) -> str:
    """A number of things, as `1 page` or `2 pages`; `noun` is in the singular."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cell(value: Any) -> Text:
    """A value on one line of a table; its end is cut off if there is no room."""
    text = shown(value)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _whole(value: Any) -> Text:
    """A value of a table that is never cut: it continues on the next line if there is no room."""
    text = shown(value)
    text.no_wrap, text.overflow = False, "fold"
    return text


def _day(value: Any) -> Text:
    """A DA as `YYYY-MM-DD`."""
    text = str(value or "")
    return _whole(f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text)


def _said(entry: Entry, name: str) -> Any:
    """An entry's value of an attribute. If DICOM allows one value and the document has several, all of them."""
    several = entry.get(f"{name}Values")
    return "\\".join(map(str, several)) if several else entry.get(name)


def _table(*columns: Column) -> Table:
    """A table that narrows its names and descriptions first, and its whole columns only when these are gone."""
    return Table(*columns, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0))


def _whole_column(header: str, **options: Any) -> Column:
    return Column(header, no_wrap=True, **options)


@dataclass(frozen=True, slots=True)
class _Study:
    entries: list[Entry]

    def first(self, name: str) -> Any:
        return next(filter(None, (_said(entry, name) for entry in self.entries)), None)

    def distinct(self, name: str) -> list[str]:
        return sorted({str(said) for entry in self.entries if (said := _said(entry, name)) is not None})


def _studies(entries: Iterable[Entry]) -> Iterator[_Study]:
    """The entries by study, in the order of each study's first entry."""
    by_uid: dict[str, list[Entry]] = {}
    for entry in entries:
        # An image set without a UID is a study of its own, since its study is not known.
        by_uid.setdefault(str(entry.get("StudyInstanceUID", entry["ImageSetId"])), []).append(entry)
    return map(_Study, by_uid.values())


def studies_table(entries: Iterable[Entry]) -> Table:
    """A row for each study that the entries belong to."""
    table = _table(
        Column("Patient"),
        _whole_column("ID"),
        _whole_column("Date"),
        Column("Modality"),
        Column("Description"),
        _whole_column("Series", justify="right"),
        _whole_column("Inst", justify="right"),
    )
    for study in _studies(entries):
        table.add_row(
            _cell(study.first("PatientName")),
            _whole(study.first("PatientID")),
            _day(study.first("StudyDate")),
            _cell(", ".join(study.distinct("Modality"))),
            _cell(study.first("StudyDescription")),
            str(len(study.distinct("SeriesInstanceUID"))),
            str(sum(int(entry["InstanceCount"]) for entry in study.entries)),
        )
    return table


def attributes_table(entry: Entry) -> Table:
    """A row for each attribute of an entry."""
    columns = (Column("Attribute", no_wrap=True), Column("Value", overflow="fold"))
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for name, value in entry.items():
        table.add_row(name, shown(_readable(value)))
    return table


def _readable(value: Any) -> str:
    if isinstance(value, list):
        return " | ".join(map(_with_backslashes, value))
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {_readable(each) if name == 'Values' else _with_backslashes(each)}" for name, each in value.items()
        )
    return str(value)


def _with_backslashes(value: Any) -> str:
    """A value, its components separated by backslashes as in DICOM."""
    return "\\".join(map(str, value)) if isinstance(value, list) else str(value)
