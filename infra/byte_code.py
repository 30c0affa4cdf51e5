"""Byte code for the functions' package: without it each cold start compiles every module anew.

Lambda's file system is read-only, so that nothing is kept; and the times in a package are no times of a source, so that
byte code is only used when it is said to hold unchecked (PEP 552).
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

# Where Lambda unpacks a function. What byte code says of its source's place; a traceback then says the same anywhere.
_TASK: Final = "/var/task"

# How long a Python may take to be fetched: a network that swallows packets must not hold up a synth for good.
_FETCH_SECONDS: Final = 300

WITHOUT: Final = (
    "The functions' package goes without byte code, and each of their cold starts takes three times as long: there is "
    "no Python {} on this machine to compile it, and uv could not fetch one. Install it, or connect to the network."
)


@dataclass(frozen=True)
class Compiler:
    """A Python that makes byte code.

    Attributes:
        executable: the interpreter.
        version: its whole version, `3.13.5`: another patch release may make other byte code of the same source.
    """

    executable: str
    version: str

    def compile(self, folder: Path, within: str = ".") -> None:
        """Put byte code beside all sources in a package's folder, or in the folder `within` it.

        The same sources get the same byte code, whatever the folder is called.

        Raises:
            subprocess.CalledProcessError: a source is not of this Python; the error's output names it.
        """
        subprocess.run(
            [
                *(self.executable, "-s", "-S", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"),
                *("-s", str(folder), "-p", _TASK, str(folder / within)),
            ],
            # Not the user's own settings of Python: they may send the byte code elsewhere.
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
    """A Python of that minor version (`3.13`): one of this machine, else one that uv fetches, else None."""
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
    told = subprocess.run([executable, "-V"], capture_output=True, text=True, check=True)
    return Compiler(executable, told.stdout.split()[1])


def _uv(place: dict[str, str], *arguments: str) -> str:
    """What a command of `uv python` prints; nothing when it failed."""
    # `manual`: nothing is fetched but by `install`. pyenv's commands fail unless they are told which version is meant.
    told = {"UV_PYTHON_DOWNLOADS": "manual", "UV_HTTP_RETRIES": "1", "PYENV_VERSION": arguments[-1]}
    try:
        done = subprocess.run(
            [find_uv_bin(), "python", *arguments],
            env=os.environ | told | place,
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
