"""The service's throttles: one token bucket for each action of an account."""

import time
from collections.abc import Callable
from typing import Final

from local.healthimaging.errors import Throttled

# Calls a second and burst (developer guide, "Throttling limits"); an action that is not listed is not throttled.
LIMITS: Final[dict[str, tuple[float, int]]] = {
    "GetImageSetMetadata": (50, 100),
    "GetImageFrame": (1000, 2000),
    "GetDICOMSeriesMetadata": (50, 100),
    "GetDICOMInstance": (50, 100),
    "GetDICOMInstanceMetadata": (50, 100),
    "GetDICOMInstanceFrames": (50, 100),
    "GetImageSet": (25, 50),
    "ListImageSetVersions": (25, 50),
    "SearchImageSets": (25, 50),
    "GetDICOMImportJob": (25, 50),
    "ListDICOMImportJobs": (10, 20),
    "GetDatastore": (10, 20),
    "TagResource": (10, 20),
    "UntagResource": (10, 20),
    "ListTagsForResource": (10, 20),
    "ListDatastores": (5, 10),
    "StartDICOMImportJob": (1, 2),
    "UpdateImageSetMetadata": (0.25, 1),
    "CopyImageSet": (0.25, 1),
    "DeleteImageSet": (0.25, 1),
    "CreateDatastore": (0.085, 1),
    "DeleteDatastore": (0.085, 1),
}


class Throttle:
    """Takes one token for each call. `clock` returns seconds that never decrease."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, account: str, action: str) -> None:
        """Let one call pass.

        Raises:
            Throttled: the account's bucket for this action is empty.
        """
        if action not in LIMITS:
            return
        rate, burst = LIMITS[action]
        now = self._clock()
        tokens, since = self._buckets.get((account, action), (float(burst), now))
        tokens = min(burst, tokens + (now - since) * rate)
        if tokens < 1:
            self._buckets[account, action] = tokens, now
            raise Throttled(f"Rate exceeded for {action}: repeat the call later, more slowly.")
        self._buckets[account, action] = tokens - 1, now
