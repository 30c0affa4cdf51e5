"""Change a table of entries at random, bring an Iceberg table up to date each time, and compare the two."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from exporting import iceberg
from exporting.about import About
from exporting.iceberg import Warehouse
from exporting.rows import RowsReader, Wrapping
from imaging_index.entry.item import Item
from imaging_index.profile.profile import Profile
from proof.harness.table_items import STORE, entry, lines
from proof.searching import archive

KINDS: Final = ("create", "update", "delete", "correct")
# Twice as many come as go, so that there is something to change.
_CHOSEN: Final = ("create", *KINDS)
_POOL: Final = 5_000


class Archive:
    """A table of entries that change at random; removed image sets have a tombstone, or nothing after a while.

    Attributes:
        profile: the one that an export is made under. The entries are those of radiology.
        entries: the table's, by image set.
        done: how many changes of each kind there were. `correct` is another IsPrimary in the same generation.
    """

    def __init__(self, profile: Profile = archive.PROFILE) -> None:
        self.profile = profile
        self._chance = Random(18)
        self._new = archive.entries(_POOL, _POOL)
        self._touched: set[str] = set()
        self.entries: dict[str, Item] = {}
        self.done: dict[str, int] = dict.fromkeys(KINDS, 0)

    def change(self, times: int) -> None:
        """Do some changes."""
        for _ in range(times):
            what = self._chance.choice(_CHOSEN) if self.entries else "create"
            self.done[what] += 1
            if what == "create":
                item = next(self._new)
                image_set = item["ImageSetId"]["S"]
                self.entries[image_set] = entry(item, self.profile, image_set)
            else:
                image_set = self._chance.choice([*self.entries])
                item = self.entries.pop(image_set)
                if what != "delete":
                    self.entries[image_set] = item | (_updated(item) if what == "update" else _corrected(item))
            self._touched.add(image_set)

    def whole(self) -> Iterator[bytes]:
        """What a scan finds."""
        yield lines(self.entries.values())

    def exported(self) -> Iterator[bytes]:
        """What DynamoDB's full export has."""
        self._touched.clear()
        yield lines({"Item": item} for item in self.entries.values())

    def changes(self) -> Iterator[bytes]:
        """What DynamoDB's incremental export has of the changes since the last export."""
        for image_set in self._touched:
            keys = {"ImageSet": {"S": f"{STORE}/{image_set}"}, "Part": {"S": "entry"}}
            change: dict[str, Any] = {"Metadata": {"WriteTimestampMicros": {"N": "1"}}, "Keys": keys}
            if image_set in self.entries:
                change["NewImage"] = self.entries[image_set]
            elif self._chance.random() < 0.5:
                change["NewImage"] = keys | {"Generation": {"S": "~"}, "ImageSetId": {"S": image_set}}
            page = {"Keys": keys | {"Part": {"S": "page/1/a/0000"}}, "NewImage": {"Content": {"B": "AAAA"}}}
            yield lines([change, page])
        self._touched.clear()


@dataclass
class Report:
    """What a run came to: changes of each kind, and after which export the two tables differed."""

    done: dict[str, int]
    harms: list[str] = field(default_factory=list)


def scanned(warehouse: Warehouse, changes: int, rounds: int, profile: Profile = archive.PROFILE) -> Report:
    """Bring an Iceberg table up to date from scans, with as many changes in all rounds together."""

    def bring(current: Archive, _: int) -> About:
        return iceberg.bring_up_to_date(warehouse, current.whole(), RowsReader(profile), profile)

    return _run(warehouse, changes, rounds, bring, Archive(profile))


def incremental(warehouse: Warehouse, changes: int, rounds: int, profile: Profile = archive.PROFILE) -> Report:
    """Bring an Iceberg table up to date from one full export, and then from those of the changes alone."""

    def bring(current: Archive, number: int) -> About:
        if not number:
            reader = RowsReader(profile, Wrapping.FULL)
            return iceberg.bring_up_to_date(warehouse, current.exported(), reader, profile, as_of=_moment(0))
        reader = RowsReader(profile, Wrapping.INCREMENTAL)
        return iceberg.bring_up_to_date(
            warehouse, current.changes(), reader, profile, since=_moment(number - 1), as_of=_moment(number)
        )

    return _run(warehouse, changes, rounds, bring, Archive(profile))


def rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    """What an Iceberg table has, in an order."""
    return _ordered(warehouse.catalog.load_table((warehouse.namespace, iceberg.TABLE)).scan().to_arrow().to_pylist())


def expected(items: Iterable[Item], profile: Profile) -> list[dict[str, Any]]:
    """The rows that entries have under a profile."""
    return _ordered(RowsReader(profile).read(lines(items)).to_pylist())


def _run(
    warehouse: Warehouse, changes: int, rounds: int, bring: Callable[[Archive, int], About], current: Archive
) -> Report:
    report = Report(current.done)
    for number in range(rounds):
        current.change(changes * (number + 1) // rounds - changes * number // rounds)
        about = bring(current, number)
        if rows(warehouse) != expected(current.entries.values(), current.profile):
            report.harms.append(f"after export {number + 1} the Iceberg table differs from DynamoDB's")
        if about.image_sets != len(current.entries) or iceberg.about_of(warehouse) != about:
            report.harms.append(f"export {number + 1} counts {about.image_sets}, and not {len(current.entries)}")
    return report


def _ordered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: str(row["ImageSetId"]))


def _updated(item: Item) -> Item:
    version = int(item["ImageSetVersion"]["N"]) + 1
    return {
        "ImageSetVersion": {"N": str(version)},
        "Generation": {"S": f"{version:010}.000002.0003.0000"},
        "StudyDescription": {"S": f"after {version}"},
    }


def _corrected(item: Item) -> Item:
    return {"IsPrimary": {"BOOL": not item["IsPrimary"]["BOOL"]}}


def _moment(number: int) -> str:
    return f"2026-01-{number + 1:02}T00:00:00Z"
