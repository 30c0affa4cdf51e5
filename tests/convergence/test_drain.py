"""A flood of hints drains as fast as HealthImaging's quota lets it."""

from collections.abc import Callable

import pytest

from imaging_index.queue import delivery
from proof.campaigns import drain

_HINTS = 3_000


@pytest.mark.parametrize("call_seconds", [0.03, 0.09, 0.3])
def test_a_flood_drains_at_the_quota_or_as_fast_as_the_functions_can(
    call_seconds: float, record_property: Callable[[str, object], None]
) -> None:
    report = drain.run(_HINTS, call_seconds)
    assert report.parked == 0
    assert report.share >= 0.95
    record_property("a flood drains", f"at {report.share:.0%} of what is possible when calls take {call_seconds} s")


def test_pauses_that_do_not_end_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "pause", lambda *_: 1_800)
    assert drain.run(_HINTS, 0.03).share < 0.9
