"""Announces a study that has not changed for a while, when the index holds all that HealthImaging lists for it.

Each change of an entry is noted in its study's marker, and a message is sent that is received when the study may be
stable. The message of the last change checks the study; all others are dropped.

Only entries hold a study's UID. Marker and message name a *witness* instead, an image set in the study, whose entry has
it. When a witness leaves the study, the change of its entry notes the study again, with another one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.publishing import agreement, patients
from imaging_index.publishing.agreement import digest, is_in
from imaging_index.publishing.message import StudyMessage
from imaging_index.table.layout import Key
from imaging_index.table.watching import STUDY_UID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.healthimaging import HealthImaging
    from imaging_index.profile.privacy import Policy
    from imaging_index.publishing.bus import Bus
    from imaging_index.publishing.change import Change
    from imaging_index.publishing.message import Sender
    from imaging_index.table.watching import StudyMarker, Watched

# Amazon DynamoDB Streams API Reference, "StreamRecord": the time of a change is rounded down to the second. A message
# that came so much sooner would have the study looked at in vain.
_ROUNDED: Final = 1.0

# How soon a study that does not agree is looked at again: each look is a SearchImageSets. After an hour it is looked at
# less often, so that its message outlives the queue's fortnight in less than a thousand receipts.
_RETRY: Final = 60.0  # seconds
_LATER_RETRY: Final = 900.0
# From when on a study or a job counts as waiting, which rings; and the longest pause, so that it counts once an hour.
LONG: Final = 3600.0


class Checked(msgspec.Struct, frozen=True):
    """What a check came to: announced, to be checked again in `later` seconds, or neither when it was needless.

    `waiting` says that the index has not agreed with HealthImaging for an hour.
    """

    announced: bool = False
    later: float | None = None
    waiting: bool = False


class _Noted(msgspec.Struct):
    """What some changes say of one study: the place of the first, the time of the last, and who is in it after them."""

    datastore_id: str
    uid: str
    first: int
    moment: float
    members: dict[str, bool]


class StudyWatch:
    """Watches the studies of the index.

    It needs the bus, the table, HealthImaging's SearchImageSets, the watches' queue and the setting
    `studyStableMinutes`.
    """

    def __init__(
        self,
        bus: Bus,
        table: Watched,
        healthimaging: HealthImaging,
        sender: Sender,
        minutes: float,
        patient_policy: Policy | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Studies are announced when they have been stable for `minutes`.

        `patient_policy` is what the profile does to a PatientID, or None if it does not select it.
        """
        self._bus = bus
        self._table = table
        self._healthimaging = healthimaging
        self._sender = sender
        self._minutes = minutes
        self._patient_policy = patient_policy
        self._now = now

    def note(self, changes: Sequence[Change]) -> tuple[int, Exception | None]:
        """Note the studies of some changes. Returns how many of the first changes are through, and why not more."""
        for noted in sorted(self._studies(changes), key=lambda each: each.first):
            try:
                self._note(noted)
            except Exception as error:
                return noted.first, error
        return len(changes), None

    def check(self, message: StudyMessage) -> Checked:
        """Look at a study whose time may have come.

        Raises:
            Exception: whatever AWS answers (`aws_errors.classify`), or EventBridge's refusal as a fault.
        """
        marker = self._table.study_marker(message.study)
        last, witness = message.changed, message.witness
        if marker and marker.last_change > last:
            last = marker.last_change
            other = Key(witness.datastore_id, marker.witness)
            # The message of the last change checks the study, unless its witness has left.
            if other == witness or self._uid(message.study, other):
                return Checked()
        uid = self._uid(message.study, witness)
        if uid is None:
            return Checked()
        due = last + self._minutes * 60
        if due > self._now():
            return Checked(later=due - self._now())
        return self._check(message, uid, due, marker)

    def _check(self, message: StudyMessage, uid: str, due: float, marker: StudyMarker | None) -> Checked:
        study, datastore_id = message.study, message.witness.datastore_id
        keys = [key for page in self._table.in_study(datastore_id, uid) for key in page]
        found = self._table.parts_of(keys, agreement.READ)
        entries = {key: item for key, item in found.items() if is_in(study, key, item)}
        if (quiet := self._quiet(agreement.newest(entries.values(), ()))) > 0:
            return self._later(due, quiet)
        listed = self._healthimaging.of_study(datastore_id, uid)
        if not agreement.agree(entries, listed):
            return self._later(due, 0)
        if (quiet := self._quiet(agreement.newest((), listed))) > 0:
            return self._later(due, quiet)
        content = agreement.content(listed)
        if marker and content == marker.announced:
            return Checked()
        of_patients = patients.digest(self._patient_policy, uid, entries.values())
        changed = patients.changed(marker, of_patients)
        self._bus.put_one(agreement.stable(study, datastore_id, entries, listed, self._minutes, changed))
        self._table.note_study_announced(study, content, of_patients)
        return Checked(announced=True)

    def _quiet(self, newest: float) -> float:
        """For how many seconds more a study must not change, which changed last at `newest`."""
        return newest + self._minutes * 60 - self._now()

    def _later(self, due: float, quiet: float) -> Checked:
        """To be checked again after `quiet` seconds; after a pause where the index and HealthImaging do not agree."""
        late = self._now() - due
        pause = _RETRY if late < LONG else min(max(_LATER_RETRY, late / 24), LONG)
        # A clock that is ahead of ours must not put a study off for ever.
        return Checked(later=min(quiet, self._minutes * 60) if quiet > 0 else pause, waiting=late >= LONG)

    def _note(self, noted: _Noted) -> None:
        witness = self._witness(noted)
        if witness is None:
            return
        study = digest(noted.datastore_id, noted.uid)
        self._table.mark_study(study, noted.moment, witness)
        # Also where a later change was noted already: its witness may leave, and then this one must speak.
        message = StudyMessage(study, Key(noted.datastore_id, witness), noted.moment)
        self._sender.send(message, noted.moment + _ROUNDED + self._minutes * 60 - self._now())

    def _witness(self, noted: _Noted) -> str | None:
        """An image set in the study. None if it has none, or none that the index of studies has already.

        One that was written a moment ago is seen to by its own change.
        """
        for image_set_id, present in reversed(noted.members.items()):
            if present:
                return image_set_id
        study = digest(noted.datastore_id, noted.uid)
        for keys in self._table.in_study(noted.datastore_id, noted.uid):
            found = self._table.parts_of(keys, [STUDY_UID])
            for key, item in found.items():
                if is_in(study, key, item):
                    return key.image_set_id
        return None

    def _uid(self, study: str, key: Key) -> str | None:
        """The UID of a study in the entry of an image set; None where that is not in the study any more."""
        item = self._table.parts_of([key], [STUDY_UID]).get(key)
        if item is None or not is_in(study, key, item):
            return None
        uid: str = item[STUDY_UID]["S"]
        return uid

    def _studies(self, changes: Sequence[Change]) -> list[_Noted]:
        """The studies that some changes are of: those that image sets came into, changed in, or left."""
        studies: dict[tuple[str, str], _Noted] = {}
        for place, change in enumerate(changes):
            before, after = _study_uid(change.old), _study_uid(change.new)
            moment = change.moment or self._now()
            for uid in dict.fromkeys(each for each in (before, after) if each):
                key = change.key.datastore_id, uid
                noted = studies.setdefault(key, _Noted(*key, place, moment, {}))
                noted.moment = max(noted.moment, moment)
                # The latest change of an image set counts, and comes last.
                noted.members.pop(change.key.image_set_id, None)
                noted.members[change.key.image_set_id] = uid == after
        return [*studies.values()]


def _study_uid(entry: Item | None) -> str | None:
    """The UID of an entry's study, which a document may lack."""
    return None if entry is None else entry.get(STUDY_UID, {}).get("S")
