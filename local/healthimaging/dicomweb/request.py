"""Requests of DICOMweb: which action they are, and what they ask for."""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote

from local.healthimaging.wire import Request

_SERIES: Final = r"/datastore/(?P<datastoreId>[0-9a-z]{32})/studies/(?P<study>[^/]+)/series"
_INSTANCES: Final = rf"{_SERIES}/(?P<series>[^/]+)/instances"
_ROUTES: Final[dict[str, str]] = {
    _SERIES: "SearchDICOMSeries",
    rf"{_SERIES}/(?P<series>[^/]+)/metadata": "GetDICOMSeriesMetadata",
    _INSTANCES: "SearchDICOMInstances",
    rf"{_INSTANCES}/(?P<instance>[^/]+)": "GetDICOMInstance",
    rf"{_INSTANCES}/(?P<instance>[^/]+)/metadata": "GetDICOMInstanceMetadata",
    rf"{_INSTANCES}/(?P<instance>[^/]+)/frames/(?P<frames>[^/]+)": "GetDICOMInstanceFrames",
}
_SYNTAX: Final = re.compile(r'transfer-syntax="?([0-9.]+|\*)')
_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1"


def parse(method: str, path: str, query: str, accept: str) -> Request | None:
    """The request of a path of DICOMweb; None for another path, or another method than GET.

    `parameters` of it are those of the query but `imageSetId`; `accepted` are transfer syntaxes of the Accept header.
    """
    for route, operation in _ROUTES.items():
        if method == "GET" and (match := re.fullmatch(route, path)):
            parameters = parse_qsl(query, keep_blank_values=True)
            members = {name: unquote(value) for name, value in match.groupdict().items()}
            # Not `imageSetId`: these actions are allowed on data stores, not on image sets (Service Authorization
            # Reference, "AWS HealthImaging").
            return Request(
                operation,
                {
                    **members,
                    "of": dict(parameters).get("imageSetId"),
                    "parameters": [pair for pair in parameters if pair[0] != "imageSetId"],
                    "accepted": _SYNTAX.findall(accept) or [_UNCOMPRESSED],
                    "multipart": "multipart/related" in accept,
                },
            )
    return None
