"""Events through the function's handler, one batch after the other: `python -m bench.events COUNT`.

In turns with them, the calls of an event by botocore alone. The environment says where HealthImaging and DynamoDB are
(`bench.stub`); every event is about version 1.
"""

import sys
import time
from collections import Counter
from typing import Final

from bench import bare
from bench.fresh import tell
from bench.job import handler, totals

_BATCH: Final = 10


def main() -> None:
    """Tell the events a second, and of each the CPU time in seconds, the calls and the write units.

    And `bare`: the CPU time of its calls alone, made by botocore with its own settings.
    """
    batches = int(sys.argv[1]) // _BATCH
    handle = handler()
    with bare.recorded() as calls:
        handle([1])
    make_calls = bare.replay(calls)
    make_calls()
    taken = cpu = alone = 0.0
    told: Counter[str] = Counter()
    for _ in range(batches):
        totals()
        begun, used = time.perf_counter(), time.process_time()
        handle([1] * _BATCH)
        taken, cpu = taken + time.perf_counter() - begun, cpu + time.process_time() - used
        told.update(told_now := totals())
        used = time.process_time()
        for _ in range(_BATCH):
            make_calls()
        alone += time.process_time() - used
        if totals() != told_now:
            raise RuntimeError("the calls by botocore alone were not those of the events")
    count = batches * _BATCH
    each = {name: total / count for name, total in told.items()}
    tell(a_second=count / taken, cpu=cpu / count, bare=alone / count, **each)


if __name__ == "__main__":
    main()
