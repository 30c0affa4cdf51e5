"""An EventBridge event of HealthImaging, or a message that the index sent to itself, as a hint.

A hint says that an image set may have changed, and never what it holds now. Events are read with tolerance:
HealthImaging spells the image set's id in two ways, and left out the version and `isPrimary` until 2025.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from imaging_index.faults import Permanent

# The source of what the project itself sends: PutEvents refuses sources of AWS's own.
REPLAY_SOURCE: Final = "imaging-index.replay"
_HEALTHIMAGING: Final = "aws.medical-imaging"

_ID: Final = re.compile(r"[0-9a-z]{32}")
_ARN: Final = re.compile(r"arn:[^:]+:medical-imaging:[^:]*:[^:]*:datastore/([0-9a-z]{32})(?:/imageset/([0-9a-z]{32}))?")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")


class Kind(StrEnum):
    """The `detail-type` of an event (AWS HealthImaging Developer Guide, "Using Amazon EventBridge")."""

    CREATED = "Image Set Created"
    COPYING = "Image Set Copying"
    COPYING_WITH_READ_ONLY_ACCESS = "Image Set Copying With Read Only Access"
    COPIED = "Image Set Copied"
    COPY_FAILED = "Image Set Copy Failed"
    UPDATING = "Image Set Updating"
    UPDATED = "Image Set Updated"
    UPDATE_FAILED = "Image Set Update Failed"
    DELETING = "Image Set Deleting"
    DELETED = "Image Set Deleted"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a hint was sent."""

    EVENT = "event"
    RECONCILE = "reconcile"
    REINDEX = "reindex"
    REPAIR = "repair"


_KINDS: Final = frozenset(kind.value for kind in Kind)
_CAUSES: Final = frozenset(cause.value for cause in Cause)


class Hint(msgspec.Struct, frozen=True):
    """Notice that an image set may have changed; `version`, `is_primary`, `time` (RFC 3339) are None when unknown.

    `replayed` says that it was sent by the index's own source, and not by HealthImaging.
    """

    kind: Kind
    cause: Cause
    datastore_id: str
    image_set_id: str
    version: int | None = None
    is_primary: bool | None = None
    time: str | None = None
    replayed: bool = False

    @property
    def is_told_by_healthimaging(self) -> bool:
        """Whether `version` and `is_primary` are HealthImaging's word for what is to be indexed.

        They are in its own Created event, and in the hint of a reconcile pass, which has them from SearchImageSets.
        """
        if self.cause is Cause.RECONCILE:
            return self.version is not None and self.is_primary is not None
        return self.version is not None and self.kind is Kind.CREATED and not self.replayed

    def message(self) -> str:
        """The body of an SQS message with this hint, which `parse` reads back."""
        envelope = {"source": REPLAY_SOURCE if self.replayed else _HEALTHIMAGING, "detail-type": self.kind.value}
        time = {"time": self.time} if self.time else {}
        return msgspec.json.encode(envelope | time | {"detail": self._detail()}).decode()

    def event(self) -> dict[str, str]:
        """The entry of EventBridge's PutEvents that sends this hint from the index's own source."""
        detail = msgspec.json.encode(self._detail()).decode()
        return {"Source": REPLAY_SOURCE, "DetailType": self.kind.value, "Detail": detail}

    def _detail(self) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "datastoreId": self.datastore_id,
            "imageSetId": self.image_set_id,
            "cause": self.cause.value,
        }
        if self.version is not None:
            detail["imageSetVersion"] = str(self.version)
        if self.is_primary is not None:
            detail["isPrimary"] = self.is_primary
        return detail


def parse(body: str) -> Hint:
    """The hint in an SQS message's body, which is the EventBridge envelope.

    Raises:
        Permanent: when the body is no event with the ids of a data store and an image set.
    """
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Permanent("the message is not JSON") from None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("detail"), dict):
        raise Permanent("the message is not an EventBridge event")
    detail = {key.lower(): value for key, value in envelope["detail"].items()}
    datastore_id, image_set_id = _ids(detail, envelope.get("resources"))
    replayed = envelope.get("source") == REPLAY_SOURCE
    return Hint(
        kind=_kind(envelope.get("detail-type")),
        cause=_cause(detail.get("cause")) if replayed else Cause.EVENT,
        datastore_id=datastore_id,
        image_set_id=image_set_id,
        version=_version(detail.get("imagesetversion")),
        is_primary=primary if isinstance(primary := detail.get("isprimary"), bool) else None,
        time=_time(envelope.get("time")),
        replayed=replayed,
    )


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _ids(detail: dict[str, Any], resources: Any) -> tuple[str, str]:
    first = resources[0] if isinstance(resources, list) and resources else None
    arn = _ARN.fullmatch(first) if isinstance(first, str) else None
    # An id that is there but invalid is a malformed event: the ARN only replaces a missing one.
    datastore_id = _matching(_ID, detail["datastoreid"] if "datastoreid" in detail else arn and arn[1])
    image_set_id = _matching(_ID, detail["imagesetid"] if "imagesetid" in detail else arn and arn[2])
    if datastore_id is None or image_set_id is None:
        raise Permanent("the event names no data store and image set")
    return datastore_id, image_set_id


def _kind(name: object) -> Kind:
    return Kind(name) if isinstance(name, str) and name in _KINDS else Kind.UNKNOWN


def _cause(name: object) -> Cause:
    return Cause(name) if isinstance(name, str) and name in _CAUSES else Cause.EVENT


def _time(value: object) -> str | None:
    text = _matching(_TIME, value)
    try:
        return text if text and datetime.fromisoformat(text) else None
    except ValueError:
        return None


def _version(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    digits = _matching(_VERSION, value)
    return int(digits) if digits else None
