"""A proxy on this machine that stands between AWS's clients and the local cloud, and spoils what passes."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from email.message import Message


class Spoiling(StrEnum):
    """What happens to one request."""

    NONE = "none"
    THROTTLED = "throttled"
    BROKEN = "500"
    UNAVAILABLE = "503"
    REFUSED = "closed before it was done"
    LOST = "done, and closed without an answer"
    SLOW = "done, and answered too late"
    CUT = "done, and closed within the answer's body"
    TRUNCATED = "a document whose end is missing, though its length is right"
    CORRUPT = "a document of which a byte was changed"
    HALF = "half of a batch done, the other left"


# What may happen to an operation besides what may happen to any.
_OF_ONE: Final = {
    Spoiling.TRUNCATED: "GetImageSetMetadata",
    Spoiling.CORRUPT: "GetImageSetMetadata",
    Spoiling.HALF: "BatchWriteItem",
}


def any_of(operation: str, chance: random.Random) -> Spoiling:
    """Something that may happen to a request for `operation`: as often as not what happens to it alone."""
    own = [spoiling for spoiling, name in _OF_ONE.items() if name == operation]
    others = [spoiling for spoiling in Spoiling if spoiling is not Spoiling.NONE and spoiling not in _OF_ONE]
    return chance.choice(own if own and chance.random() < 0.5 else others)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Proxy(AbstractContextManager["Proxy"]):
    """A proxy of the local cloud for the time of a ``with`` block.

    Args:
        endpoint: the local cloud's.
        plan: an operation's name -> what happens to the next request for it.
    """

    def __init__(self, endpoint: str, plan: Callable[[str], Spoiling]) -> None:
        self._endpoint = urlsplit(endpoint).netloc
        self._plan = plan
        self.seen: list[tuple[str, Spoiling]] = []
        self._one_at_a_time = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                proxy._pass(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def settle(self) -> None:
        """Wait until nothing is being done any more, not even for a client that has given up waiting."""
        with self._one_at_a_time:
            pass

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        operation = _operation(handler.path, handler.headers)
        spoiling = self._plan(operation)
        self.seen.append((operation, spoiling))
        if spoiling is Spoiling.REFUSED:
            handler.close_connection = True
            return
        # A client of a busy machine may give up before its request was done: that still comes before the next one.
        with self._one_at_a_time:
            answer = _error(spoiling, operation) or self._forward(handler, body, spoiling)
        if spoiling is Spoiling.SLOW:
            handler.rfile.read(1)  # ends when the client has given up: later than that is too late for any client
        if spoiling in (Spoiling.SLOW, Spoiling.LOST):
            handler.close_connection = True
            return
        _send(handler, answer, cut=spoiling is Spoiling.CUT)

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes, spoiling: Spoiling) -> _Answer:
        left: dict[str, Any] = {}
        if spoiling is Spoiling.HALF:
            body, left = _halved(body)
        connection = http.client.HTTPConnection(self._endpoint)
        headers = dict(handler.headers) | {"Content-Length": str(len(body))}
        connection.request(handler.command, handler.path, body, headers)
        response = connection.getresponse()
        answer = _Answer(response.status, dict(response.headers), response.read())
        connection.close()
        if spoiling is Spoiling.HALF:
            headers = {"Content-Type": answer.headers["Content-Type"]}  # not the checksum of another body
            return _Answer(answer.status, headers, json.dumps(json.loads(answer.body) | left).encode())
        if spoiling is Spoiling.TRUNCATED:
            return _Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
        if spoiling is Spoiling.CORRUPT:
            middle = len(answer.body) // 2
            changed = bytes([answer.body[middle] ^ 0x55])
            return _Answer(answer.status, answer.headers, answer.body[:middle] + changed + answer.body[middle + 1 :])
        return answer


def _operation(path: str, headers: Message) -> str:
    target = headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    last = urlsplit(path).path.rpartition("/")[2]
    return last[0].upper() + last[1:]


def _error(spoiling: Spoiling, operation: str) -> _Answer | None:
    ours = operation.startswith("GetImageSet")
    if spoiling is Spoiling.THROTTLED:
        status = 429 if ours else 400
        code = "ThrottlingException" if ours else "ProvisionedThroughputExceededException"
    elif spoiling is Spoiling.BROKEN:
        status, code = 500, "InternalServerException" if ours else "InternalServerError"
    elif spoiling is Spoiling.UNAVAILABLE:
        status, code = 503, ""
    else:
        return None
    body = json.dumps({"__type": code, "message": "no"}) if code else "<html>"
    return _Answer(status, {"x-amzn-ErrorType": code} if ours and code else {}, body.encode())


def _halved(body: bytes) -> tuple[bytes, dict[str, Any]]:
    """A BatchWriteItem that does the first half of its writes, rounded down to one at least, and what it leaves."""
    whole = json.loads(body)
    ((table, requests),) = whole["RequestItems"].items()
    done, left = requests[: max(1, len(requests) // 2)], requests[max(1, len(requests) // 2) :]
    unprocessed = {"UnprocessedItems": {table: left}} if left else {}
    return json.dumps(whole | {"RequestItems": {table: done}}).encode(), unprocessed


def _send(handler: BaseHTTPRequestHandler, answer: _Answer, *, cut: bool) -> None:
    handler.send_response_only(answer.status)
    for name, value in answer.headers.items():
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
    handler.close_connection = cut
