"""Studies that grow, change and lose image sets, while events are late, lost and doubled: what is announced of them.

A number is a study, or two of which one takes image sets from the other. When nothing happens any more, each must have
been announced with what it holds then, and whether it is of another patient, and never before it was there and quiet.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from imaging_index.publishing import agreement, patients, studies
from imaging_index.publishing.agreement import digest
from imaging_index.publishing.message import Sender
from imaging_index.table import generation, watching
from imaging_index.table.watching import StudyMarker, Watched
from proof.publishing.function import DATASTORE, EPOCH, MINUTES, function, plugged
from proof.publishing.table import Table
from proof.publishing.variants import Variant
from proof.publishing.world import Faults, Snapshot, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaging_index.entry.item import Item

QUIET: Final = MINUTES * 60.0
STUDIES: Final = ("1.2.1", "1.2.2")
# How long an event of HealthImaging may be lost until a reconcile pass finds it.
_LOST: Final = 400.0
# A check that does not agree comes again after a minute, and calls take their time.
RETRY: Final = 60.0
_CALLS: Final = 40.0


@dataclass
class Report:
    """What some studies came to.

    `patients` has events that are wrong about whether the study is of another patient, as `corrected` of them say.
    `early` were announced while HealthImaging listed what was not indexed, or had changed it within the quiet time;
    `after_deletion` within that of a deletion only. `late` has by how many seconds each was late that nothing failed
    for.
    """

    tried: int = 0
    announced: int = 0
    doubled: int = 0
    early: list[str] = field(default_factory=list)
    after_deletion: int = 0
    lost: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    corrected: int = 0
    late: list[float] = field(default_factory=list)
    parked: int = 0
    changes: int = 0
    messages: int = 0

    @property
    def harms(self) -> list[str]:
        """What must not be."""
        too_late = [f"late by {each:.0f} s" for each in self.late if each > RETRY + _CALLS]
        return self.early + self.lost + self.patients + too_late + (["a message was parked"] if self.parked else [])


def run(first: int, count: int) -> Report:
    """Live through some numbers."""
    report = Report()
    for number in range(first, first + count):
        _Story(number, report).run()
    return report


class _Story:
    """What happens to one or two studies."""

    def __init__(self, number: int, report: Report) -> None:
        self.number, self.report = number, report
        self.world = World(
            number,
            Faults(most=0) if number % 4 == 0 else Faults(),
            # Beyond the quiet time now and then; the index by study never.
            stream_delay=(1.0, 1.0, 90.0, 300.0)[number // 4 % 4],
            search_lag=(1.0, 5.0, 200.0)[number // 16 % 3],
            index_lag=(0.2, 30.0, 100.0)[number // 48 % 3],
        )
        # Some come and go within seconds, so that the index by study has nobody to name.
        self.hasty = number % 5 == 1
        # Patients are drawn for themselves: what happens to a number is the same with and without them.
        self.patients = Random(f"patients of {number}")
        self.indexed: dict[str, list[tuple[float, Snapshot]]] = {}
        self.deletions: dict[str, list[float]] = {study: [] for study in STUDIES}

    def run(self) -> None:
        random = self.world.random
        moment = 0.0
        for _ in range(random.randint(1, 8)):
            moment += random.choice((0.5, 5.0) if self.hasty else (0.5, 5.0, 60.0, QUIET, 3 * QUIET)) * random.random()
            self.world.after(moment, self._happen)
        with plugged(self.world):
            self.world.run()
        self._judge()

    # --- HealthImaging, and the index behind it

    def _happen(self) -> None:
        """Something happens to the studies."""
        world, random = self.world, self.world.random
        live = [(key, states[-1]) for key, states in world.image_sets.items() if not states[-1].deleted]
        what = random.random()
        if not live or what < 0.55:
            key = f"{len(world.image_sets):032d}"
            # A correction ends in a new image set.
            patient = self.patients.choices("789", (8, 1, 1))[0]
            self._change(key, Snapshot(random.choices(STUDIES, (5, 1))[0], 1, world.now, patient=patient))
            return
        key, last = random.choice(live)
        if what < (0.6 if self.hasty else 0.75):
            self._change(key, Snapshot(last.study, last.version + 1, world.now, patient=last.patient))
        elif what < (0.65 if self.hasty else 0.85):
            self._change(key, Snapshot(random.choice(STUDIES), last.version + 1, world.now, patient=last.patient))
        else:
            self.deletions[last.study].append(world.now)
            self._change(key, Snapshot(last.study, last.version, world.now, deleted=True, patient=last.patient))

    def _change(self, key: str, state: Snapshot) -> None:
        """A change, of which the index hears soon, twice, or only from the next reconcile pass."""
        world = self.world
        before = world.image_sets.setdefault(key, [])
        if before and before[-1].study != state.study:
            self.deletions[before[-1].study].append(world.now)
        before.append(state)
        delay = _LOST if world.likely(0.08) else world.random.choice((0.3, 3.0, 30.0)) * world.random.random()
        for _ in range(2 if world.likely(0.1) else 1):
            world.after(delay, partial(self._index, key, state))
            delay += world.random.uniform(0, 20)

    def _index(self, key: str, state: Snapshot) -> None:
        """The entry of a state, unless one as new is stored."""
        world = self.world
        partition = f"{DATASTORE}/{key}"
        of = generation.TOMBSTONE if state.deleted else generation.make(state.version, 1, 1)
        there = world.table.items.get((partition, "entry"))
        if there is not None and there["Generation"]["S"] >= of:
            return
        self.report.changes += 1
        now = datetime.fromtimestamp(world.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        item: Item = {"Generation": {"S": of}, "DatastoreId": {"S": DATASTORE}, "IndexedAt": {"S": now}}
        self.indexed.setdefault(key, []).append((world.now, state))
        if not state.deleted:
            item |= {
                "ImageSetVersion": {"N": str(state.version)},
                "StudyInstanceUID": {"S": state.study},
                "PatientID": {"S": state.patient},
                "Modality": {"S": "CT"},
                "InstanceCount": {"N": "3"},
            }
        world.table.write(partition, "entry", item)

    # --- what came of it

    def _judge(self) -> None:
        world, report = self.world, self.report
        report.tried += 1
        report.parked += len(world.parked)
        report.messages += world.calls["send_message"]
        for study in STUDIES:
            events = [
                each
                for each in world.happened
                if each.kind == "Study Stable" and each.detail["study"] == digest(DATASTORE, study)
            ]
            report.announced += len(events)
            report.doubled += len(events) - len({each.detail["key"] for each in events})
            for each in events:
                self._check_time(study, each)
            self._check_patients(study, events)
            truth = world.truth(study)
            content = digest(*sorted((key, state.version) for key, state in truth.items()))
            announced = [each for each in events if each.detail["key"] == content]
            if truth and not announced:
                report.lost.append(f"number {self.number}: {study} with {len(truth)} image sets was not announced")
            if truth and announced and not world.marred:
                report.late.append(announced[0].at - self._ready(study, truth))

    def _check_patients(self, study: str, events: list[Any]) -> None:
        """An announcement must say whether it is of other patients than the one that was noted last."""
        of = {each.detail["key"]: self._patients(each.detail["imageSets"]) for each in events}
        for each in events:
            right = set()
            for moment in (each.by.began, each.at):  # another invocation may have noted one meanwhile
                noted = [key for at, of_, key in self.world.noted if at <= moment and of_ == each.detail["study"]]
                right.add(bool(noted) and of[noted[-1]] != of[each.detail["key"]])
            if each.detail["patientChanged"] not in right:
                self.report.patients.append(f"number {self.number}: {study} does not say {right}")
            self.report.corrected += each.detail["patientChanged"]

    def _patients(self, listed: list[Any]) -> set[str]:
        """The patients of some image sets at their versions."""
        states = ((each, state) for each in listed for state in self.world.image_sets[each["imageSetId"]])
        return {state.patient for each, state in states if state.version == each["imageSetVersion"]}

    def _check_time(self, study: str, event: Any) -> None:
        """An announcement must agree with HealthImaging as of its answer, and come after the quiet time."""
        truth = self.world.truth(study, event.as_of)
        listed = {each["imageSetId"]: each["imageSetVersion"] for each in event.detail["imageSets"]}
        missing = [key for key, state in truth.items() if listed.get(key) != state.version]
        changed = [key for key, state in truth.items() if state.updated_at > event.at - QUIET]
        unread = [key for key, state in truth.items() if self._since(key, state) > event.at]
        if missing or changed or unread:
            self.report.early.append(
                f"number {self.number}: {study} at {event.at - EPOCH:.0f} s, {len(missing)} missing or old, "
                f"{len(changed)} changed, {len(unread)} not indexed"
            )
        elif any(event.at - QUIET < each <= event.at for each in self.deletions[study]):
            self.report.after_deletion += 1

    def _since(self, key: str, state: Snapshot) -> float:
        """From when on the index has had a state of an image set, or a newer one."""
        order = state.deleted, state.version
        return min(
            (at for at, other in self.indexed.get(key, ()) if (other.deleted, other.version) >= order), default=math.inf
        )

    def _ready(self, study: str, truth: dict[str, Snapshot]) -> float:
        """When a study could be announced at the earliest, had each part of AWS shown all that it had at its latest."""
        world = self.world
        changed = max((*(state.updated_at for state in truth.values()), *self.deletions[study]))
        # Whoever left must have left the index as well.
        members = [key for key, states in world.image_sets.items() if any(each.study == study for each in states)]
        indexed = max(self._since(key, world.image_sets[key][-1]) for key in members)
        heard = max(changed, indexed) + world.stream_delay
        return max(changed + QUIET, indexed + QUIET, heard + QUIET, changed + world.search_lag)


@contextlib.contextmanager
def _no_marker() -> Iterator[None]:
    with (
        mock.patch.object(Watched, "mark_study", return_value=None),
        mock.patch.object(Watched, "study_marker", return_value=None),
    ):
        yield


@contextlib.contextmanager
def _entries_not_looked_at() -> Iterator[None]:
    with (
        mock.patch.object(agreement, "agree", return_value=True),
        mock.patch.object(agreement, "newest", return_value=0.0),
    ):
        yield


@contextlib.contextmanager
def _healthimaging_not_asked() -> Iterator[None]:
    with (
        mock.patch.object(agreement, "agree", return_value=True),
        mock.patch.object(agreement, "newest", lambda entries, _: _newest(entries, ())),
    ):
        yield


_newest = agreement.newest


@contextlib.contextmanager
def _sent_if_noted(operator: str) -> Iterator[None]:
    """A message is sent only where the marker's condition held."""
    held: list[bool] = []

    def update(self: Table, **arguments: Any) -> Any:
        held[:] = [False]
        answer = _update(self, **arguments)
        held[:] = [True]
        return answer

    def send(self: Sender, *arguments: Any) -> None:
        if held[0]:
            _send(self, *arguments)

    with (
        mock.patch.object(watching, "_NOT_NEWER", watching._NOT_NEWER.replace("<=", operator)),
        mock.patch.object(Table, "update_item", update),
        mock.patch.object(Sender, "send", send),
    ):
        yield


class _Anyone(str):
    """The witness of every message."""

    __hash__ = str.__hash__

    def __eq__(self, _: object) -> bool:
        return True


def _witness_not_looked_at(self: Watched, study: str) -> StudyMarker | None:
    """The marker as if its witness were always the message's own, so that any later change drops a message."""
    marker = _study_marker(self, study)
    return marker and StudyMarker(marker.last_change, _Anyone(), marker.announced, marker.patients)


_study_marker, _update, _send = Watched.study_marker, Table.update_item, Sender.send


def _of_new_images(_: object, changes: Any) -> list[Any]:
    return _studies(function()._studies(), [each for each in changes if each.new is not None])


_studies = studies.StudyWatch._studies

VARIANTS: Final = (
    Variant(
        "a message for what was noted only, and < instead of <= in the condition",
        partial(_sent_if_noted, "<"),
        lambda report: len(report.lost),
    ),
    Variant(
        "a message for what was noted only, while the index by study lags",
        partial(_sent_if_noted, "<="),
        lambda report: len(report.lost),
    ),
    Variant("no marker", _no_marker, lambda report: max(report.doubled - report.announced // 4, 0)),
    Variant("marker only, neither entries nor HealthImaging looked at", _entries_not_looked_at, lambda r: len(r.early)),
    Variant("HealthImaging not asked", _healthimaging_not_asked, lambda report: len(report.early)),
    Variant(
        "a disagreement dropped instead of tried again",
        lambda: mock.patch.object(studies.StudyWatch, "_later", return_value=studies.Checked()),
        lambda report: len(report.lost),
    ),
    Variant(
        "image sets that leave a study not noted",
        lambda: mock.patch.object(studies.StudyWatch, "_studies", _of_new_images),
        lambda report: len(report.lost),
    ),
    Variant(
        "patients not compared",
        lambda: mock.patch.object(patients, "changed", return_value=False),
        lambda r: len(r.patients),
    ),
    Variant(
        "a message dropped though the witness of the later change has left",
        lambda: mock.patch.object(Watched, "study_marker", _witness_not_looked_at),
        lambda report: len(report.lost),
    ),
)
