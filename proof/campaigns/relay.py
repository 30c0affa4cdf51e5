"""A relay between AWS's clients and the local cloud: it holds one request while something else happens."""

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

# An operation of CloudFormation, which has AWS's query protocol: its body is a form.
_ACTION: Final = re.compile(rb"Action=(\w+)&Version=2010-05-15")
_BLOCK: Final = 1 << 16
# A request is not held for longer.
_PATIENCE: Final = 30.0


@dataclass(eq=False)
class Held:
    """A request to be held when it comes.

    Attributes:
        action: the operation.
        number: which of the requests for it, from 0.
        answered: whether it is held once it is answered, before the client gets the answer.
    """

    action: str
    number: int
    answered: bool
    _came: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{'after' if self.answered else 'at'} {self.action} {self.number + 1}"

    def came(self) -> bool:
        """Whether it is held, or has been."""
        return self._came.is_set()

    def release(self) -> None:
        """Let it pass."""
        self._released.set()

    def wait(self) -> None:
        """Hold it, until it is released."""
        self._came.set()
        self._released.wait(_PATIENCE)


class Relay:
    """A relay of the local cloud for the time of a ``with`` block.

    Args:
        endpoint: the local cloud's.

    Attributes:
        seen: the operations of CloudFormation that were asked for, in their order; whoever uses this may clear it.
        held: the request to be held.
    """

    def __init__(self, endpoint: str) -> None:
        self.seen: list[str] = []
        self.held: Held | None = None
        address, relay = urlsplit(endpoint), self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port)) as cloud:
                    relay._pass(self.request, cloud)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, client: socket.socket, cloud: socket.socket) -> None:
        waiting: list[Held] = []

        def request(block: bytes) -> None:
            for action in _ACTION.findall(block):
                held = self._note(action.decode())
                if held and held.answered:
                    waiting.append(held)
                elif held:
                    held.wait()

        def answer(_: bytes) -> None:
            if waiting:
                waiting.pop().wait()

        answers = threading.Thread(target=_copy, args=(cloud, client, answer), daemon=True)
        answers.start()
        _copy(client, cloud, request)
        answers.join(_PATIENCE)

    def _note(self, action: str) -> Held | None:
        number = self.seen.count(action)
        self.seen.append(action)
        held = self.held
        return held if held and (held.action, held.number) == (action, number) else None


def _copy(source: socket.socket, target: socket.socket, look: Callable[[bytes], Any]) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(_BLOCK):
            look(block)
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
