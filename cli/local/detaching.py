"""A command that goes on in the background when it is ready, without its terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import typer

from cli.waiting import interruptible

if TYPE_CHECKING:
    from collections.abc import Sequence

# The descriptor by which the process in the background says that it is ready.
_VARIABLE: Final = "IMAGING_INDEX_READY"


def in_background(arguments: Sequence[str]) -> None:
    """Run a command of this program in the background, and return when it is ready. Until then it uses this terminal.

    Ctrl-C ends it as long as it is not ready.

    Raises:
        Exit: it ended before, and has said why.
    """
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env=os.environ | {_VARIABLE: str(writing)},
        stdin=subprocess.DEVNULL,
        pass_fds=[writing],
        start_new_session=True,  # a terminal that is closed does not end it
    )
    os.close(writing)
    with interruptible(), os.fdopen(reading, "rb") as ready:
        try:
            if ready.read():
                return
        except KeyboardInterrupt:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
    raise typer.Exit(process.wait())


def is_in_background() -> bool:
    """Whether this process was started by `in_background`."""
    return _VARIABLE in os.environ


def leave_terminal() -> None:
    """Let `in_background` return: from now on nothing is read from the terminal, or written to it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(nothing, stream.fileno())
    os.close(nothing)
    with os.fdopen(int(os.environ.pop(_VARIABLE)), "wb") as writing:
        writing.write(b"ready")
