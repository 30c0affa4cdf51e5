"""A request and its answer, as far as QIDO-RS is concerned: the same from API Gateway and from a server on a laptop."""

from __future__ import annotations

import msgspec


class Request(msgspec.Struct, frozen=True):
    """A request.

    Attributes:
        method: such as `GET`.
        path: below the service's root, decoded, such as `/studies` or `/datastore/<id>/studies/1.2.3/series`.
        parameters: of the query, decoded, in their order as far as it is known: a name may come several times, and
            may be empty.
        headers: by their names in lower case.
        has_body: there is one.
    """

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = {}
    has_body: bool = False


class Response(msgspec.Struct, frozen=True):
    """An answer: its status, its headers, and its body, which is empty or JSON."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
