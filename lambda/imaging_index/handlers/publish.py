"""The function that announces: the table's stream in, events out; and its queue of studies and jobs to be checked.

Lambda invokes it with records of the table's stream (those whose `Part` is `entry`) or with messages of its own queue,
whose visibility time-out must exceed the function's. Both are reported one by one (`ReportBatchItemFailures`).

What its role needs:

- events:PutEvents on the bus;
- on the stream dynamodb:DescribeStream, GetRecords and GetShardIterator, and dynamodb:ListStreams;
- for studies and jobs dynamodb:BatchGetItem and GetItem on the table, and UpdateItem on items whose partition key
  begins with `study/` or `job/`; on its queue sqs:ChangeMessageVisibility, DeleteMessage, GetQueueAttributes and
  ReceiveMessage; and sqs:SendMessage to its dead-letter queue;
- for studies sqs:SendMessage to its queue, dynamodb:DescribeTable, dynamodb:Query on the index of studies, and
  medical-imaging:SearchImageSets on the data stores;
- for jobs s3:GetObject and s3:ListBucket on the buckets of import jobs' output, and medical-imaging:GetImageSet.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index import observability
from imaging_index.aws_errors import classify
from imaging_index.faults import HandedBack
from imaging_index.handlers import started
from imaging_index.handlers.environment import client, variables
from imaging_index.healthimaging import HealthImaging
from imaging_index.observability import logger, metrics
from imaging_index.profile import toml_file
from imaging_index.publishing import change
from imaging_index.publishing.bus import Bus
from imaging_index.publishing.jobs import JobWatch
from imaging_index.publishing.manifest import Manifests
from imaging_index.publishing.message import Job, Sender, StudyMessage, parse
from imaging_index.publishing.patients import PATIENT_ID
from imaging_index.publishing.publisher import Publisher
from imaging_index.publishing.studies import Checked, StudyWatch
from imaging_index.queue.delivery import Delivery, Queue, to_be_parked
from imaging_index.table.watching import Watched

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imaging_index.publishing.change import Change


# Not begun with less time than this: an invocation that is killed midway has its whole batch come again.
_LEAST_TIME_MS: Final = 20_000


class _Variables(msgspec.Struct, frozen=True, rename=str.upper):
    """The function's environment variables.

    `datastores` are ids with commas between them, or `all`. `study_stable_minutes` is `0` where nobody waits for stable
    studies.
    """

    bus_name: str
    datastores: str
    profile: str
    queue_url: str
    dead_letter_queue_url: str
    table_name: str
    study_stable_minutes: str = "0"  # a fraction in tests


_variables: Final = variables(_Variables)
_datastores: Final = None if _variables.datastores == "all" else frozenset(_variables.datastores.split(","))
_minutes: Final[float] = msgspec.json.decode(_variables.study_stable_minutes)
_bus: Final = Bus(client("events"), _variables.bus_name)
_table: Final = Watched(client("dynamodb"), _variables.table_name)
_profile: Final = toml_file.load(Path(__file__).parents[2] / _variables.profile)
_publisher: Final = Publisher(_bus, _profile.events)


@functools.cache
def _queue() -> Queue:
    return Queue(client("sqs"), _variables.queue_url, _variables.dead_letter_queue_url)


@functools.cache
def _healthimaging() -> HealthImaging:
    return HealthImaging(client("medical-imaging"))


@functools.cache
def _studies() -> StudyWatch:
    patient_id = _profile.find(PATIENT_ID)
    return StudyWatch(
        _bus,
        _table,
        _healthimaging(),
        Sender(client("sqs"), _variables.queue_url),
        _minutes,
        patient_id.policy if patient_id else None,
    )


@functools.cache
def _jobs() -> JobWatch:
    return JobWatch(_bus, _table, Manifests(client("s3")), _healthimaging())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Handle one batch of the stream or of the queue; the answer lists what is to come again."""
    records = event["Records"]
    if records[0]["eventSource"] == "aws:dynamodb":
        failed = _announce(records)
    else:
        failed = [record["messageId"] for record in records if not _check(record, context)]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _announce(records: list[dict[str, Any]]) -> list[str]:
    """Announce the changes of a batch, and note their studies. The first record from which Lambda must repeat it."""
    changes = _read(records)
    published = _publisher.publish(changes)
    observability.published(published.events)
    for refused, reason in published.refused:
        observability.not_published(reason, sequence=refused.sequence)
    done, fault = published.done, published.fault
    if _minutes:
        noted, error = _studies().note(changes[:done])
        if error:
            done, fault = noted, classify(error)
    if fault:
        observability.publishing_failed(fault)
    return [] if done == len(changes) else [changes[done].sequence]


def _read(records: list[dict[str, Any]]) -> list[Change]:
    changes = []
    for record in records:
        try:
            found = change.read(record)
        except change.Unusable as unusable:
            # Another try would find the same record, and hold up all that follow.
            observability.not_published(str(unusable), sequence=change.sequence_of(record))
            continue
        if found:
            changes.append(found)
    return changes


def _check(record: dict[str, Any], context: LambdaContext) -> bool:
    """Check the study or the job of a message. Returns whether the message is done with."""
    delivery = Delivery.of(record)
    try:
        later = _checked(delivery, context)
        if later is None:
            return True
        _queue().wait(delivery, later)
    except Exception as error:
        fault = classify(error)
        parked = to_be_parked(fault, delivery)
        try:
            if parked:
                _queue().park(delivery, fault, context.aws_request_id)
            else:
                _queue().defer(delivery, fault)
        except Exception as refusal:
            # The message comes again after its visibility time-out.
            parked, fault = False, classify(refusal)
        observability.check_failed(fault, parked=parked, tries=delivery.tries)
        return parked
    return False


def _checked(delivery: Delivery, context: LambdaContext) -> float | None:
    """In how many seconds a message must come again; None if it need not.

    Raises:
        HandedBack: no time is left in this invocation.
        Exception: whatever AWS answers (`aws_errors.classify`), or a fault.
    """
    if context.get_remaining_time_in_millis() < _LEAST_TIME_MS:
        raise HandedBack("no time is left")
    message = parse(delivery.body)
    if isinstance(message, StudyMessage):
        checked = _studies().check(message)
        if checked.announced:
            observability.study_announced()
        if checked.waiting:
            observability.study_waits(message.witness.datastore_id, message.witness.image_set_id)
    elif isinstance(message, Job) and _is_ours(message, context):
        checked = _jobs().check(message)
        if checked.waiting:
            observability.job_waits(message.datastore_id, message.id)
    else:
        checked = Checked()
    # Also where it is none: Powertools warns of an invocation that counts nothing.
    observability.published(int(checked.announced))
    return checked.later


def _is_ours(job: Job, context: LambdaContext) -> bool:
    """Whether a job is of a data store that is indexed, in the function's account (AWS, "Lambda function ARN")."""
    account = context.invoked_function_arn.split(":")[4]
    return job.account == account and (_datastores is None or job.datastore_id in _datastores)


started()
