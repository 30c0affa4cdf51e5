"""Kept documents: a new revision is indexed without a call to HealthImaging, and a full pass finds orphans."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from imaging_index.kept_documents import name_of
from imaging_index.reconciling.counts import Difference, Tier
from imaging_index.reconciling.plan import plan
from imaging_index.reconciling.refusals import Refused
from imaging_index.reconciling.settings import Scope
from imaging_index.table.layout import Key
from proof.harness.reconciling import BUCKET, DATASTORE, PROFILE, QUEUE, RAISED, Store
from proof.simulation import memory
from proof.simulation.objects import Object, key_of

OTHER = f"documents/{DATASTORE}/readme.txt"
FULL: dict[str, Any] = {"scope": Scope.FULL}


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store(keeps_documents=True)
    with one.plugged(page=5):
        yield one


def indexed(store: Store, count: int) -> list[Key]:
    """So many image sets that are archived and in the index, and a raised revision that none of them has."""
    keys = [store.create() for _ in range(count)]
    store.index(*keys)
    for key in keys:
        store.healthimaging.store(key.image_set_id, Tier.ARCHIVE, None)
    store.profile = RAISED
    store.clock.sleep(10_000)
    store.healthimaging.read.clear()
    store.healthimaging.asked.clear()
    return keys


def planned(counts: Any) -> Any:
    return plan(counts, mean_bytes=5 * 2**20, hints_a_second=48, kept_a_second=300)


def found(store: Store, **options: Any) -> Any:
    """What a full pass has found."""
    (finished,) = store.reconcile(**FULL, **options).finished
    return finished.counts


def test_a_new_revision_is_indexed_from_kept_documents_without_a_call_as_the_plan_says(store: Store) -> None:
    keys = indexed(store, 12)
    counts = found(store, apply=False)
    assert counts.differences[Difference.OUTDATED][Tier.ARCHIVE].count == 12
    takes = planned(counts)
    assert (takes.documents, takes.kept, takes.hints, takes.bytes, takes.dollars) == (0, 12, 12, 0, 0.0)
    assert takes.hours == pytest.approx(12 / 300 / 3600)

    assert found(store, most_dollars=0.0) == counts.__class__(**{**counts_of(counts), "hints": 12})
    assert store.healthimaging.read == []
    assert store.healthimaging.asked == []
    assert all(store.is_right(key) for key in keys)
    assert [store.kept(key) for key in keys] == [[1]] * 12
    assert found(store).differences == {}


def counts_of(counts: Any) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in counts.__struct_fields__}


def test_what_is_not_kept_is_read_from_healthimaging_and_priced(store: Store) -> None:
    keys = indexed(store, 4)
    store.profile, store.keeps_documents = PROFILE, False
    store.empty_table()
    store.index(keys[0])
    store.keeps_documents = True
    store._indexers.clear()
    store.index(*keys[1:])
    store.profile = RAISED
    store.healthimaging.read.clear()
    counts = found(store, apply=False)
    assert (planned(counts).documents, planned(counts).kept) == (1, 3)
    assert counts.dollars > 0
    found(store)
    assert store.healthimaging.read == [keys[0].image_set_id]
    assert found(store).differences == {}


def test_documents_that_another_bucket_had_are_not_counted_on(store: Store) -> None:
    keys = indexed(store, 2)
    for key in keys:
        partition = store.table.partitions[str(key)]
        assert partition["entry"]["DocumentIn"] == {"S": name_of(BUCKET)}
        entry = {**partition["entry"], "DocumentIn": {"S": name_of("another-bucket")}}
        store.table.partitions[str(key)] = {**partition, "entry": entry}
    assert (planned(found(store, apply=False)).documents, planned(found(store, apply=False)).kept) == (2, 0)
    found(store)
    assert len(store.healthimaging.read) == 2


def test_an_entry_with_damaged_pages_is_written_again_from_its_kept_document(store: Store) -> None:
    (key,) = indexed(store, 1)
    store.profile = PROFILE
    partition = store.table.partitions[str(key)]
    store.table.partitions[str(key)] = {part: item for part, item in partition.items() if part == "entry"}
    counts = found(store)
    assert (counts.of(Difference.DAMAGED), counts.kept, counts.dollars) == (1, 1, 0.0)
    assert store.healthimaging.read == []
    assert store.is_right(key)


def test_a_deletion_leaves_no_document_and_an_update_leaves_the_new_one(store: Store) -> None:
    gone, changed, _ = indexed(store, 3)
    store.update(changed)
    store.delete(gone)
    store.index(changed, gone)
    assert (store.kept(gone), store.kept(changed)) == ([], [2])


def test_a_full_pass_deletes_documents_that_no_entry_can_need_and_no_others(store: Store) -> None:
    gone, changed, same = indexed(store, 3)
    store.update(changed)
    store.delete(gone)
    store.index(changed, gone, same)
    stray = Object(b"", {}, store.clock.now())
    for key, version in ((gone, 1), (changed, 1), (same, 2)):
        store.bucket.objects[key_of(key, version)] = stray
    store.bucket.objects[OTHER] = stray
    assert found(store, apply=False).of(Difference.ORPHAN) == 2
    assert store.kept(gone) == [1]
    assert found(store).of(Difference.ORPHAN) == 2
    # The entry of a newer version may be on its way.
    assert [store.kept(each) for each in (gone, changed, same)] == [[], [2], [1, 2]]
    assert OTHER in store.bucket.objects
    assert found(store).differences == {}


def test_documents_whose_entry_never_came_are_buried_with_their_image_set(store: Store) -> None:
    gone, alive = store.create(), store.create()
    for key in (gone, alive):
        store.bucket.objects[key_of(key, 1)] = Object(b"", {}, store.clock.now())
    store.delete(gone)
    store.clock.sleep(2 * 3600)
    counts = found(store)
    assert (counts.of(Difference.GHOST), counts.alive) == (1, 1)
    assert (store.kept(gone), store.kept(alive)) == ([], [1])
    assert store.is_right(gone)
    assert store.is_right(alive)


def test_a_live_image_set_with_two_documents_and_no_entry_is_not_buried() -> None:
    store = Store(keeps_documents=True, page_size=1)
    with store.plugged(page=5):
        key = store.create()
        store.update(key)
        for version in (1, 2):
            store.bucket.objects[key_of(key, version)] = Object(b"", {}, store.clock.now())
        store.clock.sleep(2 * 3600)
        counts = found(store)
        assert (counts.of(Difference.GHOST), counts.alive) == (0, 1)
        assert store.is_right(key)


def test_documents_of_image_sets_that_are_on_their_way_into_the_index_are_left_alone(store: Store) -> None:
    key = store.create()
    store.delete(key)
    store.bucket.objects[key_of(key, 1)] = Object(b"", {}, store.clock.now())
    assert found(store).of(Difference.GHOST) == 0
    assert store.kept(key) == [1]


def test_a_table_that_was_emptied_makes_no_flood_of_questions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaging_index.reconciling.orphans._MOST_UNENTERED", 3)
    indexed(store, 8)
    store.empty_table()
    counts = found(store)
    assert (counts.of(Difference.MISSING), counts.asked) == (8 + 3, 3)
    assert found(store).differences == {}


def test_many_documents_are_looked_at_page_by_page_and_gone_on_with_after_a_stop() -> None:
    store = Store(keeps_documents=True, page_size=2)
    with store.plugged(page=5):
        keys = indexed(store, 7)
        store.profile = PROFILE
        for key in keys:
            store.delete(key)
        store.index(*keys)
        for key in keys:
            store.bucket.objects[key_of(key, 1)] = Object(b"", {}, store.clock.now())
        steps = 0
        while not store.reconcile(seconds=0, **FULL).done:
            steps += 1
            assert steps < 100
        assert [store.kept(key) for key in keys] == [[]] * 7


def test_an_orphan_that_cannot_be_deleted_now_is_deleted_when_s3_answers(store: Store) -> None:
    (key,) = indexed(store, 1)
    store.delete(key)
    store.index(key)
    store.bucket.objects[key_of(key, 1)] = Object(b"", {}, store.clock.now())
    refusals = [memory.refusal("DeleteObject", "SlowDown", 503)]

    def refuse(operation: str, _: Any) -> None:
        if operation == "delete_object" and refusals:
            raise refusals.pop()

    store.before_call = refuse
    assert found(store).of(Difference.ORPHAN) == 1
    assert store.kept(key) == []


def test_a_bucket_that_is_gone_is_said_in_a_sentence(store: Store) -> None:
    indexed(store, 1)

    def refuse(operation: str, _: Any) -> None:
        if operation == "list_objects_v2":
            raise memory.refusal("ListObjectsV2", "NoSuchBucket", 404)

    store.before_call = refuse
    with pytest.raises(Refused, match=r"The bucket of documents is gone\. Set documents to off and deploy"):
        found(store)


def test_hints_beside_the_quota_are_sent_faster_than_it_and_never_more_than_may_wait(store: Store) -> None:
    indexed(store, 200)
    begun = store.clock.now()
    store.reconciler(**FULL).step(begun + timedelta(days=1))
    assert len(store.queues.messages[QUEUE]) == 200
    # By the quota alone they would take four seconds more.
    assert (store.clock.now() - begun).total_seconds() < 200 / 20 / 5 + 2
