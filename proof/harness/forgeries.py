"""What a hostile principal may put on the bus or send to the queue: hints that lie, and what is no hint at all.

What they write bears a mark of its own, which may stand nowhere but in the messages themselves.
"""

import json
from typing import Any, Final

from imaging_index.queue.hint import REPLAY_SOURCE, Kind
from imaging_index.table.layout import Key

INTRUDER: Final = "Eve^Intruder"
AWS_SOURCE: Final = "aws.medical-imaging"
LARGE: Final = 255 * 2**10  # bytes; SQS takes 256 KiB where a MiB has not arrived yet

_NESTED: Final = "[" * 100_000


def forged(key: Key, kind: str, source: str = AWS_SOURCE, **detail: Any) -> str:
    """The body of a message that HealthImaging has not sent."""
    told = {"datastoreId": key.datastore_id, "imagesetId": key.image_set_id} | detail
    return json.dumps(
        {"source": source, "detail-type": kind, "time": "2026-01-01T00:00:00Z", "comment": INTRUDER, "detail": told}
    )


def lies(key: Key) -> list[str]:
    """Everything that may be said about an image set, and is not true."""
    told = [forged(key, kind, source) for kind in Kind for source in (AWS_SOURCE, REPLAY_SOURCE)]
    told += [forged(key, kind, isPrimary=INTRUDER) for kind in (f"Image Set {INTRUDER}", "", "Image Set Deleted\0")]
    versions = (0, -1, 1, 2, 7, 9_999_999_999, 10**30, "1", "01", "٣", "1e3", None, True, [1], {"a": 1}, INTRUDER)
    for version in versions:
        told.append(forged(key, Kind.CREATED, imageSetVersion=version, isPrimary=INTRUDER))
        told.append(forged(key, Kind.DELETED, REPLAY_SOURCE, imageSetVersion=version, cause="repair"))
    return told + [forged(key, Kind.UNKNOWN, REPLAY_SOURCE, imageSetVersion=1, cause="repair")] * 5


def malformed(key: Key) -> list[str]:
    """What is no hint at all; the last is as large as a message may be."""
    ids: tuple[Any, ...] = (
        *("x" * 2_000, f"../../{key.image_set_id}", f"{key.image_set_id}/../{key.image_set_id}", "", "%00", "*"),
        *(f"{key.image_set_id}\0", f"\x1b[2J{INTRUDER}", f"{key.image_set_id}\n", key.image_set_id.upper() + "Ω"),
        *(None, 1, ["a" * 32], {"S": INTRUDER}),
    )
    bodies = [forged(key, Kind.DELETED, **{name: each}) for each in ids for name in ("imagesetId", "datastoreId")]
    whole = forged(key, Kind.CREATED)
    bodies += [INTRUDER, "null", "[]", "{}", '{"detail": 1}', whole[:-1], whole + INTRUDER, _NESTED, "NaN"]
    return [*bodies, json.dumps({"detail": {"comment": INTRUDER * (LARGE // len(INTRUDER) - 10)}})]
