"""Changes of entries, as the write protocol makes them, and the events that the function makes of the table's stream.

A number is a table of some image sets. Pages are written and swept, writes lose against newer ones, some are repeated,
IsPrimary is corrected, and an operator removes a partition. When nothing happens any more, each change of an entry must
have had its event, in order for an image set, and nothing else one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from imaging_index.publishing import bus, event, publisher
from imaging_index.table import generation
from proof.publishing.function import DATASTORE, plugged
from proof.publishing.variants import Variant
from proof.publishing.world import Faults, World

if TYPE_CHECKING:
    from imaging_index.entry.item import Item
    from imaging_index.publishing.change import Change

_LONG: Final = 600.0
_KINDS: Final = (event.INDEXED, event.REINDEXED, event.REMOVED)


@dataclass
class Report:
    """What some numbers came to. `doubled` counts events beyond the first of a change."""

    tried: int = 0
    changes: int = 0
    events: int = 0
    doubled: int = 0
    calls: int = 0
    harms: list[str] = field(default_factory=list)


def run(first: int, count: int) -> Report:
    """Live through some numbers, at random places with faults."""
    report = Report()
    for number in range(first, first + count):
        _Story(number, report, Faults(kills=0.05, refusals=0.05, entries=0.1)).run()
    return report


def kills(number: int) -> Report:
    """Live through one number again and again, killed once at each place: before and after every call."""
    report = Report()
    whole = _Story(number, report, Faults(most=0))
    whole.run()
    for place in range(whole.world.counted):
        _Story(number, report, Faults(most=0, kill_at=place)).run()
    return report


class _Story:
    """What happens to some image sets."""

    def __init__(self, number: int, report: Report, faults: Faults) -> None:
        self.number, self.report = number, report
        self.world = World(number, faults, stream_delay=(0.5, 60.0)[number % 2], index_lag=0.2)
        # What was expected of each image set: kind, generation, and what changed.
        self.expected: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
        # The moments come from a stream of their own, so that a kill does not move them.
        self.random = self.world.random.__class__(number)

    def run(self) -> None:
        for _ in range(self.random.randint(3, 12)):
            key = f"{DATASTORE}/{self.random.randrange(3):032d}"
            self.world.after(self.random.choice((0.1, 5, 30)) * self.random.random(), self._step(key))
        with plugged(self.world):
            # Long enough for the stream; no study is ever stable here, since HealthImaging lists none.
            self.world.run(_LONG)
        self._judge()

    def _step(self, key: str) -> Any:
        what, version = self.random.random(), self.random.randint(1, 4)
        attempt, modality = f"{self.random.getrandbits(64):016x}", self.random.choice("AB")
        pages = self.random.randrange(3)
        if what < 0.65:
            return lambda: self._put(key, version, attempt, modality, pages)
        if what < 0.75:
            return lambda: self._put(key, version, attempt, modality, pages, again=True)
        if what < 0.85:
            return lambda: self._correct(key)
        if what < 0.95:
            return lambda: self._bury(key)
        return lambda: self._remove(key)

    # --- the table

    def _put(self, key: str, version: int, attempt: str, modality: str, pages: int, *, again: bool = False) -> None:
        """The write of one run of the protocol: pages, the entry on its condition, perhaps twice, and the sweep."""
        of, table = generation.make(version, 1, 1), self.world.table
        for page in range(pages):
            table.write(key, f"page/{of}/{attempt}/{page:04d}", {"Content": {"B": b"page"}})
        there = table.items.get((key, "entry"))
        if there is None or there["Generation"]["S"] < of:
            item: Item = {
                "Generation": {"S": of},
                "Attempt": {"S": attempt},
                "ImageSetVersion": {"N": str(version)},
                "Modality": {"S": modality},
                "SOPClassUID": {"L": [{"S": "1.2.840.10008.5.1.4.1.1.2"}]},
                "StudyInstanceUID": {"S": "1.2.3"},
                "IsPrimary": {"BOOL": version % 2 == 0},
                "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
                "Cause": {"S": "event"},
            }
            self._expect(key, there, item)
            table.write(key, "entry", item)
            if again:
                table.write(key, "entry", item)  # identical: no record
        for _, part in [each for each in table.items if each[0] == key and each[1].startswith("page/")]:
            if f"/{attempt}/" not in part:
                table.write(key, part, None)

    def _correct(self, key: str) -> None:
        """The pass that corrects IsPrimary at an unchanged generation."""
        there = self.world.table.items.get((key, "entry"))
        if there and there["Generation"]["S"] != generation.TOMBSTONE:
            item = there | {"IsPrimary": {"BOOL": not there["IsPrimary"]["BOOL"]}}
            self._expect(key, there, item)
            self.world.table.write(key, "entry", item)

    def _bury(self, key: str) -> None:
        there = self.world.table.items.get((key, "entry"))
        item: Item = {"Generation": {"S": generation.TOMBSTONE}, "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"}}
        if there is None or there["Generation"]["S"] < generation.TOMBSTONE:
            self._expect(key, there, item)
            self.world.table.write(key, "entry", item)

    def _remove(self, key: str) -> None:
        there = self.world.table.items.get((key, "entry"))
        if there:
            self._expect(key, there, {"Generation": {"S": generation.TOMBSTONE}})
            for _, part in [each for each in self.world.table.items if each[0] == key]:
                self.world.table.write(key, part, None)

    def _expect(self, key: str, old: Item | None, new: Item) -> None:
        """Note the event that a change must have, by the rules."""
        before = old["Generation"]["S"] if old else generation.TOMBSTONE
        of = new["Generation"]["S"]
        expected: tuple[str, str, tuple[str, ...]] | None
        if of == generation.TOMBSTONE:
            expected = None if before == of else (event.REMOVED, of, ())
        elif before == generation.TOMBSTONE:
            expected = event.INDEXED, of, ()
        else:
            names = ("IsPrimary", "Modality")
            expected = event.REINDEXED, of, tuple(name for name in names if old and old[name] != new[name])
        self.report.changes += 1
        if expected:
            self.expected.setdefault(key, []).append(expected)

    # --- what came of it

    def _judge(self) -> None:
        report = self.report
        report.tried += 1
        report.calls += sum(self.world.calls.values())
        seen: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
        said: dict[tuple[str, str], Any] = {}
        for each in self.world.happened:
            if each.kind not in _KINDS:
                continue
            report.events += 1
            detail = each.detail
            identity = each.kind, detail["key"]
            if identity in said:
                report.doubled += 1
                if said[identity] != detail:
                    report.harms.append(f"number {self.number}: two events of the key {detail['key']} differ")
                continue
            said[identity] = detail
            key = f"{detail['datastoreId']}/{detail['imageSetId']}"
            seen.setdefault(key, []).append((each.kind, detail["generation"], tuple(detail.get("changed", ()))))
        if seen != self.expected:
            report.harms.append(f"number {self.number}: {seen} instead of {self.expected}")
        if self.world.parked or self.world.crashes:
            report.harms.append(f"number {self.number}: something was parked, or an invocation failed")


def _unordered(events: Any) -> Any:
    places = list(range(len(events)))
    return (places[start : start + 10] for start in range(0, len(places), 10))


def _first_try_only(self: bus.Bus, events: Any, left: list[int], refused: list[int]) -> Any:
    del refused
    self._client.put_events(Entries=[self._entry(events[place]) for place in left])
    return [], None


def _as_if_new(change: Change, attributes: Any) -> Any:
    return _of_change(
        change
        if change.new is None
        else change.__class__(change.key, None, change.new, change.sequence, change.moment),
        attributes,
    )


def _by_generation_alone(change: Change, attributes: Any) -> Any:
    same = change.old and change.new and change.old["Generation"] == change.new["Generation"]
    return None if same else _of_change(change, attributes)


_of_change = event.of_change


def _last_failure(self: publisher.Publisher, changes: Any) -> publisher.Published:
    """The last change that is not through is reported, in place of the first."""
    published = _publish(self, changes)
    done = min(published.done + 1, len(changes))
    return publisher.Published(done, published.events, published.refused, published.fault)


_publish = publisher.Publisher.publish

VARIANTS: Final = (
    Variant(
        "events of one image set in one call",
        lambda: mock.patch.object(bus, "_calls", _unordered),
        lambda report: len(report.harms),
    ),
    Variant(
        "what EventBridge refused counts as through",
        lambda: mock.patch.object(bus.Bus, "_put", _first_try_only),
        lambda report: len(report.harms),
    ),
    Variant(
        "the batch goes on after the change that failed",
        lambda: mock.patch.object(publisher.Publisher, "publish", _last_failure),
        lambda report: len(report.harms),
    ),
    Variant(
        "changes at the same generation not announced",
        lambda: mock.patch.object(event, "of_change", _by_generation_alone),
        lambda report: len(report.harms),
    ),
    Variant(
        "every change announced as a new image set",
        lambda: mock.patch.object(event, "of_change", _as_if_new),
        lambda report: len(report.harms),
    ),
)
