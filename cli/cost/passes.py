"""What a year of comparing the index with HealthImaging uses, by the schedule alone. docs/cost.md has the formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from imaging_index.reconciling.settings import Settings
from infra.config import ROOT
from local.capacity import READ_UNIT

_SETTINGS: Final = ROOT / "cdk.json"
_MINUTES: Final = 365 * 24 * 60
_DAYS: Final = 365

# A pass asks for the time, and then for at least one page.
_LEAST_SEARCHES: Final = 2
# AWS HealthImaging API Reference, "SearchImageSets": what a page has at most.
_A_SEARCH: Final = 50
# An eventually consistent read of up to 4 kB.
_HEAD: Final = 0.5
# The lease and the checkpoint of a pass without a difference, each a small item.
_LEAST_WRITES: Final = 5
# While a full pass runs, its digest is kept: 144 KiB, and the one before is deleted, which takes as much.
_DIGEST_UNITS: Final = 2 * 144
# An invocation that finds nothing: a cold start, and some calls.
_LEAST_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Passes:
    """A year's use; `full` is how many of the passes compare everything."""

    invocations: float
    searches: float
    read_units: float
    write_units: float
    seconds: float
    full: float


def passes(*, changes: float, there: float, table_bytes: float) -> Passes:
    """What a year of passes uses, without hints: events are seldom lost.

    Args:
        changes: image sets that are new or changed in the year.
        there: image sets on average.
        table_bytes: the size of the table, without its indexes.
    """
    context = msgspec.json.decode(_SETTINGS.read_bytes())["context"]
    minutes, days = context["reconcileMinutes"], context["reconcileFullDays"]
    usual = Settings(datastore_id="", revision=1, entry_format=1)
    short = _MINUTES / minutes if minutes else 0.0
    # What changes is seen by every pass whose window it is in.
    seen = changes * (1 + usual.overlap.total_seconds() / 60 / minutes) if minutes else 0.0
    full = _DAYS / days if minutes and days else 0.0
    full_seconds = there / _A_SEARCH / usual.searches_a_second
    return Passes(
        invocations=short,
        searches=short * _LEAST_SEARCHES + (seen + full * there) / _A_SEARCH,
        # A full pass scans the table as well.
        read_units=(seen + full * there) * _HEAD + full * table_bytes / READ_UNIT * _HEAD,
        write_units=short * _LEAST_WRITES + full * full_seconds / usual.save_every.total_seconds() * _DIGEST_UNITS,
        seconds=short * _LEAST_SECONDS + full * full_seconds,
        full=full,
    )
