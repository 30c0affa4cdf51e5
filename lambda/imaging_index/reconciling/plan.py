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
        kept: documents that are read from where they are kept instead.
        asked: calls of GetImageSet.
        hints: messages.
        corrected: entries that are corrected in place.
        swept: image sets whose leftover pages are deleted, without a hint.
        hours: at the rate at which hints are sent, if the functions keep up.
        bytes: that move to the frequent tier, or stay there for longer, at the mean size.
        dollars: what they add to HealthImaging's bill for storage.
    """

    documents: int
    kept: int
    asked: int
    hints: int
    corrected: int
    swept: int
    hours: float
    bytes: int
    dollars: float


def plan(counts: Counts, *, mean_bytes: int, hints_a_second: float, kept_a_second: float) -> Plan:
    """What mending everything in `counts` takes."""
    documents = counts.documents
    # The function asks for a ghost and for a damaged entry: their hints bear no version.
    asked = counts.of(Difference.GHOST) + counts.of(Difference.DAMAGED)
    of_quota = documents + counts.of(Difference.GHOST)
    return Plan(
        documents=documents,
        kept=counts.kept,
        asked=asked,
        hints=of_quota + counts.kept,
        corrected=counts.of(Difference.PRIMARY),
        swept=counts.of(Difference.LEFTOVER),
        hours=(of_quota / hints_a_second + counts.kept / kept_a_second) / _HOUR,
        bytes=documents * mean_bytes,
        dollars=counts.dollars,
    )
