"""A folder for everything temporary of a command, which is gone when the command ends, whenever it is interrupted."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from local.signals import handled

if TYPE_CHECKING:
    from collections.abc import Iterator

# For so long, processes that are ending may still write into the folder.
_PATIENCE: Final = 15.0
_POLL: Final = 0.1


class _Interrupts:
    """Ctrl-C and its like. The first one raises KeyboardInterrupt while this is armed. Others disturb nothing."""

    def __init__(self) -> None:
        self.armed = False
        self._noted = False

    def note(self, *_: object) -> None:
        """Handle a signal."""
        self._noted = True
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal was noted while this was not armed."""
        if self.armed and self._noted:
            self.armed = False
            raise KeyboardInterrupt


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder of its own. This process and its children make their temporary files in it.

    SIGINT, SIGTERM and SIGHUP (a terminal that is closed) raise KeyboardInterrupt, once.
    """
    # Chosen first, so that it is known whenever the signal comes.
    folder = Path(tempfile.gettempdir(), f"imaging-index-{uuid4().hex[:12]}")
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    interrupts = _Interrupts()
    with handled(interrupts.note):
        try:
            try:
                interrupts.armed = True
                interrupts.check()
                folder.mkdir(0o700)
                tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
                yield folder
            finally:
                interrupts.armed = False
        finally:
            tempfile.tempdir, variable = before
            if variable is None:
                os.environ.pop("TMPDIR", None)
            else:
                os.environ["TMPDIR"] = variable
            _remove(folder)


def _remove(folder: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > until:
            return
        time.sleep(_POLL)
