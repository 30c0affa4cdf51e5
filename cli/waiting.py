"""Commands that run until Ctrl-C, or may be interrupted."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


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


@contextlib.contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """A context in which a handler gets Ctrl-C, SIGTERM, and SIGHUP: a terminal that is closed."""
    # SIGINT also where a shell script has it ignored, as in commands that it starts in the background. SIGHUP is
    # ignored on purpose (nohup).
    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def wait() -> None:
    """Block until a signal interrupts this."""
    threading.Event().wait()
