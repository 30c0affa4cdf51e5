"""A web server for the browser on this machine and for its user alone. It has no log of requests.

Every address begins with a random token. Without it nothing is answered, so that neither other users of the machine nor
web sites that the same browser shows can ask anything. A web site that lets its own name point to 127.0.0.1 (DNS
rebinding) is refused by its name.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from imaging_index.qido.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Handler = Callable[[Request], Response]

HOST: Final = "127.0.0.1"
# With any port: that of a tunnel is another one than the server's (ssh -L 9000:127.0.0.1:8000).
_OF_THIS_MACHINE: Final = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
_TOKEN_BYTES: Final = 24
_POLL: Final = 0.1  # seconds until the server notices that it shall end
# Sent with every answer. A handler may replace those that its own pages need otherwise.
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class WebServer:
    """A server on a port of 127.0.0.1. It answers from entering its context to leaving it.

    A handler gets the requests whose path begins with its mount, and that path without the token and the mount: of
    `http://127.0.0.1:8000/<token>/dicomweb/studies?limit=1` the one at `dicomweb` gets the path `/studies`. The longest
    mount that fits is taken; the one named "" gets all else. Handlers run in several threads at once.

    Args:
        port: 0 takes a free one.

    Attributes:
        address: of the mount "", such as `http://127.0.0.1:8000/<token>/`.
        mounts: the handlers by their mounts, such as `dicomweb` or `dicomweb/viewer`.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.mounts: dict[str, Handler] = {}
        self._server = _Server((HOST, port), token, self.mounts)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self.address = f"http://{HOST}:{self._server.server_port}/{token}/"

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a browser holds its connections open

    def __init__(self, address: tuple[str, int], token: str, mounts: Mapping[str, Handler]) -> None:
        self.token = token
        self.mounts = mounts
        super().__init__(address, _Connection)

    def handle_error(self, *_: Any) -> None:
        """Nothing: a browser may break off a connection at any time, and a traceback may hold what was asked."""


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "imaging-index"
    sys_version = ""

    def log_message(self, *_: Any) -> None:
        """Nothing: the lines of a log would have the questions."""

    def _answer(self) -> None:
        response = self._response()
        # The body of a request is not read. So the connection cannot be used for the next one.
        self.close_connection = self.close_connection or self._has_body()
        self.send_response(response.status)
        for name, value in {**_HEADERS, **_named_alike(response.headers)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815  their names in http.server

    def _has_body(self) -> bool:
        return "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0"

    def _response(self) -> Response:
        if not _OF_THIS_MACHINE.fullmatch(self.headers.get("Host", "")):
            return said(HTTPStatus.FORBIDDEN, "This server answers at 127.0.0.1 only.")
        path, _, query = self.path.partition("?")
        token, _, rest = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return said(HTTPStatus.NOT_FOUND, "Use the whole address that the command printed.")
        fitting = (each for each in self.server.mounts if not each or f"{rest}/".startswith(f"{each}/"))
        mount = max(fitting, key=len, default=None)
        if mount is None:
            return said(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
        try:
            request = Request(
                self.command,
                unquote(f"/{rest.removeprefix(mount).lstrip('/')}", errors="strict"),
                tuple(parse_qsl(query, keep_blank_values=True, errors="strict")),
                {name.lower(): value for name, value in self.headers.items()},
                self._has_body(),
            )
        except UnicodeDecodeError:
            return said(HTTPStatus.BAD_REQUEST, "The address is not encoded as UTF-8.")
        try:
            return self.server.mounts[mount](request)
        except Exception as error:
            # Its text may hold what was asked.
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, f"This should not have happened: {type(error).__name__}.")


def said(status: int, sentence: str, **headers: str) -> Response:
    """An answer in a sentence, in the form of QIDO's own refusals."""
    return Response(status, {"Content-Type": "application/json", **headers}, msgspec.json.encode({"message": sentence}))


def _named_alike(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with those names in the spelling of `_HEADERS` that are there in another."""
    spelled = {name.lower(): name for name in _HEADERS}
    return {spelled.get(name.lower(), name): value for name, value in headers.items()}
