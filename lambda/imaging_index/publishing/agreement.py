"""Whether the index holds what HealthImaging lists for a study, and what the event of a stable study says of it."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from imaging_index.entry.item import plain_value
from imaging_index.publishing import event
from imaging_index.table import generation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.healthimaging import Found
    from imaging_index.publishing.event import Event
    from imaging_index.table.layout import Key

# The values of a patient that all image sets of a study should share: a study of two patients needs a human.
PATIENT: Final = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
# What is read of each entry.
READ: Final = ("StudyInstanceUID", "ImageSetVersion", "IndexedAt", "Cause", "InstanceCount", "Modality", *PATIENT)

_MOST_LISTED: Final = 500
_MORE: Final = (
    "Read the entry of an image set in the list, and search for its StudyInstanceUID: `imaging-index search` or a "
    "query of the index by study lists all."
)


def digest(*parts: object) -> str:
    """A digest of some texts and numbers, in 32 hexadecimal digits."""
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def is_in(study: str, key: Key, entry: Item | None) -> bool:
    """Whether an entry belongs to a study, by the study's digest."""
    if entry is None or entry["Generation"]["S"] == generation.TOMBSTONE:
        return False
    uid = entry.get("StudyInstanceUID", {}).get("S")
    return uid is not None and digest(key.datastore_id, uid) == study


def agree(entries: Mapping[Key, Item], listed: Sequence[Found]) -> bool:
    """Whether entries are of the image sets that HealthImaging lists, and of no others, each at its version."""
    indexed = {(key.image_set_id, int(entry["ImageSetVersion"]["N"])) for key, entry in entries.items()}
    return indexed == {(each.image_set_id, each.version) for each in listed}


def newest(entries: Iterable[Item], listed: Iterable[Found]) -> float:
    """When an entry was written or an image set changed last, in seconds since 1970."""
    written = (datetime.fromisoformat(entry["IndexedAt"]["S"]).timestamp() for entry in entries)
    return max((*written, *(each.updated_at for each in listed)), default=0)


def content(listed: Iterable[Found]) -> str:
    """A digest of the image sets of a study and their versions, which is its content."""
    return digest(*sorted((each.image_set_id, each.version) for each in listed))


def stable(
    study: str,
    datastore_id: str,
    entries: Mapping[Key, Item],
    listed: Sequence[Found],
    minutes: float,
    patient_changed: bool | None,
) -> Event:
    """The event of a study whose entries and image sets agree. `patient_changed` is None where it is not known."""
    ordered = sorted(listed, key=lambda each: each.image_set_id)
    image_sets = []
    for each in ordered[:_MOST_LISTED]:
        said: dict[str, Any] = {"imageSetId": each.image_set_id, "imageSetVersion": each.version}
        if each.is_primary is not None:
            said["isPrimary"] = each.is_primary
        image_sets.append(said)
    conflicts = {name: count for name in PATIENT if (count := len(_values(entries, name))) > 1}
    detail: dict[str, Any] = {
        "datastoreId": datastore_id,
        "study": study,
        "key": content(listed),
        "stableMinutes": math.ceil(minutes),
        "imageSetCount": len(listed),
        "nonPrimaryCount": sum(each.is_primary is False for each in listed),
        "instanceCount": sum(int(entry.get("InstanceCount", {}).get("N", 0)) for entry in entries.values()),
        "causes": sorted({event.cause(entry) for entry in entries.values()}),
        "modalities": sorted(_values(entries, "Modality")),
        "conflictCount": len(conflicts),
        "conflicts": conflicts,
        "imageSets": image_sets,
    }
    if patient_changed is not None:
        detail["patientChanged"] = patient_changed
    if len(ordered) > _MOST_LISTED:
        detail |= {"imageSetsOmitted": len(ordered) - _MOST_LISTED, "more": _MORE}
    return event.make(event.STUDY_STABLE, study, detail)


def _values(entries: Mapping[Key, Item], name: str) -> set[str]:
    """The distinct values of an attribute, as text."""
    return {str(plain_value(entry[name])) for entry in entries.values() if name in entry}
