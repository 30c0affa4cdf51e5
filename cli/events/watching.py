"""`imaging-index watch`: what the index announces, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import deployed
from cli.events.bus import listening
from cli.output import counted, errors, print_json, screen, shown
from cli.waiting import until_interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping


def watch(
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """See what is being indexed, live, until Ctrl-C: a line for each event on the stack's bus."""
    found = deployed.find(stack)
    with until_interrupted(), listening(found) as events:
        errors.print(f"Watching the bus of {found.name}. Ctrl-C ends it.")
        for event in events:
            if json:
                print_json(event)
            else:
                screen.print(shown(line(event)), soft_wrap=True)


def line(event: Mapping[str, Any]) -> str:
    """An event in a line: when, what kind, of what, and what it says of it."""
    detail = event["detail"]
    what = detail.get("imageSetId") or detail.get("jobId") or detail.get("study", "")
    version = f" v{detail['imageSetVersion']}" if "imageSetVersion" in detail else ""
    return f"{event['time'][11:19]}  {event['detail-type']:<19} {what}{version}  {'  '.join(_facts(detail))}".rstrip()


def _facts(detail: Mapping[str, Any]) -> list[str]:
    facts = [f"{name}={_plain(value)}" for name, value in detail.get("attributes", {}).items()]
    for name, noun in (("instanceCount", "image"), ("imageSetCount", "image set")):
        if name in detail:
            facts.append(counted(detail[name], noun))
    if "refusedFileCount" in detail:
        facts.append(f"{detail['refusedFileCount']} refused")
    if detail.get("isPrimary") is False:
        facts.append("not primary")
    if names := detail.get("changed"):
        facts.append(f"changed: {', '.join(names)}")
    if detail.get("nonPrimaryCount") or detail.get("conflictCount"):
        facts.append(f"{detail['nonPrimaryCount']} not primary, {detail['conflictCount']} conflicts")
    if detail.get("patientChanged"):
        facts.append("another patient than before")
    if detail.get("cause", "event") != "event":
        facts.append(f"by {detail['cause']}")
    return facts


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('Min')}..{value.get('Max')}"
    return "\\".join(map(str, value)) if isinstance(value, list) else str(value)
