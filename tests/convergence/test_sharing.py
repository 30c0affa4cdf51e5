"""A long list of hints uses the quota, and live events do not wait for it."""

from collections.abc import Callable

import pytest

from imaging_index.queue import sender
from proof.campaigns import sharing

_HINTS = 12_000  # make prove: a million
_GREAT_BURST_SECONDS = 30.0


@pytest.mark.parametrize(
    ("call_seconds", "fair", "others"),
    [(0.09, True, 0.0), (0.03, True, 0.0), (0.3, True, 0.0), (0.09, False, 0.0), (0.09, True, 20.0)],
)
def test_live_events_overtake_a_long_list_which_uses_the_quota(
    call_seconds: float, fair: bool, others: float, record_property: Callable[[str, object], None]
) -> None:
    report = sharing.run(_HINTS, call_seconds, fair=fair, others=others)
    assert report.share >= 0.95
    assert report.lag(0.99) <= (5.0 if fair else 15.0)
    assert report.put_off <= 0.01 * _HINTS
    assert report.parked == 0
    record_property("hints beside live events", str(report))


def test_a_sender_that_does_not_listen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_MOST_WAITING", 1_000_000)
    assert sharing.run(_HINTS, 0.3, fair=False).lag(0.99) > 15.0
