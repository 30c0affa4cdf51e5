"""A long list of hints uses the quota, and live events do not wait for it."""

from collections.abc import Callable

import pytest

from proof.campaigns import sharing

# Six minutes, of which one is an hour's burst of live events, and two more pass until the rate is what it was: the
# million of `make prove` uses 95 % of the quota, and a hundredth of its hints is put off.
_HINTS = 12_000
# Half a minute.
_KEPT = 4_000


@pytest.mark.parametrize(("fair", "lag"), [(True, 2.5), (False, 5.0)])
def test_live_events_overtake_a_long_list_which_uses_the_quota(
    fair: bool, lag: float, record_property: Callable[[str, object], None]
) -> None:
    report = sharing.run(_HINTS, 0.09, fair=fair)
    record_property("hints beside live events", str(report))
    assert report.share >= 0.75
    assert report.lag(0.99) <= lag
    assert report.put_off <= 0.04 * _HINTS
    assert report.parked == 0


def test_image_sets_with_kept_documents_are_indexed_beside_the_quota_and_live_events_do_not_wait(
    record_property: Callable[[str, object], None],
) -> None:
    report = sharing.run(_KEPT, 0.09, kept=True)
    rate = report.hints / report.seconds
    record_property("hints of kept documents", f"{rate:.0f} a second; {report}")
    # Twice what the quota allows, with GetQueueAttributes ten seconds late.
    assert rate > 2 * 48
    assert report.calls == report.live
    assert report.lag(0.99) <= 5.0
    assert (report.put_off, report.parked) == (0, 0)
