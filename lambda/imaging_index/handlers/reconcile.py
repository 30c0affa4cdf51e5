"""The function of the schedule: for as long as an invocation may take, it compares HealthImaging with the table.

All that one invocation leaves to the next is in the table, so it may end or be killed at any moment.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index import pass_metrics
from imaging_index.aws_errors import classify
from imaging_index.handlers import started
from imaging_index.handlers.environment import client, variables
from imaging_index.healthimaging import HealthImaging
from imaging_index.kept_documents import KeptDocuments
from imaging_index.observability import logger, metrics
from imaging_index.queue.sender import Sender
from imaging_index.reconciling.keeping import status
from imaging_index.reconciling.reconciler import Reconciler
from imaging_index.reconciling.refusals import Busy, Refused
from imaging_index.reconciling.run import ROOM
from imaging_index.reconciling.settings import LEAST_BYTES, SCHEDULE, Scope, Settings
from imaging_index.table.checkpoints import Checkpoints
from imaging_index.table.reconciling import ReconcilingTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

# Kept back of an invocation's time: a step may end some seconds late, and a call's retries take longer.
_RESERVE: Final = timedelta(seconds=30)

# AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": the batch of the index function's queue.
_BATCH: Final = 10


class _Variables(msgspec.Struct, frozen=True, rename=str.upper):
    """The function's environment variables, all of them text.

    `datastores` are ids with commas between them, or `all`; `generation` is the deployed profile's revision and the
    format of entries, as `1.4`; `dollars` are for a day.
    """

    datastores: str
    dollars: str
    full_days: str
    generation: str
    maximum_concurrency: str
    mean_megabytes: str
    queue_url: str
    table_name: str
    documents_bucket: str = ""


_variables: Final = variables(_Variables)
_client: Final = client("medical-imaging")
_healthimaging: Final = HealthImaging(_client)
_dynamodb: Final = client("dynamodb")
_table: Final = ReconcilingTable(_dynamodb, _variables.table_name)
_checkpoints: Final = Checkpoints(_dynamodb, _variables.table_name)
_sender: Final = Sender(
    client("sqs"),
    _variables.queue_url,
    now=lambda: datetime.now(UTC),
    sleep=time.sleep,
    at_once=int(_variables.maximum_concurrency) * _BATCH,
)
_documents: Final = KeptDocuments(client("s3"), _variables.documents_bucket) if _variables.documents_bucket else None


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(_: dict[str, Any], context: LambdaContext) -> None:
    """Compare each data store to index, until that is done or the invocation's time is over."""
    end = _now() + timedelta(milliseconds=context.get_remaining_time_in_millis()) - _RESERVE
    datastores = _datastores()
    waiting: Sequence[str] = datastores
    failed: set[str] = set()
    while waiting and _now() < end:
        # What one data store does not use of its share is left to the others.
        waiting = [
            datastore
            for left, datastore in zip(range(len(waiting), 0, -1), waiting, strict=True)
            if _goes_on(datastore, _now() + (end - _now()) / left, context.aws_request_id, failed)
        ]
    for datastore in datastores:
        with contextlib.suppress(Exception):  # why the table does not answer was logged above
            pass_metrics.age(status(_checkpoints, datastore).checkpoint, _now(), failed=datastore in failed)
    if not datastores:
        pass_metrics.nothing_to_compare()


def _goes_on(datastore: str, deadline: datetime, request_id: str, failed: set[str]) -> bool:
    """Compare one data store until a deadline, and add it to `failed` if AWS does not let it.

    Returns whether there is more to do that can be done now.
    """
    try:
        progress = _reconciler(datastore, request_id).step(deadline)
    except Busy as busy:
        logger.info("busy", extra={"datastoreId": datastore, "reason": str(busy)})
        return False
    except Exception as error:  # one data store must not keep the others from being compared
        fault = classify(error)
        pass_metrics.refused(datastore, str(error) if isinstance(error, Refused) else f"{fault.name}: {fault.reason}")
        failed.add(datastore)
        return False
    pass_metrics.stepped(datastore, progress)
    if progress.waited_for and progress.waited_for != ROOM:
        failed.add(datastore)
    return not (progress.done or progress.blocked or progress.waited_for)


def _datastores() -> list[str]:
    """The data stores to index: those that are named, or all of the account and region that are active."""
    if _variables.datastores != "all":
        return _variables.datastores.split(",")
    pages = _client.get_paginator("list_datastores").paginate(datastoreStatus="ACTIVE")
    return [each["datastoreId"] for page in pages for each in page["datastoreSummaries"]]


def _reconciler(datastore_id: str, request_id: str) -> Reconciler:
    revision, _, entry_format = _variables.generation.partition(".")
    settings = Settings(
        datastore_id=datastore_id,
        revision=int(revision),
        entry_format=int(entry_format),
        apply=True,
        scheduled=True,
        most_dollars=float(_variables.dollars),
        mean_bytes=max(int(float(_variables.mean_megabytes) * 2**20), LEAST_BYTES),
        full_every=_full_every(datastore_id),
    )
    return Reconciler(
        _healthimaging,
        _table,
        _checkpoints,
        _sender,
        settings,
        holder=f"{SCHEDULE} (request {request_id})",
        documents=_documents,
    )


def _full_every(datastore_id: str) -> timedelta | None:
    """After how long a full pass begins; None until somebody has made the first one.

    An archive that was never indexed costs dollars a million image sets: that is for a person to begin.
    """
    if Scope.FULL not in status(_checkpoints, datastore_id).checkpoint.last:
        return None
    return timedelta(days=float(_variables.full_days)) or None


def _now() -> datetime:
    return datetime.now(UTC)


started()
