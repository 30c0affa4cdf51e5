"""Events through the function's handler, one batch after the other: `python -m bench.events COUNT`.

The environment says where HealthImaging and DynamoDB are (`bench.stub`); every event is about version 1.
"""

import sys
import time
from typing import Final

from bench.fresh import tell
from bench.job import handler, totals

_BATCH: Final = 10


def main() -> None:
    """Tell the events a second, and of each the CPU time in seconds, the calls and the write units."""
    batches = int(sys.argv[1]) // _BATCH
    handle = handler()
    handle([1])
    totals()
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        handle([1] * _BATCH)
    count = batches * _BATCH
    taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
    tell(a_second=count / taken, cpu=cpu / count, **{name: total / count for name, total in totals().items()})


if __name__ == "__main__":
    main()
