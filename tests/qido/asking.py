"""Requests as they are written in an address, and what comes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from imaging_index.qido.http import Request, Response

if TYPE_CHECKING:
    from imaging_index.qido.service import Service


def request(address: str, accept: str = "application/dicom+json", method: str = "GET", **headers: str) -> Request:
    """The request of an address, such as `/studies?PatientID=1`."""
    path, _, query = address.partition("?")
    pairs = [each.partition("=") for each in query.split("&")] if query else []
    return Request(
        method=method,
        path=unquote_plus(path),
        parameters=tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs),
        headers={"accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()},
    )


def get(service: Service, address: str, accept: str = "application/dicom+json") -> Response:
    return service.answer(request(address, accept))


def objects(response: Response) -> list[dict[str, Any]]:
    """The objects of an answer that was complete or in part."""
    assert response.status in (200, 204), response
    found: list[dict[str, Any]] = json.loads(response.body or b"[]")
    return found


def message(response: Response) -> str:
    """The sentence of a refusal."""
    return str(json.loads(response.body)["message"])


def values(found: list[dict[str, Any]], *tags: str) -> list[tuple[Any, ...]]:
    """The first value of some elements in each object."""
    return [tuple(each[tag]["Value"][0] if "Value" in each.get(tag, {}) else None for tag in tags) for each in found]
