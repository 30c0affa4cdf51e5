"""Measurements in processes of their own, so that no memory and no cache of one reaches the next."""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

Figures = dict[str, float]

_STATUS: Final = Path("/proc/self/status")


def measured(module: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Figures:
    """What `python -m module arguments` tells with `tell`, run with `variables` beside this process's."""
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | (variables or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # Whatever else was printed, such as the function's log, came before.
    figures: Figures = json.loads(run.stdout.splitlines()[-1])
    return figures


def tell(**figures: float) -> None:
    """Hand the figures of this process to who started it."""
    sys.stdout.write(f"\n{json.dumps(figures)}\n")


def medians(results: Iterable[Figures]) -> Figures:
    """The median of each figure."""
    every = list(results)
    return {name: statistics.median(each[name] for each in every) for name in every[0]}


def peak() -> int:
    """The most memory that this process ever had resident, in bytes."""
    if _STATUS.exists():
        # Unlike getrusage's, this does not begin with what the parent process had.
        return int(re.findall(r"VmHWM:\s+(\d+) kB", _STATUS.read_text("ascii"))[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
