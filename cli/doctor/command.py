"""`imaging-index doctor`: whether each part of a deployed stack is as it should be, and what to do where it is not."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from cli import deployed
from cli.doctor import report as reports
from cli.doctor.checks import examine
from cli.doctor.finding import Finding, Status
from cli.doctor.live import SelfTest
from cli.output import Failure, counted, errors, print_json, screen
from cli.waiting import interruptible

if TYPE_CHECKING:
    from collections.abc import Generator

    from cli.deployed import Stack

_STYLES: Final = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILURE: "bold red"}


def doctor(
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    live: Annotated[
        bool, typer.Option("--live", help="Also send a hint of its own through the stack, and see what comes of it.")
    ] = False,
    report: Annotated[
        Path, typer.Option(help="Where --live writes its report, which has neither patient data nor ids.")
    ] = Path("imaging-index-report.json"),
    wait: Annotated[float, typer.Option(min=1, help="How many seconds --live waits for each thing.")] = 120,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check each part of a stack with your credentials, and say what is wrong. Exit status 1 on any failure."""
    found = deployed.find(stack)
    findings = []
    # Whatever ends this, the self-test deletes what it made.
    with contextlib.closing(_live(found, report, wait) if live else examine(found)) as examined:
        for part, finding in examined:
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


def _live(stack: Stack, report: Path, wait: float) -> Generator[tuple[str, Finding]]:
    """The findings of all checks and of the self-test, which are written into the report at the end."""
    findings = []
    with interruptible(), SelfTest(stack, wait) as test:
        for checks in (None, test.checks):
            for found in examine(stack, checks):
                findings.append(found)
                yield found
    try:
        report.write_text(reports.of(stack, findings, test.seconds), "utf-8")
    except OSError as error:
        raise Failure(f"{report} cannot be written: {error.strerror}. Name another file with --report.") from None
    errors.print(f"The report is in {report}.", soft_wrap=True)


def _show(part: str, finding: Finding) -> None:
    line = Text.assemble((f"{finding.status:<8} ", _STYLES[finding.status]), f"{part:<13} {finding.found}")
    screen.print(line, soft_wrap=True)
    if finding.next:
        screen.print(Text(f"{'':<22} -> {finding.next}"), soft_wrap=True)
