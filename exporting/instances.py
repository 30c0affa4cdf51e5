"""The instances of image sets as Parquet, a row each, from the pages that a scan meets behind each entry."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from exporting import files
from imaging_index.document.types import KEPT
from imaging_index.entry.pages import unpack
from imaging_index.table.layout import ENTRY, PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from exporting.about import About
    from exporting.scanning import Page
    from imaging_index.profile.profile import Profile

_NUMBERS: Final = ("InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")
_ROWS_A_GROUP: Final = 65_536
_json: Final = msgspec.json.Encoder(decimal_format="number")


class _Text(msgspec.Struct):
    S: str


class _Number(msgspec.Struct):
    N: str


class _Binary(msgspec.Struct):
    B: bytes


class _Item(msgspec.Struct):
    """What of an item is needed: an entry names its pages, and a page has some."""

    ImageSet: _Text
    Part: _Text
    Generation: _Text | None = None
    ProfileHash: _Text | None = None
    Attempt: _Text | None = None
    Pages: _Number | None = None
    PagesChecksum: _Text | None = None
    Content: _Binary | None = None


class Instances:
    """Writes the instances of all image sets that pass.

    Attributes:
        count: how many there are.
        incomplete: image sets whose pages were not those of their entry: they changed meanwhile, or are damaged.
    """

    def __init__(self, file: Path, profile: Profile) -> None:
        """Write to a file, which must not be there."""
        kept = profile.instances.keep
        self._geometry = [each.name for each in profile.instances.geometry]
        self._kept = [each.name for each in kept if each.name not in (*KEPT, *self._geometry)]
        # As `rows.RowsReader`: what another profile has made may hold what this one does not keep.
        self._only = _Text(profile.hash) if profile.private else None
        self.schema = _schema(self._geometry)
        self._file = file
        self._writer = files.writer(file, self.schema)
        self._rows: list[dict[str, Any]] = []
        self._open: dict[int, tuple[_Item, list[bytes]]] = {}
        self._decoder = msgspec.json.Decoder(_Item)
        self.count = self.incomplete = 0

    def take(self, page: Page) -> None:
        """The items of a page of a scan; those of one image set come in order, the entry first."""
        for line in page.lines.splitlines():
            item = self._decoder.decode(line)
            if item.Part.S == ENTRY:
                self._end(page.segment)
                if self._only is None or item.ProfileHash == self._only:
                    self._open[page.segment] = (item, [])
            elif (found := self._open.get(page.segment)) and _is_of(item, found[0]) and item.Content:
                found[1].append(item.Content.B)

    def belong_to(self, about: About) -> None:
        """Note of which export they are."""
        self._writer.add_key_value_metadata(about.metadata)

    def close(self) -> None:
        """Write what is left."""
        for segment in [*self._open]:
            self._end(segment)
        self._write()
        self._writer.close()

    def _end(self, segment: int) -> None:
        entry, pages = self._open.pop(segment, (None, []))
        if entry is None or entry.Pages is None or entry.PagesChecksum is None:
            return
        try:
            rows, checksum = unpack(pages)
        except ValueError:
            rows, checksum = [], ""
        if len(pages) != int(entry.Pages.N) or checksum != entry.PagesChecksum.S:
            self.incomplete += 1
            return
        store, _, image_set = entry.ImageSet.S.partition("/")
        self._rows += [{"DatastoreId": store, "ImageSetId": image_set} | self._row(row) for row in rows]
        self.count += len(rows)
        if len(self._rows) >= _ROWS_A_GROUP:
            self._write()

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {name: row.get(name) for name in ("SeriesInstanceUID", *KEPT)}
        values |= {name: _whole(values[name]) for name in _NUMBERS}
        values |= {name: _components(row.get(name)) for name in self._geometry}
        values["Frames"] = row.get("Frames")
        kept = [(name, _json.encode(row[name]).decode()) for name in self._kept if row.get(name) is not None]
        return values | {"Kept": kept or None}

    def _write(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self.schema))
            self._rows = []


def _schema(geometry: list[str]) -> pa.Schema:
    texts = ("DatastoreId", "ImageSetId", "SeriesInstanceUID", *(name for name in KEPT if name not in _NUMBERS))
    fields: list[Any] = [(name, pa.string()) for name in texts]
    fields += [(name, pa.int64()) for name in _NUMBERS]
    fields += [(name, pa.list_(pa.float64())) for name in geometry]
    return pa.schema([*fields, ("Frames", pa.list_(pa.string())), ("Kept", pa.map_(pa.string(), pa.string()))])


def _is_of(page: _Item, entry: _Item) -> bool:
    """Whether a page is one that the entry names."""
    if entry.Generation is None or entry.Attempt is None or page.ImageSet.S != entry.ImageSet.S:
        return False
    return page.Part.S.startswith(f"{PAGES}{entry.Generation.S}/{entry.Attempt.S}/")


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _components(value: Any) -> list[float] | None:
    """A value of the geometry, of an image of one frame or whose frames agree; None where frames differ."""
    parts = value if isinstance(value, list) else [value]
    if value is None or not all(isinstance(each, int | Decimal) for each in parts):
        return None
    return [float(each) for each in parts]


@contextlib.contextmanager
def beside(place: Path, profile: Profile) -> Iterator[Instances]:
    """Writes instances to `<name>.instances.parquet` beside an export, which replaces the one before at the end.

    Raises:
        NotOurs, InUse, OSError: as of an export itself.
    """
    to = place_of(place)
    files.check_replaceable(to)
    with files.beside(to) as folder:
        instances = Instances(folder / "new.parquet", profile)
        yield instances
        instances.close()
        (folder / "new.parquet").replace(to)


def place_of(place: Path) -> Path:
    """The file of the instances of an export."""
    return place.with_name(f"{place.name.removesuffix('.parquet')}.instances.parquet")
