"""What mending the differences takes: calls, hours, write units, bytes and dollars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.reconciling.counts import Difference

if TYPE_CHECKING:
    from imaging_index.reconciling.counts import Counts

_HOUR: Final = 3600.0


class Plan(msgspec.Struct, frozen=True):
    """What mending takes. Prices of calls and units are not known here.

    Attributes:
        documents: calls of GetImageSetMetadata.
        asked: calls of GetImageSet.
        hints: messages.
        corrected: entries that are corrected in place.
        hours: at the rate at which hints are sent, if the functions keep up.
        bytes: that move to the frequent tier, or stay there for longer, at the mean size.
        dollars: what they add to HealthImaging's bill for storage.
    """

    documents: int
    asked: int
    hints: int
    corrected: int
    hours: float
    bytes: int
    dollars: float


def plan(counts: Counts, *, mean_bytes: int, hints_a_second: float) -> Plan:
    """What mending everything in `counts` takes."""
    documents = counts.documents
    # A ghost and a damaged entry are asked for before the document; leftover pages are swept without a call.
    asked = counts.of(Difference.GHOST) + counts.of(Difference.DAMAGED)
    hints = documents + counts.of(Difference.GHOST) + counts.of(Difference.LEFTOVER)
    return Plan(
        documents=documents,
        asked=asked,
        hints=hints,
        corrected=counts.of(Difference.PRIMARY),
        hours=hints / hints_a_second / _HOUR,
        bytes=documents * mean_bytes,
        dollars=counts.dollars,
    )
