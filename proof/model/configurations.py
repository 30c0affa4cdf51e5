"""What is explored on every change, and at length."""

from __future__ import annotations

from typing import Final

from proof.model.protocol import Hint
from proof.model.world import CREATED, DELETED, MERGED, PURGED, UPDATED, UPDATING, Budget, Configuration, Harm

_TWO: Final = (CREATED, MERGED)
_TWO_GONE: Final = (CREATED, MERGED, DELETED)
_TWO_ASKED_GONE: Final = (CREATED, UPDATED, DELETED)
_FALSE: Final = (Hint("Deleted", 1),)
_LIE: Final = MERGED._replace(says=1)
_LAST_LIE: Final = DELETED._replace(says=1)
# A write that lands after its run was killed can leave a page, which is what the full reconcile pass is for.
_BUT_RESIDUE: Final = frozenset(Harm) - {Harm.RESIDUE}

# What is explored on every change, a move at a time and to the last state: 0.9 million.
CONFIGURATIONS: Final = [
    Configuration("a whole life", (CREATED, UPDATING, UPDATED, DELETED, PURGED), Budget(kills=1)),
    Configuration("two kills", _TWO, Budget(kills=2)),
    Configuration("three runs", _TWO_GONE, Budget(kills=1), runs=3),
    Configuration("three versions", (CREATED, MERGED, UPDATED, DELETED)),
    Configuration("a reader", (CREATED, MERGED, MERGED, DELETED), reading=True),
    Configuration("duplicates", _TWO_GONE, Budget(duplicates=2)),
    Configuration("lag and a false Deleted", (*_TWO_ASKED_GONE, PURGED), also=_FALSE, lag=True),
    Configuration("a version that lags", (CREATED, UPDATED, UPDATED), lag=True),
    Configuration("a version that never comes", (CREATED._replace(says=3), UPDATED), Budget(kills=1), lag=True),
    Configuration("parked", (CREATED,), Budget(kills=1, parks=1, passes=1), also=(Hint("Updated"),), lag=True),
    Configuration("a backfill", _TWO_GONE, Budget(backfills=1)),
    Configuration("lost events", (*_TWO_GONE, PURGED), Budget(kills=1, losses=3, passes=1)),
    Configuration("lies", (CREATED, _LIE, _LAST_LIE), Budget(kills=1, passes=1), also=(Hint("Created", 2),)),
    Configuration("repairs", (CREATED,), Budget(kills=1, damages=2, passes=1)),
    Configuration("repairs, deleted", (CREATED, DELETED), Budget(damages=2, passes=1)),
    Configuration("a new profile", _TWO, Budget(kills=1, passes=1), revisions=2),
    Configuration("two contents", _TWO, Budget(kills=1, duplicates=1), packings=2),
    Configuration("late writes", _TWO, Budget(late=1, duplicates=1), watch=_BUT_RESIDUE),
]

# What is explored besides on demand: 25 million, and as much of the last one as the limit allows.
PROVE: Final = [
    Configuration("three kills", _TWO_GONE, Budget(kills=3)),
    Configuration("two hints of a backfill", _TWO_GONE, Budget(backfills=2)),
    Configuration("three runs, a duplicate", _TWO_GONE, Budget(duplicates=1), runs=3),
    Configuration("three runs, three versions", (CREATED, MERGED, UPDATED, DELETED), runs=3),
    Configuration("three runs, three versions, a kill", (CREATED, MERGED, MERGED), Budget(kills=1), runs=3),
    Configuration("a reader, a kill", (CREATED, MERGED, MERGED, DELETED), Budget(kills=1), reading=True),
    Configuration("a reader, repairs", _TWO, Budget(kills=1, damages=1, passes=1), packings=2, reading=True),
    Configuration("lag, a false Deleted, three runs", _TWO_ASKED_GONE, also=_FALSE, lag=True, runs=3),
    Configuration("lag, a false Deleted, a kill", (*_TWO_ASKED_GONE, PURGED), Budget(kills=1), also=_FALSE, lag=True),
    Configuration("lag, a backfill", (*_TWO_ASKED_GONE, PURGED), Budget(kills=1, backfills=1), lag=True),
    Configuration("parked, deleted", _TWO_ASKED_GONE, Budget(kills=1, parks=1, passes=1), also=_FALSE, lag=True),
    Configuration(
        "lies of three versions",
        (CREATED, _LIE, UPDATED._replace(says=1), _LAST_LIE),
        Budget(kills=1, passes=1),
        also=(Hint("Created", 3),),
    ),
    Configuration("repairs, two contents", _TWO, Budget(kills=1, damages=2, passes=1), packings=2),
    Configuration("a new profile, a backfill", _TWO, Budget(kills=1, backfills=1, passes=1), revisions=2),
    Configuration("a new profile, three runs", _TWO, Budget(backfills=1, passes=1), revisions=2, runs=3),
    Configuration("two contents, three runs", (CREATED,), Budget(kills=1, duplicates=2), packings=2, runs=3),
    Configuration("two late writes", _TWO_GONE, Budget(late=2, duplicates=1), watch=_BUT_RESIDUE),
    Configuration(
        "everything at once",
        _TWO_ASKED_GONE,
        Budget(kills=1, losses=1, parks=1, passes=1),
        also=_FALSE,
        lag=True,
        revisions=2,
        packings=2,
    ),
]
