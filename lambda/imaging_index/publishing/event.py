"""The index's own events: what each says, in JSON, within the size that EventBridge and its targets take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.entry.item import plain, plain_value
from imaging_index.table import generation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging_index.entry.item import Item
    from imaging_index.publishing.change import Change

SOURCE: Final = "imaging-index"

INDEXED: Final = "Image Set Indexed"
REINDEXED: Final = "Image Set Reindexed"
REMOVED: Final = "Image Set Removed"
STUDY_STABLE: Final = "Study Stable"
JOB_INDEXED: Final = "Import Job Indexed"

# Amazon EventBridge User Guide, "Calculating PutEvents event entry size": 256 KB, and less with targets' envelopes.
LARGEST_DETAIL: Final = 200_000
# What the attributes and the names of the changed ones may take of it each. The names in a profile's list, of those
# without a value or without room, take up to 20 kB, and all else 2 kB.
_ROOM: Final = 60_000

# What differs whenever an entry is written again, or follows from other attributes.
_OF_EVERY_WRITE: Final = frozenset(
    {
        *("Attempt", "Cause", "EventTime", "FirstIndexedAt", "Generation", "ImageSetVersion", "IndexedAt"),
        *("DocumentIn", "NonPrimary", "Pages", "PagesChecksum", "ProfileHash"),
    }
)

# Numbers as JSON's own, so that rules can compare them; `Decimal` would be text.
_encode: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


class Event(msgspec.Struct, frozen=True):
    """An event for the bus. `about` names what must hear its events in order; `key` is equal in doubles."""

    kind: str
    about: str
    key: str
    detail: str


def make(kind: str, about: str, detail: dict[str, Any]) -> Event:
    """The event of a detail, which has the `key` already."""
    return Event(kind, about, detail["key"], _encode(detail).decode())


def of_change(change: Change, attributes: Sequence[str]) -> Event | None:
    """The event of an entry's change, with those attributes that it has; None when it says nothing new.

    An entry that changed at the same generation is distinguished by its number in the stream: the pass that corrects
    IsPrimary writes nothing else.
    """
    last = change.last
    detail = _common(change, last)
    if change.new is None:
        kind = REMOVED
        # The attempt is the removed entry's: an operator may lift a tombstone, and the image set be removed once more.
        key = f"{change.key}/{generation.TOMBSTONE}/{_attempt(last)}"
        detail |= {"generation": generation.TOMBSTONE, "key": key, "cause": "event"}
    elif change.old is None:
        kind = INDEXED
    else:
        kind = REINDEXED
        changed = sorted(_changed(change.old, change.new))
        if change.old["Generation"] == change.new["Generation"]:
            if not changed:
                return None
            detail["key"] += f"/{change.sequence}"
        detail["previousVersion"] = int(change.old["ImageSetVersion"]["N"])
        detail["changed"] = fitting = [*_fitting(changed)]
        if len(fitting) < len(changed):
            detail["changedOmitted"] = len(changed) - len(fitting)
    detail |= _attributes(last, attributes)
    return make(kind, str(change.key), detail)


def _common(change: Change, entry: Item) -> dict[str, Any]:
    """What each event of an image set says."""
    detail: dict[str, Any] = {
        "datastoreId": change.key.datastore_id,
        "imageSetId": change.key.image_set_id,
        "imageSetVersion": int(entry["ImageSetVersion"]["N"]),
        "generation": entry["Generation"]["S"],
        "key": f"{change.key}/{entry['Generation']['S']}/{_attempt(entry)}",
        "cause": cause(entry),
    }
    if "IsPrimary" in entry:
        detail["isPrimary"] = entry["IsPrimary"]["BOOL"]
    for name, own in (("instanceCount", "InstanceCount"), ("frameCount", "FrameCount")):
        if own in entry:
            detail[name] = int(entry[own]["N"])
    return detail


def cause(entry: Item) -> str:
    """Why an entry was written."""
    found: str = entry.get("Cause", {}).get("S", "event")
    return found


def _attempt(entry: Item) -> str:
    attempt: str = entry.get("Attempt", {}).get("S", "")
    return attempt


def _attributes(entry: Item, names: Sequence[str]) -> dict[str, Any]:
    """The attributes of a profile's [events] list: `attributes`, `absent`, and `omitted` for want of room, if any."""
    values = {name: plain_value(entry[name]) for name in names if name in entry}
    room, kept = _ROOM, {}
    for name, value in values.items():
        room -= len(name) + len(_encode(value)) + 4
        if room < 0:
            break
        kept[name] = value
    said: dict[str, Any] = {"attributes": kept, "absent": [name for name in names if name not in entry]}
    if len(kept) < len(values):
        said["omitted"] = [name for name in values if name not in kept]
    return said


def _changed(old: Item, new: Item) -> Iterator[str]:
    """The names of the attributes that differ, whatever the order of a number's digits or a map's members is."""
    before, after = plain(old), plain(new)
    for name in before.keys() | after.keys():
        if name not in _OF_EVERY_WRITE and before.get(name) != after.get(name):
            yield name


def _fitting(names: Sequence[str]) -> Iterator[str]:
    """The first of some names, as far as there is room for them."""
    room = _ROOM
    for name in names:
        room -= len(name.encode()) + 3
        if room < 0:
            return
        yield name
