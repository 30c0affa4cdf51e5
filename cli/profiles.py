"""Profiles: finding the one that a command is to use, and `imaging-index profile check | show`."""

import json as json_
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from cli.output import Failure, counted, errors, message_text, print_json, screen
from cli.whole_words import print_rows
from imaging_index.dicom import dictionary
from imaging_index.profile import index_names, toml_file
from imaging_index.profile.attributes import Attribute, Source
from imaging_index.profile.derived import BY_NAME
from imaging_index.profile.form import Form
from imaging_index.profile.privacy import Policy
from imaging_index.profile.profile import Index, Profile, ProfileError
from imaging_index.profile.schema import MOST_HELD_TOGETHER
from infra import profile_lock, write_units
from infra.config import ROOT
from infra.prices import Prices

DEFAULT: Final = "radiology"

_HEADS: Final = {"vr": "VR", "vm": "VM", "name_in_dynamodb": "Name in DynamoDB"}
# What is stored of values that are neither kept nor tokens.
_REPLACED: Final = {Policy.UID: ", another UID", Policy.SHIFT: ", shifted", Policy.CAP: ", capped"}
_FOLDER: Final = ROOT / "profiles"

Name = Annotated[str, typer.Argument(help="A profile's name, or a path to its .toml file.")]

# Of the commands that start a stack on this machine.
OfStack = Annotated[
    str | None,
    typer.Option(
        "--profile", help="A profile's name, or a path to its .toml file. Default: the setting `profile` of cdk.json."
    ),
]

profiles = typer.Typer(no_args_is_help=True, help="The profile: which attributes are indexed, and how.")


def load(name: str) -> Profile:
    """The profile of a name in `profiles/`, or of a path that ends in `.toml`.

    Raises:
        ProfileError: it does not exist, or has mistakes; all of them are named.
    """
    return toml_file.load(_path(name))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The profile of a stack on this machine.

    Attributes:
        name: its name or path, as it was written.
        said: the same, with where it was written.
        path: its file.
        profile: what is in it.
    """

    name: str
    said: str
    path: Path
    profile: Profile

    @property
    def events(self) -> Literal["off", "on"]:
        """The setting of that name: on where the profile allows events."""
        return "off" if self.profile.why_no_events else "on"

    def check_viewers(self, option: str) -> None:
        """Check that an option which shows pages in a browser can be had with the profile.

        Raises:
            Failure: it cannot.
        """
        if why_not := self.profile.why_no_dicomweb:
            raise Failure(f"{option} is not for {self.name}: {why_not}")


def choose(name: str | None) -> Chosen:
    """The profile of a name or path; without one that of cdk.json, by which `make deploy` goes as well.

    Raises:
        Failure: it does not exist, or has mistakes; all of them are named.
    """
    if name is not None:
        selected = _load(name)
        return Chosen(name, name, _path(name).resolve(), selected)
    written: str = json_.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]["profile"]
    at = str(ROOT / written) if written.endswith(".toml") else written
    selected = _load(at)
    return Chosen(written, f"{written}, as cdk.json has it", _path(at).resolve(), selected)


def _path(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    shipped = sorted(file.stem for file in _FOLDER.glob("*.toml"))
    if name not in shipped:
        raise ProfileError(
            [
                f"There is no profile {name}. The shipped ones are {', '.join(shipped[:-1])} and {shipped[-1]}. To use "
                "a file of your own, give a path that ends in .toml."
            ]
        )
    return _FOLDER / f"{name}.toml"


@profiles.command()
def check(name: Name = DEFAULT) -> None:
    """Report every mistake in a profile with its line. Exit status 1 if there is one."""
    selected = _load(name)
    try:
        profile_lock.compare(_path(name), selected)
    except ProfileError as error:
        raise Failure(str(error)) from None
    for warning in selected.warnings:
        errors.print(message_text(f"Warning: {warning}"), soft_wrap=True)
    screen.print(
        f"{name} is valid: revision {selected.revision}, {counted(len(selected.attributes), 'attribute')}, "
        f"{len(selected.indexes)} {'index' if len(selected.indexes) == 1 else 'indexes'}{_listed(selected)}.",
        soft_wrap=True,
    )


def _listed(selected: Profile) -> str:
    """How many attributes the indexes list of those that DynamoDB takes; nothing if they list none."""
    listed = sum(len(index.holds or ()) for index in selected.indexes.values())
    return f" that list {listed} of {MOST_HELD_TOGETHER} attributes" if listed else ""


@profiles.command()
def show(name: Name = DEFAULT, json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Show each attribute with the indexes that are by it, and each index with what it holds."""
    selected = _load(name)
    rows = [_row(attribute, selected) for attribute in selected.attributes]
    indexes = [_index_row(index_name, index) for index_name, index in selected.indexes.items()]
    cost = {"new": write_units.new(selected), "again": write_units.again(selected)}
    if json:
        print_json({"attributes": rows, "indexes": indexes, "write_units": cost})
        return
    _print(rows)
    _print(indexes)
    dollars = cost["new"] * Prices().write_unit * 1_000_000
    screen.print(
        f"An image set of up to ten instances takes about {cost['new']} write units when it is new, and "
        f"{cost['again']} when it is indexed again. A million new ones cost {dollars:.2f} dollars. imaging-index cost "
        "measures it on your own."
    )


def _print(rows: list[dict[str, str | list[str]]]) -> None:
    """Print a table, if there are rows."""
    if not rows:
        return
    heads = [_HEADS.get(name, name.capitalize()) for name in rows[0]]
    print_rows(heads, [[each if isinstance(each, str) else ", ".join(each) for each in row.values()] for row in rows])


def _load(name: str) -> Profile:
    try:
        return load(name)
    except ProfileError as error:
        raise Failure(str(error)) from None


def _row(attribute: Attribute, selected: Profile) -> dict[str, str | list[str]]:
    first = attribute.sources[0] if attribute.sources else Source((attribute.name,))
    element = dictionary.lookup(first.path[-1])
    keys = {attribute.name, *(each.name for each in BY_NAME.values() if attribute.name in each.made_of)}
    return {
        "attribute": attribute.name,
        "tag": f"({element.tag[:4]},{element.tag[4:]})" if element else first.path[0] if first.creator else "",
        "vr": attribute.vr,
        "vm": element.vm if element else "",
        "level": attribute.level.value,
        "stored": f"{_stored(attribute.form)}{_REPLACED.get(attribute.policy, '')}",
        "indexes": [name for name, index in selected.indexes.items() if keys & {*index.keys}],
    }


def _index_row(name: str, index: Index) -> dict[str, str | list[str]]:
    return {
        "index": name,
        "name_in_dynamodb": index_names.in_table(name, index),
        "partition": list(index.partition),
        "sort": list(index.sort),
        "holds": "all" if index.holds is None else list(index.holds) or "keys",
    }


def _stored(form: Form) -> str:
    """How an entry holds an attribute, in words."""
    match form.arrangement:
        case "one":
            return form.kind
        case "list":
            return f"list of {form.kind}s"
        case "column":
            return f"{form.kind}s in rows with those of its sequence"
        case "range":
            return f"min and max {form.kind}{' of each component' if form.whole else ''}"
        case "distinct":
            return f"list of distinct {form.kind}s{', each as a whole' if form.whole else ''}"
