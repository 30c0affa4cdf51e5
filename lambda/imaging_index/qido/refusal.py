"""A request that is not answered: its status, and a sentence that says what to do and quotes nothing of the request."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from imaging_index.qido.http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818  the answer, not a fault of the service
    """A request that is not answered as it was meant."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self._status, self._sentence, self._headers = status, sentence, dict(headers or {})

    @property
    def response(self) -> Response:
        """The answer instead, in the form of API Gateway's own errors."""
        body = msgspec.json.encode({"message": self._sentence})
        return Response(self._status, {"Content-Type": "application/json", **self._headers}, body)


def bad_request(sentence: str) -> Refusal:
    """The refusal of a request that is to be written in another way."""
    return Refusal(HTTPStatus.BAD_REQUEST, sentence)
