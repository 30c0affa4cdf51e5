"""The examples that `--help` ends with, for each command by its words and for each group of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typer import Typer

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("imaging-index demo", "imaging-index search PatientID=1CT1", "imaging-index doctor"),
    "demo": (
        "imaging-index demo",
        "imaging-index demo --dicom ~/scans --stay",
        "imaging-index demo --profile my.toml",
    ),
    "local": ("imaging-index local up --detach", 'eval "$(imaging-index local env)"', "imaging-index local down"),
    "local up": (
        "imaging-index local up",
        "imaging-index local up --dicom ~/scans --ohif",
        "imaging-index local up --profile minimal --port 4567 --detach",
    ),
    "local status": ("imaging-index local status", "imaging-index local status --json"),
    "local env": (
        'eval "$(imaging-index local env)"',
        'eval "$(imaging-index local env --unset)"',
        "imaging-index local env --dotenv > .env",
    ),
    "local down": ("imaging-index local down", "imaging-index local down --port 4567"),
    "cost": (
        "imaging-index cost --studies 200000 --series 1000000 --instances 100000000",
        "imaging-index cost --studies 9000 --series 40000 --instances 2000000 --json",
    ),
    "inspect": (
        "imaging-index inspect ct.json.gz",
        "imaging-index inspect ct.json.gz --profile my.toml --summary",
        "zcat ct.json.gz | imaging-index inspect - --json",
    ),
    "profile": ("imaging-index profile check my.toml", "imaging-index profile show radiology"),
    "profile check": ("imaging-index profile check my.toml", "imaging-index profile check minimal"),
    "profile show": ("imaging-index profile show radiology", "imaging-index profile show my.toml --json"),
    "search": (
        "imaging-index search",
        "imaging-index search PatientID=1CT1",
        "imaging-index search Modality=CT,MR 'StudyDescription=*spine*' --from 2024",
        "imaging-index search 'PatientName=~peter doe' --level series --json",
        "imaging-index search --arrived 7d --count --by Modality",
    ),
    "show": (
        "imaging-index show DATASTORE/IMAGESET --instances",
        "imaging-index show --study 1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
    ),
    "pseudonym": (
        "imaging-index pseudonym --patient 1CT1 --datastore DATASTORE --day 20240131",
        "imaging-index pseudonym --uid 1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
    ),
    "export": (
        "imaging-index export --to archive.parquet",
        "imaging-index export --to archive --instances",
        "imaging-index export --bucket EXPORTS --to iceberg:warehouse --since",
    ),
    "sql": ("imaging-index sql --from archive.parquet 'SELECT count(*) FROM series'",),
    "report": ("imaging-index report --from archive.parquet --to archive.svg",),
    "doctor": (
        "imaging-index doctor",
        "imaging-index doctor --stack Research --json",
        "imaging-index doctor --live --report live.json",
    ),
    "reconcile": (
        "imaging-index reconcile --plan",
        "imaging-index reconcile --apply",
        "imaging-index reconcile --since 12h --apply",
        "imaging-index reconcile --status",
    ),
    "dlq": ("imaging-index dlq list", "imaging-index dlq redrive --only NotReady"),
    "dlq list": ("imaging-index dlq list", "imaging-index dlq list --json"),
    "dlq show": ("imaging-index dlq show 57aab4ec", "imaging-index dlq show 57aab4ec --json"),
    "dlq redrive": ("imaging-index dlq redrive", "imaging-index dlq redrive --only NotReady"),
    "dlq drop": ("imaging-index dlq drop 57aab4ec", "imaging-index dlq drop --only Permanent --yes"),
    "watch": ("imaging-index watch", "imaging-index watch --json"),
    "events": ("imaging-index events replay --since 2026-11-27T08:00:00Z",),
    "events replay": ("imaging-index events replay --since 2026-11-27T08:00:00Z",),
}


def add(application: Typer, *path: str) -> None:
    """Give each command its examples, and each group of commands.

    Raises:
        KeyError: one has no examples.
    """
    for command in application.registered_commands:
        name = str(command.name or getattr(command.callback, "__name__", ""))
        command.epilog = epilog(*path, name)
    for group in application.registered_groups:
        words = (*path, str(group.name))
        group.epilog = epilog(*words)
        if group.typer_instance:
            add(group.typer_instance, *words)


def epilog(*path: str) -> str:
    """The examples of a command as the end of its help. An empty line between them keeps each on a line of its own."""
    return "\n\n".join(["Examples:", *EXAMPLES[" ".join(path)]])
