"""Ctrl-C and its like."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


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


def ignore() -> None:
    """Have Ctrl-C and SIGTERM do nothing, except where they are `handled`.

    It is for the last moments of a command: its work is done, and Python would print where in its own end it was.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not SIG_IGN, which the programs that are started would inherit.
        signal.signal(number, lambda *_: None)
