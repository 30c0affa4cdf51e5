"""The write protocol, called directly, against the local cloud's HealthImaging and DynamoDB."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.faults import Fault, NotReady
from imaging_index.indexing import Outcome
from imaging_index.queue.hint import Cause, Kind
from imaging_index.table import generation
from imaging_index.table.layout import Head, Key
from imaging_index.table.writing import TableWriter
from local.cloud import LocalCloud
from proof.harness.image_sets import (
    PROFILE,
    delete,
    deliver,
    hint,
    indexer,
    make_image_set,
    make_table,
    parts,
    raised,
    throttles_off,
    update,
)

NOW = timedelta(0)


@pytest.fixture
def client(aws: boto3.Session, cloud: LocalCloud) -> Iterator[Any]:
    with throttles_off(cloud.endpoint):
        yield aws.client("medical-imaging")


@pytest.fixture
def key(client: Any, tmp_path: Path) -> Key:
    """An image set at version 1."""
    return make_image_set(client, tmp_path)


@pytest.fixture
def table(aws: boto3.Session) -> TableWriter:
    return make_table(aws)


def indexed(table: TableWriter, key: Key) -> dict[str, Any] | None:
    """The entry; its pages are found whole, and nothing else is there."""
    found = table.read(key)
    if found is None:
        assert parts(table, key) in ([], ["entry"])
        return None
    assert len(parts(table, key)) == 1 + int(found.entry["Pages"]["N"])
    return plain(found.entry)


ORDERS = list(itertools.permutations((Kind.CREATED, Kind.UPDATING, Kind.UPDATED, Kind.COPYING_WITH_READ_ONLY_ACCESS)))


@pytest.mark.parametrize("doubled", [False, True])
def test_an_updated_image_set_ends_at_its_newest_version_in_every_order(
    aws: boto3.Session, client: Any, key: Key, doubled: bool
) -> None:
    update(client, key, 1)
    for order in ORDERS:
        table = make_table(aws)
        hints = [hint(key, kind, 1 if kind is Kind.CREATED else None) for kind in order]
        deliver(indexer(client, table), hints * 2 if doubled else hints)
        found = indexed(table, key)
        assert found is not None
        assert (found["ImageSetVersion"], found["StudyDescription"]) == (2, "after 1")


def test_a_deleted_image_set_ends_as_a_tombstone_in_every_order(aws: boto3.Session, client: Any, key: Key) -> None:
    kinds = (Kind.CREATED, Kind.UPDATED, Kind.DELETING, Kind.DELETED)
    early = make_table(aws)
    deliver(indexer(client, early), [hint(key, Kind.CREATED, 1)])
    assert indexed(early, key)
    update(client, key, 1)
    delete(client, key)
    for order in itertools.permutations(kinds):
        table = make_table(aws)
        deliver(indexer(client, table), [hint(key, kind, 1 if kind is Kind.CREATED else None) for kind in order])
        head = table.head(key)
        assert head is not None
        assert head.tombstone
        assert parts(table, key) == ["entry"]
    deliver(indexer(client, early), [hint(key, Kind.DELETED)])
    assert parts(early, key) == ["entry"]
    assert indexed(early, key) is None


def test_a_late_created_after_deleted_stays_deleted(client: Any, key: Key, table: TableWriter) -> None:
    """The document is fetched while the image set is there, and its entry comes after the tombstone."""

    class Slow:
        def get_image_set_metadata(self, **arguments: Any) -> Any:
            body = client.get_image_set_metadata(**arguments)["imageSetMetadataBlob"].read()
            delete(client, key)
            deliver(indexer(client, table), [hint(key, Kind.DELETED)])
            return {"imageSetMetadataBlob": _Body(body)}

    late = indexer(Slow(), table).converge(hint(key, Kind.CREATED, 1), age=NOW, tries=1)
    assert late.outcome is Outcome.STALE
    assert table.head(key) == Head(generation.TOMBSTONE, "", None)
    assert parts(table, key) == ["entry"]


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        return iter([self._content])

    def close(self) -> None:
        pass


def test_a_false_deleted_does_not_hide_a_live_image_set(client: Any, key: Key, table: TableWriter) -> None:
    converge = indexer(client, table)
    deliver(converge, [hint(key, Kind.CREATED, 1)])
    for tries in (1, 2, 3):
        with pytest.raises(NotReady):
            converge.converge(hint(key, Kind.DELETED), age=timedelta(hours=1), tries=tries)
        assert indexed(table, key)
    with pytest.raises(NotReady):  # kills and hand-backs raise the count within seconds
        converge.converge(hint(key, Kind.DELETED), age=timedelta(seconds=100), tries=9)
    assert converge.converge(hint(key, Kind.DELETED), age=timedelta(hours=1), tries=4).outcome is Outcome.DUPLICATE
    assert indexed(table, key)


def test_a_deleted_image_set_that_is_unknown_is_believed_after_15_minutes_only(
    client: Any, key: Key, table: TableWriter
) -> None:
    unknown = Key(key.datastore_id, "0" * 32)
    converge = indexer(client, table)
    with pytest.raises(NotReady):
        converge.converge(hint(unknown, Kind.DELETED), age=timedelta(minutes=15), tries=1)
    with pytest.raises(NotReady):
        converge.converge(hint(unknown, Kind.UPDATED), age=timedelta(hours=1), tries=49)
    assert table.head(unknown) is None
    assert converge.converge(hint(unknown, Kind.DELETED), age=timedelta(minutes=16), tries=9).outcome is Outcome.DELETED
    assert parts(table, unknown) == ["entry"]


def test_a_version_that_is_not_there_is_not_ready_and_writes_nothing(client: Any, key: Key, table: TableWriter) -> None:
    with pytest.raises(NotReady):
        indexer(client, table).converge(hint(key, Kind.CREATED, 7), age=NOW, tries=1)
    assert parts(table, key) == []


def test_a_created_event_costs_one_question_to_healthimaging(client: Any, key: Key, table: TableWriter) -> None:
    asked: list[str] = []
    client.meta.events.register(
        "before-call.medical-imaging", lambda model, **_: asked.append(model.name), unique_id="count"
    )
    deliver(indexer(client, table), [hint(key, Kind.CREATED, 1)])
    assert asked == ["GetImageSetMetadata"]
    deliver(indexer(client, table), [hint(key, Kind.CREATED, 1)])
    assert asked == ["GetImageSetMetadata"]  # a duplicate reads no document, which would cost its archive tier


def test_what_a_killed_run_left_is_swept_by_the_next_hint(client: Any, key: Key, table: TableWriter) -> None:
    converge = indexer(client, table)
    deliver(converge, [hint(key, Kind.CREATED, 1)])
    current = generation.make(1, PROFILE.revision, entry.FORMAT)
    older = generation.make(0, PROFILE.revision, entry.FORMAT)
    newer = generation.make(2, PROFILE.revision, entry.FORMAT)
    table.put_pages(key, older, "dead", [b"x"])
    table.put_pages(key, current, "dead", [b"x", b"y"])
    table.put_pages(key, newer, "alive", [b"z"])
    before = parts(table, key)
    deliver(converge, [hint(key, Kind.CREATED, 1)])
    left = parts(table, key)
    assert [part for part in before if "dead" not in part] == left
    assert f"page/{newer}/alive/0000" in left  # its entry may still be on its way


def test_a_repair_rewrites_the_entry_and_later_hints_leave_it(client: Any, key: Key, table: TableWriter) -> None:
    converge = indexer(client, table)
    deliver(converge, [hint(key, Kind.CREATED, 1)])
    first = table.head(key)
    assert first is not None
    deliver(converge, [hint(key, Kind.CREATED, 1, Cause.REPAIR)])
    second = table.head(key)
    assert second is not None
    assert second.generation == generation.repaired(first.generation)
    assert second.attempt != first.attempt
    deliver(converge, [hint(key, Kind.CREATED, 1)])
    assert table.head(key) == second
    assert indexed(table, key)


def test_a_raised_revision_rewrites_the_entry_and_older_code_does_not_undo_it(
    client: Any, key: Key, table: TableWriter
) -> None:
    newer = raised()
    deliver(indexer(client, table), [hint(key, Kind.CREATED, 1)])
    old = table.head(key)
    deliver(indexer(client, table, newer), [hint(key, Kind.CREATED, 1)])
    new = table.head(key)
    assert old is not None
    assert new is not None
    assert new.generation > old.generation
    deliver(indexer(client, table), [hint(key, Kind.CREATED, 1)])
    assert table.head(key) == new


def test_a_locked_image_set_is_not_ready_unless_it_is_being_copied(key: Key, table: TableWriter) -> None:
    def answer(workflow: str) -> Any:
        class Locked:
            def get_image_set(self, **_: Any) -> Any:
                return {"versionId": "1", "imageSetState": "LOCKED", "imageSetWorkflowStatus": workflow}

            def get_image_set_metadata(self, **_: Any) -> Any:
                document = {"DatastoreID": key.datastore_id, "ImageSetID": key.image_set_id}
                return {"imageSetMetadataBlob": _Body(json.dumps(document).encode())}

        return Locked()

    with pytest.raises(NotReady):
        indexer(answer("UPDATING"), table).converge(hint(key, Kind.UPDATED), age=NOW, tries=1)
    copied = indexer(answer("COPYING_WITH_READ_ONLY_ACCESS"), table)
    assert copied.converge(hint(key, Kind.UPDATED), age=NOW, tries=1).outcome is Outcome.INDEXED


def test_a_document_of_another_image_set_is_refused(client: Any, key: Key, table: TableWriter) -> None:
    other = Key(key.datastore_id, "1" * 32)

    class Mixed:
        def get_image_set_metadata(self, **_: Any) -> Any:
            return client.get_image_set_metadata(datastoreId=key.datastore_id, imageSetId=key.image_set_id)

    with pytest.raises(Fault, match="another image set"):
        indexer(Mixed(), table).converge(hint(other, Kind.CREATED, 1), age=NOW, tries=1)
    assert parts(table, other) == []
