"""The variables by which AWS clients reach a local cloud, as a shell and other programs read them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.cloud import CLIENT_VARIABLES
from local.stack import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def exports(variables: Mapping[str, str]) -> Iterator[str]:
    """The lines that make a shell use a local cloud."""
    for name, value in variables.items():
        yield f"export {name}={shlex.quote(value)}"
    # A profile's credentials would be preferred to those of the variables.
    if set_here := [name for name in PROFILES if name in os.environ]:
        yield f"unset {' '.join(set_here)}"


def unset() -> str:
    """The line that makes a shell use AWS again. It leaves what keeps clients from a proxy: that does no harm."""
    return f"unset {' '.join(CLIENT_VARIABLES)}"


def env_file(variables: Mapping[str, str]) -> Iterator[str]:
    """The lines of a file with variables (`.env`), as containers and editors read it."""
    for name, value in variables.items():
        yield f"{name}={value}"


def command() -> str:
    """How to call this command in another terminal: by its path where it is not on PATH."""
    if shutil.which("imaging-index"):
        return "imaging-index"
    beside = Path(sys.executable).with_name("imaging-index")
    return shlex.quote(str(beside)) if beside.exists() else "imaging-index"
