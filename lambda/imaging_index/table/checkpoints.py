"""Keeps the checkpoint of reconciling in the table, with a lease and a version that fences off who has lost it.

The partition is `reconcile/<datastoreId>`, which no image set has and no index contains. The checkpoint is its item
`checkpoint`. Its digest is in items `digest/<attempt>/<nnnn>`, written before the checkpoint that names the attempt: as
with an entry and its pages, nobody sees one without the other.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from imaging_index.aws_errors import condition_failed
from imaging_index.table.writing import TableWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTITION: Final = "reconcile/"
_CHECKPOINT: Final = "checkpoint"
_DIGESTS: Final = "digest/"
# An item holds 400 kB, and a BatchWriteItem 16 MB.
_DIGEST_BYTES: Final = 350_000


class Taken(Exception):  # noqa: N818
    """Somebody else holds the lease: `holder`, until `until`."""

    def __init__(self, holder: str, until: str) -> None:
        super().__init__(f"{holder} holds the lease until {until}")
        self.holder = holder
        self.until = until


class Stored(msgspec.Struct, frozen=True):
    """A checkpoint as it is stored.

    Attributes:
        version: raised by every writing.
        content: what was saved; empty when nothing was.
        form: what `content` is written in.
        watermark: kept apart, so that every release can read it.
        attempt: under which the digest is stored; empty for none.
        pieces: in how many items.
        digest: the same digest.
        holder: who holds the lease; None for nobody.
        until: how long the lease lasts; text whose order is that of time.
    """

    version: int = 0
    content: bytes = b""
    form: int = 0
    watermark: str | None = None
    attempt: str = ""
    pieces: int = 0
    digest: bytes = b""
    holder: str | None = None
    until: str | None = None


class Checkpoints(TableWriter):
    """The checkpoint of one data store. Times are texts whose order is that of time."""

    def stored(self, datastore_id: str) -> Stored:
        """The checkpoint as of now, whoever works on it, without its digest."""
        answer = self._client.get_item(TableName=self._name, Key=_key(datastore_id, _CHECKPOINT), ConsistentRead=True)
        return _stored(answer.get("Item", {}))

    def take(self, datastore_id: str, holder: str, now: str, until: str) -> Stored:
        """Take the lease, and get the checkpoint with its digest, which is empty if it is lost.

        `holder` is a name that no other run has.

        Raises:
            Taken: somebody holds it, and it has not run out.
        """
        values: Any = {":me": {"S": holder}, ":now": {"S": now}, ":until": {"S": until}, ":one": {"N": "1"}}
        try:
            answer: Any = self._client.update_item(
                TableName=self._name,
                Key=_key(datastore_id, _CHECKPOINT),
                UpdateExpression="SET Holder = :me, LeaseUntil = :until ADD Version :one",
                ConditionExpression="attribute_not_exists(LeaseUntil) OR LeaseUntil < :now",
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            stored = self.stored(datastore_id)
            # The SDK repeats a call whose answer was lost: then it is we who have taken it.
            if stored.holder != holder:
                raise Taken(stored.holder or "another run", stored.until or until) from None
        else:
            stored = _stored(answer["Attributes"])
        found = self._found(datastore_id)
        own = _digests(stored.attempt, stored.pieces)
        whole = found.keys() >= set(own)
        if not whole and (other := self.stored(datastore_id)).version != stored.version:
            # The lease has run out since, and another run has a new digest.
            raise Taken(other.holder or "another run", other.until or until)
        # The others are what killed runs have left.
        self._drop(datastore_id, sorted(found.keys() - set(own)))
        return msgspec.structs.replace(stored, digest=b"".join(found[part] for part in own) if whole else b"")

    def save(self, datastore_id: str, stored: Stored, *, digest: bytes | None) -> Stored:
        """Replace what `take` or `save` gave by `stored`, with `digest` or, if None, with the digest that is stored.

        Its version must be theirs; what is returned has the next one.

        Raises:
            Taken: somebody has taken the lease since.
        """
        attempt, pieces = stored.attempt, stored.pieces
        if digest is not None:
            attempt = secrets.token_hex(8)
            starts = range(0, len(digest), _DIGEST_BYTES)
            pieces = len(starts)
            contents = (digest[start : start + _DIGEST_BYTES] for start in starts)
            self._write(
                {"PutRequest": {"Item": _key(datastore_id, part) | {"Content": {"B": content}}}}
                for part, content in zip(_digests(attempt, pieces), contents, strict=True)
            )
        item: Any = _key(datastore_id, _CHECKPOINT) | {
            "Version": {"N": str(stored.version + 1)},
            "Content": {"B": stored.content},
            "Form": {"N": str(stored.form)},
            "Attempt": {"S": attempt},
            "Pieces": {"N": str(pieces)},
            "Holder": {"S": stored.holder},
            "LeaseUntil": {"S": stored.until},
        }
        if stored.watermark:
            item["Watermark"] = {"S": stored.watermark}
        try:
            self._client.put_item(
                TableName=self._name,
                Item=item,
                ConditionExpression="Version = :version",
                ExpressionAttributeValues={":version": {"N": str(stored.version)}},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            other = self.stored(datastore_id)
            if (other.version, other.holder) != (stored.version + 1, stored.holder):
                if digest is not None:
                    self._drop(datastore_id, _digests(attempt, pieces))
                raise Taken(other.holder or "another run", other.until or "") from None
        if digest is not None:
            self._drop(datastore_id, _digests(stored.attempt, stored.pieces))
        return msgspec.structs.replace(stored, version=stored.version + 1, attempt=attempt, pieces=pieces, digest=b"")

    def release(self, datastore_id: str, stored: Stored) -> None:
        """Give the lease back, unless somebody has taken it."""
        self._give_back(datastore_id, "Version = :held", {"N": str(stored.version)})

    def leave(self, datastore_id: str, holder: str) -> None:
        """Give the lease back if `holder` has it: for who was interrupted while `take` had not returned."""
        self._give_back(datastore_id, "Holder = :held", {"S": holder})

    def _give_back(self, datastore_id: str, condition: str, held: Any) -> None:
        try:
            self._client.update_item(
                TableName=self._name,
                Key=_key(datastore_id, _CHECKPOINT),
                UpdateExpression="REMOVE Holder, LeaseUntil",
                ConditionExpression=condition,
                ExpressionAttributeValues={":held": held},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    def _found(self, datastore_id: str) -> dict[str, bytes]:
        """The pieces of digests that are stored, of whatever attempt, by their sort key."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="ImageSet = :key AND begins_with(Part, :prefix)",
            ExpressionAttributeValues={
                ":key": {"S": f"{_PARTITION}{datastore_id}"},
                ":prefix": {"S": _DIGESTS},
            },
        )
        return {item["Part"]["S"]: bytes(item["Content"]["B"]) for page in pages for item in page["Items"]}

    def _drop(self, datastore_id: str, parts: list[str]) -> None:
        self._write({"DeleteRequest": {"Key": _key(datastore_id, part)}} for part in parts)


def _key(datastore_id: str, part: str) -> Any:
    return {"ImageSet": {"S": f"{_PARTITION}{datastore_id}"}, "Part": {"S": part}}


def _digests(attempt: str, pieces: int) -> list[str]:
    return [f"{_DIGESTS}{attempt}/{number:04d}" for number in range(pieces)]


def _stored(item: Mapping[str, Any]) -> Stored:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    return Stored(
        version=int(item.get("Version", {}).get("N", 0)),
        content=bytes(item.get("Content", {}).get("B", b"")),
        form=int(item.get("Form", {}).get("N", 0)),
        watermark=text("Watermark"),
        attempt=text("Attempt") or "",
        pieces=int(item.get("Pieces", {}).get("N", 0)),
        holder=text("Holder"),
        until=text("LeaseUntil"),
    )
