"""HealthImaging's DICOMweb for the browser on this machine: each request is signed with the user's own credentials."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from cli.web.server import said
from imaging_index.qido.http import Response

if TYPE_CHECKING:
    from boto3 import Session

    from cli.web.server import Handler
    from imaging_index.qido.http import Request

_SERVICE: Final = "medical-imaging"
_AT_ONCE: Final = 25  # connections: as many frames as OHIF asks for side by side
# A viewer asks for frames faster than the service's throttle lets them pass (50 a second), and does not ask again.
_WAITS: Final = (0.2, 0.4, 0.8, 1.6, 3.2)


def signing(session: Session, endpoint: str) -> Handler:
    """A handler that asks HealthImaging what it is asked, and answers with the answer. It asks again when throttled.

    Args:
        session: has the credentials and the region.
        endpoint: of HealthImaging's DICOMweb, such as `https://dicom-medical-imaging.us-east-1.amazonaws.com`.
    """
    http = URLLib3Session(max_pool_connections=_AT_ONCE)

    def handle(request: Request) -> Response:
        if request.method != "GET":
            return said(HTTPStatus.METHOD_NOT_ALLOWED, "HealthImaging is only read here.", Allow="GET")
        credentials = session.get_credentials()
        if credentials is None:
            return said(HTTPStatus.BAD_GATEWAY, "There are no AWS credentials to sign with.")
        query = f"?{urlencode(request.parameters)}" if request.parameters else ""
        url = f"{endpoint}{quote(request.path, safe='/,')}{query}"
        headers = {"Accept": request.headers.get("accept", "*/*")}
        for wait in (*_WAITS, None):
            asked = AWSRequest("GET", url, headers=headers)
            SigV4Auth(credentials.get_frozen_credentials(), _SERVICE, session.region_name).add_auth(asked)
            try:
                answer = http.send(asked.prepare())
            except BotoCoreError:
                return said(HTTPStatus.BAD_GATEWAY, "HealthImaging cannot be reached.")
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS or wait is None:
                break
            time.sleep(wait)
        return Response(answer.status_code, {"Content-Type": answer.headers.get("Content-Type", "")}, answer.content)

    return handle
