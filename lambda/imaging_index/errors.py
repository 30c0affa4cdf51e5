"""The classes of failure, and what each AWS answer is.

No text here ever holds a DICOM value: an error names its class, and AWS's code where there is one.
"""

import re
import traceback
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError


class Fault(Exception):  # noqa: N818  "error" is what AWS answers; a fault is what it means for a hint
    """A hint that could not be handled now. `reason` is a short text without any value of a document."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def name(self) -> str:
        """The class's name, as it appears in logs, metrics and dead letters."""
        return type(self).__name__


class Permanent(Fault):
    """Will never succeed: a malformed event. Parked at once."""


class Poison(Fault):
    """A document that cannot be read or is over the bounds. Parked after a few tries."""


class NotReady(Fault):
    """HealthImaging is not there yet: locked, or not readable so soon after a write. Comes back later and later."""


class Overload(Fault):
    """AWS throttles. Comes back after a while, and is never parked."""


class Configuration(Fault):
    """Access, a key or the table is missing. Comes back after a while, and is never parked."""


class Unknown(Fault):
    """A server's failure, a time-out, a cut connection. Comes back; every write may be repeated."""


class HandedBack(Fault):
    """Not begun: no time is left, or AWS refuses everything at the moment, for `cause`."""

    def __init__(self, reason: str, cause: Fault | None = None) -> None:
        super().__init__(reason)
        self.cause = cause


_OVERLOAD: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    }
)
_CONFIGURATION: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
        # DynamoDB's word for a table that is not there; HealthImaging's own 404 is handled where it is asked.
        "ResourceNotFoundException",
    }
)


def classify(error: Exception) -> Fault:
    """What an exception means for the hint that met it: itself when it is a `Fault` already."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        reason = f"{_word(error.operation_name)}: {_word(code)}"
        # Throttling, ThrottlingException, RequestThrottled, KmsThrottled: each service has its own word.
        if code in _OVERLOAD or status == 429 or "Throttl" in code:
            return Overload(reason)
        if code in _CONFIGURATION or status in (401, 403) or "KMS" in code or "Kms" in code:
            return Configuration(reason)
        if code == "ConflictException" or status == 409:
            return NotReady(reason)
        if code == "ValidationException":
            return Poison(reason)
        return Unknown(reason)
    # The text of any other exception may quote a value, so only its type and place are reported.
    if isinstance(error, (BotoCoreError, OSError)):
        return Unknown(_word(type(error).__name__))
    return Poison(f"{_word(type(error).__name__)} in {_place(error)}")


# Text from elsewhere could quote anything. Only what looks like a name gets into a reason.
_NAME: Final = re.compile(r"[A-Za-z0-9_.]{1,80}")


def _word(name: str) -> str:
    return name if _NAME.fullmatch(name) else "unnamed"


def _place(error: Exception) -> str:
    frames = [f"{frame.f_code.co_name}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    return frames[-1] if frames else "no place"
