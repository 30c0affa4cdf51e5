"""Documents that are kept: what is indexed from them, what is not, and what becomes of one that cannot be used."""

import errno
import gzip
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, FlexibleChecksumError

from imaging_index import kept_documents
from imaging_index.faults import Poison, Unusable
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer, Outcome, Result
from imaging_index.kept_documents import Copy, KeptDocuments, name_of
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from proof.harness.reconciling import BUCKET, DATASTORE, PROFILE, RAISED, TABLE, Store, _reader, document
from proof.simulation import memory
from proof.simulation.objects import Object, key_of


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store(keeps_documents=True)
    with one.plugged():
        yield one


def converge(store: Store, key: Key, cause: Cause = Cause.RECONCILE, profile: Any = RAISED) -> Result:
    """Index an image set, by the hint of a pass or of an event."""
    service: Any = store.healthimaging
    table: Any = store.table
    bucket: Any = store.bucket
    documents = KeptDocuments(bucket, BUCKET)
    indexer = Indexer(
        HealthImaging(service), TableWriter(table, TABLE), profile, _reader(profile.revision), documents=documents
    )
    version = store.version(key)
    hint = Hint(Kind.CREATED, cause, key.datastore_id, key.image_set_id, version, is_primary=True)
    return indexer.converge(hint, age=timedelta(hours=1), tries=1)


def entry_of(store: Store, key: Key) -> Any:
    return store.table.partitions[str(key)]["entry"]


def test_the_document_of_a_new_image_set_is_kept_as_it_came_under_a_key_that_has_ids_only(store: Store) -> None:
    key = store.create()
    result = converge(store, key, Cause.EVENT)
    assert (result.from_kept, result.unusable, result.not_kept) == (False, None, None)
    ((name, kept),) = store.bucket.objects.items()
    assert name == f"documents/{DATASTORE}/{key.image_set_id}/0000000001.json.gz"
    assert kept.content == document(key, 1)
    assert kept.metadata == {"document": name}
    assert entry_of(store, key)["DocumentIn"] == {"S": name_of(BUCKET)}


def test_the_same_version_is_indexed_again_from_the_kept_document(store: Store) -> None:
    key = store.create()
    converge(store, key, profile=PROFILE)
    written = dict(store.bucket.objects)
    store.healthimaging.read.clear()
    result = converge(store, key)
    assert (result.outcome, result.from_kept) == (Outcome.INDEXED, True)
    assert store.healthimaging.read == []
    assert entry_of(store, key)["Generation"]["S"].startswith("0000000001.000002")
    assert entry_of(store, key)["DocumentIn"] == {"S": name_of(BUCKET)}
    assert store.bucket.objects == written


def test_a_new_version_is_read_from_healthimaging_and_takes_the_place_of_the_old_document(store: Store) -> None:
    key = store.create()
    converge(store, key)
    store.update(key)
    result = converge(store, key)
    assert not result.from_kept
    assert store.kept(key) == [2]
    assert store.bucket.objects[key_of(key, 2)].content == document(key, 2)


def without(store: Store, key: Key) -> None:
    del store.bucket.objects[key_of(key, 1)]


def truncated(store: Store, key: Key) -> None:
    _replace(store, key, document(key, 1)[:-9])


def flipped(store: Store, key: Key) -> None:
    whole = document(key, 1)
    _replace(store, key, whole[:40] + bytes([whole[40] ^ 16]) + whole[41:])


def not_json(store: Store, key: Key) -> None:
    _replace(store, key, gzip.compress(b"[]"))


def of_another_image_set(store: Store, key: Key) -> None:
    _replace(store, key, document(Key(DATASTORE, "9" * 32), 1))


def of_another_version(store: Store, key: Key) -> None:
    other = key_of(key, 2)
    store.bucket.objects[key_of(key, 1)] = Object(document(key, 2), {"document": other}, store.clock.now())


def without_a_note(store: Store, key: Key) -> None:
    store.bucket.objects[key_of(key, 1)] = Object(document(key, 1), {}, store.clock.now())


def _replace(store: Store, key: Key, content: bytes) -> None:
    name = key_of(key, 1)
    store.bucket.objects[name] = Object(content, {"document": name}, store.clock.now())


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (without, "missing"),
        (truncated, "damaged"),
        (flipped, "damaged"),
        (not_json, "damaged"),
        (of_another_image_set, "damaged"),
        (of_another_version, "another's"),
        (without_a_note, "another's"),
    ],
)
def test_a_document_that_cannot_be_used_is_read_from_healthimaging_and_kept_anew(
    store: Store, spoil: Callable[[Store, Key], None], why: str
) -> None:
    key = store.create()
    converge(store, key, profile=PROFILE)
    spoil(store, key)
    store.healthimaging.read.clear()
    result = converge(store, key)
    assert (result.outcome, result.from_kept, result.unusable) == (Outcome.INDEXED, False, why)
    assert store.healthimaging.read == [key.image_set_id]
    assert store.bucket.objects[key_of(key, 1)].content == document(key, 1)
    store.profile = RAISED
    assert store.is_right(key)


def test_s3_that_does_not_answer_for_now_sends_nobody_to_healthimaging(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A million readings of archived image sets would cost hundreds of dollars that no plan has named.
    key = store.create()
    converge(store, key, profile=PROFILE)
    store.healthimaging.read.clear()

    def refuse(**_: Any) -> Any:
        raise memory.refusal("GetObject", "SlowDown", 503)

    monkeypatch.setattr(store.bucket, "get_object", refuse)
    with pytest.raises(ClientError):
        converge(store, key)
    assert store.healthimaging.read == []


def test_a_document_whose_checksum_is_wrong_is_damaged(store: Store) -> None:
    key = store.create()
    converge(store, key)
    bucket: Any = store.bucket

    def read(_: Any) -> None:
        raise FlexibleChecksumError(error_msg="not that of the object")

    with pytest.raises(Unusable, match="damaged"):
        KeptDocuments(bucket, BUCKET).read(*_ids(key), 1, read)


def _ids(key: Key) -> tuple[str, str]:
    return key.datastore_id, key.image_set_id


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("AccessDenied", 403), ("NoSuchBucket", 404)])
def test_an_image_set_whose_document_cannot_be_kept_is_indexed_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    key = store.create()

    def refuse(**_: Any) -> Any:
        raise memory.refusal("PutObject", code, status)

    monkeypatch.setattr(store.bucket, "put_object", refuse)
    result = converge(store, key)
    assert (result.outcome, result.not_kept) == (Outcome.INDEXED, f"PutObject: {code}")
    assert "DocumentIn" not in entry_of(store, key)


def test_what_cannot_be_deleted_fails_the_hint_so_that_it_comes_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.create()
    converge(store, key)
    store.update(key)

    def refuse(**_: Any) -> Any:
        raise memory.refusal("DeleteObject", "InternalError", 500)

    with monkeypatch.context() as patched:
        patched.setattr(store.bucket, "delete_object", refuse)
        with pytest.raises(ClientError):
            converge(store, key)
    assert store.kept(key) == [1, 2]
    assert converge(store, key).outcome is Outcome.DUPLICATE
    assert store.kept(key) == [2]


def test_a_document_that_cannot_be_read_is_not_kept(store: Store) -> None:
    key = store.create()
    store.healthimaging.image_sets[key.image_set_id].documents[0] = gzip.compress(b"[]")
    with pytest.raises(Poison):
        converge(store, key)
    assert store.bucket.objects == {}


def test_an_image_set_of_version_1_takes_one_call_of_s3(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    key = store.create()

    def refuse(**_: Any) -> Any:
        raise AssertionError("ListObjectsV2 costs as much as PutObject")

    monkeypatch.setattr(store.bucket, "list_objects_v2", refuse)
    converge(store, key)
    assert converge(store, key).outcome is Outcome.DUPLICATE


def test_a_large_copy_is_on_the_disk_and_one_made_anew_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_documents, "_IN_MEMORY", 100)
    with Copy() as copy:
        list(copy.of([b"a" * 90, b"b" * 90]))
        assert copy._file._rolled  # type: ignore[attr-defined]
        assert list(copy.of([b"c", b"d"])) == [b"c", b"d"]
        assert copy.whole().read() == b"cd"


def test_a_full_disk_costs_the_copy_and_not_the_image_set(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, _: int) -> None:
            self.closed = False

        def write(self, _: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def seek(self, _: int) -> None:
            pass

        def truncate(self) -> None:
            pass

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr("tempfile.SpooledTemporaryFile", Full)
    key = store.create()
    result = converge(store, key)
    assert (result.outcome, result.not_kept) == (Outcome.INDEXED, "OSError")
    assert "DocumentIn" not in entry_of(store, key)
