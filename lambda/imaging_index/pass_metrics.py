"""What the reconcile function reports of its passes, as metrics and in the log.

Neither contains anything from a document: only ids, counts, durations and dollars.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.metrics import MetricUnit

from imaging_index import metric_names
from imaging_index.observability import logger, metrics

if TYPE_CHECKING:
    from datetime import datetime

    from imaging_index.reconciling.checkpoint import Checkpoint, Finished
    from imaging_index.reconciling.run import Progress

# Of a data store that cannot be compared and never was: long enough for the alarm.
_NEVER: Final = timedelta(days=1)


def stepped(datastore_id: str, progress: Progress) -> None:
    """Record where a step ended: the passes that ended in it, and what keeps it from going on."""
    for finished in progress.finished:
        _ended(datastore_id, finished)
    if progress.blocked:
        # Each tick says so again, so that the alarm rings until a person has decided.
        _count(metric_names.GHOSTS_REFUSED)
        logger.warning(progress.blocked, extra={"datastoreId": datastore_id})
    if progress.waited_for:
        logger.warning("put off", extra={"datastoreId": datastore_id, "reason": progress.waited_for})


def refused(datastore_id: str, reason: str) -> None:
    """Log why a data store was not compared. Its `SincePass` grows meanwhile."""
    logger.warning("not compared", extra={"datastoreId": datastore_id, "reason": reason})


def age(checkpoint: Checkpoint, now: datetime, *, failed: bool) -> None:
    """Record how long ago the last pass of a data store ended (`SincePass`), whoever made it.

    One that was never compared, and that AWS does not let be compared (`failed`), counts as compared a day ago: no
    other metric rings for it.
    """
    ends = [finished.ended for finished in checkpoint.last.values()]
    if not ends and failed:
        ends = [now - _NEVER]
    if ends:
        metrics.add_metric(
            name=metric_names.SINCE_PASS, unit=MetricUnit.Seconds, value=max((now - max(ends)).total_seconds(), 0)
        )


def nothing_to_compare() -> None:
    """Record that there is no data store, so that no pass is missed."""
    metrics.add_metric(name=metric_names.SINCE_PASS, unit=MetricUnit.Seconds, value=0)


def _ended(datastore_id: str, finished: Finished) -> None:
    """Count what a pass has found. A metric without a value costs nothing, so what was not found is not sent."""
    counts = finished.counts
    found = {difference.value: counts.of(difference) for difference in counts.differences}
    metrics.add_metric(name=metric_names.OF_PASS, unit=MetricUnit.Seconds, value=finished.seconds)
    values = {metric_names.of_difference(name): number for name, number in found.items()} | {
        metric_names.STILL_DIFFERENT: counts.again,
        metric_names.TIER_DOLLARS: finished.dollars,
        metric_names.TIER_DOLLARS_REFUSED: counts.refused.dollars,
    }
    for name, value in values.items():
        if value:
            _count(name, value)
    if counts.false_tombstones:
        ids = {"datastoreId": datastore_id, "imageSetIds": counts.false_tombstones}
        logger.warning("false tombstones", extra=ids)
    logger.info(
        "pass ended",
        extra={
            "datastoreId": datastore_id,
            "scope": finished.scope.value,
            "end": finished.end.value,
            "compared": counts.compared,
            "found": found,
            "hints": counts.hints,
            "refused": counts.refused.count,
        },
    )


def _count(name: str, value: float = 1) -> None:
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
