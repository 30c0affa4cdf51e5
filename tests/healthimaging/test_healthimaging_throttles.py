"""The service's throttles, as token buckets."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.healthimaging import Settings
from local.healthimaging.errors import Throttled
from local.healthimaging.throttling import LIMITS, Throttle

if TYPE_CHECKING:
    from tests.healthimaging.conftest import Server, World


def passed(throttle: Throttle, action: str, calls: int, account: str = "1") -> int:
    count = 0
    for _ in range(calls):
        try:
            throttle.take(account, action)
        except Throttled:
            continue
        count += 1
    return count


def test_the_burst_passes_and_then_the_rate() -> None:
    now = 0.0
    throttle = Throttle(clock=lambda: now)
    assert passed(throttle, "GetImageSetMetadata", 200) == 100
    now = 1.0
    assert passed(throttle, "GetImageSetMetadata", 200) == 50
    now = 100.0
    assert passed(throttle, "GetImageSetMetadata", 200) == 100


def test_accounts_and_actions_have_buckets_of_their_own() -> None:
    throttle = Throttle(clock=lambda: 0.0)
    assert passed(throttle, "DeleteImageSet", 3) == 1
    assert passed(throttle, "CopyImageSet", 3) == 1
    assert passed(throttle, "DeleteImageSet", 3, account="2") == 1


def test_the_quotas_are_on_unless_they_are_switched_off() -> None:
    assert Settings().throttles is True
    assert LIMITS["GetImageSet"] == (25, 50)


def test_a_throttled_call_is_answered_with_429_and_counted(
    world: "World", server: "Server", settings: Callable[..., Any]
) -> None:
    settings(throttles=True)
    codes = []
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            world.client.delete_datastore(datastoreId="0" * 32)
        answer = caught.value.response
        codes.append((answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]))
    assert codes == [("ResourceNotFoundException", 404), ("ThrottlingException", 429)]
    assert server.own("statistics")["accounts"][world.account]["throttled"] == {"DeleteDatastore": 1}
    settings(throttles=False)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        world.client.delete_datastore(datastoreId="0" * 32)
