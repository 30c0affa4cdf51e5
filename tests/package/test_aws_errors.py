"""What AWS's answers mean for a hint."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ResponseStreamingError

from imaging_index.aws_errors import classify
from imaging_index.faults import (
    Configuration,
    Fault,
    HandedBack,
    NotReady,
    Overload,
    Permanent,
    Poison,
    Unknown,
    Yielded,
)

MARKER = "CANARY^PATIENT"


def _answer(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": MARKER}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "GetImageSetMetadata",
    )


@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        ("ThrottlingException", 429, Overload),
        ("ProvisionedThroughputExceededException", 400, Overload),
        ("RequestLimitExceeded", 400, Overload),
        ("429", 429, Overload),
        ("RequestThrottled", 400, Overload),
        ("KmsThrottled", 400, Overload),
        ("KMS.ThrottlingException", 400, Overload),
        ("AccessDeniedException", 403, Configuration),
        ("403", 403, Configuration),
        ("NotAuthorized", 401, Configuration),
        ("MissingAuthenticationTokenException", 400, Configuration),
        ("IncompleteSignatureException", 400, Configuration),
        ("ExpiredTokenException", 400, Configuration),
        ("UnrecognizedClientException", 400, Configuration),
        ("KMSAccessDeniedException", 400, Configuration),
        ("KMSDisabledException", 400, Configuration),
        ("ResourceNotFoundException", 400, Configuration),
        ("ConflictException", 409, NotReady),
        ("409", 409, NotReady),
        ("ValidationException", 400, Poison),
        ("InternalServerException", 500, Unknown),
        ("503", 503, Unknown),
        ("SomethingNew", 418, Unknown),
    ],
)
def test_an_answer_of_aws_is_classed_and_named_without_its_message(code: str, status: int, fault: type[Fault]) -> None:
    classified = classify(_answer(code, status))
    assert type(classified) is fault
    assert classified.reason == f"GetImageSetMetadata: {code}"


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url=f"https://{MARKER}/"),
        ResponseStreamingError(error=MARKER),
        ConnectionResetError(MARKER),
        TimeoutError(MARKER),
    ],
)
def test_a_connection_that_fails_comes_back_without_its_text(error: Exception) -> None:
    classified = classify(error)
    assert type(classified) is Unknown
    assert MARKER not in classified.reason
    assert type(error).__name__ in classified.reason


@pytest.mark.parametrize("code", [MARKER, "a b", "Throttling\n", "x" * 81, "", "ä", None, 7.5, ["x"]])
def test_a_code_that_is_no_name_is_not_told(code: object) -> None:
    reason = classify(_answer(code, 500)).reason  # type: ignore[arg-type]
    assert reason == f"GetImageSetMetadata: {code if code in (None, 7.5) else 'unnamed'}"


def test_anything_unexpected_is_poison_and_tells_its_place_instead_of_its_text() -> None:
    def somewhere() -> None:
        raise KeyError(MARKER)

    with pytest.raises(KeyError) as met:
        somewhere()
    classified = classify(met.value)
    assert type(classified) is Poison
    assert classified.reason.startswith("KeyError in somewhere:")
    assert MARKER not in classified.reason


@pytest.mark.parametrize("fault", [Permanent, Poison, NotReady, Overload, Configuration, Unknown, HandedBack, Yielded])
def test_a_fault_is_itself(fault: type[Fault]) -> None:
    told = fault("any")
    assert classify(told) is told
    assert told.name == fault.__name__
