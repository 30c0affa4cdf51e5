"""Reconciling finds what differs, mends it at the least cost, and says what it cannot do."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from imaging_index.entry import entry
from imaging_index.queue.hint import Cause, Kind
from imaging_index.reconciling import ghosts
from imaging_index.reconciling.checkpoint import End, Pass, Stage
from imaging_index.reconciling.counts import Difference, Tier
from imaging_index.reconciling.listing import indexed_at
from imaging_index.reconciling.plan import plan
from imaging_index.reconciling.refusals import Busy, Refused
from imaging_index.reconciling.settings import Scope, Settings
from imaging_index.table import generation
from imaging_index.table.layout import Key
from proof.harness.reconciling import DATASTORE, QUEUE, RAISED, Store, document
from proof.simulation import listed, memory

FULL: dict[str, Any] = {"scope": Scope.FULL}
DAY = 86_400.0


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store()
    with one.plugged(page=5):
        yield one


def differences(progress: Any) -> dict[Difference, int]:
    """How many of each kind the only pass of a step has found."""
    (finished,) = progress.finished
    assert finished.end is End.WHOLE
    return {kind: finished.counts.of(kind) for kind in finished.counts.differences}


def one_a_second(store: Store, count: int, every: float = 1) -> list[Key]:
    """So many image sets, each with an `updatedAt` of its own."""
    keys = []
    for _ in range(count):
        keys.append(store.create())
        store.clock.sleep(every)
    return keys


def entry_of(store: Store, key: Any) -> dict[str, Any]:
    return dict(store.table.partitions[str(key)]["entry"])


# --- kinds


def with_every_kind(store: Store) -> list[Key]:
    """An image set of each kind of difference but a false tombstone, and one that is right."""
    _, stale, outdated, primary, ghost, leftover, damaged, right = (store.create() for _ in range(8))
    store.profile = RAISED
    for key in (stale, primary, ghost, leftover, damaged, right):
        store.index(key)
    store.index(outdated, profile=Store().profile)
    store.update(stale)
    store.healthimaging.promote(primary.image_set_id, is_primary=False)
    store.delete(ghost)
    litter(store, leftover)
    lose_a_page(store, damaged)
    store.clock.sleep(10)
    store.healthimaging.read.clear()
    return store.keys


def test_every_kind_of_difference_is_found_once_and_mended_by_one_pass(store: Store) -> None:
    missing, stale, outdated, primary, _, _, damaged, _ = with_every_kind(store)
    progress = store.reconcile(**FULL)
    assert differences(progress) == {
        Difference.MISSING: 1,
        Difference.STALE: 1,
        Difference.OUTDATED: 1,
        Difference.PRIMARY: 1,
        Difference.GHOST: 1,
        Difference.LEFTOVER: 1,
        Difference.DAMAGED: 1,
    }
    assert all(map(store.is_right, store.keys))
    assert entry_of(store, primary)["IsPrimary"] == {"BOOL": False}
    assert entry_of(store, primary)["NonPrimary"] == {"S": "1"}
    read = [missing, stale, outdated, damaged]
    assert sorted(store.healthimaging.read) == sorted(key.image_set_id for key in read)
    store.clock.sleep(10)
    assert not differences(store.reconcile(**FULL))


def test_a_plan_has_the_counts_of_the_run_that_follows_and_the_calls_of_its_hints(store: Store) -> None:
    with_every_kind(store)
    planned = store.reconcile(**FULL, apply=False).finished[0].counts
    takes = plan(planned, mean_bytes=10 * 2**20, hints_a_second=48.0, kept_a_second=300)
    store.healthimaging.asked.clear()
    progress = store.reconciler(**FULL).step(store.clock.now() + timedelta(hours=1))
    assert progress.finished[0].counts.differences == planned.differences
    assert len(store.healthimaging.asked) == 2  # by the pass: the ghost, and the damaged one
    store.healthimaging.asked.clear()
    assert len(store.drain()) == takes.hints == progress.finished[0].counts.hints == 5
    assert len(store.healthimaging.read) == takes.documents == 4
    assert len(store.healthimaging.asked) == takes.asked == 2
    assert (takes.corrected, takes.swept) == (1, 1)
    assert takes.bytes == 4 * 10 * 2**20
    assert takes.hours == pytest.approx(5 / 48 / 3_600)
    assert takes.dollars == planned.dollars


def litter(store: Store, key: Any) -> None:
    """A page of an attempt that a kill has left behind."""
    partition = dict(store.table.partitions[str(key)])
    part = next(part for part in partition if part != "entry")
    stray = f"{part[: part.index('/', 5)]}/{'0' * 16}/0000"
    partition[stray] = {**partition[part], "Part": {"S": stray}}
    store.table.partitions[str(key)] = partition


def lose_a_page(store: Store, key: Any) -> None:
    partition = dict(store.table.partitions[str(key)])
    del partition[next(part for part in partition if part != "entry")]
    store.table.partitions[str(key)] = partition


def test_an_entry_that_does_not_know_whether_it_is_primary_is_corrected(store: Store) -> None:
    key = store.create()
    store.index(key)
    unknown = {name: value for name, value in entry_of(store, key).items() if name != "IsPrimary"}
    store.table.partitions[str(key)] = {**store.table.partitions[str(key)], "entry": unknown}
    assert differences(store.reconcile()) == {Difference.PRIMARY: 1}
    assert entry_of(store, key)["IsPrimary"] == {"BOOL": True}


def test_an_entry_that_was_written_meanwhile_is_not_corrected(store: Store) -> None:
    key = store.create()
    store.index(key)
    store.healthimaging.promote(key.image_set_id, is_primary=False)

    def overtake(operation: str, _: Any) -> None:
        if operation == "update_item" and "Generation" in str(_):
            store.update(key)
            store.index(key)

    store.before_call = overtake
    store.reconcile()
    assert store.is_right(key)
    assert entry_of(store, key)["IsPrimary"] == {"BOOL": False}


def test_pages_of_a_deleted_image_set_are_swept_without_a_hint(store: Store) -> None:
    key = store.create()
    store.index(key)
    page = {part: item for part, item in store.table.partitions[str(key)].items() if part != "entry"}
    store.delete(key)
    store.index(key)
    store.table.partitions[str(key)] = {**store.table.partitions[str(key)], **page}
    progress = store.reconcile(**FULL)
    assert differences(progress) == {Difference.LEFTOVER: 1}
    assert progress.finished[0].counts.hints == 0
    assert store.is_right(key)


def test_pages_whose_entry_never_came_are_buried_with_their_image_set(store: Store) -> None:
    key = store.create()
    store.index(key)
    store.table.partitions[str(key)] = {
        part: item for part, item in store.table.partitions[str(key)].items() if part != "entry"
    }
    store.delete(key)
    store.clock.sleep(10)
    assert differences(store.reconcile(**FULL)) == {Difference.GHOST: 1}
    assert store.is_right(key)


def test_a_tombstone_of_a_live_image_set_is_counted_and_left_alone(store: Store) -> None:
    key, deleted = store.create(), store.create()
    for each in (key, deleted):
        store.index(each)
    store.delete(deleted)
    store.index(deleted)
    tombstone = {**entry_of(store, deleted), "ImageSet": {"S": str(key)}, "ImageSetId": {"S": key.image_set_id}}
    store.table.partitions[str(key)] = {"entry": tombstone}
    progress = store.reconcile()
    assert differences(progress) == {Difference.FALSE_TOMBSTONE: 1}
    assert not store.queues.messages[QUEUE]
    assert store.table.partitions[str(key)]["entry"] == tombstone


def test_a_list_that_still_shows_a_deleted_image_set_makes_its_tombstone_no_false_one() -> None:
    store = Store(listed_after=lambda: timedelta(minutes=5))
    with store.plugged():
        key = store.create()
        store.clock.sleep(400)
        store.delete(key)
        store.index(key)
        progress = store.reconcile()
    assert progress.finished[0].counts.compared == 1
    assert not differences(progress)


def test_a_tombstone_of_an_image_set_that_is_being_deleted_is_no_false_one(store: Store) -> None:
    key, deleted = store.create(), store.create()
    store.index(key, deleted)
    store.delete(deleted)
    store.index(deleted)
    tombstone = {**entry_of(store, deleted), "ImageSet": {"S": str(key)}, "ImageSetId": {"S": key.image_set_id}}
    store.table.partitions[str(key)] = {"entry": tombstone}
    store.healthimaging.begin_delete(key.image_set_id)
    assert not differences(store.reconcile())


def test_an_older_list_than_the_entry_is_no_difference() -> None:
    store = Store(listed_after=lambda: timedelta(minutes=5))
    with store.plugged():
        key = store.create()
        store.clock.sleep(400)
        store.update(key)
        store.index(key)
        assert not differences(store.reconcile(**FULL))


@pytest.mark.parametrize(
    ("revision", "entry_format", "outdated"),
    [(1, entry.FORMAT, 0), (2, entry.FORMAT, 1), (1, entry.FORMAT + 1, 1), (1, entry.FORMAT - 1, 0)],
)
def test_an_entry_is_outdated_by_a_newer_revision_or_format_alone(
    store: Store, revision: int, entry_format: int, outdated: int
) -> None:
    store.index(store.create())
    planned = store.reconcile(apply=False, revision=revision, entry_format=entry_format)
    assert planned.finished[0].counts.of(Difference.OUTDATED) == outdated


def test_a_repaired_entry_is_not_outdated(store: Store) -> None:
    key = store.create()
    store.index(key)
    lose_a_page(store, key)
    store.reconcile(**FULL)
    assert generation.repaired(generation.make(1, 1, entry.FORMAT)) == entry_of(store, key)["Generation"]["S"]
    assert not differences(store.reconcile(**FULL))


@pytest.mark.parametrize("operation", ["get_item", "get_image_set"])
def test_an_entry_whose_image_set_changes_while_its_pages_are_counted_is_not_damaged(
    store: Store, operation: str
) -> None:
    key = store.create()
    store.index(key)
    lose_a_page(store, key)
    store.clock.sleep(10)

    def change(called: str, _: Any) -> None:
        if called == operation and "query" in store.calls and not changed:
            changed.append(key)
            store.healthimaging.begin_update(key.image_set_id)
            if operation == "get_item":
                store.healthimaging.finish_update(key.image_set_id, document(key, 2))
                store.index(key)

    changed: list[Key] = []
    store.before_call = change
    progress = store.reconciler(**FULL).step(store.clock.now() + timedelta(hours=1))
    assert changed
    assert not differences(progress)


# --- ghosts


def test_an_image_set_that_moved_behind_the_cursor_is_looked_for_again_and_nobody_is_asked(store: Store) -> None:
    keys = one_a_second(store, 30)
    store.index(*keys)
    store.clock.sleep(10)
    moved = iter(keys[:5])

    def move(operation: str, _: Any) -> None:
        if operation == "batch_get_item" and (key := next(moved, None)):
            store.update(key)
            store.index(key)

    store.before_call = move
    progress = store.reconcile(**FULL)
    assert not differences(progress)
    assert progress.finished[0].counts.asked == 0
    assert store.calls.get("get_image_set", 0) == 0


def test_an_image_set_that_is_not_found_is_buried_when_two_full_passes_heard_it(store: Store) -> None:
    key = store.create()
    store.index(key)
    store.delete(key)
    store.healthimaging.image_sets[key.image_set_id].hidden = True
    store.clock.sleep(10)
    first = store.reconcile(**FULL)
    assert not differences(first)
    assert first.finished[0].counts.unsure == 1
    assert not store.is_right(key)
    assert differences(store.reconcile(**FULL)) == {Difference.GHOST: 1}
    assert store.is_right(key)


def test_a_ghosts_hint_bears_no_version_so_that_healthimaging_has_the_last_word(store: Store) -> None:
    key = store.create()
    store.index(key)
    store.delete(key)
    store.clock.sleep(10)
    store.reconciler(**FULL).step(store.clock.now() + timedelta(hours=1))
    (hint,) = store.drain()
    assert (hint.kind, hint.cause, hint.version) == (Kind.DELETED, Cause.RECONCILE, None)


@pytest.fixture
def haunted(store: Store) -> Store:
    keys = [store.create() for _ in range(110)]
    store.index(*keys)
    for key in keys[:101]:
        store.delete(key)
    store.clock.sleep(10)
    return store


def test_more_ghosts_than_a_hundred_wait_for_a_person(haunted: Store) -> None:
    settings: dict[str, Any] = FULL | {"cells": 600}
    progress = haunted.reconcile(**settings)
    assert not progress.done
    assert progress.blocked
    assert "101" in progress.blocked
    assert progress.current
    assert progress.current.stage is Stage.BURYING
    assert not any(map(haunted.is_right, haunted.keys[:101]))
    calls = dict(haunted.calls)
    assert haunted.reconcile(**settings, ghosts=True).done
    # It goes on from where it was: nothing is listed but to learn the time, and nobody is asked again.
    assert haunted.calls["search_image_sets"] == calls["search_image_sets"] + 1
    assert haunted.calls["get_image_set"] == calls["get_image_set"]
    assert all(map(haunted.is_right, haunted.keys))


def test_a_pass_that_waits_for_a_person_is_begun_anew_by_one_who_does_not_speak_of_ghosts(haunted: Store) -> None:
    settings: dict[str, Any] = FULL | {"cells": 600}
    began = haunted.reconcile(**settings).current
    again = haunted.reconcile(**settings)
    assert again.blocked
    assert began
    assert again.current
    assert again.current.began > began.began


def test_the_schedule_leaves_ghosts_to_a_person_until_the_next_full_pass_is_due(haunted: Store) -> None:
    settings: dict[str, Any] = {"scheduled": True, "full_every": timedelta(days=7), "cells": 600}
    assert haunted.reconcile(**settings).blocked
    calls = haunted.calls["scan"]
    haunted.clock.sleep(DAY)
    assert haunted.reconcile(**settings).blocked
    assert haunted.calls["scan"] == calls
    haunted.clock.sleep(7 * DAY)
    assert haunted.reconcile(**settings).blocked
    assert haunted.calls["scan"] > calls


@pytest.mark.parametrize(
    ("compared", "found", "too_many"), [(9, 100, False), (9, 101, True), (20_000, 200, False), (20_000, 201, True)]
)
def test_more_ghosts_than_a_hundred_and_one_percent_are_too_many(compared: int, found: int, too_many: bool) -> None:
    one = Pass(Scope.FULL, listed.moment(0), listed.moment(0), 1, 1)
    one.counts.compared = compared
    one.counts.found(Difference.GHOST, Tier.UNKNOWN, found)
    assert ghosts.too_many(one) is too_many


def test_more_differences_than_the_digest_decodes_end_the_pass_and_the_next_one_has_a_larger_one(store: Store) -> None:
    keys = [store.create() for _ in range(90)]
    store.index(*keys)
    for key in keys:
        store.delete(key)
    store.clock.sleep(10)
    first = store.reconcile(**FULL, cells=48)
    assert first.done
    assert first.finished[0].end is End.TOO_MANY_DIFFERENCES
    assert not store.queues.messages[QUEUE]
    ends = [store.reconcile(**FULL, cells=48).finished[0].end for _ in range(3)]
    assert ends[-1] is End.WHOLE
    assert all(map(store.is_right, keys))


# --- what is compared


def test_an_incremental_pass_compares_what_was_changed_since_an_hour_before_the_last_one_began(store: Store) -> None:
    old = store.create()
    store.clock.sleep(2 * 3_600)
    store.reconcile()
    assert not store.held(old)
    new = store.create()
    store.clock.sleep(600)
    assert differences(store.reconcile()) == {Difference.MISSING: 1}
    assert store.is_right(new)
    assert not differences(store.reconcile())


def test_a_pass_since_a_given_time_compares_from_there_and_leaves_no_gap_to_the_next(store: Store) -> None:
    store.reconcile()
    store.clock.sleep(10 * 3_600)
    lost = store.create()
    store.clock.sleep(10 * 3_600)
    since = store.clock.now()
    seen = store.create()
    store.clock.sleep(1)
    assert differences(store.reconcile(scope=Scope.SINCE, since=since)) == {Difference.MISSING: 1}
    assert store.is_right(seen)
    assert differences(store.reconcile()) == {Difference.MISSING: 1}
    assert store.is_right(lost)


def test_what_was_changed_just_now_is_left_to_its_event_and_seen_again_by_the_next_pass(store: Store) -> None:
    store.create()
    store.clock.sleep(60)
    settings: dict[str, Any] = {"grace": timedelta(minutes=5)}
    assert not differences(store.reconcile(**settings))
    store.clock.sleep(600)
    assert differences(store.reconcile(**settings)) == {Difference.MISSING: 1}


def test_a_difference_that_the_pass_before_has_seen_is_counted_as_seen_again(store: Store) -> None:
    store.create()
    store.clock.sleep(1_200)
    first = store.reconciler().step(store.clock.now() + timedelta(hours=1))
    assert first.finished[0].counts.again == 0
    store.clock.sleep(600)
    second = store.reconciler().step(store.clock.now() + timedelta(hours=1))
    assert second.finished[0].counts.again == 1


def test_a_difference_that_a_lagging_list_may_have_hidden_from_the_pass_before_is_no_drift(store: Store) -> None:
    store.create()
    store.clock.sleep(600)
    for _ in range(2):
        progress = store.reconciler().step(store.clock.now() + timedelta(hours=1))
        assert progress.finished[0].counts.of(Difference.MISSING) == 1
        assert progress.finished[0].counts.again == 0
        store.clock.sleep(600)


def test_a_scheduled_run_begins_a_full_pass_when_one_is_due(store: Store) -> None:
    settings: dict[str, Any] = {"scheduled": True, "full_every": timedelta(days=7)}
    scopes = []
    for _ in range(3):
        scopes.append([finished.scope for finished in store.reconcile(**settings).finished])
        store.clock.sleep(4 * DAY)
    assert scopes == [[Scope.INCREMENTAL, Scope.FULL], [Scope.INCREMENTAL], [Scope.INCREMENTAL, Scope.FULL]]


def test_incremental_passes_go_on_beside_a_full_pass_that_takes_many_runs(store: Store) -> None:
    keys = one_a_second(store, 40, every=60)
    store.index(*keys)
    store.clock.sleep(4_000)
    settings: dict[str, Any] = {"scheduled": True, "full_every": timedelta(days=7), "searches_a_second": 1.0}
    ends: list[list[Scope]] = []
    while not ends or ends[-1][-1:] != [Scope.FULL]:
        progress = store.reconcile(seconds=6, **settings)
        ends.append([finished.scope for finished in progress.finished])
        store.clock.sleep(600)
    assert len(ends) > 2
    assert all(Scope.INCREMENTAL in each for each in ends)


# --- plans and dollars


def test_a_plan_says_what_mending_takes_and_writes_nothing(store: Store) -> None:
    for days in (0, 10, 40):
        key = store.create()
        tier = "ARCHIVE_INSTANT_ACCESS" if days > 30 else "FREQUENT_ACCESS"
        store.healthimaging.store(key.image_set_id, tier, store.clock.now() - timedelta(days=days))
    unknown = store.create()
    store.healthimaging.store(unknown.image_set_id, "GLACIAL", None)
    store.clock.sleep(10)
    before = dict(store.table.partitions)
    counts = store.reconcile(**FULL, apply=False).finished[0].counts
    assert store.table.partitions == before
    assert not store.calls.keys() & {"put_item", "update_item", "batch_write_item", "send_message_batch"}
    per_set = 5 / 1024 * (0.105 - 0.006)
    tiers = counts.differences[Difference.MISSING]
    assert {tier: tally.count for tier, tally in tiers.items()} == {Tier.FREQUENT: 2, Tier.ARCHIVE: 1, Tier.UNKNOWN: 1}
    assert tiers[Tier.FREQUENT].dollars == pytest.approx(per_set * 10 / 30)
    assert tiers[Tier.ARCHIVE].dollars == pytest.approx(per_set)
    assert tiers[Tier.UNKNOWN].dollars == pytest.approx(per_set)
    assert counts.dollars == pytest.approx(per_set * (2 + 10 / 30))
    larger = store.reconcile(**FULL, apply=False, mean_bytes=50 * 2**20).finished[0].counts
    assert larger.dollars == pytest.approx(10 * counts.dollars)


def archived(store: Store, count: int) -> None:
    for _ in range(count):
        key = store.create()
        store.healthimaging.store(key.image_set_id, "ARCHIVE_INSTANT_ACCESS", store.clock.now())
    store.create()
    store.clock.sleep(10)


PER_SET = 5 / 1024 * (0.105 - 0.006)


def test_what_would_exceed_the_budget_is_refused_and_what_is_free_is_done(store: Store) -> None:
    archived(store, 10)
    counts = store.reconcile(**FULL, most_dollars=3.5 * PER_SET).finished[0].counts
    assert counts.of(Difference.MISSING) == 11
    assert counts.refused.count == 7
    assert counts.refused.dollars == pytest.approx(7 * PER_SET)
    assert len(store.healthimaging.read) == 4
    assert store.is_right(store.keys[-1])


def test_whoever_goes_on_with_a_pass_keeps_to_what_its_beginner_allowed(store: Store) -> None:
    archived(store, 10)
    store.clock.sleep(7_000)
    assert not store.reconcile(seconds=0, **FULL, most_dollars=3.5 * PER_SET).done
    store.reconcile(scheduled=True, most_dollars=0.0)
    assert len(store.healthimaging.read) == 4


def test_scheduled_passes_share_the_dollars_of_a_day(store: Store) -> None:
    settings: dict[str, Any] = {"scheduled": True, "most_dollars": 2.5 * PER_SET, "full_every": timedelta(0)}
    archived(store, 5)
    read = []
    for _ in range(3):
        store.healthimaging.read.clear()
        store.reconcile(**settings)
        read.append(len(store.healthimaging.read))
        store.clock.sleep(DAY / 2)
    assert read[0] == 3  # two archived ones, and the one that is free
    assert read[1] + read[2] == 2
    assert 0 in read[1:]


# --- who works


def test_a_second_run_is_told_who_holds_the_lease_and_until_when(store: Store) -> None:
    busy: list[Busy] = []

    def meet(operation: str, _: Any) -> None:
        if operation == "search_image_sets" and not busy:
            with pytest.raises(Busy) as caught:
                store.reconcile()
            busy.append(caught.value)

    store.before_call = meet
    store.reconcile()
    assert busy[0].holder == "run 1"
    assert "run 1 is reconciling already" in str(busy[0])
    assert busy[0].until
    assert store.status().holder is None


def test_the_lease_of_a_dead_run_ends_before_the_next_run_of_the_schedule(store: Store) -> None:
    kill_at(store, "batch_get_item")
    store.create()
    with pytest.raises(_Killed):
        store.reconcile()
    store.before_call = lambda *_: None
    assert store.status().holder == "run 1"
    with pytest.raises(Busy):
        store.reconcile()
    store.clock.sleep(600)
    first, second = store.reconcile().finished
    assert first.counts.of(Difference.MISSING) == 1
    assert second.began > first.began


class _Killed(BaseException):
    pass


def kill_at(store: Store, at: str) -> None:
    def kill(operation: str, _: Any) -> None:
        if operation == at or dead:
            dead.append(operation)
            raise _Killed

    dead: list[str] = []
    store.before_call = kill


def test_a_run_that_has_lost_its_lease_says_so_and_saves_nothing(store: Store) -> None:
    for _ in range(20):
        store.create()
        store.clock.sleep(1)
    stolen: list[bool] = []

    def steal(operation: str, _: Any) -> None:
        if operation == "scan" and not stolen:
            stolen.append(True)
            store.clock.sleep(121)
            assert store.reconcile(**FULL).done

    store.before_call = steal
    with pytest.raises(Busy):
        store.reconcile(**FULL)
    assert store.status().checkpoint.full is None


@pytest.mark.parametrize("operation", ["update_item", "put_item"])
def test_a_call_that_the_sdk_repeats_since_its_answer_was_lost_is_no_other_run(store: Store, operation: str) -> None:
    store.create()
    store.clock.sleep(1)
    whole = getattr(store.table, operation)

    def repeated(**arguments: Any) -> Any:
        whole(**arguments)
        return whole(**arguments)

    setattr(store.table, operation, repeated)
    assert differences(store.reconcile()) == {Difference.MISSING: 1}
    delattr(store.table, operation)
    assert store.status().holder is None


def test_a_checkpoint_that_cannot_be_saved_for_now_is_saved_later(store: Store) -> None:
    store.create()
    store.clock.sleep(1)
    refused(store, "put_item", "ThrottlingException", times=3)
    assert differences(store.reconcile()) == {Difference.MISSING: 1}


def test_a_keyboard_interrupt_saves_and_gives_the_lease_back(store: Store) -> None:
    for _ in range(20):
        store.create()
        store.clock.sleep(1)

    def interrupt(operation: str, _: Any) -> None:
        if operation == "scan":
            raise KeyboardInterrupt

    store.before_call = interrupt
    with pytest.raises(KeyboardInterrupt):
        store.reconcile(**FULL)
    status = store.status()
    assert status.holder is None
    assert status.checkpoint.full
    assert status.checkpoint.full.stage is Stage.SCANNING
    assert status.checkpoint.full.counts.of(Difference.MISSING) == 20
    searches = store.calls["search_image_sets"]
    store.before_call = lambda *_: None
    assert store.reconcile(**FULL).done
    assert store.calls["search_image_sets"] == searches + 1


def test_progress_is_reported_after_every_round(store: Store) -> None:
    for _ in range(20):
        store.create()
        store.clock.sleep(1)
    seen: list[tuple[Stage, float]] = []
    store.reconciler(**FULL).step(
        store.clock.now() + timedelta(hours=1),
        lambda progress: seen.append((progress.current.stage, progress.share)) if progress.current else None,
    )
    assert next(stage for stage, _ in seen) is Stage.COMPARING
    assert {stage for stage, _ in seen} >= {Stage.COMPARING, Stage.SCANNING}
    assert all(0 <= share <= 1 for _, share in seen)


# --- bad input


def refused(store: Store, operation: str, code: str, status: int = 400, times: int = 1_000) -> None:
    """Have a call refused so often."""
    left = [None] * times

    def refuse(called: str, _: Any) -> None:
        if called == operation and left:
            left.pop()
            name = "".join(part.title() for part in operation.split("_"))
            raise memory.refusal(name, code, status)

    store.before_call = refuse


@pytest.mark.parametrize(
    ("operation", "code", "status", "says"),
    [
        ("search_image_sets", "ResourceNotFoundException", 404, f"no data store {DATASTORE}"),
        ("search_image_sets", "ConflictException", 409, "is being made or deleted"),
        ("search_image_sets", "AccessDeniedException", 403, "AWS refuses SearchImageSets: AccessDeniedException"),
        ("search_image_sets", "ExpiredTokenException", 403, "credentials have expired"),
        ("search_image_sets", "InvalidSignatureException", 403, "the clock of this machine is wrong"),
        ("search_image_sets", "ValidationException", 400, "AWS refuses the request"),
        ("batch_get_item", "AccessDeniedException", 400, "AWS refuses BatchGetItem: AccessDeniedException"),
        ("update_item", "ResourceNotFoundException", 400, "no such table or queue"),
        ("send_message_batch", "AccessDeniedException", 403, "AWS refuses SendMessageBatch: AccessDeniedException"),
    ],
)
def test_what_aws_refuses_for_good_is_said_in_a_sentence_and_the_lease_given_back(
    store: Store, operation: str, code: str, status: int, says: str
) -> None:
    store.create()
    store.clock.sleep(1)
    refused(store, operation, code, status)
    with pytest.raises(Refused, match=says) as caught:
        store.reconcile()
    assert str(caught.value).endswith(".")
    if operation != "update_item":
        assert store.status().holder is None


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("search_image_sets", "ThrottlingException", 429),
        ("search_image_sets", "InternalServerException", 500),
        ("batch_get_item", "ProvisionedThroughputExceededException", 400),
        ("get_image_set", "ThrottlingException", 429),
        ("scan", "ThrottlingException", 400),
        ("send_message_batch", "RequestThrottled", 403),
    ],
)
def test_what_aws_refuses_for_now_is_waited_for(store: Store, operation: str, code: str, status: int) -> None:
    ghost, missing = store.create(), store.create()
    store.index(ghost)
    store.delete(ghost)
    store.clock.sleep(10)
    refused(store, operation, code, status, times=5)
    began = store.clock.seconds
    progress = store.reconcile(**FULL)
    assert progress.done
    assert progress.waited_for is None
    assert store.clock.seconds > began + 10
    store.before_call = lambda *_: None
    assert store.is_right(missing)
    assert store.is_right(ghost)


def test_a_search_that_is_throttled_is_followed_by_slower_ones(store: Store) -> None:
    one_a_second(store, 100)
    store.clock.sleep(10)
    moments: list[float] = []

    def throttle(operation: str, _: Any) -> None:
        if operation == "search_image_sets":
            moments.append(store.clock.seconds)
            if len(moments) == 10:
                raise memory.refusal("SearchImageSets", "ThrottlingException", 429)

    store.before_call = throttle
    store.reconcile(**FULL, apply=False, lanes=1)
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert max(pauses[1:8]) == pytest.approx(1 / 20)
    assert pauses[10] == pytest.approx(1 / 10, rel=0.1)


def test_what_aws_refuses_until_the_deadline_is_named(store: Store) -> None:
    refused(store, "search_image_sets", "ThrottlingException", 429)
    progress = store.reconcile(seconds=100)
    assert not progress.done
    assert progress.waited_for == "SearchImageSets: ThrottlingException"


def test_unprocessed_keys_are_asked_for_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [store.create() for _ in range(5)]
    store.index(*keys)
    whole = store.table.batch_get_item
    left = [3, 1]

    def partly(*, RequestItems: Any, **_: Any) -> Any:  # noqa: N803  boto3's own spelling
        wanted = RequestItems["table"]
        take = left.pop(0) if left else len(wanted["Keys"])
        answer = whole(RequestItems={"table": {**wanted, "Keys": wanted["Keys"][:take]}})
        if rest := wanted["Keys"][take:]:
            answer["UnprocessedKeys"] = {"table": {**wanted, "Keys": rest}}
        return answer

    monkeypatch.setattr(store.table, "batch_get_item", partly)
    assert not differences(store.reconcile())
    assert store.calls["batch_get_item"] == 3


def test_what_dynamodb_leaves_out_for_long_is_waited_for_and_not_taken_for_missing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.index(*(store.create() for _ in range(3)))
    store.clock.sleep(1)
    store.healthimaging.read.clear()
    whole = store.table.batch_get_item
    left = [None] * 30

    def nothing(*, RequestItems: Any, **_: Any) -> Any:  # noqa: N803  boto3's own spelling
        if left:
            left.pop()
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        return whole(RequestItems=RequestItems)

    monkeypatch.setattr(store.table, "batch_get_item", nothing)
    short = store.reconcile(seconds=1)
    assert short.waited_for == "BatchGetItem: UnprocessedKeys"
    assert not differences(store.reconcile(**FULL))
    assert store.healthimaging.read == []


def test_a_page_all_of_one_updated_at_is_followed_by_the_token(store: Store) -> None:
    for _ in range(23):
        store.create()
    store.clock.sleep(1)
    assert differences(store.reconcile(**FULL)) == {Difference.MISSING: 23}
    assert store.queues.messages[QUEUE] == []
    assert len(store.healthimaging.read) == 23


def test_a_token_that_is_refused_midway_costs_nothing_but_a_page(store: Store) -> None:
    for _ in range(23):
        store.create()
    store.clock.sleep(1)
    tokens = []

    def refuse(operation: str, arguments: Any) -> None:
        if operation == "search_image_sets" and "nextToken" in arguments:
            tokens.append(arguments["nextToken"])
            if len(tokens) == 3:
                raise memory.refusal("SearchImageSets", "ValidationException")

    store.before_call = refuse
    assert differences(store.reconcile(**FULL)) == {Difference.MISSING: 23}
    assert len(store.healthimaging.read) == 23


def test_tokens_that_are_always_refused_end_in_a_sentence(store: Store) -> None:
    for _ in range(23):
        store.create()
    store.clock.sleep(1)

    def refuse(operation: str, arguments: Any) -> None:
        if operation == "search_image_sets" and "nextToken" in arguments:
            raise memory.refusal("SearchImageSets", "ValidationException")

    store.before_call = refuse
    with pytest.raises(Refused, match="refuses its own tokens"):
        store.reconcile(**FULL)


@pytest.mark.parametrize("days", [-1, 1])
def test_the_time_that_counts_is_healthimagings_whatever_the_callers_clock(store: Store, days: int) -> None:
    service = store.clock.now
    key = store.create()
    store.clock.sleep(60)

    def search(**arguments: Any) -> Any:
        date = service().strftime("%a, %d %b %Y %H:%M:%S GMT")
        return {**found(**arguments), "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    found = store.healthimaging.search_image_sets
    store.healthimaging.search_image_sets = search  # type: ignore[method-assign]
    store.clock.now = lambda: service() + timedelta(days=days)  # type: ignore[method-assign]
    assert differences(store.reconcile()) == {Difference.MISSING: 1}
    assert store.is_right(key)
    watermark = store.status().checkpoint.watermark
    assert watermark
    assert abs((watermark - service()).total_seconds()) < 10


def test_a_watermark_that_a_wrong_clock_has_left_in_the_future_hides_nothing(store: Store) -> None:
    store.reconcile()
    partition = f"reconcile/{DATASTORE}"
    item = store.table.partitions[partition]["checkpoint"]
    ahead = {"Content": {"B": b""}, "Watermark": {"S": indexed_at(store.clock.now() + timedelta(days=1))}}
    store.table.partitions[partition] = {"checkpoint": {**item, **ahead}}
    store.create()
    store.clock.sleep(600)
    assert differences(store.reconcile()) == {Difference.MISSING: 1}


def test_a_moment_to_begin_at_that_healthimagings_clock_has_not_reached_is_said(store: Store) -> None:
    store.create()
    since = store.clock.now() + timedelta(hours=12)
    with pytest.raises(Refused, match=r"it is 2026-01-01 01:00 UTC, .* Set the clock of this machine\."):
        store.reconcile(scope=Scope.SINCE, since=since)
    assert store.status().holder is None


def test_image_sets_without_a_date_are_compared_and_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [store.create() for _ in range(3)]
    store.clock.sleep(1)
    found = store.healthimaging.search_image_sets

    def undated(**arguments: Any) -> Any:
        answer = found(**arguments)
        for summary in answer["imageSetsMetadataSummaries"]:
            if summary["imageSetId"] == keys[0].image_set_id:
                del summary["updatedAt"]
        return answer

    monkeypatch.setattr(store.healthimaging, "search_image_sets", undated)
    progress = store.reconcile(**FULL)
    assert differences(progress) == {Difference.MISSING: 3}
    assert progress.finished[0].counts.undated == 1
    store.clock.sleep(1)
    second = store.reconcile(**FULL)
    assert not differences(second)


@pytest.mark.parametrize("content", [b"", b"not compressed"])
@pytest.mark.parametrize("form", ["1", "999"])
def test_of_a_checkpoint_that_cannot_be_read_the_watermark_is_kept(store: Store, content: bytes, form: str) -> None:
    store.reconcile()
    lost = store.create()
    store.clock.sleep(10 * 3_600)
    partition = f"reconcile/{DATASTORE}"
    item = {**store.table.partitions[partition]["checkpoint"], "Content": {"B": content}, "Form": {"N": form}}
    store.table.partitions[partition] = {"checkpoint": item}
    assert differences(store.reconcile()) == {Difference.MISSING: 1}
    assert store.is_right(lost)


def test_a_pass_that_was_begun_under_another_profile_is_begun_anew_with_what_it_was_allowed(store: Store) -> None:
    keys = one_a_second(store, 12)
    store.index(*keys)
    store.clock.sleep(10)
    assert not store.reconcile(seconds=0, **FULL, most_dollars=7.0).done
    store.profile = RAISED
    progress = store.reconcile(scheduled=True)
    assert [finished.scope for finished in progress.finished] == [Scope.INCREMENTAL, Scope.FULL]
    assert all(map(store.is_right, keys))


def test_a_pass_that_was_begun_for_another_entry_format_is_begun_anew(store: Store) -> None:
    store.index(*one_a_second(store, 12))
    store.clock.sleep(10)
    old = store.reconcile(seconds=0, **FULL, entry_format=entry.FORMAT - 1).current
    assert old
    store.clock.sleep(10)
    store.reconcile(scheduled=True)
    assert store.status().checkpoint.last[Scope.FULL].began > old.began


def test_a_digest_that_is_lost_begins_the_pass_anew(store: Store) -> None:
    ghost = store.create()
    store.index(ghost)
    store.delete(ghost)
    store.clock.sleep(10)

    def interrupt(operation: str, _: Any) -> None:
        if operation == "scan":
            raise KeyboardInterrupt

    store.before_call = interrupt
    with pytest.raises(KeyboardInterrupt):
        store.reconcile(**FULL)
    store.before_call = lambda *_: None
    partition = f"reconcile/{DATASTORE}"
    store.table.partitions[partition] = {"checkpoint": store.table.partitions[partition]["checkpoint"]}
    assert differences(store.reconcile(**FULL)) == {Difference.GHOST: 1}


def test_image_sets_of_other_data_stores_and_the_checkpoint_are_nobodys_ghosts(store: Store) -> None:
    key = store.create()
    store.index(key)
    other = f"{'e' * 32}/{key.image_set_id}"
    store.table.partitions[other] = {
        part: {**item, "ImageSet": {"S": other}} for part, item in store.table.partitions[str(key)].items()
    }
    store.clock.sleep(10)
    progress = store.reconcile(**FULL)
    assert not differences(progress)
    assert progress.finished[0].counts.asked == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"grace": timedelta(hours=1)}, "grace"),
        ({"scope": Scope.SINCE}, "since"),
        ({"since": Store().clock.now()}, "since"),
    ],
)
def test_settings_under_which_something_would_be_missed_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Settings(datastore_id=DATASTORE, revision=1, entry_format=1, **settings)
