"""What AWS refuses for good, each in a sentence or two: what is wrong, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from imaging_index.aws_errors import classify
from imaging_index.faults import Configuration, NotReady, Poison

if TYPE_CHECKING:
    from datetime import datetime


class Refused(Exception):  # noqa: N818
    """Reconciling cannot go on. The text is one sentence or two: what is wrong, and what to do."""


class Busy(Refused):
    """Another run holds the lease: `holder`, until `until` unless it renews it."""

    def __init__(self, holder: str, until: datetime | None) -> None:
        when = f"; its lease ends at {until:%H:%M:%S} UTC unless renewed" if until else ""
        super().__init__(f"{holder} is reconciling already{when}.")
        self.holder = holder
        self.until = until


def refusal(error: Exception, datastore_id: str) -> Refused | None:
    """The refusal that an error is; None for one that passes, such as throttling."""
    fault = classify(error)
    if not isinstance(error, ClientError) or not isinstance(fault, Configuration | NotReady | Poison):
        return None
    code = error.response.get("Error", {}).get("Code")
    match error.operation_name, code:
        case "SearchImageSets", "ResourceNotFoundException":
            return Refused(f"HealthImaging has no data store {datastore_id} here. Check its id and the region.")
        case "SearchImageSets", "ConflictException":
            return Refused(f"The data store {datastore_id} is being made or deleted. Try again when it is ACTIVE.")
        case _, "ResourceNotFoundException":
            return Refused(f"{fault.reason}: there is no such table or queue. Deploy the stack again.")
        case _, "NoSuchBucket":
            return Refused("The bucket of documents is gone. Set documents to off and deploy the stack.")
        case _, "InvalidSignatureException":
            # IAM User Guide, "Common errors": the time of a request may be wrong by minutes only.
            return Refused(
                "AWS does not accept the signature: the clock of this machine is wrong, or the secret access key. "
                "Set the clock, and start again."
            )
        case _, "ExpiredTokenException":
            return Refused("The AWS credentials have expired. Get new ones, and start again: it goes on from here.")
    if isinstance(fault, Configuration):
        return Refused(f"AWS refuses {fault.reason}. Allow this action, or use credentials that may call it.")
    return Refused(f"AWS refuses the request: {fault.reason}.")
