"""One way of reading one document, measured in this process: `python -m bench.reading METHOD DOCUMENT PROFILE FIRST`.

A method goes from the gzip bytes in a file to the values of every instance; none of them types a value. Other readers
give every value of the document, ours those that the profile selects. `FIRST` is a small document that is read before
the measurement begins, so that nothing is measured that happens once in a process.
"""

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import ijson
import msgspec
import orjson
from isal import igzip, isal_zlib

from bench.fresh import peak, tell
from imaging_index.document.document import Run
from imaging_index.document.reader import Reader
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile

# A document -> how many instances were read, and what has to be kept of them until all are there.
Method = Callable[[Path], tuple[int, object]]

_GZIP: Final = 31  # zlib's wbits for a gzip header and trailer
# As the index asks HealthImaging for it.
_PIECE: Final = 256 * 2**10
# Of larger ones the allocator asks the system for each anew, and gunzip then takes up to twice as long.
_SMALL_PIECE: Final = 64 * 2**10
# What takes less than this, in seconds of CPU, is done again and again until it has passed.
_LEAST: Final = 0.2


def main() -> None:
    """Tell the CPU time of one reading in seconds, the peak's growth in bytes, and the number of instances."""
    name, document, selected, first = sys.argv[1], *map(Path, sys.argv[2:])
    method = METHODS[name](toml_file.load(selected))
    method(first)
    if method is _passing:
        _plain_text(document)  # to unpack it is no part of it
    before, cpu, times = peak(), 0.0, 0
    while cpu < _LEAST:
        begun = time.process_time()
        instances, kept = method(document)
        cpu += time.process_time() - begun
        times += 1
        del kept  # to free it takes others long, and is not counted
    tell(cpu=cpu / times, growth=peak() - before, instances=instances)


def _pieces(document: Path, size: int = _PIECE) -> Iterator[bytes]:
    with document.open("rb") as file:
        while piece := file.read(size):
            yield piece


def _ours(selected: Profile) -> Method:
    reader = Reader(selected)

    def read(document: Path) -> tuple[int, object]:
        instances = 0

        def take(run: Run) -> None:
            nonlocal instances
            instances += len(run.instances)

        # What is read is handed on, and nothing of it is held.
        whole = reader.read(_pieces(document), take)
        return instances, whole

    return read


def _json(document: Path) -> tuple[int, object]:
    return _whole(json.loads(gzip.decompress(document.read_bytes())))


def _orjson(document: Path) -> tuple[int, object]:
    return _whole(orjson.loads(isal_zlib.decompress(document.read_bytes(), _GZIP)))


def _whole(document: Any) -> tuple[int, object]:
    return sum(len(series["Instances"]) for series in document["Study"]["Series"].values()), document


def _ijson(document: Path) -> tuple[int, object]:
    # The way to the instances leads over the series' UID, which stands at the beginning.
    with _plain(document) as plain:
        uid = next(value for _, event, value in ijson.parse(plain) if event == "map_key" and "." in value)
    with _plain(document) as plain:
        return sum(1 for _ in ijson.kvitems(plain, f"Study.Series.{uid}.Instances", use_float=True)), None


def _plain(document: Path) -> Any:
    return igzip.GzipFile(document)  # type: ignore[no-untyped-call]


def _gunzip(document: Path) -> tuple[int, object]:
    """The limit of all readers: the plain bytes, in pieces that nobody looks at."""
    member = isal_zlib.decompressobj(_GZIP)
    for piece in _pieces(document, _SMALL_PIECE):
        plain, left = b"", piece
        while left or len(plain) == _SMALL_PIECE:
            plain = member.decompress(left, _SMALL_PIECE)
            left = member.unconsumed_tail
    return 0, None


def _passing(document: Path) -> tuple[int, object]:
    """The other limit: msgspec over all of the plain text, without a value that is selected."""
    _nothing.decode(_plain_text(document))
    return 0, None


@cache
def _plain_text(document: Path) -> bytes:
    return gzip.decompress(document.read_bytes())


class _Nothing(msgspec.Struct):
    """None of an object's members."""


_nothing: Final = msgspec.json.Decoder(_Nothing)

METHODS: Final[dict[str, Callable[[Profile], Method]]] = {
    "ours": _ours,
    "json": lambda _: _json,
    "orjson": lambda _: _orjson,
    "ijson": lambda _: _ijson,
    "gunzip": lambda _: _gunzip,
    "passing": lambda _: _passing,
}


if __name__ == "__main__":
    main()
