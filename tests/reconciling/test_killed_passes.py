"""A full pass that is killed at any call, or meets another run at any call, ends as one that was not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from imaging_index.queue.hint import Cause
from imaging_index.reconciling.refusals import Busy
from imaging_index.reconciling.settings import Scope
from proof.harness.reconciling import RAISED, Store

FULL: dict[str, Any] = {"scope": Scope.FULL, "save_every": timedelta(0)}
PLACES = ("before", "after")


class _Killed(BaseException):
    pass


def prepared() -> Store:
    """A store in which every kind of difference is, and most of it is right."""
    store = Store(page_size=4, profile=RAISED)
    with store.plugged(page=3):
        keys = []
        for _ in range(9):
            keys.append(store.create())
            store.clock.sleep(1)
        missing, stale, outdated, primary, ghost, leftover, damaged, *_ = keys
        store.index(*(key for key in keys if key not in (missing, outdated)))
        store.index(outdated, profile=Store().profile)
        store.update(stale)
        store.healthimaging.promote(primary.image_set_id, is_primary=False)
        store.delete(ghost)
        for key, lost in ((leftover, False), (damaged, True)):
            partition = dict(store.table.partitions[str(key)])
            part = next(part for part in partition if part != "entry")
            if lost:
                del partition[part]
            else:
                stray = f"page/{'0' * 10}.000000.0000.0000/{'0' * 16}/0000"
                partition[stray] = {**partition[part], "Part": {"S": stray}}
            store.table.partitions[str(key)] = partition
        store.clock.sleep(10)
        store.healthimaging.read.clear()
    return store


def calls_of_a_pass() -> int:
    store = prepared()
    with store.plugged(page=3):
        assert store.reconcile(**FULL).done
        check(store)
    return sum(store.calls.values())


def check(store: Store) -> None:
    """Everything is right, and no document was read of what was right before."""
    assert all(map(store.is_right, store.keys))
    missing, stale, outdated, primary, _, _, damaged, *_ = store.keys
    assert store.held(primary)["entry"]["IsPrimary"] == {"BOOL": False}
    assert {*store.healthimaging.read} <= {key.image_set_id for key in (missing, stale, outdated, damaged)}
    (checkpoint,) = store.table.partitions[f"reconcile/{'d' * 32}"]
    assert checkpoint == "checkpoint", "a digest was left behind"


def at_call(store: Store, number: int, what: Callable[[], None], place: str) -> None:
    """Have something happen before or after a call; the calls are counted through."""

    def count(operation: str, *_: Any) -> None:  # noqa: ARG001
        if dead:
            raise _Killed
        counted.append(1)
        if len(counted) == number:
            what()

    def kill_was_before(*_: Any) -> None:
        if dead:
            raise _Killed

    dead: list[bool] = []
    counted: list[int] = []
    store.dead = dead  # type: ignore[attr-defined]
    if place == "before":
        store.before_call = count
    else:
        store.before_call = kill_was_before
        store.after_call = count


@pytest.mark.parametrize("place", PLACES)
def test_a_pass_that_is_killed_at_any_call_and_resumed_ends_the_same(
    place: str, record_property: Callable[[str, object], None]
) -> None:
    calls = calls_of_a_pass()
    for number in range(1, calls + 1):
        store = prepared()

        def kill(store: Store = store) -> None:
            store.dead.append(True)  # type: ignore[attr-defined]
            raise _Killed

        with store.plugged(page=3):
            at_call(store, number, kill, place)
            with pytest.raises(_Killed):
                store.reconcile(**FULL)
            store.before_call = lambda *_: None
            store.after_call = lambda _: None
            store.drain()
            store.clock.sleep(600)
            assert store.reconcile(**FULL).done, number
            check(store)
    record_property("kills", calls)


@pytest.mark.parametrize("expired", [False, True], ids=["the lease holds", "the lease has run out"])
def test_two_runs_that_meet_at_any_call_end_as_one(
    expired: bool, record_property: Callable[[str, object], None]
) -> None:
    calls, lost = calls_of_a_pass(), 0
    for number in range(1, calls + 1):
        store = prepared()
        ended: list[bool] = []

        def meet(store: Store = store, ended: list[bool] = ended) -> None:
            store.before_call = lambda *_: None
            store.clock.sleep(130 if expired else 1)
            try:
                ended.append(store.reconcile(**FULL).done)
            except Busy:
                ended.append(False)

        with store.plugged(page=3):
            at_call(store, number, meet, "before")
            try:
                ended.append(store.reconcile(**FULL).done)
            except Busy:
                lost += 1
            store.drain()
            assert any(ended), number
            check(store)
    assert lost or not expired, "nobody has noticed that the lease was taken"
    record_property("meetings", calls)


def test_a_hint_that_is_sent_twice_since_its_run_was_killed_reads_its_document_once() -> None:
    store = prepared()
    with store.plugged(page=3):
        sent = iter([False, True])

        def kill_after_sending(operation: str) -> None:
            if operation == "send_message_batch" and next(sent, False):
                raise _Killed

        store.after_call = kill_after_sending
        with pytest.raises(_Killed):
            store.reconcile(**FULL)
        store.after_call = lambda *_: None
        store.clock.sleep(600)
        store.reconciler(**FULL).step(store.clock.now() + timedelta(hours=1))
        handled = store.drain()
        told = [hint.image_set_id for hint in handled if hint.cause is Cause.RECONCILE]
        assert len(told) > len(set(told)), "none was sent twice"
        assert len(store.healthimaging.read) == len(set(store.healthimaging.read))
        check(store)
