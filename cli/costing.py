"""`imaging-index cost`: a year's bill, part by part. docs/cost.md says why each formula is as it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path  # noqa: TC003  Typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cli import profiles, sizes
from cli.output import Failure, Misuse, counted, print_json, screen
from imaging_index.profile import ProfileError
from infra.config import ROOT
from infra.prices import AS_OF, REGION, Prices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.sizes import Sizes
    from imaging_index.profile import Profile

_GB: Final = 2**30
_MONTHS: Final = 12
_SECONDS: Final = 365 * 24 * 60 * 60

_SETTINGS: Final = ROOT / "cdk.json"

# As infra/monitoring.py has them.
_ALARMS: Final = 15
_ALARMS_A_TABLE_OR_INDEX: Final = 2
# Metrics of our own that come hour by hour while all is well, some of them only with updates and deletions.
_METRICS: Final = 10

# Amazon DynamoDB Developer Guide, "Storage costs": each item, and each of its copies in an index, weighs this more.
_ITEM_OVERHEAD: Final = 100
# AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": five pollers wait for up to 20 seconds each.
_IDLE_POLLS: Final = 5 * _SECONDS / 20
# A hint is sent, received and deleted; that calls are shared by up to ten hints is left out.
_SQS_REQUESTS: Final = 3
# Amazon SQS Developer Guide, "Key management": a data key serves five minutes; so it does in DynamoDB's and the logs'
# encryption. EventBridge and Lambda at the queue, Lambda at the table, the logs, and room for one more.
_KEY_REQUESTS: Final = 5 * _SECONDS / 300
# A line of metrics, and Lambda's lines of an invocation's start and end.
_LOG_BYTES: Final = 1500
# AWS X-Ray Developer Guide, "Sampling rules": one request a second, and of the others one in twenty.
_TRACED_A_SECOND: Final = 1
_TRACED_BEYOND: Final = 0.05

# Events by which HealthImaging tells of a new image set, an update or a deletion: the latter come with an ...ing event.
_EVENTS: Final = (1, 2, 2)
# HealthImaging's minimum: an image set is charged as if it had as much (pricing page).
_SMALLEST_IMAGE_SET_GB: Final = 5 / 1024


class Kind(StrEnum):
    """What makes a part of the bill grow."""

    INDEXING = "indexing"
    KEEPING = "keeping"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class Volume:
    """A year: what comes new, and what was there before it. Each series is an image set."""

    studies: int
    series: int
    instances: int
    updates: int = 0
    deletions: int = 0
    existing: int = 0


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
    """What the volume uses in a year: DynamoDB's units, and what is in the table, its indexes and its backup."""

    write_units: float
    read_units: float
    hints: int
    healthimaging_calls: int
    stored_bytes: float
    backed_up_bytes: float


@dataclass(frozen=True, slots=True)
class WriteUnits:
    """Of one image set: indexed for the first time, changed, and deleted."""

    new: float
    changed: float
    deleted: float


def write_units(measured: Sizes, pages: int, page: float) -> WriteUnits:
    """The write units of image sets as `measured`, with so many pages of `page` bytes each."""
    in_pages = pages * sizes.units(page)
    new = measured.entry_units + measured.index_units + in_pages
    # A change writes all of it anew, and deletes the old pages. A deletion puts a tombstone in the entry's place, which
    # takes it out of each index, and deletes the pages: DynamoDB charges for what was there.
    return WriteUnits(new=new, changed=new + in_pages, deleted=new)


def use(volume: Volume, measured: Sizes) -> Use:
    """What a year of `volume` uses when image sets are as `measured`."""
    mean = volume.instances / volume.series
    pages = math.ceil(mean / sizes.INSTANCES_A_PAGE)
    page = measured.page(mean / pages)
    each = write_units(measured, pages, page)
    # The entry's head before, and the sweep's look at the pages after. Both weigh whole items.
    reads = (volume.series + volume.updates + volume.deletions) * (1 + sizes.units(pages * page, sizes.READ_UNIT))
    hints = sum(
        count * events for count, events in zip((volume.series, volume.updates, volume.deletions), _EVENTS, strict=True)
    )
    # What comes and goes through the year is there for half of it.
    kept = volume.existing + (volume.series - volume.deletions) / 2
    in_table = measured.entry_bytes + _ITEM_OVERHEAD + pages * (page + _ITEM_OVERHEAD)
    in_indexes = measured.index_bytes + measured.index_copies * _ITEM_OVERHEAD
    return Use(
        write_units=volume.series * each.new + volume.updates * each.changed + volume.deletions * each.deleted,
        read_units=reads,
        hints=hints,
        # A new image set's event tells its version; of others the state is asked first, and a deleted one has no more.
        healthimaging_calls=volume.series + 2 * volume.updates + volume.deletions,
        stored_bytes=kept * (in_table + in_indexes),
        backed_up_bytes=kept * in_table,
    )


def bill(volume: Volume, measured: Sizes, profile: Profile, seconds: float, prices: Prices) -> list[Part]:
    """The parts of a year's bill; `seconds` is how long the function takes for a hint."""
    used = use(volume, measured)
    gb_seconds = used.hints * seconds * _memory_mb() / 1024
    every = min(used.hints, _TRACED_A_SECOND * _SECONDS)
    traces = every + _TRACED_BEYOND * (used.hints - every)
    alarms = _ALARMS + _ALARMS_A_TABLE_OR_INDEX * (1 + len(profile.indexes))

    def parts() -> Iterator[tuple[str, Kind, float, str, float]]:
        indexing, keeping, standing = Kind
        yield "DynamoDB writes", indexing, used.write_units, "units", prices.write_unit
        yield "DynamoDB reads", indexing, used.read_units, "units", prices.read_unit
        yield "HealthImaging calls", indexing, used.healthimaging_calls, "calls", prices.healthimaging_call
        yield "Lambda requests", indexing, used.hints, "requests", prices.invocation
        yield "Lambda time", indexing, gb_seconds, "GB-s", prices.gb_second
        yield "SQS", indexing, used.hints * _SQS_REQUESTS, "requests", prices.sqs_request
        yield "EventBridge: AWS's events", indexing, used.hints, "events", prices.aws_event
        yield "Logs", indexing, used.hints * _LOG_BYTES / _GB, "GB", prices.log_gb
        yield "X-Ray", indexing, traces, "traces", prices.trace
        yield "DynamoDB storage", keeping, used.stored_bytes / _GB * _MONTHS, "GB-months", prices.table_gb_month
        yield "DynamoDB backup", keeping, used.backed_up_bytes / _GB * _MONTHS, "GB-months", prices.backup_gb_month
        yield "Key", standing, _MONTHS, "key-months", prices.key_month
        yield "Key requests, at most", standing, _KEY_REQUESTS, "requests", prices.kms_request
        yield "SQS while idle", standing, _IDLE_POLLS, "requests", prices.sqs_request
        yield "Metrics", standing, _METRICS * _MONTHS, "metric-months", prices.metric_month
        yield "Alarms", standing, alarms * _MONTHS, "alarm-months", prices.alarm_month
        yield "Composite alarm", standing, _MONTHS, "alarm-months", prices.composite_alarm_month
        yield "Dashboard", standing, _MONTHS, "months", prices.dashboard_month
        if profile.hashes:
            yield "Secret of the tokens", standing, _MONTHS, "secret-months", prices.secret_month

    return [Part(name, kind, quantity, unit, quantity * price) for name, kind, quantity, unit, price in parts()]


def _memory_mb() -> int:
    """The function's memory, as the deployment's settings have it."""
    settings = msgspec.json.decode(_SETTINGS.read_bytes())
    return int(settings["context"]["memorySize"])


def reading_anew(volume: Volume, measured: Sizes, prices: Prices) -> float:
    """What it costs, once, to read and write all image sets of the year's end anew, as a raised revision does.

    Reading a document moves its image set from HealthImaging's archive tier back to frequent access for a month (AWS
    HealthImaging Developer Guide, "Cost optimization"): here all of them, at HealthImaging's least size.
    """
    one = Volume(studies=1, series=1, instances=math.ceil(volume.instances / volume.series))
    writes = use(replace(one, updates=1), measured).write_units - use(one, measured).write_units
    tier = _SMALLEST_IMAGE_SET_GB * (prices.frequent_gb_month - prices.archive_gb_month)
    there = volume.existing + volume.series - volume.deletions
    return there * (tier + prices.healthimaging_call + writes * prices.write_unit)


def cost(
    studies: Annotated[int, typer.Option(min=1, help="New studies a year.")],
    series: Annotated[int, typer.Option(min=1, help="New series a year: each becomes an image set.")],
    instances: Annotated[int, typer.Option(min=1, help="New instances a year; a multi-frame one counts its frames.")],
    updates: Annotated[int, typer.Option(min=0, help="Changes of image sets a year, merged imports among them.")] = 0,
    deletions: Annotated[int, typer.Option(min=0, help="Deletions of image sets a year.")] = 0,
    existing: Annotated[int, typer.Option(min=0, help="Image sets that are indexed already.")] = 0,
    profile: Annotated[str, typer.Option(help="A profile's name, or a path to its .toml file.")] = profiles.DEFAULT,
    sample: Annotated[
        Path | None, typer.Option(help="A folder of your DICOM files, to take the sizes of entries from.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="The function's mean duration for a hint.")] = 0.25,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a year costs, part by part, at AWS's list prices. Searches are not in it: they are yours."""
    if not studies <= series <= instances:
        raise Misuse("There are at least as many series as studies, and instances as series. Check the numbers.")
    if deletions > existing + series:
        raise Misuse(
            f"{deletions:,} image sets cannot be deleted where {existing:,} are there and {series:,} come. Give "
            "--existing the number of those that are indexed already."
        )
    try:
        selected = profiles.load(profile)
    except ProfileError as error:
        raise Failure(str(error)) from None
    if sample is not None and not sample.expanduser().is_dir():
        raise Failure(f"There is no folder {sample}. Name one that holds DICOM files.")
    measured = sizes.measure(selected, sample and sample.expanduser())
    volume = Volume(studies, series, instances, updates, deletions, existing)
    prices = Prices()
    parts = bill(volume, measured, selected, seconds, prices)
    total = math.fsum(part.dollars for part in parts)
    anew = reading_anew(volume, measured, prices)
    if json:
        print_json(
            {
                "region": REGION,
                "prices_of": AS_OF,
                "volume": asdict(volume),
                "sizes": asdict(measured),
                "use": asdict(use(volume, measured)),
                "parts": [asdict(part) for part in parts],
                "by_kind": {kind.value: _dollars(parts, kind) for kind in Kind},
                "total": total,
                "reading_anew": anew,
            }
        )
        return
    screen.print(_table(parts, total))
    screen.print(
        f"US dollars a year, list prices of {REGION} in {AS_OF}, no free tier taken off. Of these "
        f"{_dollars(parts, Kind.STANDING):,.2f} stand without any image set. To index the year's {series:,} costs "
        f"{_dollars(parts, Kind.INDEXING):,.2f}, {_dollars(parts, Kind.INDEXING) / series * 1e6:,.2f} a million; the "
        f"sizes are of {counted(measured.image_sets, 'image set')}{'' if sample else ' that pydicom ships'}."
    )
    mean = instances / series
    pages_of_all = measured.page(min(mean, sizes.INSTANCES_A_PAGE)) * max(mean / sizes.INSTANCES_A_PAGE, 1) / 1e3
    geometry = measured.geometry_bytes * mean / 1e3
    screen.print(
        f"The pages of a million image sets take {pages_of_all:,.1f} GB, of which {geometry:,.1f} say where each "
        "instance lies ([instances] geometry = false leaves that out).",
        markup=False,
    )
    screen.print(
        f"Not in it: a raised profile revision, which has all documents read anew, {anew:,.2f} each time if "
        "HealthImaging has archived them all; and searches."
    )


def _dollars(parts: list[Part], kind: Kind) -> float:
    return math.fsum(part.dollars for part in parts if part.kind is kind)


def _table(parts: list[Part], total: float) -> Table:
    table = Table(
        "For", Column("Part"), Column("Quantity", justify="right"), "", Column("$ a year", justify="right"),
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True,
    )  # fmt: skip
    last = None
    for part in parts:
        if part.kind is not last:
            table.add_row(f"[b]{part.kind}[/b]", "", "", "", f"[b]{_dollars(parts, part.kind):,.2f}[/b]")
            last = part.kind
        table.add_row("", part.name, f"{part.quantity:,.0f}", part.unit, f"{part.dollars:,.2f}")
    table.columns[-1].footer = f"[b]{total:,.2f}[/b]"
    return table
