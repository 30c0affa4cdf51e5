"""A data store, a table and a queue in memory and virtual time, with the real reconciler and the real indexer."""

from __future__ import annotations

import contextlib
import functools
import gzip
import itertools
import json
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from imaging_index import healthimaging as healthimaging_module
from imaging_index import indexing
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.faults import NotReady
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer
from imaging_index.kept_documents import KeptDocuments
from imaging_index.profile import toml_file
from imaging_index.queue import hint as hints
from imaging_index.queue.sender import Sender
from imaging_index.reconciling import lanes
from imaging_index.reconciling.keeping import Status, status
from imaging_index.reconciling.reconciler import Reconciler
from imaging_index.reconciling.settings import Settings
from imaging_index.table import checkpoints as checkpoints_module
from imaging_index.table import reconciling as table_module
from imaging_index.table import writing as writing_module
from imaging_index.table.checkpoints import Checkpoints
from imaging_index.table.layout import Key
from imaging_index.table.reconciling import ReconcilingTable
from imaging_index.table.writing import TableWriter
from proof.simulation import listed, memory, objects, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imaging_index.profile.profile import Profile
    from imaging_index.queue.hint import Hint
    from imaging_index.reconciling.run import Progress
    from proof.simulation.truth import Dump

DATASTORE: Final = "d" * 32
TABLE: Final = "table"
QUEUE: Final = "queue"
SELECTED: Final = 'attributes = ["PatientID", "StudyInstanceUID", "StudyDescription"]\n'
PROFILE: Final = toml_file.parse(f"revision = 1\n{SELECTED}")
RAISED: Final = toml_file.parse(f"revision = 2\n{SELECTED}")
# Of the services that count calls, those of a pass.
CALLS: Final = {
    "medical-imaging": ("search_image_sets", "get_image_set", "get_image_set_metadata"),
    "dynamodb": ("get_item", "put_item", "update_item", "batch_get_item", "batch_write_item", "query", "scan"),
    "sqs": ("send_message_batch", "get_queue_attributes"),
    "s3": ("list_objects_v2", "delete_object"),
}
BUCKET: Final = "bucket"

_MOST_TRIES: Final = 20


@functools.cache
def _reader(revision: int) -> Reader:
    """What reads documents under a profile, which takes long to make."""
    return Reader(RAISED if revision == RAISED.revision else PROFILE)


class Clock:
    """Virtual time, which passes by calls and pauses. It begins an hour into 2026."""

    def __init__(self) -> None:
        self.seconds = 3_600.0

    def now(self) -> datetime:
        """The time."""
        return listed.moment(self.seconds)

    def sleep(self, seconds: float) -> None:
        """Come back after a while."""
        self.seconds += seconds


class Store:
    """A data store with its index.

    Attributes:
        clock: the time.
        healthimaging: the service.
        table: the table.
        queues: the queue of hints.
        bucket: where documents are kept, if they are.
        before_call: called before each call that a reconciler makes, with the operation and its arguments.
        after_call: called after it.
        calls: how often reconcilers called each operation.
    """

    def __init__(
        self,
        *,
        token: listed.Token = "key",
        listed_after: Callable[[], timedelta] = lambda: timedelta(0),
        page_size: int = 1_000,
        lagging: Callable[[], bool] = lambda: False,
        profile: Profile = PROFILE,
        keeps_documents: bool = False,
    ) -> None:
        self.keeps_documents = keeps_documents
        self.clock = Clock()
        self.healthimaging = listed.HealthImaging(DATASTORE, self.clock.now, token=token, listed_after=listed_after)
        self._page_size, self._lagging = page_size, lagging
        self.empty_table()
        self.queues = memory.Queues((QUEUE,), lambda: self.clock.seconds)
        self.bucket = objects.Bucket(BUCKET, self.clock.now, page_size)
        self.before_call: Callable[[str, Mapping[str, Any]], None] = lambda *_: None
        self.after_call: Callable[[str], None] = lambda _: None
        self.calls: dict[str, int] = {}
        self.profile = profile
        self._runs = itertools.count(1)

    # --- image sets

    def create(self, *, is_primary: bool = True) -> Key:
        """An image set at version 1."""
        key = Key(DATASTORE, f"{len(self.healthimaging.image_sets):032d}")
        self.healthimaging.create(key.image_set_id, document(key, 1), is_primary=is_primary)
        return key

    def update(self, key: Key) -> None:
        """Its next version."""
        self.healthimaging.begin_update(key.image_set_id)
        self.healthimaging.finish_update(key.image_set_id, document(key, self.version(key)))

    def delete(self, key: Key) -> None:
        """It is no more."""
        self.healthimaging.begin_delete(key.image_set_id)
        self.healthimaging.finish_delete(key.image_set_id)

    def version(self, key: Key) -> int:
        """Its latest version."""
        return self.healthimaging.image_sets[key.image_set_id].version

    def lives(self, key: Key) -> bool:
        """Whether it was not deleted."""
        return self.healthimaging.image_sets[key.image_set_id].state != "DELETED"

    @property
    def keys(self) -> list[Key]:
        """Every image set that there is or was."""
        return [Key(DATASTORE, each) for each in self.healthimaging.image_sets]

    # --- the index

    def empty_table(self) -> None:
        """Forget all that was indexed, and how far reconciling has come."""
        self.table = memory.Table(TABLE, self._page_size, self._lagging)
        self._indexers: dict[int, Indexer] = {}

    def index(self, *keys: Key, profile: Profile | None = None) -> None:
        """Handle an event of each."""
        for key in keys:
            kind = hints.Kind.UPDATED if self.lives(key) else hints.Kind.DELETED
            self._handle(hints.Hint(kind, hints.Cause.EVENT, *_ids(key)), profile)

    def drain(self, profile: Profile | None = None) -> list[Hint]:
        """Handle all hints in the queue. Returns them."""
        messages = self.queues.messages[QUEUE]
        handled = []
        while messages:
            handled.append(hints.parse(messages.pop(0).body))
            self._handle(handled[-1], profile)
        return handled

    def _handle(self, hint: Hint, profile: Profile | None) -> None:
        client: Any = self.table
        using = profile or self.profile
        if using.revision not in self._indexers:
            service: Any = self.healthimaging
            self._indexers[using.revision] = Indexer(
                HealthImaging(service),
                TableWriter(client, TABLE),
                using,
                _reader(using.revision),
                documents=self._documents(self.bucket),
            )
        index = self._indexers[using.revision]
        # One that is never ready is parked.
        for tries in range(1, _MOST_TRIES):
            with contextlib.suppress(NotReady):
                index.converge(hint, age=timedelta(minutes=tries), tries=tries)
                return

    def held(self, key: Key) -> Dump:
        """What the table holds of an image set."""
        return truth.by_part(self.table.partitions.get(str(key), {}).values())

    def is_right(self, key: Key) -> bool:
        """Whether the table holds what it must of an image set, and nothing else, however often it was repaired."""
        held, expected = self.held(key), self.expected(key)
        if "entry" in held and not truth.is_deleted(expected):
            repairs = held["entry"]["Generation"]["S"].rpartition(".")[2]
            expected = truth.repaired(expected, int(repairs) if repairs.isdigit() else 0)
        return truth.comparable(held) == truth.comparable(expected)

    def expected(self, key: Key) -> Dump:
        """What the table must hold of an image set that was never repaired."""
        image_set = self.healthimaging.image_sets[key.image_set_id]
        if image_set.state == "DELETED":
            return truth.deleted(key)
        said = truth.content([image_set.documents[-1] or b""], self.profile)
        return truth.indexed(key, said, image_set.version, self.profile)

    def _documents(self, client: Any) -> KeptDocuments | None:
        return KeptDocuments(client, BUCKET) if self.keeps_documents else None

    def kept(self, key: Key) -> list[int]:
        """The versions of an image set whose documents are kept."""
        own = (each for each in self.bucket.objects if f"/{key}/" in each)
        return sorted(objects.version_of(each)[1] for each in own)

    # --- reconciling

    def reconciler(self, **settings: Any) -> Reconciler:
        """The real one, which applies unless it is said otherwise."""
        usual: dict[str, Any] = {
            "datastore_id": DATASTORE,
            "revision": self.profile.revision,
            "entry_format": entry.FORMAT,
            "apply": True,
            "cells": 96,
        }
        given = Settings(**usual | settings)
        client = {name: self._client(name, service) for name, service in self._services.items()}
        sender = Sender(client["sqs"], QUEUE, now=self.clock.now, sleep=self.clock.sleep)
        return Reconciler(
            HealthImaging(client["medical-imaging"]),
            ReconcilingTable(client["dynamodb"], TABLE),
            Checkpoints(client["dynamodb"], TABLE),
            sender,
            given,
            holder=f"run {next(self._runs)}",
            documents=self._documents(client["s3"]),
            clock=self.clock,
            gather=one_by_one,
        )

    def reconcile(self, *, seconds: float = 1e6, **settings: Any) -> Progress:
        """One step of it, and every hint handled."""
        progress = self.reconciler(**settings).step(self.clock.now() + timedelta(seconds=seconds))
        self.drain()
        return progress

    def status(self) -> Status:
        """How far reconciling has come."""
        client: Any = self.table
        return status(Checkpoints(client, TABLE), DATASTORE)

    @property
    def _services(self) -> Mapping[str, Any]:
        return {
            "medical-imaging": self.healthimaging,
            "dynamodb": self.table,
            "sqs": self.queues,
            "s3": self.bucket,
        }

    def _client(self, name: str, service: Any) -> Any:
        """The service, as far as a pass calls it."""

        def call(operation: str, arguments: dict[str, Any]) -> Any:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            self.before_call(operation, arguments)
            answer = getattr(service, operation)(**arguments)
            self.after_call(operation)
            return answer

        def operation_of(operation: str) -> Callable[..., Any]:
            return lambda **arguments: call(operation, arguments)

        client: Any = SimpleNamespace(**{each: operation_of(each) for each in CALLS[name]})
        if name == "dynamodb":
            client.get_paginator = lambda operation: memory.QueryPaginator(getattr(client, operation))
        return client

    @contextmanager
    def plugged(self, *, page: int = 50, shortest: timedelta = timedelta(minutes=1)) -> Iterator[None]:
        """The package in this store's time, with lists of `page` image sets, split down to `shortest`."""
        pauses = SimpleNamespace(sleep=self.clock.sleep)
        secrets = SimpleNamespace(token_hex=lambda _: f"{next(self._runs):016x}")
        changes = [
            (healthimaging_module, "_PAGE", page),
            (lanes, "_SHORTEST", shortest),
            (indexing, "_now", lambda: self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
            (table_module, "time", pauses),
            (writing_module, "time", pauses),
            (indexing, "secrets", secrets),
            (checkpoints_module, "secrets", secrets),
        ]
        with ExitStack() as stack:
            for owner, name, value in changes:
                stack.enter_context(patch.object(owner, name, value))
            yield


def one_by_one(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Calls one after the other, so that a seed replays."""
    return [function(each) for each in items]


@functools.lru_cache(maxsize=4096)
def document(key: Key, version: int) -> bytes:
    """A metadata document of three instances, one less in each later version."""
    instances = {f"1.2.3.{number}": {"DICOM": {"InstanceNumber": number}} for number in range(version, 4)}
    whole = {
        "DatastoreID": key.datastore_id,
        "ImageSetID": key.image_set_id,
        "Patient": {"DICOM": {"PatientID": "any"}},
        "Study": {
            "DICOM": {"StudyInstanceUID": "1.2", "StudyDescription": f"version {version}"},
            "Series": {"1.2.3": {"Instances": instances}},
        },
    }
    return gzip.compress(json.dumps(whole).encode(), 1)


def _ids(key: Key) -> tuple[str, str]:
    return key.datastore_id, key.image_set_id
