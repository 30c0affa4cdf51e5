"""`imaging-index search --web`: the work list in the browser, which first asks what the command line asks."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import typer

from cli.output import Misuse, errors
from cli.search import days
from cli.waiting import until_interrupted, wait
from cli.web import worklist
from imaging_index.searching import moments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from cli.deployed import Stack
    from cli.search.options import Options
    from imaging_index.profile.profile import Profile

# What QIDO-RS can ask: a keyword or a tag, `=`, and a value.
_CONDITION: Final = re.compile(r"\s*([A-Za-z0-9_.]+)\s*=(?![=@])(.*)", re.DOTALL)
# The fields of the page that are named as in QIDO-RS.
_FIELDS: Final = ("PatientName", "PatientID", "AccessionNumber", "StudyDescription", "ModalitiesInStudy")
_DATE: Final = "StudyDate"
_FIRST, _LAST, _OTHER, _COPIES = "from", "to", "other", "allcopies"


def browse(stack: Stack, options: Options, datastores: tuple[str, ...]) -> None:
    """Print the address of the work list, and keep it up until Ctrl-C.

    Raises:
        Misuse: the page cannot ask what the options ask.
        SearchError: a day is invalid.
    """
    question = fragment(options, stack.profile, datetime.now().astimezone().date())
    with until_interrupted(), worklist.server(stack, lambda: datastores) as server:
        typer.echo(f"{server.address}{question and '#'}{question}")
        errors.print("Open this address in a browser on this machine. It reads with your credentials until Ctrl-C.")
        wait()


def fragment(options: Options, profile: Profile, today: date) -> str:
    """The part of the page's address that has its question; empty for none.

    Raises:
        Misuse: the page cannot ask this.
        SearchError: a day is invalid.
    """
    asked: dict[str, str] = {}
    others = []
    days.of_studies(options.first_day, options.last_day, profile, today)
    for name, value in (*_dates(options.first_day or "", options.last_day or "", today), *_fields(options, today)):
        if name not in (*_FIELDS, _FIRST, _LAST):
            others.append((name, value))
        elif asked.setdefault(name, value) is not value:
            raise Misuse("The page of --web has one field for each attribute: write one condition on it.")
    if others:
        asked[_OTHER] = urlencode(others)
    if options.all_copies:
        asked[_COPIES] = "true"
    return urlencode(asked)


def _fields(options: Options, today: date) -> Iterator[tuple[str, str]]:
    """The fields of the page that conditions fill in, and the attributes for which it has none."""
    for text in options.conditions:
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise Misuse("The page of --web takes conditions of the form Keyword=value: leave others out.")
        name, value = match[1], match[2].strip()
        if name == _DATE:
            low, dots, high = value.partition("..")
            yield from _dates(*((low, high) if dots else moments.ends("DA", value) or (value, value)), today)
        else:
            # The page takes words of names in any case.
            yield name, value.removeprefix("~") if name == "PatientName" else value


def _dates(low: str, high: str, today: date) -> Iterator[tuple[str, str]]:
    """The first and the last day of a range whose ends may be months, years or left out."""
    if low:
        first = str(moments.span("DA", _DATE, low, today)[0])
        yield _FIRST, f"{first[:4]}-{first[4:6]}-{max(first[6:], '01')}"
    if high:
        last = str(moments.span("DA", _DATE, high, today)[1])
        year, month = last[:4], min(last[4:6], "12")
        yield _LAST, f"{year}-{month}-{min(last[6:], str(monthrange(int(year), int(month))[1]))}"
