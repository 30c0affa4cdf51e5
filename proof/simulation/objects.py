"""An S3 bucket in memory: the calls that the functions make, and no others.

The answers are those of boto3's client. `test_memory.py` holds them against the local cloud, call by call.
"""
# ruff: noqa: N803  the arguments are boto3's

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from imaging_index.table.layout import Key
from proof.simulation import memory
from proof.simulation.memory import Answer


@dataclass(frozen=True, slots=True)
class Object:
    """An object: its bytes, its own notes, and when it was written."""

    content: bytes
    metadata: Mapping[str, str]
    written: datetime


class Bucket:
    """The client `s3`, with one bucket.

    Args:
        name: of the bucket.
        now: the time.
        page_size: how many keys a page of ListObjectsV2 has; S3 gives a thousand.
        changed: called with an object's key, and what it was before and after, at every write.
    """

    def __init__(
        self,
        name: str,
        now: Callable[[], datetime],
        page_size: int = 1_000,
        changed: Callable[[str, Object | None, Object | None], None] = lambda *_: None,
    ) -> None:
        self.objects: dict[str, Object] = {}
        self._name = name
        self._now = now
        self._page_size = page_size
        self._changed = changed

    def put_object(self, *, Bucket: str, Key: str, Body: bytes | IO[bytes], Metadata: Mapping[str, str]) -> Answer:
        """PutObject."""
        self._check("PutObject", Bucket)
        content = Body if isinstance(Body, bytes) else Body.read()
        self._change(Key, Object(content, Metadata, self._now()))
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> Answer:
        """GetObject."""
        self._check("GetObject", Bucket)
        if Key not in self.objects:
            raise memory.refusal("GetObject", "NoSuchKey", 404)
        found = self.objects[Key]
        return {"Body": memory.body(found.content), "Metadata": dict(found.metadata)}

    def delete_object(self, *, Bucket: str, Key: str) -> Answer:
        """DeleteObject, which does not mind if there is none."""
        self._check("DeleteObject", Bucket)
        self._change(Key, None)
        return {}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> Answer:
        """ListObjectsV2: one page."""
        self._check("ListObjectsV2", Bucket)
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
        page = [{"Key": key, "LastModified": self.objects[key].written} for key in keys[: self._page_size]]
        answer: Answer = {"IsTruncated": len(keys) > len(page)}
        return answer | ({"Contents": page} if page else {})

    def _check(self, operation: str, name: str) -> None:
        if name != self._name:
            raise memory.refusal(operation, "NoSuchBucket", 404)

    def _change(self, key: str, after: Object | None) -> None:
        before = self.objects.pop(key, None)
        if after:
            self.objects[key] = after
        self._changed(key, before, after)


def key_of(key: Key, version: int) -> str:
    """The key of a kept document."""
    return f"documents/{key}/{version:010d}.json.gz"


def version_of(key: str) -> tuple[str, int]:
    """The image set and the version of a kept document's key."""
    _, _, image_set, file = key.split("/")
    return image_set, int(file.partition(".")[0])


def bytes_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call without an open file, which may be closed before the call has its effect."""
    given = dict(arguments)
    if hasattr(given.get("Body"), "read"):
        given["Body"] = given["Body"].read()
    return given
