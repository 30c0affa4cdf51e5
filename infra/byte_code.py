"""Byte code for the functions' package: without it each cold start compiles every module anew.

Lambda's file system is read-only, so Python cannot keep what it compiles. And a package does not keep the sources'
times, so its byte code must be marked as valid without a check (PEP 552).
"""

import functools
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from infra.places import PLACES

# Where Lambda unpacks a function: byte code names this as its source's folder, and so do tracebacks.
_TASK: Final = "/var/task"

# The limit for fetching a Python: a network that drops packets must not block a synth for good.
_FETCH_SECONDS: Final = 300

WITHOUT: Final = (
    "The functions' package has no byte code, so each cold start takes three times as long: this machine has no Python "
    "{} to compile it, and uv could not fetch one. Install it, or connect to the network."
)


@dataclass(frozen=True)
class Compiler:
    """A Python that makes byte code.

    Attributes:
        executable: the interpreter.
        version: its full version, such as `3.13.5`: patch releases may compile the same source differently.
    """

    executable: str
    version: str

    def compile(self, folder: Path, within: str = ".") -> None:
        """Put byte code beside all sources in a package's folder, or in its folder `within`.

        The same sources get the same byte code, whatever the folder's name.

        Raises:
            subprocess.CalledProcessError: a source does not compile; the error's output names it.
        """
        subprocess.run(
            [
                *(self.executable, "-s", "-S", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"),
                *("-s", str(folder), "-p", _TASK, str(folder / within)),
            ],
            # Without the user's settings of Python, which may redirect the byte code.
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            | {"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        )


def own() -> Compiler:
    """The Python that runs this."""
    return Compiler(sys.executable, platform.python_version())


@functools.cache
def find(version: str) -> Compiler | None:
    """A Python of a minor version (`3.13`): one of this machine, else one that uv fetches, else None."""
    places: tuple[dict[str, str], ...] = ({}, {"UV_PYTHON_INSTALL_DIR": str(PLACES.build / "python")})
    for place in places:
        if found := _find(version, place):
            return found
    _uv(places[1], "install", "--no-bin", version)
    return _find(version, places[1])


def _find(version: str, place: dict[str, str]) -> Compiler | None:
    executable = _uv(place, "find", "--system", version)
    if not executable:
        return None
    answer = subprocess.run([executable, "-V"], capture_output=True, text=True, check=True)
    return Compiler(executable, answer.stdout.split()[1])


def _uv(place: dict[str, str], *arguments: str) -> str:
    """The output of a command of `uv python`; empty if it failed."""
    # `manual`: only `install` fetches anything. pyenv's commands fail without a version.
    variables = {"UV_PYTHON_DOWNLOADS": "manual", "UV_HTTP_RETRIES": "1", "PYENV_VERSION": arguments[-1]}
    try:
        done = subprocess.run(
            [find_uv_bin(), "python", *arguments],
            env=os.environ | variables | place,
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
