"""Handlers of the web server that answer with files."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from cli.web.server import said
from imaging_index.qido.http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cli.web.server import Handler
    from imaging_index.qido.http import Request

_INLINE: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
# The types that a browser insists on, whatever this machine's own table of types has.
_TYPES: Final = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}
_TYPES_OF_DATA: Final = {".json": "application/json", ".svg": "image/svg+xml", ".wasm": "application/wasm"}


def page(html: str) -> Handler:
    """A handler for one page, whose scripts and styles are all within it.

    Its policy (Content Security Policy Level 3) lets the browser run these by their hashes, and ask this server.
    Nothing else is run or loaded, even if a value of DICOM were taken for HTML.
    """
    hashes: dict[str, str] = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[kind] += f" 'sha256-{digest}'"
    policy = (
        f"default-src 'none'; script-src{hashes['script']}; style-src{hashes['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    answer = Response(
        HTTPStatus.OK,
        {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy},
        html.encode(),
    )

    def handle(request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        return answer if request.path == "/" else said(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    return handle


def folder(root: Path, headers: Mapping[str, str] | None = None, *, fallback: str | None = None) -> Handler:
    """A handler for the files below a folder.

    Args:
        root: the folder; links in it that lead out of it are not followed.
        headers: to send with each file, such as the policy that its pages need.
        fallback: the file for paths of which there is no file, for an application that makes addresses of its own.
            `/` is always its `index.html`.
    """
    root = root.resolve()

    def handle(request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        name = request.path.lstrip("/") or "index.html"
        for each in (name, fallback):
            found = _within(root, each) if each else None
            if found:
                return Response(HTTPStatus.OK, {"Content-Type": _type(found), **(headers or {})}, found.read_bytes())
        return said(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    return handle


def _refusal(request: Request) -> Response | None:
    if request.method in ("GET", "HEAD"):
        return None
    return said(HTTPStatus.METHOD_NOT_ALLOWED, "There are only files to GET here.", Allow="GET, HEAD")


def _within(root: Path, name: str) -> Path | None:
    if "\0" in name:
        return None
    path = (root / name).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def _type(path: Path) -> str:
    known = (_TYPES | _TYPES_OF_DATA).get(path.suffix)
    kind = known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
