"""The bytes and write units of image sets in the table, measured on what the function itself would write."""

from __future__ import annotations

import contextlib
import random
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import pydicom.data
from msgspec import structs

from cli.cost.volume import INSTANCES_A_PAGE
from cli.output import Failure
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.faults import Poison
from imaging_index.indexing import Indexer
from imaging_index.profile.schema import TABLE_KEYS
from imaging_index.publishing import event
from imaging_index.publishing.change import Change
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table import generation
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from local.capacity import in_index, index_units, item_size, units
from local.healthimaging.document import Document, Patient, Series, Study, pack
from local.healthimaging.importing import folder, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from imaging_index.entry.item import Item
    from imaging_index.healthimaging import HealthImaging
    from imaging_index.profile.profile import Index, Profile
    from local.healthimaging.importing import Group

# CT and MR of three patients, with all attributes that the shipped profiles' indexes need: 1,400 to 1,900 bytes an
# entry.
_DEFAULT_SAMPLES: Final = tuple(
    Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / each
    for each in ("77654033", "98892001", "98892003")
)

_CHUNK: Final = 64 * 1024

# What each writing of an entry has of its own.
_OF_A_WRITE: Final = ("Generation", "Attempt", "ProfileHash", "IndexedAt", "EventTime", "Cause")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Means over a sample's image sets, each without its pages.

    Attributes:
        image_sets: how many there are.
        entry_bytes: of the entry in the table.
        entry_units: of the same, in write units.
        index_copies: how many indexes contain the entry.
        index_bytes: of what all indexes hold of it together.
        index_units: of the same, in write units, when the entry is new or deleted.
        index_units_changed: when it is written again with other values, but for keys.
        index_units_again: when it is written again with the same values.
        page_bytes: of a page without its instances.
        instance_bytes: of each instance in a page.
        geometry_bytes: the part of `instance_bytes` that is the instance's position.
        event_chunks: how often the event of the entry, with the attributes of the profile's list, begins 64 kB.
    """

    image_sets: int
    entry_bytes: float
    entry_units: float
    index_copies: float
    index_bytes: float
    index_units: float
    index_units_changed: float
    index_units_again: float
    page_bytes: float
    instance_bytes: float
    geometry_bytes: float
    event_chunks: float

    def page(self, instances: float) -> float:
        """The bytes of a page of so many instances."""
        return self.page_bytes + self.instance_bytes * instances


def measure(profile: Profile, sample: Path | None = None) -> Sizes:
    """The sizes under `profile`, measured on the DICOM files below `sample` or on some that pydicom ships.

    Raises:
        Failure: there are no DICOM files.
    """
    folders = _DEFAULT_SAMPLES if sample is None else (sample,)
    entries = [found for each in folders for found in _entries(each, profile)]
    if not entries:
        raise Failure(f"{sample} holds no DICOM files that HealthImaging would accept. Name a folder that does.")
    sizes = [item_size(found) for found in entries]
    page, instance = _of_pages(profile)
    without = structs.replace(profile, instances=structs.replace(profile.instances, geometry=()))
    indexes = profile.indexes.values()
    held = [[view for index in indexes if (view := in_index(found, index)) is not None] for found in entries]
    return Sizes(
        image_sets=len(entries),
        entry_bytes=fmean(sizes),
        entry_units=fmean(map(units, sizes)),
        index_copies=fmean(map(len, held)),
        index_bytes=fmean(sum(map(item_size, views)) for views in held),
        index_units=fmean(sum(index_units(index, None, found) for index in indexes) for found in entries),
        index_units_changed=fmean(
            sum(index_units(index, _changed(found, index), found) for index in indexes) for found in entries
        ),
        index_units_again=fmean(
            sum(index_units(index, _earlier(found), found) for index in indexes) for found in entries
        ),
        page_bytes=page,
        instance_bytes=instance,
        geometry_bytes=instance - _of_pages(without)[1],
        event_chunks=fmean(_chunks(found, profile) for found in entries),
    )


def _chunks(found: Item, profile: Profile) -> int:
    """The 64 kB that the event of a new entry begins (Amazon EventBridge pricing page, "Custom events")."""
    datastore_id, _, image_set_id = found["ImageSet"]["S"].partition("/")
    made = event.of_change(Change(Key(datastore_id, image_set_id), None, found, "", 0), profile.events)
    return 0 if made is None else -(-len(made.detail.encode()) // _CHUNK)


def _changed(found: Item, index: Index) -> Item:
    """An entry that other values were written over: an index does not see that if it holds keys alone."""
    kept = {*TABLE_KEYS, *index.keys}
    return {name: value if name in kept else {"S": "another"} for name, value in found.items()}


def _earlier(found: Item) -> Item:
    """An entry before it was written again by an equal one."""
    return found | {name: {"S": "earlier"} for name in _OF_A_WRITE}


def _of_pages(profile: Profile) -> tuple[float, float]:
    """The bytes of a page without instances, and of each instance in it: a packed CT with random UIDs."""
    one, many = (_page(profile, count) for count in (1, INSTANCES_A_PAGE))
    instance = (many - one) / (INSTANCES_A_PAGE - 1)
    return one - instance, instance


def _page(profile: Profile, count: int) -> int:
    chance = random.Random(count)

    def uid() -> str:
        return f"2.25.{chance.getrandbits(128)}"

    instances = {
        uid(): {
            "DICOM": {
                "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                "InstanceNumber": f"{number + 1}",
                "Rows": 512,
                "Columns": 512,
                "BitsAllocated": 16,
                "ImagePositionPatient": ["-158.135803", "-179.035797", f"{-75.7 + 1.25 * number:.6f}"],
                "ImageOrientationPatient": ["1.000000", "0.000000", "0.000000", "0.000000", "1.000000", "0.000000"],
                "AcquisitionNumber": "1",
            },
            "ImageFrames": [{"ID": chance.randbytes(16).hex()}],
        }
        for number in range(count)
    }
    series = uid()
    document = {"Study": {"Series": {series: {"DICOM": {"SeriesInstanceUID": series}, "Instances": instances}}}}
    packed = entry.build(Reader(profile), [msgspec.json.encode(document)], secrets.token_bytes()).pages
    part = f"page/{generation.make(1, profile.revision, entry.FORMAT)}/{'0' * 16}/0000"
    keys = {"ImageSet": {"S": "0" * 65}, "Part": {"S": part}}
    return sum(item_size(keys | {"Content": {"B": content}}) for content in packed)


def _entries(sample: Path, profile: Profile) -> Iterator[Item]:
    """The entries that the function would write for the files below `sample`."""
    table = _Nowhere()
    source = _Documents()
    indexer = Indexer(
        cast("HealthImaging", source),
        TableWriter(cast("DynamoDBClient", table), "none"),
        profile,
        Reader(profile),
        secrets.token_bytes,
    )
    for number, group in enumerate(scan(folder(sample), "HTJ2K").groups.values()):
        hint = Hint(Kind.CREATED, Cause.EVENT, "0" * 32, f"{number:032}", 1, True, "2026-01-01T00:00:00Z")
        source.document = _document(hint, group)
        with contextlib.suppress(Poison):  # the function would park the hint and write nothing
            indexer.converge(hint, age=timedelta(0), tries=1)
    return iter(table.entries)


def _document(hint: Hint, group: Group) -> bytes:
    """The metadata document of the group's image set."""
    series = {group.grouping.series_uid: Series(group.series, group.rounds[0])}
    return pack(Document(hint.datastore_id, hint.image_set_id, Patient(group.patient), Study(group.study, series)))


class _Documents:
    """Stands in for HealthImaging: it has one document."""

    document = b""

    def metadata(self, _store: str, _set: str, _version: int, read: Callable[[Iterable[bytes]], Any], **_: bool) -> Any:
        return read([self.document])


class _Nowhere:
    """Stands in for DynamoDB: an empty table that only notes the entries."""

    def __init__(self) -> None:
        self.entries: list[Item] = []

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def put_item(self, *, Item: Item, **_: Any) -> dict[str, Any]:  # noqa: N803  boto3's own spelling
        self.entries.append(Item)
        return {}

    def batch_write_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def get_paginator(self, _operation: str) -> _Nowhere:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        return iter(())
