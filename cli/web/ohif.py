"""OHIF on the laptop's web server: its files, told where they are served, and its configuration."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from cli.web.files import folder
from cli.web.healthimaging import signing

if TYPE_CHECKING:
    from pathlib import Path

    from boto3 import Session

    from cli.web.server import Handler, WebServer
    from imaging_index.qido.http import Request, Response

MOUNT: Final = "ohif"
_HEALTHIMAGING: Final = "healthimaging"
_CONFIGURATION: Final = "/app-config.js"
_INLINE: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
# The build expects to be served at `/`; these are all the places where it says so.
_ROOTS: Final[dict[str, tuple[bytes, ...]]] = {
    "text/html": (b'="',),
    "text/javascript": (b'__webpack_require__.p = "',),
    "text/css": (b"url(",),
}


def add(server: WebServer, build: Path, session: Session, datastore: str, endpoint: str) -> str:
    """Add OHIF to a server that answers QIDO-RS at `dicomweb`, and return OHIF's address.

    Args:
        server: the laptop's.
        build: the folder with OHIF's build.
        session: has the credentials and the region to read HealthImaging with.
        datastore: the id of the data store to show.
        endpoint: of HealthImaging's DICOMweb.
    """
    root = urlsplit(server.address).path
    server.mounts[_HEALTHIMAGING] = signing(session, endpoint)
    server.mounts[MOUNT] = _at(build, f"{root}{MOUNT}/", configuration(root, datastore))
    return f"{server.address}{MOUNT}/"


def configuration(root: str, datastore: str) -> dict[str, Any]:
    """OHIF's configuration (its documentation, "Configuration files" and "DICOMweb"): both roots end alike.

    Args:
        root: the path of the server's address.
        datastore: the id of the data store.
    """
    return {
        "routerBasename": f"{root}{MOUNT}",
        "showStudyList": True,
        "extensions": [],
        "modes": [],
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "imaging-index",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "imaging-index",
                "configuration": {
                    "friendlyName": "Imaging Index",
                    "qidoRoot": f"{root}dicomweb/datastore/{datastore}",
                    "wadoRoot": f"{root}{_HEALTHIMAGING}/datastore/{datastore}",
                    "qidoSupportsIncludeField": True,
                    "supportsFuzzyMatching": True,
                    "supportsWildcard": False,
                    "imageRendering": "wadors",
                    "thumbnailRendering": "wadors",
                    "enableStudyLazyLoad": True,
                    "omitQuotationForMultipartRequest": True,
                },
            }
        ],
    }


def _at(build: Path, place: str, settings: dict[str, Any]) -> Handler:
    """A handler for the build's files at a place other than `/`, with a configuration of its own."""
    policy = _policy((build / "index.html").read_bytes().replace(b'="/', f'="{place}'.encode()))
    files = folder(build, {"Content-Security-Policy": policy}, fallback="index.html")
    script = f"window.config = {json.dumps(settings)};".encode()

    def handle(request: Request) -> Response:
        response = files(request)
        kind = response.headers["Content-Type"].partition(";")[0]
        body = script if request.path == _CONFIGURATION else response.body
        for before in _ROOTS.get(kind, ()):
            body = body.replace(before + b"/", before + place.encode())
        return msgspec.structs.replace(response, body=body)

    return handle


def _policy(page: bytes) -> str:
    """A policy by which OHIF runs, but nothing that it loads can send anything elsewhere."""
    digests = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in _INLINE.findall(page))
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'self'; script-src 'self' blob: 'unsafe-eval' {scripts}; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
