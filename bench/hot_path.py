"""Where the whole job spends its time: `python -m bench.hot_path [DOCUMENT]`.

The profiler makes each call of a Python function dearer than it is, and so those that are called most; what is done
in C it sees as one call.
"""

import cProfile
import os
import pstats
import sys
from pathlib import Path
from typing import Final

from bench import job, stub
from bench.documents import packed

_SELECTED: Final = Path(__file__).parents[1] / "profiles" / "radiology.toml"
_LINES: Final = 30


def main() -> None:
    """Print the functions that take most, by their own time."""
    document = sys.argv[1] if len(sys.argv) > 1 else "ct_10000"
    with stub.running(0, _SELECTED, [packed("mr_1"), packed(document)]) as running:
        os.environ.update(running.variables(_SELECTED))
        ours = job.ours()
        ours(1)
        with cProfile.Profile() as profiler:
            ours(2)
    pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(_LINES)


if __name__ == "__main__":
    main()
