"""What happens outside of the protocol: changes in HealthImaging, what must never be, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from proof.model.protocol import Hint, Kind, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Change(NamedTuple):
    """What happens to an image set: its state then, how many versions it gains, and the event that is sent.

    `says` is the version that the event tells, where it is not the true one. A kind of None sends no event.
    """

    name: str
    state: Literal["ACTIVE", "LOCKED", "DELETED", "GONE"]
    versions: int
    kind: Kind | None
    says: int | None = None


CREATED: Final = Change("is created", "ACTIVE", 1, "Created")
# An import adds instances to it.
MERGED: Final = Change("gains instances", "ACTIVE", 1, "Created")
UPDATING: Final = Change("is locked for an update", "LOCKED", 0, None)
UPDATED: Final = Change("is updated", "ACTIVE", 1, "Updated")
DELETED: Final = Change("is deleted", "DELETED", 0, "Deleted")
# HealthImaging remembers a deleted image set for a while, then it answers 404.
PURGED: Final = Change("is forgotten", "GONE", 0, None)


class Harm(StrEnum):
    """What must never be seen."""

    TORN = "a reader got a torn answer"
    BROKEN = "the entry's pages are not all there, or not its own"
    REGRESSION = "the index goes back to something older"
    RESURRECTION = "what was deleted is visible again"
    HIDDEN = "a live image set is hidden"
    RESIDUE = "at rest, there are pages that are not the entry's"
    DIVERGED = "at rest, the index is not what HealthImaging holds"


class Budget(NamedTuple):
    """How often each may still happen."""

    kills: int = 0
    late: int = 0  # a run is killed, and what it wrote last has not reached the table yet
    losses: int = 0  # an event is not sent
    duplicates: int = 0  # a message is there twice
    parks: int = 0  # a message was not ready for so long that it is given up
    damages: int = 0  # a page goes bad, and a reader sends a repair hint
    backfills: int = 0  # reconcile sends a hint, whatever the table holds
    passes: int = 0  # at rest, reconcile sends a hint for what differs


NO_FAULTS: Final = Budget()


@dataclass(frozen=True)
class Configuration:
    """What may happen in one exploration.

    Attributes:
        life: what happens to the image set, in this order.
        budget: the faults.
        also: messages that are sent besides, as soon as the image set is there: false ones, repairs, a backfill's.
        lag: until time has passed any read of HealthImaging may answer 404, GetImageSet an older version, and a deleted
            image set may look alive; only then does a hint count as old. Without lag it does from the beginning.
        revisions: of the profile. While the second is being deployed runs of both codes begin.
        packings: how many contents one generation's pages can have.
        pages: how many pages the versions 1, 2 and 3 have.
        runs: how many go on at a time.
        reading: whether a reader reads all the time.
        items: what the table holds at first.
        watch: the harms that are looked for.
    """

    name: str
    life: tuple[Change, ...]
    budget: Budget = NO_FAULTS
    also: tuple[Hint, ...] = ()
    lag: bool = False
    revisions: Literal[1, 2] = 1
    packings: int = 1
    pages: tuple[int, int, int] = (2, 1, 2)
    runs: int = 2
    reading: bool = False
    items: Mapping[Any, Any] | None = None
    protocol: type[Protocol] = Protocol
    watch: frozenset[Harm] = frozenset(Harm)
