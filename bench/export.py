"""The export of entries to Parquet: `python -m bench.export COUNT`. A million take some minutes.

It tells the CPU of an entry beside that of decoding the same JSON alone with msgspec, the bytes in Parquet, the peak of
memory, and how long a cohort question takes. Trust the ratios: the entries are those of two documents, with ids, dates
and moments of their own.
"""

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from bench.documents import packed
from bench.fresh import peak, tell
from exporting.database import Database
from exporting.export import export
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import Item
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile

_PROFILE: Final = Path(__file__).parents[1] / "profiles/radiology.toml"
_SETS: Final = 5
_AT_ONCE: Final = 500
# A prime: each number comes once, far from the one before, and no list of all of them counts as the export's memory.
_STRIDE: Final = 7_368_787
_DECODED: Final = 20_000
_ASKED: Final = 5
_STORE: Final = "5" * 32
_UIDS: Final = ("SeriesInstanceUID", "FrameOfReferenceUID")
_OF_A_DAY: Final = ("StudyDate", "SeriesDate")
_COHORT: Final = """
SELECT PatientID, arg_max(SeriesInstanceUID, (StudyDate, SeriesInstanceUID)) FROM series
WHERE Modality = 'CT' AND SliceThickness_max <= 5 AND Manufacturer IS NOT NULL GROUP BY PatientID
"""


def main() -> None:
    """Export so many entries, and tell what that took."""
    count = int(sys.argv[1])
    profile = toml_file.load(_PROFILE)
    made = 0.0

    def timed() -> Iterator[bytes]:
        nonlocal made
        lines = _lines(profile, count)
        while True:
            begun = time.process_time()
            piece = next(lines, None)
            made += time.process_time() - begun
            if piece is None:
                return
            yield piece

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "all.parquet"
        taken = _cpu(lambda: export(timed(), profile, file)) - made
        memory = peak()
        texts = [*itertools.chain.from_iterable(piece.splitlines() for piece in _lines(profile, min(count, _DECODED)))]
        decode = msgspec.json.Decoder().decode
        database = Database(file)
        tell(
            image_sets=count,
            cpu=taken / count,
            decoding=_cpu(lambda: [*map(decode, texts)]) / len(texts),
            size=file.stat().st_size / count,
            peak=memory,
            question=min(_seconds(lambda: [*database.ask(_COHORT).rows()]) for _ in range(_ASKED)),
        )


def _lines(profile: Profile, count: int) -> Iterator[bytes]:
    """Entries in the order of a scan, which is none."""
    reader = Reader(profile)
    templates = [entry.build(reader, [packed(name).read_bytes()]).attributes for name in ("mr_100", "ct_100")]
    encoder = msgspec.json.Encoder()
    for start in range(0, count, _AT_ONCE):
        places = range(start, min(start + _AT_ONCE, count))
        items = (_item(templates, profile, place * _STRIDE % count) for place in places)
        yield encoder.encode_lines([*items])


def _item(templates: list[Item], profile: Profile, number: int) -> Item:
    study, series = divmod(number, _SETS)
    chance = Random(study)
    template = templates[study % len(templates)]
    moment = datetime(2016, 1, 1) + timedelta(minutes=chance.randrange(5_000_000))  # noqa: DTZ001
    uid = f"1.2.826.0.1.3680043.8.498.{chance.randrange(10**38)}"
    own = Random(number)
    arrived = f"{moment + timedelta(minutes=series, microseconds=own.randrange(10**6)):%Y-%m-%dT%H:%M:%S.%fZ}"
    texts = {name: f"{uid[:-20]}{own.randrange(10**20)}" for name in _UIDS}
    texts |= dict.fromkeys(_OF_A_DAY, f"{moment:%Y%m%d}") | {"StudyTime": f"{moment:%H%M%S}"}
    texts |= {"PatientID": f"P{study // 3:08}", "AccessionNumber": f"A{study:09}", "StudyInstanceUID": uid}
    image_set = f"{own.randrange(16**32):032x}"
    ours = {
        "ImageSet": f"{_STORE}/{image_set}",
        "Part": "entry",
        "DatastoreId": _STORE,
        "ImageSetId": image_set,
        "Generation": "0000000001.000002.0003.0000",
        "ProfileHash": profile.hash,
        "Attempt": f"{own.randrange(16**16):016x}",
        "PagesChecksum": f"{own.randrange(16**32):032x}",
        "IndexedAt": arrived,
        "FirstIndexedAt": arrived,
        "EventTime": f"{arrived[:19]}Z",
        "Cause": "event",
    }
    item = template | {name: {"S": text} for name, text in texts.items() if name in template or name == "PatientID"}
    numbers = {"ImageSetVersion": "1", "Pages": "1", "FrameBytes": str(own.randrange(10**8))}
    item |= {name: {"S": text} for name, text in ours.items()} | {name: {"N": text} for name, text in numbers.items()}
    return item | {"IsPrimary": {"BOOL": True}}


def _cpu(do: Callable[[], object]) -> float:
    begun = time.process_time()
    do()
    return time.process_time() - begun


def _seconds(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
