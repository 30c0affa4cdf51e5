"""`imaging-index doctor`: whether each part of a deployed stack is as it should be, and what to do where it is not."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.text import Text

from cli import deployed, diagnosis
from cli.diagnosis import Stack, Status
from cli.output import counted, print_json, screen

_STYLES: Final = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILURE: "bold red"}


def doctor(
    stack: Annotated[str, typer.Option(help="The stack's name.")] = deployed.DEFAULT_STACK,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at each part of a stack with your credentials, and say what is wrong. Exit status 1 when something is."""
    findings = []
    for finding in diagnosis.examine(Stack(stack, deployed.find(stack).outputs)):
        findings.append(finding)
        if not json:
            line = Text.assemble(
                (f"{finding.status:<8} ", _STYLES[finding.status]), f"{finding.part:<13} {finding.found}"
            )
            screen.print(line, soft_wrap=True)
            if finding.next:
                screen.print(Text(f"{'':<22} -> {finding.next}"), soft_wrap=True)
    counts = Counter(finding.status for finding in findings)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        screen.print(f"\n{counted(counts[Status.FAILURE], 'failure')}, {counted(counts[Status.WARNING], 'warning')}")
    if counts[Status.FAILURE]:
        raise typer.Exit(1)
