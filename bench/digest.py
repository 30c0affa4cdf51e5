"""What the digest of a full reconcile pass costs an image set, and whether that is within its bounds.

`python -m bench.digest`: a million image sets are added and taken off, 3,000 of them on one side only.
"""

import random
import sys
import time
from typing import Final

from imaging_index.reconciling.digest import Digest

_IMAGE_SETS: Final = 1_000_000
_DIFFERENCES: Final = 3_000
_MOST_MICROSECONDS: Final = 5.0
_MOST_BYTES: Final = 150_000


def main() -> int:
    """Print the microseconds of CPU an image set and the bytes. Exit status 1 when a bound is broken."""
    chance = random.Random(0)
    ids = [f"{chance.getrandbits(128):032x}" for _ in range(_IMAGE_SETS)]
    digest = Digest()
    begun = time.process_time()
    digest.add(ids)
    digest.take_off(ids[_DIFFERENCES:])
    microseconds = (time.process_time() - begun) / (2 * len(ids) - _DIFFERENCES) * 1e6
    size = len(digest.packed())
    begun = time.process_time()
    exact = digest.taken_off() == []
    milliseconds = (time.process_time() - begun) * 1e3
    print(f"{microseconds:.2f} us an image set, {size:,} bytes, decoded in {milliseconds:.0f} ms")  # noqa: T201
    return 0 if exact and microseconds <= _MOST_MICROSECONDS and size <= _MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
