"""What reading an image set's document adds to HealthImaging's bill for storage.

GetImageSetMetadata keeps an image set in the frequent tier for 30 days from then on, and moves an archived one there
(AWS HealthImaging Developer Guide, "Data stores": storage tiers). SearchImageSets and GetImageSet do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.reconciling.counts import Tier
from imaging_index.reconciling.settings import LEAST_BYTES

if TYPE_CHECKING:
    from datetime import datetime

# aws.amazon.com/healthimaging/pricing, us-east-1: dollars a GB and month.
FREQUENT_GB_MONTH: Final = 0.105
ARCHIVE_GB_MONTH: Final = 0.006

_GB: Final = 2**30
_DAYS: Final = 30.0
_DAY: Final = 86_400.0


def tier(name: str | None) -> Tier:
    """The tier that HealthImaging names; one that we do not know is UNKNOWN."""
    try:
        return Tier(name or "")
    except ValueError:
        return Tier.UNKNOWN


def dollars(tier: Tier, last_accessed: datetime | None, now: datetime, mean_bytes: int) -> float:
    """What one reading adds, in US dollars: the difference of the tiers' prices for as long as it is put off.

    That is 30 days for an archived image set, and otherwise the whole days since the last access, 30 at most; 30 where
    HealthImaging reports none. A new image set costs nothing.
    """
    days = _DAYS
    if tier is not Tier.ARCHIVE and last_accessed is not None:
        days = min(max((now - last_accessed).total_seconds() // _DAY, 0.0), _DAYS)
    size = max(mean_bytes, LEAST_BYTES) / _GB
    return size * (FREQUENT_GB_MONTH - ARCHIVE_GB_MONTH) * days / _DAYS
