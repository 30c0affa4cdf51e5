"""How far reconciling has come: what a run that ends, or is killed, leaves to the next one."""

from datetime import datetime
from enum import StrEnum

import msgspec

from imaging_index.reconciling.counts import Counts
from imaging_index.reconciling.settings import Scope

# Raised when a checkpoint of another release could not be continued. Only the watermark is read of such a one: the
# schedule then begins no full pass until a person has made one, and `--status` names none.
FORMAT = 1


class Stage(StrEnum):
    """What a pass does. Only a full pass has the stages after the first."""

    # Lists image sets, newest first, and compares them with their entries.
    COMPARING = "comparing"
    # Reads the whole table, and takes its entries off the digest of what was listed.
    SCANNING = "scanning"
    # Lists the kept documents, where documents are kept, and deletes those that no entry can need again.
    DOCUMENTS = "looking at kept documents"
    # Lists what was changed meanwhile: it was absent because it had moved.
    LOOKING_AGAIN = "looking again"
    # Asks GetImageSet for what is still absent.
    ASKING = "asking"
    # Sends hints for what HealthImaging says is deleted.
    BURYING = "burying"


class Lane(msgspec.Struct):
    """Image sets to be listed: those with `low` < updatedAt <= `cursor`, newest first.

    `edge` are the image sets of updatedAt `cursor` that were seen already. `token` is HealthImaging's, while a page is
    all of one updatedAt, and `refused` is how often it refused one there. `high` is where the lane began.
    """

    low: datetime
    high: datetime
    cursor: datetime
    edge: list[str] = []
    token: str | None = None
    refused: int = 0


class Group(msgspec.Struct):
    """What a scan has seen of one image set: its entry, and how many pages are the entry's, and how many are not."""

    image_set_id: str
    generation: str | None = None
    attempt: str = ""
    expected: int = 0
    own: int = 0
    others: int = 0


class Segment(msgspec.Struct):
    """A part of the table to be scanned. `start` is the (`ImageSet`, `Part`) after which to go on."""

    number: int
    start: tuple[str, str] | None = None
    done: bool = False
    group: Group | None = None


class Pass(msgspec.Struct):
    """A pass that is not finished.

    Attributes:
        scope: what it compares.
        began: when it began, by HealthImaging's clock.
        low: image sets with a later updatedAt are compared.
        revision: the profile revision that entries are compared with.
        entry_format: the same of the entry format.
        scheduled: whether it was begun by the schedule.
        most_dollars: what it may add to the bill for storage; None for any sum.
        ghosts: whether it buries more ghosts than 100 and than 1 %.
        stage: what it does.
        lanes: what is to be listed.
        segments: what is to be scanned.
        after: in the stages ASKING and BURYING, the image set that was dealt with last; in DOCUMENTS, the object.
        unentered: how many image sets with a kept document and without an entry were taken for absent.
        unsure: image sets of which GetImageSet said 404 in this pass.
        counts: what it has found.
        dollars: what its hints add to the bill for storage.
        seconds: for how long it has worked.
    """

    scope: Scope
    began: datetime
    low: datetime
    revision: int
    entry_format: int
    scheduled: bool = False
    most_dollars: float | None = None
    ghosts: bool = False
    stage: Stage = Stage.COMPARING
    lanes: list[Lane] = []
    segments: list[Segment] = []
    after: str = ""
    unentered: int = 0
    unsure: list[str] = []
    counts: Counts = msgspec.field(default_factory=Counts)
    dollars: float = 0.0
    seconds: float = 0.0


class End(StrEnum):
    """How a pass ended."""

    WHOLE = "whole"
    # More differences than the digest decodes: ghosts were not looked for. The next pass has a larger digest.
    TOO_MANY_DIFFERENCES = "too many differences"


class Finished(msgspec.Struct):
    """A pass that has ended."""

    scope: Scope
    began: datetime
    ended: datetime
    end: End
    counts: Counts
    dollars: float
    seconds: float


class Day(msgspec.Struct):
    """What scheduled passes have added to the bill for storage on a day (YYYY-MM-DD, UTC)."""

    date: str = ""
    dollars: float = 0.0


class Checkpoint(msgspec.Struct):
    """All that a run leaves to the next.

    Attributes:
        watermark: the begin of the last pass that covered everything before it.
        short: the incremental pass under way, or the one since a given time.
        full: the full pass under way. Incremental ones go on beside it.
        cells: the size of the next full pass's digest, if more than the usual one.
        unsure: image sets of which the last full pass heard 404.
        last: the last pass of each scope.
        today: what scheduled passes have spent.
    """

    watermark: datetime | None = None
    short: Pass | None = None
    full: Pass | None = None
    cells: int = 0
    unsure: list[str] = []
    last: dict[Scope, Finished] = {}
    today: Day = msgspec.field(default_factory=Day)
