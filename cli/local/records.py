"""The local clouds of this user that are up: each keeps a record, a file that it has locked until it ends.

So also a cloud that was killed is never taken for one that is up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import Final, Self

import msgspec

from cli.output import Failure

_PATIENCE: Final = 30.0  # seconds
_POLL: Final = 0.1


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A local cloud that is up.

    Attributes:
        port: of 127.0.0.1.
        process: the number of the process that keeps it up.
        since: the moment, in epoch seconds.
        environment: the variables by which AWS clients reach it.
        profile: the profile's name or path.
        datastore: the id of its data store.
        worklist: the address of its work list; None if the profile allows none.
    """

    port: int
    process: int
    since: float
    environment: dict[str, str]
    profile: str
    datastore: str
    worklist: str | None

    @property
    def endpoint(self) -> str:
        """The address of all services."""
        return self.environment["AWS_ENDPOINT_URL"]


def folder() -> Path:
    """Where the records are: in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imaging-index" / "local"


class Keeper:
    """Keeps the record of a local cloud for the time of a ``with`` block.

    Only this user can read it: it has the work list's address.
    """

    def __init__(self) -> None:
        self._kept = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def keep(self, record: Record) -> None:
        """Write the record, which others find from now on."""
        folder().mkdir(0o700, parents=True, exist_ok=True)
        # Locked before it has its name: nobody finds it unlocked.
        descriptor, draft = tempfile.mkstemp(dir=folder())
        file = self._kept.enter_context(os.fdopen(descriptor, "wb"))
        self._kept.callback(Path(draft).unlink, missing_ok=True)
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(msgspec.json.encode(record))
        file.flush()
        self._kept.callback(_path(record.port).unlink, missing_ok=True)
        Path(draft).rename(_path(record.port))


def all_() -> list[Record]:
    """The local clouds that are up, by port. Records of those that were killed are removed."""
    return [found for path in sorted(folder().glob("*.json")) if (found := _read(path))]


def one(port: int | None) -> Record:
    """The local cloud on a port, or without one the only local cloud.

    Raises:
        Failure: there is none, or there are several.
    """
    found = [each for each in all_() if port in (None, each.port)]
    if not found:
        where = f" on port {port}" if port else ""
        raise Failure(f"No local cloud is up{where}. Start one with `imaging-index local up`.")
    if len(found) > 1:
        ports = " or ".join(f"--port {each.port}" for each in found)
        raise Failure(f"{len(found)} local clouds are up: choose one with {ports}.")
    return found[0]


def wait_until_gone(record: Record) -> bool:
    """Whether a local cloud ends within half a minute."""
    until = time.monotonic() + _PATIENCE
    while _read(_path(record.port)) == record:
        if time.monotonic() > until:
            return False
        time.sleep(_POLL)
    return True


def _path(port: int) -> Path:
    return folder() / f"{port}.json"


def _read(path: Path) -> Record | None:
    """The record in a file, if who wrote it is still there; else the file is removed."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read(), type=Record)
            path.unlink(missing_ok=True)
    except (OSError, msgspec.DecodeError):
        pass
    return None
