"""What the geometry of volumes costs on one document: `python -m bench.geometry DOCUMENT`.

The same document is read in turns under the radiology profile, and under one that selects what is derived from the
positions of slices as well. `reader` is the ratio of the reader's CPU, `entry` that of all that makes an entry.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.fresh import tell
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.profile import toml_file
from imaging_index.profile.derived import VOLUME

_SELECTED: Final = Path(__file__).parents[1] / "profiles" / "radiology.toml"
_PIECE: Final = 256 * 2**10
_TURNS: Final = 7


def main() -> None:
    """Tell both ratios, each of the least CPU time of all turns."""
    body = Path(sys.argv[1]).read_bytes()
    pieces = [body[start : start + _PIECE] for start in range(0, len(body), _PIECE)]
    without, with_it = map(Reader, (toml_file.load(_SELECTED), toml_file.parse(_with_volumes())))
    tell(
        reader=_ratio(lambda reader: reader.read(pieces, lambda _: None), with_it, without),
        entry=_ratio(lambda reader: entry.build(reader, pieces), with_it, without),
    )


def _with_volumes() -> str:
    names = ", ".join(f'"{each.name}"' for each in VOLUME)
    return _SELECTED.read_text("utf-8").replace("attributes = [", f"attributes = [{names},", 1)


def _ratio(act: Callable[[Reader], object], one: Reader, other: Reader) -> float:
    least = {one: float("inf"), other: float("inf")}
    for _ in range(_TURNS):
        for reader in least:
            begun = time.process_time()
            act(reader)
            least[reader] = min(least[reader], time.process_time() - begun)
    return least[one] / least[other]


if __name__ == "__main__":
    main()
