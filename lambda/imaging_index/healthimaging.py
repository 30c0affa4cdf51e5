"""The calls that the index makes to AWS HealthImaging."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from imaging_index.faults import Poison, Yielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_medical_imaging import HealthImagingClient

_PIECE: Final = 256 * 2**10
# botocore repeats a call that fails before its answer begins, and none whose body breaks off.
_BROKEN_BODY: Final = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, HTTPClientError)
_TRIES: Final = 3
_LONG: Final = 5.0  # seconds
# For so long after a call that botocore had to repeat, what can wait makes way.
_MAKES_WAY: Final = 2.0  # seconds

_Read = TypeVar("_Read")


# The most that SearchImageSets returns at a time (AWS HealthImaging API Reference, "SearchImageSets").
_PAGE: Final = 50
# It is not documented with what precision times are compared: bounds are as much wider.
_PRECISION: Final = timedelta(milliseconds=1)


class ImageSetState(msgspec.Struct, frozen=True):
    """GetImageSet's answer: `state` is ACTIVE, LOCKED or DELETED; what may be left out is None then."""

    version: int
    state: str
    workflow: str | None
    is_primary: bool | None
    tier: str | None = None
    last_accessed: datetime | None = None


class Listed(msgspec.Struct, frozen=True):
    """An image set in a list of SearchImageSets; what may be left out is None then."""

    image_set_id: str
    version: int
    updated: datetime | None
    is_primary: bool | None
    tier: str | None
    last_accessed: datetime | None


class Listing(msgspec.Struct, frozen=True):
    """A page of SearchImageSets: image sets, the token of the next page (None for no more), the service's time."""

    image_sets: list[Listed]
    token: str | None
    now: datetime | None


class Found(msgspec.Struct, frozen=True):
    """An image set in SearchImageSets' answer, without a version 0; `updated_at` is in seconds since 1970."""

    image_set_id: str
    version: int
    is_primary: bool | None
    updated_at: float


class HealthImaging:
    """The service, as the index reads it. Errors of botocore pass through; `aws_errors.classify` knows them."""

    def __init__(self, client: HealthImagingClient) -> None:
        self._client = client
        self._makes_way_until = 0.0

    def state(self, datastore_id: str, image_set_id: str) -> ImageSetState | None:
        """What GetImageSet says now, or None when it knows no such image set."""
        try:
            answer = self._client.get_image_set(datastoreId=datastore_id, imageSetId=image_set_id)
        except ClientError as error:
            if _not_found(error):
                return None
            raise
        return ImageSetState(
            version=int(answer["versionId"]),
            state=answer["imageSetState"],
            workflow=answer.get("imageSetWorkflowStatus"),
            is_primary=answer.get("isPrimary"),
            tier=answer.get("storageTier"),
            last_accessed=answer.get("lastAccessedAt"),
        )

    def listing(self, datastore_id: str, low: datetime, high: datetime, token: str | None = None) -> Listing:
        """Image sets that were changed from `low` to `high`, both included, the newest first.

        At most 50, and some that were changed up to a millisecond earlier or later. `token` is that of the page before
        with the same bounds.
        """
        bounds: Any = [{"updatedAt": max(low - _PRECISION, _FIRST)}, {"updatedAt": high + _PRECISION}]
        more: Any = {"nextToken": token} if token else {}
        answer: Any = self._client.search_image_sets(
            datastoreId=datastore_id,
            searchCriteria={
                "filters": [{"operator": "BETWEEN", "values": bounds}],
                "sort": {"sortField": "updatedAt", "sortOrder": "DESC"},
            },
            maxResults=_PAGE,
            **more,
        )
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return Listing(
            image_sets=[_listed(each) for each in answer["imageSetsMetadataSummaries"]],
            token=answer.get("nextToken"),
            now=parsedate_to_datetime(date) if date else None,
        )

    def of_study(self, datastore_id: str, study_uid: str) -> list[Found]:
        """The image sets that SearchImageSets lists for a study, 50 a call. It may lag behind a change."""
        of_study: Any = {"filters": [{"operator": "EQUAL", "values": [{"DICOMStudyInstanceUID": study_uid}]}]}
        pages = self._client.get_paginator("search_image_sets").paginate(
            datastoreId=datastore_id, searchCriteria=of_study
        )
        found: dict[str, Found] = {}
        for page in pages:
            for each in page["imageSetsMetadataSummaries"]:
                identifier, version, updated_at = each["imageSetId"], each.get("version", 0), each.get("updatedAt")
                # One that changes meanwhile may be on two pages.
                if identifier not in found or found[identifier].version < version:
                    moment = updated_at.timestamp() if updated_at else 0.0
                    found[identifier] = Found(identifier, version, each.get("isPrimary"), moment)
        return [*found.values()]

    def metadata(
        self,
        datastore_id: str,
        image_set_id: str,
        version: int,
        read: Callable[[Iterable[bytes]], _Read],
        *,
        can_wait: bool = False,
    ) -> _Read | None:
        """What `read` makes of the pieces of one version's metadata document, or None when there is no such version.

        The document is always of the requested version, so that an entry's label is true. The whole call is repeated
        when the connection breaks within the body, or when the document cannot be read: `read` may be called several
        times. A document that took long is not read again now: its message comes again, and others wait behind it.

        botocore repeats a call that AWS throttles, and all messages behind it wait. For two seconds after such a call,
        those that `can_wait` make none, and leave the quota to others.

        Raises:
            Poison: `read` did, at every call.
            Yielded: this one `can_wait`, and a call was repeated a moment ago.
        """
        if can_wait and time.monotonic() < self._makes_way_until:
            raise Yielded("GetImageSetMetadata: a call was repeated a moment ago")
        for left in reversed(range(_TRIES)):
            begun = time.monotonic()
            try:
                answer = self._client.get_image_set_metadata(
                    datastoreId=datastore_id, imageSetId=image_set_id, versionId=str(version)
                )
                self._note_repetitions(answer)
                # Not `with body`: that would give the raw stream, whose failures are urllib3's own.
                with contextlib.closing(answer["imageSetMetadataBlob"]) as body:
                    return read(body.iter_chunks(_PIECE))
            except ClientError as error:
                self._note_repetitions(error.response)
                if _not_found(error):
                    return None
                raise
            except (*_BROKEN_BODY, Poison):
                if not left or time.monotonic() - begun > _LONG:
                    raise
        raise AssertionError

    def _note_repetitions(self, answer: Mapping[str, Any]) -> None:
        """Have others make way if botocore repeated the call (`RetryAttempts` of its `ResponseMetadata`)."""
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            self._makes_way_until = time.monotonic() + _MAKES_WAY


# No image set is older, and botocore writes times since then.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _listed(summary: Any) -> Listed:
    return Listed(
        image_set_id=summary["imageSetId"],
        version=int(summary["version"]),
        updated=updated.astimezone(UTC) if (updated := summary.get("updatedAt")) else None,
        is_primary=summary.get("isPrimary"),
        tier=summary.get("storageTier"),
        last_accessed=summary.get("lastAccessedAt"),
    )


def _not_found(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") == "ResourceNotFoundException"
