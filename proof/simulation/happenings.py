"""What happens in HealthImaging meanwhile: image sets are made, changed and deleted, and events tell of it or not."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from imaging_index.queue.hint import REPLAY_SOURCE, Cause, Kind
from imaging_index.table import generation
from proof.harness.canary import MARKER
from proof.simulation import memory
from proof.simulation.environments import DATASTORE, NEW
from proof.simulation.timeline import Timeline

EVENT_TIME: Final = "2026-01-01T00:00:00Z"
# For how long GetImageSet may not know of a change, however few asked: less than the index waits for it.
_LONGEST_LAG: Final = 100  # seconds
_UNDER_WAY: Final = (Kind.COPYING, Kind.COPYING_WITH_READ_ONLY_ACCESS, Kind.UPDATING, Kind.DELETING)


@dataclass(frozen=True, slots=True)
class Promise:
    """What is so once a hint is settled: pages that were litter before are gone, and the entry has got this far.

    `reached` is the beginning of a generation, without the profile's revision; empty when nothing was promised.
    """

    image_set: str
    reached: str


@lru_cache(maxsize=4096)
def document(image_set: str, content: int) -> bytes:
    """The metadata document of one content of an image set, gzip; no content is like another."""
    study, series = f"1.2.{int(image_set)}", f"1.2.{int(image_set)}.1"
    every = {
        uid: {"DICOM": {"SOPInstanceUID": uid, "InstanceNumber": number}, "ImageFrames": [{"ID": f"frame {number}"}]}
        for number, uid in enumerate(instances(image_set, content))
    }
    written = {
        "SchemaVersion": "1.1",
        "DatastoreID": DATASTORE,
        "ImageSetID": image_set,
        "Patient": {"DICOM": {"PatientID": f"{MARKER}-{content}"}},
        "Study": {
            "DICOM": {"StudyInstanceUID": study, "StudyDescription": f"{MARKER} {content}"},
            "Series": {series: {"DICOM": {"SeriesInstanceUID": series, "Modality": "CT"}, "Instances": every}},
        },
    }
    return gzip.compress(msgspec.json.encode(written), 1, mtime=0)


def instances(image_set: str, content: int) -> list[str]:
    """The SOP instance UIDs of one content: 3 to 6, which are 1 to 3 pages."""
    return [f"1.2.{int(image_set)}.1.{content}.{number}" for number in range(3 + content * 5 % 4)]


@lru_cache(maxsize=4096)
def expected(image_set: str, content: int, version: int, revision: int) -> Mapping[str, Any]:
    """What an entry must hold of a version, or must not, written down without the code that makes entries."""
    return {
        "PatientID": {"S": f"{MARKER}-{content}"},
        "StudyDescription": {"S": f"{MARKER} {content}"} if revision == NEW else None,
        "StudyInstanceUID": {"S": f"1.2.{int(image_set)}"},
        "Modality": {"S": "CT"},
        "InstanceCount": {"N": str(len(instances(image_set, content)))},
        "ImageSetVersion": {"N": str(version)},
        "DatastoreId": {"S": DATASTORE},
        "ImageSetId": {"S": image_set},
    }


class Happenings:
    """HealthImaging's side of a seed.

    Args:
        timeline: of the seed.
        send: called with the body of a message for the queue, and what it promises.
        lag: how many answers of GetImageSet may not know of a change yet; drawn when not given.

    Attributes:
        service: HealthImaging, as the function asks it.
        contents: the number of the content of each version of each image set.
        unreadable: versions of image sets that cannot be read before reconcile, and why not ("corrupt", "conflict").
    """

    def __init__(self, timeline: Timeline, send: Callable[[str, Promise | None], None], lag: int | None = None) -> None:
        self.service = memory.HealthImaging(DATASTORE, self._lag)
        self.contents: dict[str, list[int]] = {}
        self.unreadable: dict[tuple[str, str], str] = {}
        self._timeline = timeline
        self._send = send
        self._events = 0
        choice, likely = timeline.random.choice, timeline.likely
        self._faults = {
            fault: choice((0.1, 0.4)) if likely(0.2) else 0.0
            for fault in ("lost", "doubled", "lying", "falsely deleted", "of 2024", "very late")
        }
        self._unreadable = 0.5 if likely(0.3) else 0.0
        self._dawdling = 0.5 if likely(0.25) else 0.0
        drawn = choice((0, 0, 1, 2, 3))
        self._longest_lag = drawn if lag is None else lag

    def begin(self) -> None:
        """The first image sets, and all that follows from them."""
        for _ in range(self._timeline.random.choice((1, 1, 1, 2))):
            self._timeline.after(self._timeline.spell(10) if self._timeline.likely(0.3) else 0, self._create)

    def calm_down(self) -> None:
        """Nothing goes wrong with events and documents any more."""
        self._faults = dict.fromkeys(self._faults, 0.0)
        self.unreadable.clear()

    def gone(self, image_set: str) -> bool:
        """Whether an image set is deleted."""
        return self.service.image_sets[image_set].state == "DELETED"

    def live(self) -> list[str]:
        """The image sets that can be read, now or soon."""
        return [image_set for image_set, contents in self.contents.items() if contents and not self.gone(image_set)]

    def hint(self, image_set: str, cause: Cause) -> None:
        """Send what reconcile sends for an image set that differs, or an operator for one to be written anew."""
        if self.gone(image_set):
            self._tell(Kind.DELETED, image_set, None, cause)
        else:
            self._tell(Kind.UNKNOWN, image_set, len(self.contents[image_set]), cause)

    def _lag(self) -> int:
        return self._timeline.random.randint(0, self._longest_lag)

    def _end_lag_of(self, image_set: str) -> None:
        version = self.service.image_sets[image_set].version

        def end() -> None:
            if (now := self.service.image_sets[image_set]).version == version:
                now.lag = 0

        self._timeline.after(_LONGEST_LAG, end)

    # --- the life of an image set

    def _create(self) -> None:
        image_set = f"{len(self.contents) + 1:032d}"
        self.contents[image_set] = [0]
        made = self.service.create(image_set, document(image_set, 0), is_primary=self._timeline.likely(0.7))
        self._timeline.note(f"{image_set[-2:]} is created")
        if self._timeline.likely(0.15):
            # Read after write: a new image set need not be readable at once.
            made.hidden = True
            self._timeline.after(self._timeline.spell(600), lambda: setattr(made, "hidden", False))
        self._event(Kind.CREATED, image_set)
        self._live_on(image_set, self._timeline.random.choice((0, 1, 1, 2, 3)))

    def _live_on(self, image_set: str, changes: int) -> None:
        if changes:
            change = self._timeline.random.choice((self._update, self._update, self._copy, self._delete))
            self._timeline.after(self._timeline.spell(60), lambda: change(image_set, changes - 1))

    def _when_done(self, what: Callable[[], None]) -> None:
        """A job locks an image set for a while, now and then for longer than anybody has patience."""
        dawdles = self._timeline.likely(self._dawdling)
        self._timeline.after(20_000 if dawdles else self._timeline.spell(60), what)

    def _update(self, image_set: str, changes: int) -> None:
        self.service.begin_update(image_set)
        self._event(Kind.UPDATING, image_set)
        self._when_done(lambda: self._updated(image_set, changes))

    def _updated(self, image_set: str, changes: int) -> None:
        contents = self.contents[image_set]
        failed = self._timeline.likely(0.1)
        contents.append(contents[-1] if failed else max(contents) + 1)
        self.service.finish_update(image_set, None if failed else document(image_set, contents[-1]))
        self._end_lag_of(image_set)
        if self._timeline.likely(self._unreadable):
            reason = self._timeline.random.choice(("corrupt", "conflict", "conflict"))
            self.unreadable[image_set, str(len(contents))] = reason
        self._timeline.note(f"{image_set[-2:]} is at version {len(contents)}")
        self._event(Kind.UPDATE_FAILED if failed else Kind.UPDATED, image_set)
        self._live_on(image_set, changes)

    def _copy(self, source: str, changes: int) -> None:
        destination = f"{len(self.contents) + 1:032d}"
        self.contents[destination] = []
        self.service.begin_copy(source, destination)
        self._event(Kind.COPYING, destination)
        self._event(Kind.COPYING_WITH_READ_ONLY_ACCESS, source)
        self._when_done(lambda: self._copied(source, destination, changes))

    def _copied(self, source: str, destination: str, changes: int) -> None:
        self.contents[destination].append(0)
        self.service.finish_copy(source, destination, document(destination, 0))
        self._timeline.note(f"{destination[-2:]} is copied from {source[-2:]}")
        self._event(Kind.COPIED, destination)
        self._live_on(source, changes)

    def _delete(self, image_set: str, _: int) -> None:
        self.service.begin_delete(image_set)
        self._event(Kind.DELETING, image_set)
        self._when_done(lambda: self._deleted(image_set))

    def _deleted(self, image_set: str) -> None:
        self.service.finish_delete(image_set)
        self._end_lag_of(image_set)
        self._timeline.note(f"{image_set[-2:]} is deleted")
        self._event(Kind.DELETED, image_set)
        if self._timeline.likely(0.2):
            self._timeline.after(self._timeline.spell(600), lambda: self._purge(image_set))

    def _purge(self, image_set: str) -> None:
        self._timeline.note(f"{image_set[-2:]} cannot be found any more")
        self.service.image_sets[image_set].hidden = True

    # --- its events

    def _event(self, kind: Kind, image_set: str) -> None:
        """An event, with what goes wrong with it."""
        likely, faults = self._timeline.likely, self._faults
        if likely(faults["falsely deleted"]):
            self._tell(Kind.DELETED, image_set, None)
        if likely(faults["lost"]):
            self._timeline.note(f"an event is lost: {kind.value} {image_set[-2:]}")
            self._timeline.marred.add("an event was lost")
            return
        version: int | None = self.service.image_sets[image_set].version
        if likely(faults["lying"]):
            version = self._timeline.random.choice((1, 2, 3, 9))
        if likely(faults["of 2024"]):
            version = None
        self._tell(kind, image_set, version, times=2 if likely(faults["doubled"]) else 1)

    def _tell(
        self, kind: Kind, image_set: str, version: int | None, cause: Cause = Cause.EVENT, times: int = 1
    ) -> None:
        self._events += 1
        detail: dict[str, Any] = {"datastoreId": DATASTORE}
        if version is None:
            detail["imageSetId"] = image_set
        else:
            is_primary = self.service.image_sets[image_set].is_primary
            if cause in (Cause.REPAIR, Cause.REINDEX):
                is_primary = not is_primary  # somebody typed it
            detail |= {"imagesetId": image_set, "imageSetVersion": str(version), "isPrimary": is_primary}
        envelope = {
            "id": str(self._events),
            "source": "aws.medical-imaging",
            "detail-type": kind.value,
            "time": EVENT_TIME,
            "detail": detail,
        }
        direct = kind is Kind.CREATED
        if cause is not Cause.EVENT:
            detail["cause"] = cause.value
            envelope["source"] = REPLAY_SOURCE
            direct = True
        body = msgspec.json.encode(envelope).decode()
        promise = self._promise(kind, image_set, version if direct else None)
        now = self.service.image_sets[image_set]
        if promise and now.lag and kind is not Kind.DELETED and (version or 0) < now.version:
            # Nothing in it says that GetImageSet's answer is an old one.
            self._timeline.marred.add("an event without its version may have met an old answer")
            promise = Promise(image_set, "")
        for _ in range(times):
            late = self._timeline.likely(self._faults["very late"])
            self._timeline.after(self._timeline.spell(3_000 if late else 5), lambda: self._send(body, promise))

    def _promise(self, kind: Kind, image_set: str, version: int | None) -> Promise | None:
        """What a hint promises that is to lead to `version`, or to what HealthImaging says now."""
        if kind in _UNDER_WAY:
            return None
        if kind is Kind.DELETED and self.gone(image_set):
            return Promise(image_set, generation.TOMBSTONE)
        # A version that is not there yet, or never was, is not waited for any longer than for what is there.
        there = len(self.contents[image_set])
        complete = min(version or there, there)
        return Promise(image_set, f"{complete:010d}" if complete else "")
