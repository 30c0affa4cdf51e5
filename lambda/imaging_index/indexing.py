"""The write protocol: a hint -> an index that agrees with HealthImaging.

An event says that something changed, never what: whatever it claims, the entry is made from what HealthImaging answers,
and of two entries the one of the newer generation is kept. Pages are written before the entry that names them, under an
attempt of their own, and every path ends in a sweep of the pages that no entry can name again. Where documents are
kept, they are treated like pages.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.aws_errors import classify
from imaging_index.entry import entry
from imaging_index.faults import NotReady, Poison, Unusable
from imaging_index.profile.schema import MOMENTS
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table import generation
from imaging_index.table.layout import Head, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imaging_index.document.reader import Reader
    from imaging_index.entry.entry import Content
    from imaging_index.entry.item import Item
    from imaging_index.healthimaging import HealthImaging
    from imaging_index.kept_documents import Copy, KeptDocuments
    from imaging_index.profile.profile import Profile
    from imaging_index.table.writing import TableWriter

# Another event follows each of these when the change is through.
_UNDER_WAY: Final = {Kind.COPYING, Kind.COPYING_WITH_READ_ONLY_ACCESS, Kind.UPDATING, Kind.DELETING}
# How long HealthImaging may say 404 of what a hint names before it is believed: a read may come too early.
_FOR_SURE: Final = timedelta(minutes=15)
# For how many tries a hint that says more than GetImageSet (a newer version, or Deleted) is taken for one that came too
# early, and for how long at least: hand-backs and kills count as tries. Three pauses take no less.
_TOO_EARLY: Final = 3
_TOO_EARLY_FOR: Final = timedelta(seconds=105)
# Hints of long lists, which nobody waits for.
_CAN_WAIT: Final = {Cause.RECONCILE, Cause.REINDEX}


class Outcome(StrEnum):
    """How a hint was dealt with."""

    INDEXED = "Indexed"
    DUPLICATE = "Duplicate"
    STALE = "Stale"
    DELETED = "Deleted"
    PASSED = "Passed"


class Result(msgspec.Struct, frozen=True):
    """What became of a hint.

    Attributes:
        outcome: how it was dealt with.
        content: what was read of the document, when one was.
        from_kept: whether that was a kept document.
        unusable: why a document that should be kept could not be used, in a word.
        not_kept: why a document could not be kept, as an error's class and place.
    """

    outcome: Outcome
    content: Content | None = None
    from_kept: bool = False
    unusable: str | None = None
    not_kept: str | None = None


class _Read(msgspec.Struct, frozen=True):
    """What was read of a document, and where it is kept; the rest is as in `Result`."""

    content: Content
    document_in: str | None = None
    from_kept: bool = False
    unusable: str | None = None
    not_kept: str | None = None


class _Target(msgspec.Struct, frozen=True):
    """The version to index."""

    version: int
    is_primary: bool | None


class Indexer:
    """Converges image sets, one hint at a time."""

    def __init__(
        self,
        healthimaging: HealthImaging,
        table: TableWriter,
        profile: Profile,
        reader: Reader,
        secret: Callable[[], bytes] = bytes,
        documents: KeptDocuments | None = None,
    ) -> None:
        """Index into `table` under `profile`.

        Args:
            healthimaging: the service.
            table: the table.
            profile: what is indexed.
            reader: reads documents for this profile.
            secret: gives the key of the profile's policies, when one needs a key.
            documents: where documents are kept, if they are.
        """
        self._secret = secret
        self._documents = documents
        self._healthimaging = healthimaging
        self._table = table
        self._profile = profile
        self._profile_hash = profile.hash
        self._reader = reader

    def converge(self, hint: Hint, *, age: timedelta, tries: int) -> Result:
        """Bring the entry of the hint's image set to what HealthImaging holds.

        Args:
            hint: what is said to have changed.
            age: for how long the hint has been waiting, from when it was sent.
            tries: how often it was received, this time included.

        Raises:
            NotReady: HealthImaging does not answer for this image set yet.
            Poison: the document cannot be read.
            Exception: whatever AWS answers besides (`aws_errors.classify`).
        """
        try:
            return self._converge(hint, age, tries)
        except Exception as error:
            # A run that was killed before its sweep may have left pages behind, and this hint may now be parked:
            # every way to that counts, such as AWS's own 409.
            if isinstance(classify(error), (NotReady, Poison)):
                self.tidy(hint)
            raise

    def tidy(self, hint: Hint) -> None:
        """Sweep the pages that the image set's current entry cannot name."""
        key = Key(hint.datastore_id, hint.image_set_id)
        head = self._table.head(key)
        if head:
            self._sweep(key, head)

    def _sweep(self, key: Key, head: Head) -> None:
        """Delete the pages and documents that no entry can name again, of what is there now or was written before."""
        self._table.sweep(key, head)
        if self._documents:
            below = None if head.tombstone else generation.described(head.generation)[0]
            self._documents.sweep(key.datastore_id, key.image_set_id, below)

    def _converge(self, hint: Hint, age: timedelta, tries: int) -> Result:
        if hint.kind in _UNDER_WAY:
            return Result(Outcome.PASSED)
        key = Key(hint.datastore_id, hint.image_set_id)
        if hint.version is not None and hint.is_told_by_healthimaging:
            return self._index(key, hint, _Target(hint.version, hint.is_primary), age)
        target = self._ask(key, hint, age, tries)
        return target if isinstance(target, Result) else self._index(key, hint, target, age)

    def _ask(self, key: Key, hint: Hint, age: timedelta, tries: int) -> _Target | Result:
        """What HealthImaging says of the image set: the version to index, or that nothing is to be indexed."""
        deleted = hint.kind is Kind.DELETED
        now = self._healthimaging.state(key.datastore_id, key.image_set_id)
        if now is None:
            # Not yet readable, or gone: only a Deleted event and time together decide which.
            head = self._table.head(key)
            if head and head.tombstone:
                self._sweep(key, head)
                return Result(Outcome.DELETED)
            if deleted and age > _FOR_SURE:
                return self._bury(key)
            raise NotReady("GetImageSet: there is no such image set")
        if now.state == "DELETED":
            return self._bury(key)
        if now.state == "LOCKED" and now.workflow != "COPYING_WITH_READ_ONLY_ACCESS":
            raise NotReady("GetImageSet: LOCKED")
        if tries <= _TOO_EARLY or age < _TOO_EARLY_FOR:
            # GetImageSet may lag behind the event. What it says later counts, whatever the event said.
            if deleted:
                raise NotReady("GetImageSet: ACTIVE, though said to be deleted")
            if hint.version is not None and now.version < hint.version:
                raise NotReady("GetImageSet: an older version")
        return _Target(now.version, now.is_primary)

    def _index(self, key: Key, hint: Hint, target: _Target, age: timedelta) -> Result:
        wanted = generation.make(target.version, self._profile.revision, entry.FORMAT)
        head = self._table.head(key)
        if head:
            if generation.same_but_for_repair(head.generation, wanted):
                wanted = head.generation
            if head.generation > wanted or (head.generation == wanted and hint.cause is not Cause.REPAIR):
                self._sweep(key, head)
                return Result(Outcome.DUPLICATE if head.generation == wanted else Outcome.STALE)
            if head.generation == wanted:
                wanted = generation.repaired(wanted)
        read = self._read(key, hint, target.version, head)
        if read is None:
            now = self._healthimaging.state(key.datastore_id, key.image_set_id)
            if now and now.state == "DELETED":
                return self._bury(key)
            if now and now.state == "ACTIVE" and now.version != target.version and age > _FOR_SURE:
                # The version will not come any more, or never was: what is there is indexed.
                return self._index(key, hint, _Target(now.version, now.is_primary), timedelta(0))
            raise NotReady("GetImageSetMetadata: there is no such version")
        attempt = secrets.token_hex(8)
        self._table.put_pages(key, wanted, attempt, read.content.pages)
        item = self._item(key, hint, target, read.content) | {"Generation": {"S": wanted}, "Attempt": {"S": attempt}}
        item |= {"DocumentIn": {"S": read.document_in}} if read.document_in else {}
        item["FirstIndexedAt"] = {"S": head.first_indexed_at} if head and head.first_indexed_at else item["IndexedAt"]
        if self._profile.shifts:
            for moment in MOMENTS:
                item.pop(moment, None)
        written = self._table.put_entry(key, item)
        # On a failed condition somebody newer won, which is no error.
        head = Head(wanted, attempt, None) if written else self._table.head(key)
        if head:
            self._sweep(key, head)
        outcome = Outcome.INDEXED if written else Outcome.STALE
        return Result(outcome, read.content, read.from_kept, read.unusable, read.not_kept)

    def _read(self, key: Key, hint: Hint, version: int, head: Head | None) -> _Read | None:
        """What the document of a version says; None when HealthImaging has none.

        A kept document is only asked for where the entry says that it is there: so a plan knows how many are read, and
        a new image set takes no call in vain.
        """
        documents = self._documents
        if documents is None:
            content = self._from_healthimaging(key, hint, version, lambda pieces: pieces)
            return None if content is None else _Read(content)
        unusable: str | None = None
        if head and head.document_in == documents.name and generation.described(head.generation)[0] == version:
            try:
                content = documents.read(
                    key.datastore_id, key.image_set_id, version, lambda pieces: self._content(key, pieces)
                )
            except Unusable as error:
                unusable = error.why
            else:
                return _Read(content, documents.name, from_kept=True)
        with documents.copy() as copy:
            content = self._from_healthimaging(key, hint, version, copy.of)
            if content is None:
                return None
            not_kept = self._keep(documents, key, version, copy)
        return _Read(content, None if not_kept else documents.name, unusable=unusable, not_kept=not_kept)

    def _from_healthimaging(
        self, key: Key, hint: Hint, version: int, passing: Callable[[Iterable[bytes]], Iterable[bytes]]
    ) -> Content | None:
        return self._healthimaging.metadata(
            key.datastore_id,
            key.image_set_id,
            version,
            lambda pieces: self._content(key, passing(pieces)),
            can_wait=hint.cause in _CAN_WAIT,
        )

    def _keep(self, documents: KeptDocuments, key: Key, version: int, copy: Copy) -> str | None:
        """Keep a document. Returns why that failed, which is no reason not to index the image set."""
        try:
            documents.keep(key.datastore_id, key.image_set_id, version, copy)
        except Exception as error:
            return classify(error).reason
        return None

    def _content(self, key: Key, pieces: Iterable[bytes]) -> Content:
        content = entry.build(self._reader, pieces, self._secret())
        if (content.datastore_id, content.image_set_id) != (key.datastore_id, key.image_set_id):
            raise Poison("the document is of another image set")
        return content

    def _item(self, key: Key, hint: Hint, target: _Target, content: Content) -> Item:
        """The entry, but for what the generation and an earlier entry add."""
        item: Item = content.attributes | {
            "DatastoreId": {"S": key.datastore_id},
            "ImageSetId": {"S": key.image_set_id},
            "ImageSetVersion": {"N": str(target.version)},
            "ProfileHash": {"S": self._profile_hash},
            "Pages": {"N": str(len(content.pages))},
            "PagesChecksum": {"S": content.checksum},
            "IndexedAt": {"S": _now()},
            "Cause": {"S": hint.cause.value},
        }
        if target.is_primary is not None:
            item["IsPrimary"] = {"BOOL": target.is_primary}
            # An index over it holds the others alone, and costs primary image sets nothing.
            item |= {} if target.is_primary else {"NonPrimary": {"S": "1"}}
        if hint.time is not None:
            item["EventTime"] = {"S": hint.time}
        return item

    def _bury(self, key: Key) -> Result:
        self._sweep(key, self._table.put_tombstone(key, _now()))
        return Result(Outcome.DELETED)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
