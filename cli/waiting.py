"""Commands that run until Ctrl-C, or may be interrupted."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from local.signals import handled


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """A context that Ctrl-C leaves quietly, and so do SIGTERM and SIGHUP."""
    with interruptible(), contextlib.suppress(KeyboardInterrupt):
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A context in which Ctrl-C raises KeyboardInterrupt, and so do SIGTERM and SIGHUP."""
    with handled(signal.default_int_handler):
        yield


def wait() -> None:
    """Block until a signal interrupts this."""
    threading.Event().wait()
