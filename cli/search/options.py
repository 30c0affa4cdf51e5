"""The options of a search, checked: what is asked, and in which form the answer is printed."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from cli.output import Misuse
from imaging_index.dicom import dictionary
from imaging_index.searching.question import LIMIT, Level, Order

if TYPE_CHECKING:
    from collections.abc import Sequence

# AWS HealthImaging API Reference, "GetDatastore".
_DATASTORE: Final = re.compile(r"[0-9a-z]{32}")

# What the page of --web can ask.
_OF_THE_PAGE: Final = ("web", "conditions", "first_day", "last_day", "datastores", "all_copies")

_Choice = TypeVar("_Choice", bound=StrEnum)


class Form(StrEnum):
    """The form of the output: for people (plain in a pipe), or one for programs."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    DICOM_JSON = "dicom-json"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were typed. `limit` is None for all rows."""

    conditions: tuple[str, ...] = ()
    level: Level = Level.STUDY
    first_day: str | None = None
    last_day: str | None = None
    arrived: str | None = None
    datastores: tuple[str, ...] = ()
    order: Order = Order.DATE
    reverse: bool = False
    limit: int | None = LIMIT
    cursor: str | None = None
    show: tuple[str, ...] = ()
    count: bool = False
    by: tuple[str, ...] = ()
    exact: bool = False
    clear: bool = False
    all_copies: bool = False
    index: str | None = None
    explain: bool = False
    scan: bool = False
    yes: bool = False
    form: Form = Form.TEXT
    web: bool = False

    def check(self) -> None:
        """Check what the options mean together.

        Raises:
            Misuse: some of them do not go together, or a data store's id is invalid.
        """
        if not all(map(_DATASTORE.fullmatch, self.datastores)):
            raise Misuse(
                "A data store's id is 32 lower-case letters and digits; aws medical-imaging list-datastores shows it."
            )
        if self.by and not self.count:
            raise Misuse("--by groups a count: add --count.")
        if self.count and self.form is Form.DICOM_JSON:
            raise Misuse("A count has no DICOM JSON: print it with --json, --jsonl or --csv.")
        if self.count and self.cursor:
            raise Misuse("A count includes all rows, so it takes no --cursor: leave one of the two out.")
        if self.count and self.show:
            raise Misuse("A count has no columns to --show: group it with --by, or leave --count out.")
        if any(text.partition("=")[2].startswith("@") for text in self.conditions) and self.form is Form.DICOM_JSON:
            raise Misuse("The values of a file have no DICOM JSON: print them with --json, --jsonl or --csv.")
        if self.yes and not self.scan:
            raise Misuse("--yes answers the question of --scan: add --scan, or leave --yes out.")
        if self.web and self != Options(**{name: getattr(self, name) for name in _OF_THE_PAGE}):
            raise Misuse(
                "--web takes conditions of the form Keyword=value, --from, --to, --datastore and --all-copies: leave "
                "other options out, since the page has its own."
            )


def form(*, json: bool, jsonl: bool, csv: bool, dicom_json: bool) -> Form:
    """The one form that was asked for.

    Raises:
        Misuse: there are several.
    """
    asked = {Form.JSON: json, Form.JSONL: jsonl, Form.CSV: csv, Form.DICOM_JSON: dicom_json}
    forms = [each for each, wanted in asked.items() if wanted]
    if len(forms) > 1:
        raise Misuse(f"--{forms[0]} and --{forms[1]} are two forms of output: choose one.")
    return forms[0] if forms else Form.TEXT


def choice(option: str, written: str, choices: type[_Choice]) -> _Choice:
    """The choice that was written for an option.

    Raises:
        Misuse: there is no such choice.
    """
    names = [str(each) for each in choices]
    if written in names:
        return choices(written)
    near = dictionary.nearest(written, names)
    meant = f" Did you mean {near}?" if near else ""
    raise Misuse(f"{option} is one of {', '.join(names)}.{meant}")


def listed(option: str, written: Sequence[str] | None) -> tuple[str, ...]:
    """The keywords that were written for an option with commas between them.

    Raises:
        Misuse: there is an empty one, or the same one twice.
    """
    names = tuple(name.strip() for text in written or () for name in text.split(","))
    if not all(names):
        raise Misuse(f"Write {option} as keywords with commas between them, like {option} Modality,StationName.")
    if len({*names}) < len(names):
        raise Misuse(f"{option} has a keyword twice; write each once.")
    return names
