"""A year's bill, part by part. docs/cost.md explains the formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from cli.cost.announcing import announced
from cli.cost.passes import passes
from cli.cost.volume import INSTANCES_A_PAGE
from imaging_index import metric_names
from imaging_index.indexing import Outcome
from infra import alarms
from infra.config import EVENT_FUNCTION_MB, EXPORT_INTERVALS, ROOT
from infra.metrics import EventNames
from local.capacity import READ_UNIT, units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.cost.announcing import Wanted
    from cli.cost.passes import Passes
    from cli.cost.sizes import Sizes
    from cli.cost.volume import Volume
    from imaging_index.profile.profile import Profile
    from infra.prices import Prices

_GB: Final = 2**30
_MONTHS: Final = 12
_DAYS: Final = 365
_SECONDS: Final = _DAYS * 24 * 60 * 60

_SETTINGS: Final = ROOT / "cdk.json"

# Custom metrics that are sent every hour while all is well, some of them only with updates and deletions.
_METRICS: Final = (
    Outcome.INDEXED,
    Outcome.DUPLICATE,
    Outcome.DELETED,
    Outcome.PASSED,
    metric_names.INDEX_LAG,
    metric_names.HINT_AGE,
    metric_names.INVALID_ATTRIBUTES,
    metric_names.TRUNCATED_ATTRIBUTES,
    metric_names.BREAKER_OPEN,
    metric_names.WRITE_UNITS,
    metric_names.SINCE_PASS,
    metric_names.OF_PASS,
)

# Amazon DynamoDB Developer Guide, "Storage costs": each item, and each of its copies in an index, weighs this more.
_ITEM_OVERHEAD: Final = 100
# AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": five pollers wait for up to 20 seconds each.
_IDLE_POLLS: Final = 5 * _SECONDS / 20
# A hint is sent, received and deleted. Up to ten hints may share a call, which is not counted on.
_SQS_REQUESTS: Final = 3
# Amazon SQS Developer Guide, "Key management": a data key serves five minutes; so it does in DynamoDB's and the logs'
# encryption. EventBridge and Lambda at the queue, Lambda at the table, the logs, and room for one more.
_KEY_REQUESTS: Final = 5 * _SECONDS / 300
# A line of metrics, and Lambda's lines of an invocation's start and end.
_LOG_BYTES: Final = 1500
# AWS X-Ray Developer Guide, "Sampling rules": one request a second, and of the others one in twenty.
_TRACED_A_SECOND: Final = 1
_TRACED_BEYOND: Final = 0.05

# AWS Compute Blog, "AWS Lambda standardizes billing for INIT Phase": it is in under 1 % of invocations. Besides these,
# a function that was idle begins anew: at most so often.
_COLD_SHARE: Final = 0.01
_COLD_AFTER: Final = 300  # seconds
# Of the index function's imports, its clients and the profile on Lambda, which was not measured there.
_INIT_SECONDS: Final = 0.5
# KMS charges for the first two of the yearly rotations (aws.amazon.com/kms/pricing).
_CHARGED_ROTATIONS: Final = 2
# Lambda's mean for a batch with one change of the table, a study or a job: estimated.
_ANNOUNCING_SECONDS: Final = 0.05
# Lambda at the stream and at the queue of studies and jobs, and the function's log.
_KEY_USERS_OF_EVENTS: Final = 3

# HealthImaging's events for a new image set, an update or a deletion: the latter two also have an "...ing" event.
_EVENTS: Final = (1, 2, 2)
# Amazon S3 API Reference, "ListObjectsV2": what a page has at most.
_LISTED: Final = 1000
# An eventually consistent read of up to 4 kB.
_HEAD: Final = 0.5
_ALARMS_OF_DOCUMENTS: Final = len(alarms.of_documents(""))
_ALARMS_OF_EXPORTS: Final = len(alarms.of_exporting(""))

# HealthImaging charges an image set for at least this much (pricing page).
_SMALLEST_IMAGE_SET_GB: Final = 5 / 1024


class Kind(StrEnum):
    """What makes a part of the bill grow."""

    INDEXING = "indexing"
    KEEPING = "keeping"
    COMPARING = "comparing"
    ANNOUNCING = "announcing"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bill: how much of what, and the dollars."""

    name: str
    kind: Kind
    quantity: float
    unit: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Use:
    """What the volume uses in a year: DynamoDB's units, and the bytes in the table, its indexes and its backup."""

    write_units: float
    read_units: float
    hints: int
    healthimaging_calls: int
    stored_bytes: float
    backed_up_bytes: float


@dataclass(frozen=True, slots=True)
class WriteUnits:
    """The write units of one image set: indexed for the first time, changed, indexed again, and deleted."""

    new: float
    changed: float
    again: float
    deleted: float


def write_units(measured: Sizes, pages: int, page: float) -> WriteUnits:
    """The write units of image sets of the measured sizes, with so many pages of `page` bytes each."""
    in_pages = pages * units(page)
    in_table = measured.entry_units + in_pages
    # What is written again deletes the old pages. A deletion replaces the entry by a tombstone, which removes it from
    # each index, and deletes the pages. DynamoDB charges for what is replaced or deleted.
    return WriteUnits(
        new=in_table + measured.index_units,
        changed=in_table + measured.index_units_changed + in_pages,
        again=in_table + measured.index_units_again + in_pages,
        deleted=in_table + measured.index_units,
    )


def use(volume: Volume, measured: Sizes) -> Use:
    """What a year of `volume` uses when image sets have the measured sizes."""
    pages, page = _pages(volume, measured)
    each = write_units(measured, pages, page)
    # The entry's head before a write, and the sweep over the pages after it. Both are charged for whole items.
    reads = (volume.series + volume.updates + volume.deletions) * (1 + units(pages * page, READ_UNIT))
    hints = sum(
        count * events for count, events in zip((volume.series, volume.updates, volume.deletions), _EVENTS, strict=True)
    )
    # What is added or deleted through the year is stored for half of it on average.
    kept = volume.kept_on_average
    in_table = measured.entry_bytes + _ITEM_OVERHEAD + pages * (page + _ITEM_OVERHEAD)
    in_indexes = measured.index_bytes + measured.index_copies * _ITEM_OVERHEAD
    return Use(
        write_units=volume.series * each.new + volume.updates * each.changed + volume.deletions * each.deleted,
        read_units=reads,
        hints=hints,
        # A new image set's event has its version. For others the state is asked first; a deleted one has nothing else.
        healthimaging_calls=volume.series + 2 * volume.updates + volume.deletions,
        stored_bytes=kept * (in_table + in_indexes),
        backed_up_bytes=kept * in_table,
    )


def _pages(volume: Volume, measured: Sizes) -> tuple[int, float]:
    """The pages of the average image set, and the bytes of each."""
    mean = volume.instances / volume.series
    pages = math.ceil(mean / INSTANCES_A_PAGE)
    return pages, measured.page(mean / pages)


def bill(
    volume: Volume,
    measured: Sizes,
    profile: Profile,
    seconds: float,
    prices: Prices,
    wanted: Wanted | None = None,
    documents_kb: float = 0.0,
    export_days: int = 0,
) -> list[Part]:
    """The parts of a year's bill.

    Args:
        volume: the year.
        measured: the sizes of entries.
        profile: what is indexed.
        seconds: what the function takes for a hint.
        prices: the prices.
        wanted: what is announced; None if events are off.
        documents_kb: the mean size of a kept document; 0 if documents are not kept.
        export_days: after how many days the table is exported again; 0 if it is not.
    """
    used = use(volume, measured)
    compared = passes(
        changes=volume.series + volume.updates, there=volume.kept_on_average, table_bytes=used.backed_up_bytes
    )
    gb_seconds = used.hints * seconds * _memory_mb() / 1024
    cold = min(used.hints, _SECONDS / _COLD_AFTER + _COLD_SHARE * used.hints)

    def parts() -> Iterator[tuple[str, Kind, float, str, float]]:
        indexing, keeping, comparing, announcing, standing = Kind
        yield "DynamoDB writes", indexing, used.write_units, "units", prices.write_unit
        yield "DynamoDB reads", indexing, used.read_units, "units", prices.read_unit
        yield "HealthImaging calls", indexing, used.healthimaging_calls, "calls", prices.healthimaging_call
        yield "Lambda requests", indexing, used.hints, "requests", prices.invocation
        yield "Lambda time", indexing, gb_seconds, "GB-s", prices.gb_second
        yield "Lambda: INIT", indexing, cold * _INIT_SECONDS * _memory_mb() / 1024, "GB-s", prices.gb_second
        yield "SQS", indexing, used.hints * _SQS_REQUESTS, "requests", prices.sqs_request
        yield "EventBridge: AWS's events", indexing, used.hints, "events", prices.aws_event
        yield "Logs", indexing, used.hints * _LOG_BYTES / _GB, "GB", prices.log_gb
        yield "X-Ray", indexing, _traces(used.hints), "traces", prices.trace
        yield "DynamoDB storage", keeping, used.stored_bytes / _GB * _MONTHS, "GB-months", prices.table_gb_month
        yield "DynamoDB backup", keeping, used.backed_up_bytes / _GB * _MONTHS, "GB-months", prices.backup_gb_month
        yield "SearchImageSets", comparing, compared.searches, "calls", prices.healthimaging_call
        yield "DynamoDB: heads and scans", comparing, compared.read_units, "units", prices.read_unit
        yield "DynamoDB: checkpoints", comparing, compared.write_units, "units", prices.write_unit
        yield "Lambda: passes", comparing, compared.seconds * _memory_mb() / 1024, "GB-s", prices.gb_second
        yield "Logs of passes", comparing, compared.invocations * _LOG_BYTES / _GB, "GB", prices.log_gb
        if wanted:
            out = announced(volume, measured, wanted)
            seconds_out = out.invocations * _ANNOUNCING_SECONDS * EVENT_FUNCTION_MB / 1024
            traces = _traces(used.hints + out.invocations) - _traces(used.hints)
            yield "EventBridge: own events", announcing, out.chunks, "64 kB", prices.own_event
            yield "Lambda requests", announcing, out.invocations, "requests", prices.invocation
            yield "Lambda time", announcing, seconds_out, "GB-s", prices.gb_second
            yield "SQS", announcing, out.sqs_requests, "requests", prices.sqs_request
            yield "DynamoDB writes", announcing, out.write_units, "units", prices.write_unit
            yield "DynamoDB reads", announcing, out.read_units, "units", prices.read_unit
            yield "SearchImageSets", announcing, out.searches, "calls", prices.healthimaging_call
            yield "S3: manifests", announcing, out.manifests, "requests", prices.s3_get
            yield "Logs", announcing, out.invocations * _LOG_BYTES / _GB, "GB", prices.log_gb
            yield "X-Ray", announcing, traces, "traces", prices.trace
            yield from _standing_of_events(wanted, prices)
        yield "Key", standing, _MONTHS, "key-months", prices.key_month
        yield "Key requests, at most", standing, _KEY_REQUESTS, "requests", prices.kms_request
        yield "SQS while idle", standing, _IDLE_POLLS, "requests", prices.sqs_request
        yield "Metrics", standing, len(_METRICS) * _MONTHS, "metric-months", prices.metric_month
        yield "Alarms", standing, alarms.number(profile) * _MONTHS, "alarm-months", prices.alarm_month
        yield "Composite alarm", standing, _MONTHS, "alarm-months", prices.composite_alarm_month
        yield "Dashboard", standing, _MONTHS, "months", prices.dashboard_month
        if documents_kb:
            yield from _documents(volume, compared, prices, documents_kb)
        if export_days:
            yield from _exports(used.backed_up_bytes / _GB, prices, export_days)
        if profile.keyed:
            yield "Secret of the tokens", standing, _MONTHS, "secret-months", prices.secret_month

    found = [Part(name, kind, quantity, unit, quantity * price) for name, kind, quantity, unit, price in parts()]
    return sorted(found, key=lambda part: [*Kind].index(part.kind))


def _documents(
    volume: Volume, compared: Passes, prices: Prices, kilobytes: float
) -> Iterator[tuple[str, Kind, float, str, float]]:
    """The parts of kept documents. S3 does not charge for deleting."""
    # The documents of a first version are not listed: there are none before it.
    listings = volume.updates + volume.deletions
    stored = volume.kept_on_average * kilobytes * 1000 / _GB * _MONTHS
    yield "S3: writing documents", Kind.INDEXING, volume.series + volume.updates, "requests", prices.s3_put
    yield "S3: listing old documents", Kind.INDEXING, listings, "requests", prices.s3_put
    yield "S3: documents", Kind.KEEPING, stored, "GB-months", prices.s3_gb_month
    listed = compared.full * volume.kept_on_average
    yield "S3: listing documents", Kind.COMPARING, listed / _LISTED, "requests", prices.s3_put
    yield "DynamoDB: heads of documents", Kind.COMPARING, listed * _HEAD, "units", prices.read_unit
    yield "Alarms of documents", Kind.STANDING, _ALARMS_OF_DOCUMENTS * _MONTHS, "alarm-months", prices.alarm_month


def _exports(table_gb: float, prices: Prices, days: int) -> Iterator[tuple[str, Kind, float, str, float]]:
    """The parts of scheduled exports. Their files are compressed, and take less than the table."""
    exported, stored = table_gb * _DAYS / days, table_gb * EXPORT_INTERVALS * _MONTHS
    yield "DynamoDB: exports", Kind.KEEPING, exported, "GB", prices.export_gb
    yield "S3: exports, at most", Kind.KEEPING, stored, "GB-months", prices.s3_gb_month
    yield "Alarms of exports", Kind.STANDING, _ALARMS_OF_EXPORTS * _MONTHS, "alarm-months", prices.alarm_month


def rotations(prices: Prices) -> list[float]:
    """What the key's rotations add to the bill of the second year, and to that of each later one."""
    return [number * _MONTHS * prices.key_rotation_month for number in range(1, _CHARGED_ROTATIONS + 1)]


def _standing_of_events(wanted: Wanted, prices: Prices) -> Iterator[tuple[str, Kind, float, str, float]]:
    """What events cost even without changes."""
    number = len(alarms.of_events(EventNames(*("" for _ in fields(EventNames)))))
    sent = 2 if wanted.studies else 1  # Published, StudyStable
    key_requests = _KEY_USERS_OF_EVENTS * _SECONDS / 300
    yield "Alarms of events", Kind.STANDING, number * _MONTHS, "alarm-months", prices.alarm_month
    yield "Metrics of events", Kind.STANDING, sent * _MONTHS, "metric-months", prices.metric_month
    yield "SQS of events while idle", Kind.STANDING, _IDLE_POLLS, "requests", prices.sqs_request
    yield "Key requests of events, at most", Kind.STANDING, key_requests, "requests", prices.kms_request


def _traces(invocations: float) -> float:
    every = min(invocations, _TRACED_A_SECOND * _SECONDS)
    return every + _TRACED_BEYOND * (invocations - every)


def _memory_mb() -> int:
    """The function's memory in cdk.json."""
    settings = msgspec.json.decode(_SETTINGS.read_bytes())
    return int(settings["context"]["memorySize"])


def reading_anew(volume: Volume, measured: Sizes, prices: Prices, *, kept: bool = False) -> float:
    """The cost of reading and writing all image sets of the year's end once more, as for a new revision.

    What indexes hold in lists stays as it is. With `kept`, all documents are kept, and HealthImaging is not asked.

    Reading a document moves its image set from HealthImaging's archive tier back to frequent access for a month (AWS
    HealthImaging Developer Guide, "Cost optimization"). Here all are archived, and of HealthImaging's minimum size.
    """
    pages, page = _pages(volume, measured)
    writes = write_units(measured, pages, page).again
    tier = _SMALLEST_IMAGE_SET_GB * (prices.frequent_gb_month - prices.archive_gb_month)
    there = volume.existing + volume.series - volume.deletions
    reading = prices.s3_get if kept else tier + prices.healthimaging_call
    return there * (reading + writes * prices.write_unit)
