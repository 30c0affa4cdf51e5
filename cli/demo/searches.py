"""The searches that the demo ends with: the command's own, as one would type them."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Final

import boto3
import typer

from cli.output import screen, shown
from cli.search.command import search
from imaging_index.searching.planner import has_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cli.output import Entry
    from imaging_index.profile.profile import Profile

_LETTERS: Final = 3  # of the beginning of a name


def print_searches(entries: Sequence[Entry], profile: Profile, datastore: str) -> None:
    """Search a data store of the local cloud that has some entries, and print what the command prints.

    If the profile allows, the first search is by attributes that HealthImaging's SearchImageSets does not know, the
    second by the beginnings of a name's words, and the third counts. Without an index of a whole data store, it is by
    the attributes of an index.
    """
    application = typer.Typer()
    application.command()(search)
    command = typer.main.get_command(application)
    # Whatever stack and data store are named in the user's variables.
    stack = boto3.client("cloudformation").describe_stacks()["Stacks"][0]["StackName"]
    has_whole = any(index.partition == ("DatastoreId",) and has_all(index, ()) for index in profile.indexes.values())
    for arguments in _searches(entries, profile) if has_whole else _by_indexes(entries, profile):
        screen.print("\n[b]$[/b] ", shown(shlex.join(["imaging-index", "search", *arguments])), sep="", soft_wrap=True)
        command.main([*arguments, "--stack", stack, "--datastore", datastore], standalone_mode=False)


def _searches(entries: Sequence[Entry], profile: Profile) -> Iterable[list[str]]:
    modalities = Counter(each["Modality"] for each in entries if each.keys() >= {"Modality", "SliceThickness"})
    if modalities:
        ((modality, _),) = modalities.most_common(1)
        yield [f"Modality={modality}", "SliceThickness=..5"]
    names = [entry["PatientNameFolded"].split() for entry in entries if "PatientNameFolded" in entry]
    if names:
        words = max(names, key=lambda each: (min(len(each), 2), names.count(each)))
        beginnings = (word[:_LETTERS] for word in reversed(words[:2]))
        shown_columns = ["PatientName", "StudyDate", *(["ModalitiesInStudy"] if profile.find("Modality") else [])]
        yield [f"PatientName=~{' '.join(beginnings)}", "--show", ",".join(shown_columns)]
    yield ["--count", *(["--by", "Modality"] if profile.find("Modality") else []), "--level", "series"]


def _by_indexes(entries: Sequence[Entry], profile: Profile) -> Iterable[list[str]]:
    """A search by each index that is by attributes that some entry has."""
    for index in profile.indexes.values():
        names = [name for name in index.partition if name != "DatastoreId"]
        found = next((each for each in entries if each.keys() >= {*names}), None)
        if found and names and all(map(profile.find, names)):
            yield [f"{name}={found[name]}" for name in names]
