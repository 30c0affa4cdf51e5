"""What a request must be before its query is looked at: its method, its body, the form of its answer, its origin."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from imaging_index.qido.http import Response
from imaging_index.qido.refusal import Refusal, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imaging_index.qido.http import Request

# PS3.18, section 8.7.3: the media types of metadata; application/json was the first one's name.
DICOM_JSON: Final = "application/dicom+json"
JSON: Final = "application/json"

_METHODS: Final = "GET, OPTIONS"
# In quotes a comma and a semicolon are characters like others (RFC 9110, section 5.6.4).
_MEMBER: Final = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_PARAMETER: Final = re.compile(r'(?:[^;"]|"[^"]*"?)+')
_READABLE: Final = "Warning, X-Read-Back-To, X-Read-Units, X-Total-Count"
# What browsers send of a signed or authorized request.
_SENDABLE: Final = "Accept, Authorization, X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Security-Token"
_SECONDS: Final = "600"


def preflight(request: Request) -> Response | None:
    """The answer to a request for options, which browsers send ahead of others; None for other requests.

    Raises:
        Refusal: the method is another one, or the request has a body.
    """
    if request.method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, {"Allow": _METHODS})
    if request.method != "GET":
        sentence = "Searches are made by GET. Studies are stored by HealthImaging's import jobs."
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, sentence, {"Allow": _METHODS})
    if request.has_body:
        raise bad_request("A search has no body: write its keys into the query.")
    return None


def for_origin(request: Request, response: Response, origins: Iterable[str]) -> Response:
    """The response with what a browser needs to give it to a page of an allowed origin (Fetch Standard, CORS)."""
    allowed = {*origins}
    if not allowed:
        return response
    origin = request.headers.get("origin", "")
    headers = {"Vary": "Origin"}
    if origin in allowed or (origin and "*" in allowed):
        named = origin if origin in allowed else "*"
        headers |= {"Access-Control-Allow-Origin": named, "Access-Control-Expose-Headers": _READABLE}
        if "access-control-request-method" in request.headers:
            headers |= {
                "Access-Control-Allow-Methods": _METHODS,
                "Access-Control-Allow-Headers": _SENDABLE,
                "Access-Control-Max-Age": _SECONDS,
            }
    return Response(response.status, response.headers | headers, response.body)


def media_type(accept: str, *, offered: tuple[str, ...]) -> str:
    """The first of the media types offered that a client accepts; no `accept` accepts all.

    Raises:
        Refusal: it accepts none.
    """
    ranges = [*_ranges(accept)]
    for offer in offered:
        # The range that names a type most precisely decides (RFC 9110, section 12.5.1).
        weights = {named: weight for named, weight in ranges if named in (offer, "application/*", "*/*")}
        precise = next((weights[named] for named in (offer, "application/*", "*/*") if named in weights), 0.0)
        if precise > 0 or not ranges:
            return offer
    raise Refusal(HTTPStatus.NOT_ACCEPTABLE, f"Answers are {' or '.join(offered)}: write one of them into Accept.")


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for member in _MEMBER.findall(accept):
        parts = [part.strip().lower() for part in _PARAMETER.findall(member)]
        if parts and parts[0]:
            named, *parameters = parts
            yield named, next((_weight(each) for each in parameters if each.startswith("q=")), 1.0)


def _weight(parameter: str) -> float:
    return float(re.fullmatch(r"q=0(?:\.0*)?", parameter) is None)
