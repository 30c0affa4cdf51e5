"""Commands that run until Ctrl-C, or may be interrupted."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """A context that Ctrl-C leaves quietly, and so does SIGTERM."""
    with interruptible(), contextlib.suppress(KeyboardInterrupt):
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A context in which Ctrl-C raises KeyboardInterrupt, and so does SIGTERM."""
    # SIGINT too: a shell script ignores it in commands that it starts in the background.
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def wait() -> None:
    """Block until a signal interrupts this."""
    threading.Event().wait()
