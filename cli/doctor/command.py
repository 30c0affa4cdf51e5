"""`imaging-index doctor`: whether each part of a deployed stack is as it should be, and what to do where it is not."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.text import Text

from cli import deployed
from cli.doctor.checks import examine
from cli.doctor.finding import Finding, Status
from cli.output import counted, print_json, screen

_STYLES: Final = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILURE: "bold red"}


def doctor(
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check each part of a stack with your credentials, and say what is wrong. Exit status 1 on any failure."""
    findings = []
    for part, finding in examine(deployed.find(stack)):
        findings.append((part, finding))
        if not json:
            _show(part, finding)
    counts = Counter(finding.status for _, finding in findings)
    if json:
        print_json([{"part": part} | asdict(finding) for part, finding in findings])
    else:
        screen.print(f"\n{counted(counts[Status.FAILURE], 'failure')}, {counted(counts[Status.WARNING], 'warning')}")
    if counts[Status.FAILURE]:
        raise typer.Exit(1)


def _show(part: str, finding: Finding) -> None:
    line = Text.assemble((f"{finding.status:<8} ", _STYLES[finding.status]), f"{part:<13} {finding.found}")
    screen.print(line, soft_wrap=True)
    if finding.next:
        screen.print(Text(f"{'':<22} -> {finding.next}"), soft_wrap=True)
