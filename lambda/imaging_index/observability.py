"""The index's log and metrics: one logger, and CloudWatch's embedded metric format.

Neither contains anything from a document: only ids, classes, counts and durations.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from imaging_index import metric_names
from imaging_index.faults import Overload
from imaging_index.indexing import Outcome, Result
from imaging_index.queue.hint import Cause, Hint, Kind

if TYPE_CHECKING:
    from datetime import timedelta

    from imaging_index.faults import Fault

# Service and namespace come from Powertools' environment variables, which the stack sets. The service is the stack's
# name, and each metric's only dimension.
logger = Logger()
metrics = Metrics()


def _count(name: str, value: float = 1) -> None:
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def hint_waited(age: timedelta) -> None:
    """Record how long a hint has been waiting (`HintAge`): at each receipt, and when it is handed back.

    SQS's own age of the oldest message forgets those that were received three times.
    """
    metrics.add_metric(name=metric_names.HINT_AGE, unit=MetricUnit.Seconds, value=age.total_seconds())


def hint_handled(hint: Hint, result: Result) -> None:
    """Count a hint by its outcome (`Indexed`, `Duplicate`, `Stale`, `Deleted`, `Passed`), and what it showed."""
    _count(result.outcome.value)
    if hint.kind is Kind.UNKNOWN:
        _count(metric_names.UNKNOWN_KIND)
    if result.content:
        _count(metric_names.INVALID_ATTRIBUTES, result.content.invalid)
        _count(metric_names.TRUNCATED_ATTRIBUTES, result.content.truncated)
        if result.content.several_series:
            _count(metric_names.SEVERAL_SERIES)
        if result.content.mended:
            _count(metric_names.NOT_QUITE_JSON)
    _kept_documents(hint, result)
    if result.outcome is Outcome.INDEXED and hint.cause is Cause.EVENT and hint.time:
        lag = datetime.now(UTC) - datetime.fromisoformat(hint.time)
        metrics.add_metric(name=metric_names.INDEX_LAG, unit=MetricUnit.Seconds, value=max(lag.total_seconds(), 0))


def _kept_documents(hint: Hint, result: Result) -> None:
    """Count what became of the kept document, and log why it could not be used or kept."""
    if result.from_kept:
        _count(metric_names.KEPT_DOCUMENT_READ)
    if result.unusable:
        _count(metric_names.KEPT_DOCUMENT_UNUSABLE)
        logger.warning("a kept document cannot be used", extra=_ids(hint) | {"reason": result.unusable})
    if result.not_kept:
        _count(metric_names.DOCUMENT_NOT_KEPT)
        logger.warning("a document was not kept", extra=_ids(hint) | {"reason": result.not_kept})


def written(write_units: float) -> None:
    """Add up what DynamoDB charged for."""
    _count(metric_names.WRITE_UNITS, write_units)


def batch_ended(*, breaker_open: bool) -> None:
    """Record whether the breaker is open when a batch ends (`BreakerOpen`, 1 or 0)."""
    _count(metric_names.BREAKER_OPEN, int(breaker_open))


def other_datastore(hint: Hint) -> None:
    """Count a hint of a data store that is not to be indexed."""
    _count(metric_names.OTHER_DATASTORE)
    logger.info("not indexed: another data store", extra=_ids(hint))


def hint_failed(hint: Hint | None, fault: Fault, *, parked: bool, tries: int) -> None:
    """Count and log a hint that could not be handled: `Parked` or `Deferred`, and the class of the fault."""
    _count(metric_names.PARKED if parked else metric_names.DEFERRED)
    _count(metric_names.of_fault(fault.name))
    # The reason begins with the operation, and both of HealthImaging's begin so.
    if isinstance(fault, Overload) and fault.reason.startswith("GetImageSet"):
        _count(metric_names.HEALTHIMAGING_THROTTLES)
    logger.warning(
        "parked" if parked else "deferred",
        extra={"fault": fault.name, "reason": fault.reason, "tries": tries} | (_ids(hint) if hint else {}),
    )


def published(events: int) -> None:
    """Count the events that were put on the bus."""
    _count(metric_names.PUBLISHED, events)


def not_published(reason: str, *, sequence: str) -> None:
    """Count and log a change that cannot be announced, by its number in the stream: nobody will try again."""
    _count(metric_names.PUBLISH_FAILURES)
    logger.error("not published", extra={"reason": reason, "sequenceNumber": sequence})


def publishing_failed(fault: Fault) -> None:
    """Count and log a failure after which Lambda repeats the changes."""
    _count(metric_names.PUBLISH_FAILURES)
    logger.warning("not published yet", extra={"fault": fault.name, "reason": fault.reason})


def study_announced() -> None:
    """Count a study that was announced as stable."""
    _count(metric_names.STUDY_STABLE)


def study_waits(datastore_id: str, image_set_id: str) -> None:
    """Count and log a check of a study that has not agreed with HealthImaging for an hour."""
    _count(metric_names.STUDY_WAITING)
    logger.warning("study waits", extra={"datastoreId": datastore_id, "imageSetId": image_set_id})


def job_waits(datastore_id: str, job_id: str) -> None:
    """Count and log a check of an import job whose image sets have not been indexed within an hour."""
    _count(metric_names.JOBS_WAITING)
    logger.warning("job waits", extra={"datastoreId": datastore_id, "jobId": job_id})


def check_failed(fault: Fault, *, parked: bool, tries: int) -> None:
    """Count and log a check of a study or a job that failed."""
    _count(metric_names.PARKED if parked else metric_names.DEFERRED)
    _count(metric_names.of_fault(fault.name))
    logger.warning(
        "parked" if parked else "deferred", extra={"fault": fault.name, "reason": fault.reason, "tries": tries}
    )


def _ids(hint: Hint) -> dict[str, str]:
    return {"datastoreId": hint.datastore_id, "imageSetId": hint.image_set_id, "kind": hint.kind.value}
