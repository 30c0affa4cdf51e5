"""What a pass is to do, and how fast."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from imaging_index.reconciling.digest import CELLS

# How the name of a run of the schedule begins, for others who find its lease.
SCHEDULE = "the schedule"

# AWS HealthImaging bills each image set as at least this much (AWS HealthImaging pricing).
LEAST_BYTES = 5 * 2**20


class Scope(StrEnum):
    """What a pass compares."""

    # What was changed since the pass before. Finds everything but lost deletions.
    INCREMENTAL = "incremental"
    # What was changed since a given time.
    SINCE = "since"
    # All image sets, and the whole table: ghosts, leftover and damaged pages as well.
    FULL = "full"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Reconciler` does.

    Attributes:
        datastore_id: the data store.
        revision: the profile revision that is deployed.
        entry_format: the entry format that is deployed.
        scope: the pass that is wanted.
        since: where a pass of scope SINCE begins.
        apply: whether hints are sent and entries corrected. Without it, nothing is written, not even a checkpoint.
        scheduled: whether nobody watches: `most_dollars` is then for a day, else for the pass.
        most_dollars: what hints may add to the bill for storage; None for any sum. The checkpoint keeps it, so that
            whoever goes on with a pass keeps to what its beginner allowed.
        ghosts: whether more ghosts than 100 and than 1 % of the image sets are buried.
        mean_bytes: of an image set, for `dollars`. HealthImaging reports no sizes.
        full_every: after how long a scheduled run begins a full pass as well; None for never.
        overlap: how far before the begin of the last pass an incremental one begins. More than SearchImageSets lags.
        grace: what was changed so shortly ago is left to its event. The next pass sees it again: less than `overlap`.
        lanes: how many lists are read at the same time.
        searches_a_second: SearchImageSets, of 25 that the account has.
        asks_a_second: GetImageSet, of 25, of which the index function needs some.
        scans_a_second: pages of the table's Scan, 1 MB each.
        save_every: the time between checkpoints.
        cells: the size of a digest: 3 for every 2 differences that it is to decode.
    """

    datastore_id: str
    revision: int
    entry_format: int
    scope: Scope = Scope.INCREMENTAL
    since: datetime | None = None
    apply: bool = False
    scheduled: bool = False
    most_dollars: float | None = None
    ghosts: bool = False
    mean_bytes: int = LEAST_BYTES
    full_every: timedelta | None = None
    overlap: timedelta = timedelta(hours=1)
    grace: timedelta = timedelta(0)
    lanes: int = 4
    searches_a_second: float = 20.0
    asks_a_second: float = 5.0
    scans_a_second: float = 20.0
    save_every: timedelta = timedelta(seconds=30)
    cells: int = CELLS

    def __post_init__(self) -> None:
        """Check what must be so for nothing to be missed.

        Raises:
            ValueError: it is not.
        """
        if self.grace >= self.overlap:
            raise ValueError("The grace must be less than the overlap: what it leaves out, the next pass must see.")
        if (self.since is None) != (self.scope is not Scope.SINCE):
            raise ValueError("A pass of scope 'since' needs a time to begin at, and no other takes one.")
