"""Answers requests of QIDO-RS from a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imaging_index.qido.http import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging_index.profile.profile import Profile
    from imaging_index.qido.http import Request
    from imaging_index.table.reading import TableReader

BUDGET = 20_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a service answers.

    Attributes:
        retrieve_root: of HealthImaging's DICOMweb service, such as
            `https://dicom-medical-imaging.us-east-1.amazonaws.com`; RetrieveURLs begin with it.
        ignores_unknown_keys: a matching key that is unknown or not selected is ignored with a warning, unless it is
            one of identity; else it is refused.
        empty_status: of an answer without rows, 200 or 204.
        shows_read_units: a header has the read request units that an answer took.
        budget: how many entries a request may read.
        origins: that may read answers in a browser (CORS).
    """

    retrieve_root: str
    ignores_unknown_keys: bool = False
    empty_status: int = 200
    shows_read_units: bool = False
    budget: int = BUDGET
    origins: tuple[str, ...] = ()


class Service:
    """QIDO-RS on one table. It remembers where clients that page through an answer are."""

    def __init__(
        self,
        table: TableReader,
        profile: Profile,
        datastores: Callable[[], tuple[str, ...]],
        options: Options,
        token: Callable[[str], str] | None = None,
    ) -> None:
        """Answer from a table.

        Args:
            table: the stack's.
            profile: what is selected.
            datastores: returns the ids of all data stores to search, where a path names none.
            options: how to answer.
            token: makes the token of a value, where the profile hashes attributes.
        """

    def answer(self, request: Request) -> Response:
        """The answer to a request. Nothing is raised but what AWS answers to a call of the table."""
        return Response(501)
