"""Functions that are killed before and after the effect of every AWS call, on the local cloud.

A scenario is an image set of HealthImaging, what the table holds of it at first, and three hints. They are delivered in
some order; a hint whose function is killed comes back behind the others, as it does when its visibility time-out has
passed. Whatever was killed: a reader never finds half of an image set, and in the end the table holds what
HealthImaging says and nothing else.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from imaging_index.entry import columns, entry
from imaging_index.faults import NotReady
from imaging_index.queue.hint import Cause, Kind
from imaging_index.table import generation, writing
from imaging_index.table.writing import TableWriter
from proof.harness.image_sets import PROFILE, delete, hint, indexer, make_image_set, make_table, raised, update
from proof.simulation import truth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import boto3
    from mypy_boto3_medical_imaging import HealthImagingClient

    from imaging_index.profile.profile import Profile
    from imaging_index.queue.hint import Hint
    from imaging_index.table.layout import Key
    from proof.simulation.truth import Dump

Progress = Callable[[int, int], None]  # how much is done, and of how much

ORDERS: Final = tuple(itertools.permutations(range(3)))
_LATER: Final = raised()


class Killed(BaseException):
    """The end of a function, which no code of the function catches."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of a run: before or after the effect of an AWS call, in the delivery of that number."""

    delivery: int
    operation: str
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.operation} of delivery {self.delivery}"


class Executioner:
    """Sees every call of some clients, and kills at the points whose numbers it is given, counted from 0."""

    def __init__(self, *clients: Any) -> None:
        self.points: list[Point] = []
        self.delivery = 0
        self._kill_at: frozenset[int] = frozenset()
        self._watchers: list[Callable[[], object]] = []
        for client in clients:
            client.meta.events.register("before-send", self._before)
            client.meta.events.register("response-received", self._after)

    def begin(self, kill_at: Sequence[int] = ()) -> None:
        """Count from 0 again."""
        self.points, self.delivery, self._kill_at = [], 0, frozenset(kill_at)

    def watch(self, watcher: Callable[[], object]) -> None:
        """Call `watcher` at every point from now on."""
        self._watchers.append(watcher)

    def _before(self, event_name: str, **_: Any) -> None:
        self._pass(event_name, after=False)

    def _after(self, event_name: str, **_: Any) -> None:
        self._pass(event_name, after=True)

    def _pass(self, event_name: str, *, after: bool) -> None:
        self.points.append(Point(self.delivery, event_name.rpartition(".")[2], after))
        for watcher in self._watchers:
            watcher()
        if len(self.points) - 1 in self._kill_at:
            raise Killed


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the table holds at first, the hints, each with the profile of the code that gets it, and what must be."""

    key: Key
    before: Dump
    hints: tuple[tuple[Hint, Profile], ...]
    end: Dump
    repaired: bool = False


class Stage:
    """A table of the local cloud, to run scenarios on with few instances a page and few writes a call.

    Args:
        aws: the SDK, whose environment names the local cloud.
        healthimaging: the client that asks HealthImaging, or what stands in for it; it is killed as well.
        rows: how many instances a page takes.
        requests: how many pages a call writes or deletes.
    """

    def __init__(self, aws: boto3.Session, healthimaging: Any, rows: int, requests: int) -> None:
        written = make_table(aws)
        self.executioner = Executioner(healthimaging, written._client)
        self.observer = TableWriter(aws.client("dynamodb"), written._name)
        self._indexers = {using.revision: indexer(healthimaging, written, using) for using in (PROFILE, _LATER)}
        self._rows, self._requests = rows, requests

    def run(self, scenario: Scenario, order: Sequence[int], kill_at: Sequence[int] = ()) -> list[Point]:
        """Deliver the hints in this order, kill at these points, and deliver again what was killed.

        Returns: every point that was passed.

        Raises:
            AssertionError: the table does not hold what it must.
        """
        key = scenario.key
        truth.restore(self.observer, key, truth.dump(self.observer, key), scenario.before)
        self.executioner.begin(kill_at)
        with (
            patch.object(columns, "_ROWS_A_PAGE", self._rows),
            patch.object(writing, "_MOST_REQUESTS", self._requests),
        ):
            died_at = self._deliver(scenario, order)
        assert len(died_at) == len(kill_at)
        self._check_end(scenario, died_at)
        return self.executioner.points

    def _deliver(self, scenario: Scenario, order: Sequence[int]) -> list[Point]:
        # Received twice already: one try more, and a Deleted event for what is there did not come too early.
        waiting = deque((scenario.hints[number], 3) for number in order)
        died_at = []
        while waiting:
            (told, using), tries = waiting.popleft()
            try:
                self._indexers[using.revision].converge(told, age=timedelta(minutes=tries), tries=tries)
            except Killed:
                died_at.append(self.executioner.points[-1])
                self._check_between(scenario, died_at[-1])
                waiting.append(((told, using), tries + 1))
            except NotReady:
                waiting.append(((told, using), tries + 1))
            self.executioner.delivery += 1
        return died_at

    def _check_between(self, scenario: Scenario, died_at: Point) -> None:
        held = truth.dump(self.observer, scenario.key)
        still_damaged = scenario.repaired and held["entry"] == scenario.before["entry"]
        assert still_damaged or truth.whole(held), f"a reader finds half of it, killed {died_at}"

    def _check_end(self, scenario: Scenario, died_at: list[Point]) -> None:
        end = truth.dump(self.observer, scenario.key)
        expected = truth.comparable(scenario.end)
        if scenario.repaired:
            repairs = int(end["entry"]["Generation"]["S"][-4:])
            # A repair that is killed after it has written its entry is a second one when it comes back.
            assert 1 <= repairs <= 1 + len(died_at)
            expected = truth.repaired(expected, repairs)
        assert truth.comparable(end) == expected, f"killed {' and '.join(map(str, died_at)) or 'nowhere'}"


def scenarios(client: HealthImagingClient, folder: Path, **attributes: str) -> dict[str, Scenario]:
    """Situations of three pages an image set at two `rows` a page.

    Args:
        client: the local HealthImaging, its throttles off.
        folder: an empty one, for DICOM files.
        attributes: of the instances, by keyword.
    """
    (folder / "live").mkdir()
    (folder / "gone").mkdir()
    live, gone = (make_image_set(client, folder / name, instances=5, **attributes) for name in ("live", "gone"))
    update(client, live, 1)
    with patch.object(columns, "_ROWS_A_PAGE", 2):
        one, two, later = (
            truth.indexed(live, _said(client, live, version), version, using)
            for version, using in ((1, PROFILE), (2, PROFILE), (2, _LATER))
        )
        old = truth.indexed(gone, _said(client, gone, 1), 1, PROFILE)
    delete(client, gone)
    buried = truth.deleted(gone)
    # What killed runs may have left.
    dead_one, dead_two = (
        truth.pages(generation.make(version, PROFILE.revision, entry.FORMAT), "dead", [b"x", b"y"])
        for version in (1, 2)
    )
    damaged = {part: item for part, item in two.items() if not part.endswith("/0001")}
    first, second = hint(live, Kind.CREATED, 1), hint(live, Kind.CREATED, 2)
    updated, failed, false = (hint(live, kind) for kind in (Kind.UPDATED, Kind.COPY_FAILED, Kind.DELETED))
    reconcile, reindex, repair = (
        hint(live, Kind.UNKNOWN, 2, cause) for cause in (Cause.RECONCILE, Cause.REINDEX, Cause.REPAIR)
    )
    ending = (hint(gone, Kind.CREATED, 1), hint(gone, Kind.UPDATED), hint(gone, Kind.DELETED))

    def now(*hints: Hint) -> tuple[tuple[Hint, Profile], ...]:
        return tuple((each, PROFILE) for each in hints)

    return {
        "first index": Scenario(live, {}, now(first, updated, reconcile), two),
        "update": Scenario(live, one | dead_one, now(first, updated, reconcile), two),
        "duplicate": Scenario(live, two | dead_one | dead_two, now(second, updated, reconcile), two),
        "stale": Scenario(live, two | dead_one, now(first, first, failed), two),
        "repair": Scenario(live, damaged, now(second, updated, repair), two, repaired=True),
        "revision": Scenario(live, two, ((reindex, _LATER), (second, PROFILE), (updated, _LATER)), later),
        "false deleted": Scenario(live, one, now(updated, reconcile, false), two),
        "delete": Scenario(gone, old | dead_one, now(*ending), buried),
        "delete unseen": Scenario(gone, {}, now(*ending), buried),
        "deleted": Scenario(gone, buried | dead_one, now(*ending), buried),
    }


def _said(client: HealthImagingClient, key: Key, version: int) -> entry.Content:
    answer = client.get_image_set_metadata(
        datastoreId=key.datastore_id, imageSetId=key.image_set_id, versionId=str(version)
    )
    return truth.content([answer["imageSetMetadataBlob"].read()], PROFILE)


def singles(
    stage: Stage, scenario: Scenario, orders: Sequence[Sequence[int]] = ORDERS, progress: Progress = lambda *_: None
) -> int:
    """Kill once in a run, at every point that differs of every order; the number of kills."""
    every = [(order, [point]) for order in orders for point in that_differ(stage.run(scenario, order))]
    return _kill(stage, scenario, every, progress)


def pairs(
    stage: Stage, scenario: Scenario, orders: Sequence[Sequence[int]] = ORDERS, progress: Progress = lambda *_: None
) -> int:
    """Kill twice in a run, in every order at every two points that differ; the number of pairs."""
    every = [
        (order, [first, second])
        for order in orders
        for first in that_differ(stage.run(scenario, order))
        for second in that_differ(stage.run(scenario, order, [first]))
        if second > first
    ]
    return _kill(stage, scenario, every, progress)


def that_differ(points: Sequence[Point]) -> list[int]:
    """The numbers of the points at which a killed function has done something else than at the one before.

    Killed before a call, it has done what it has when killed after the call before, unless it has not made any.
    """
    begun = {point.delivery: number for number, point in reversed(list(enumerate(points)))}
    return [number for number, point in enumerate(points) if point.after or begun[point.delivery] == number]


def _kill(
    stage: Stage, scenario: Scenario, every: Sequence[tuple[Sequence[int], Sequence[int]]], progress: Progress
) -> int:
    for number, (order, points) in enumerate(every):
        stage.run(scenario, order, points)
        progress(number + 1, len(every))
    return len(every)
