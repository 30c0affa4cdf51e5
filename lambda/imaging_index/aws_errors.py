"""What an error of AWS, or any other exception, means for a hint.

A reason never holds a DICOM value: it names AWS's operation and code, or the exception's class and place.
"""

import re
import traceback
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from imaging_index.faults import Configuration, Fault, NotReady, Overload, Poison, Unknown

_OVERLOAD: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",  # S3's
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
        # S3's word for a bucket that is not there.
        "NoSuchBucket",
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


def condition_failed(error: ClientError) -> bool:
    """Whether DynamoDB wrote nothing since a write's condition did not hold: that is an answer, and no failure."""
    return error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"


def _word(name: str) -> str:
    return name if _NAME.fullmatch(name) else "unnamed"


def _place(error: Exception) -> str:
    frames = [f"{frame.f_code.co_name}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    return frames[-1] if frames else "no place"
