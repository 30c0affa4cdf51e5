"""What one run of the bench found: the content of `docs/performance.json`."""

from pathlib import Path
from typing import Final

import msgspec

# The methods of reading, and the two ways of the whole job, with what they are called to people.
METHODS: Final = {
    "json": "json + gzip",
    "orjson": "orjson + isal",
    "ijson": "ijson (yajl2_c) + isal",
    "ours": "this index",
    "gunzip": "gunzip alone (isal)",
    "passing": "msgspec, nothing selected",
}
PROTOTYPE: Final = "prototype"
RADIOLOGY: Final = "radiology"


class Document(msgspec.Struct, frozen=True):
    """A document's sizes in bytes."""

    plain: int
    packed: int

    @property
    def megabytes(self) -> float:
        """The plain size in MB."""
        return self.plain / 1e6


class Reading(msgspec.Struct, frozen=True):
    """One method on one document: CPU seconds, and by how many bytes the peak of memory grew.

    `profile` is empty where the method does not select.
    """

    document: str
    method: str
    profile: str
    cpu: float
    growth: float


class Job(msgspec.Struct, frozen=True):
    """The whole job on one document, done the way `ours` or `usual`.

    CPU seconds, the most memory that the whole process had in bytes, calls of AWS, write units.
    """

    document: str
    way: str
    cpu: float
    peak: float
    calls: float
    write_units: float


class Events(msgspec.Struct, frozen=True):
    """Events of image sets like `document` through the handler, every call of which takes `latency` seconds.

    `bare` is the CPU of an event's calls alone, made by botocore with its own settings.
    """

    document: str
    latency: float
    a_second: float
    cpu: float
    bare: float
    calls: float
    write_units: float


class Search(msgspec.Struct, frozen=True):
    """What a search costs, as the command does it (`ours`) or by botocore's client alone (`botocore`).

    CPU seconds of an entry in a page of `entries`, and of a call that finds few.
    """

    way: str
    entries: float
    entry: float
    call: float


class Imports(msgspec.Struct, frozen=True):
    """Imports and clients in a fresh process, in CPU seconds: ours, and those of the usual set."""

    ours: float
    usual: float
    ratio: float


class Geometry(msgspec.Struct, frozen=True):
    """The CPU with the geometry of volumes as a multiple of that without: of the reader, and of making an entry."""

    document: str
    reader: float
    entry: float


class Export(msgspec.Struct, frozen=True):
    """The export of so many image sets to Parquet.

    CPU seconds of each, those of `decoding` its JSON with msgspec alone, bytes of each, the most memory that the whole
    process had in bytes, and the seconds of a cohort question.
    """

    image_sets: float
    cpu: float
    decoding: float
    size: float
    peak: float
    question: float


class Pipeline(msgspec.Struct, frozen=True):
    """Image sets through the whole local cloud: how many, how many a second, write units of each."""

    image_sets: int
    a_second: float
    write_units: float


class Results(msgspec.Struct, frozen=True):
    """One run. `machine` says where; `rounds` how many fresh processes each median is of.

    `imports` are of the index function, and `dicomweb` of DICOMweb's, which answers with a work list in so many CPU
    seconds.
    """

    date: str
    machine: str
    rounds: int
    documents: dict[str, Document]
    readings: list[Reading]
    jobs: list[Job]
    events: list[Events]
    searches: list[Search]
    imports: Imports | None = None
    dicomweb: Imports | None = None
    work_list: float | None = None
    pipeline: Pipeline | None = None
    geometry: list[Geometry] = []
    export: Export | None = None

    def reading(self, document: str, method: str, profile: str = "") -> Reading:
        """One reading; our reader's is that of the prototype's attributes, unless another profile is named."""
        profile = profile or (PROTOTYPE if method == "ours" else "")
        return next(
            each for each in self.readings if (each.document, each.method, each.profile) == (document, method, profile)
        )

    def job(self, document: str, way: str) -> Job:
        """One whole job."""
        return next(each for each in self.jobs if (each.document, each.way) == (document, way))

    def search(self, way: str) -> Search:
        """What a search costs, done one way."""
        return next(each for each in self.searches if each.way == way)

    def times_less(self, document: str, method: str, profile: str = "") -> float:
        """How many times less CPU than json + gzip a method takes."""
        return self.reading(document, "json").cpu / self.reading(document, method, profile).cpu

    def times_the_limit(self, document: str) -> float:
        """Our reader's CPU as a multiple of its parts': gunzip, and msgspec passing over all of the text."""
        limit = self.reading(document, "gunzip").cpu + self.reading(document, "passing").cpu
        return self.reading(document, "ours").cpu / limit

    def compared(self) -> list[str]:
        """The documents that all methods read."""
        return [each.document for each in self.readings if each.method == "json"]

    def both(self) -> list[str]:
        """The documents on which the whole job was done both ways."""
        return [each.document for each in self.jobs if each.way == "usual"]


def load(path: Path) -> Results:
    """The results in a file."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def save(results: Results, path: Path) -> None:
    """Write them, for people to read as well."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def instances(document: str) -> int:
    """How many instances a document of this name has."""
    kind, _, count = document.partition("_")
    return 1 if kind == "mf" else int(count)
