"""Whether a study has other PatientIDs than when it was last announced.

Values of a patient cannot be updated in a primary image set: a corrected patient ends as a new image set of the same
study (AWS HealthImaging Developer Guide, "Updating image set metadata"). So no entry changes its PatientID, and only
the study's marker can remember which ones there were. It does so by a digest that says nothing without the study's UID,
which neither markers nor events have.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.entry.item import plain_value
from imaging_index.profile.privacy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging_index.entry.item import Item
    from imaging_index.table.watching import StudyMarker

PATIENT_ID: Final = "PatientID"


def digest(policy: Policy | None, study_uid: str, entries: Iterable[Item]) -> str | None:
    """What a marker remembers of a study's PatientIDs; None if entries do not have them.

    `policy` is what the profile does to a PatientID, or None if it does not select it. With another policy, the same
    patient has other values.
    """
    if policy in (None, Policy.DROP):
        return None
    values = sorted({str(plain_value(entry[PATIENT_ID])) for entry in entries if PATIENT_ID in entry})
    made = hashlib.blake2b(msgspec.json.encode(values), key=study_uid.encode()[:64], digest_size=16)
    return f"{policy}/{made.hexdigest()}"


def changed(marker: StudyMarker | None, now: str | None) -> bool | None:
    """Whether a study has other PatientIDs than when it was last announced; None if that is not known.

    A study that was never announced has not changed. `now` is its present digest.
    """
    if now is None:
        return None
    if marker is None or marker.announced is None:
        return False
    before = marker.patients
    if before is None or before.partition("/")[0] != now.partition("/")[0]:
        return None
    return before != now
