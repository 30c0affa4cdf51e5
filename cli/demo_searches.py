"""The searches that the demo ends with: the command's own, as one would type them."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Final

import boto3
import typer

from cli.output import screen, shown
from cli.search.command import search

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cli.output import Entry

_LETTERS: Final = 3  # of the beginning of a name


def print_searches(entries: Sequence[Entry], datastore: str) -> None:
    """Search a data store of the local cloud that has some entries, and print what the command prints.

    The first search is by attributes that HealthImaging's SearchImageSets does not know, the second by the beginnings
    of a name's words, the third counts.
    """
    application = typer.Typer()
    application.command()(search)
    command = typer.main.get_command(application)
    # Whatever stack and data store are named in the user's variables.
    stack = boto3.client("cloudformation").describe_stacks()["Stacks"][0]["StackName"]
    for arguments in _searches(entries):
        screen.print("\n[b]$[/b] ", shown(shlex.join(["imaging-index", "search", *arguments])), sep="", soft_wrap=True)
        command.main([*arguments, "--stack", stack, "--datastore", datastore], standalone_mode=False)


def _searches(entries: Sequence[Entry]) -> Iterable[list[str]]:
    modalities = Counter(each["Modality"] for each in entries if each.keys() >= {"Modality", "SliceThickness"})
    if modalities:
        ((modality, _),) = modalities.most_common(1)
        yield [f"Modality={modality}", "SliceThickness=..5"]
    names = [entry["PatientNameFolded"].split() for entry in entries if "PatientNameFolded" in entry]
    if names:
        words = max(names, key=lambda each: (min(len(each), 2), names.count(each)))
        beginnings = (word[:_LETTERS] for word in reversed(words[:2]))
        yield [f"PatientName=~{' '.join(beginnings)}", "--show", "PatientName,StudyDate,ModalitiesInStudy"]
    yield ["--count", "--by", "Modality", "--level", "series"]
