"""Passes of the real reconciler while image sets come, change and go, between any two of its calls.

One seed is one history: what tokens are, how far lists lag, which events are lost, where runs are killed, when two of
them meet, when the profile changes. Then everything comes to rest, and some passes later the index must be right. What
must hold meanwhile: no live image set is said to be deleted, and none is asked for that was listed and has not changed.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from imaging_index.queue import hint as hints
from imaging_index.reconciling.listing import indexed_at
from imaging_index.reconciling.refusals import Busy
from imaging_index.reconciling.settings import Scope
from imaging_index.table.layout import Key
from proof.harness.reconciling import DATASTORE, PROFILE, QUEUE, RAISED, Store
from proof.simulation import listed, objects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from imaging_index.reconciling.run import Progress

# In seconds. Lists lag by less than the overlap.
OVERLAP: Final = 6.0
_LONGEST_LAG: Final = 4.0
_GRACE: Final = 3.0
_LEASE: Final = 121.0
_QUIET_PASSES: Final = 3
_MOST_CALLS: Final = 5_000
_MOST_IMAGE_SETS: Final = 12


class Violation(Exception):  # noqa: N818
    """Something that must never be."""


class Killed(BaseException):
    """The end of a run's process."""


def run(seed: int, token: listed.Token, settings: dict[str, Any] | None = None, *, full: bool | None = None) -> str:
    """Live through one seed. Returns what was violated, empty for nothing."""
    history = _History(seed, token, settings or {}, full=full)
    page, shortest = history.random.choice((2, 3)), timedelta(seconds=0.5)
    with history.store.plugged(page=page, shortest=shortest):
        try:
            history.live()
        except Violation as violation:
            return f"seed {seed}, token {token}: {violation}"
    return ""


class _History:
    """One seed."""

    def __init__(self, seed: int, token: listed.Token, settings: dict[str, Any], *, full: bool | None) -> None:
        chance = self.random = Random(f"{seed} {token}")
        lag = chance.choice((0.0, 1.0, _LONGEST_LAG, _LONGEST_LAG))
        self._lagging = chance.choice((0.0, 0.0, 0.3))
        self.store = Store(
            token=token,
            listed_after=lambda: timedelta(seconds=chance.random() * lag),
            page_size=chance.choice((3, 1_000)),
            lagging=lambda: chance.random() < self._lagging,
            keeps_documents=seed % 2 == 1,
        )
        self.store.before_call, self.store.after_call = self._before, self._after
        self._settings = {
            "overlap": timedelta(seconds=OVERLAP),
            "grace": timedelta(seconds=chance.choice((0.0, 0.0, _GRACE))),
            "lanes": chance.choice((1, 1, 2, 3)),
            "save_every": timedelta(seconds=chance.choice((0.0, 0.5, 3.0))),
            **settings,
        }
        self._replicas_lag = bool(self._lagging)
        self._full = chance.random() < 0.5 if full is None else full
        self._pace = chance.choice((0.02, 0.1, 0.3))
        self._spell = chance.choice((0.1, 0.5))
        self._lost = chance.choice((0.2, 0.5, 0.8))
        self._kills = chance.choice((0, 0, 1, 3))
        self._meetings = chance.choice((0, 0, 1))
        self._reindexed = chance.random() < 0.3
        self._old_code = False
        self._active = False
        self._dead = False
        self._nested = False
        self._calls = 0
        self._changed: dict[str, datetime] = {}  # when an image set or its entry was changed last
        self._damaged: set[str] = set()

    # --- the course

    def live(self) -> None:
        """All of it."""
        chance, store = self.random, self.store
        self._reconcile(Scope.INCREMENTAL)
        self._active = True
        for _ in range(chance.randint(2, 5)):
            for _ in range(chance.randrange(12)):
                self._pass_time(chance.random() * 2)
            if self._reindexed and chance.random() < 0.3 and store.profile is PROFILE:
                store.profile, self._old_code = RAISED, True
            full = self._full and chance.random() < 0.5
            self._reconcile(Scope.FULL if full else Scope.INCREMENTAL)
        self._active = False
        self._kills = self._meetings = 0
        self._lagging = 0.0
        self._old_code = False
        reindexed = self._reindexed and store.profile is RAISED
        for _ in range(_QUIET_PASSES):
            store.clock.sleep(_LONGEST_LAG + _GRACE + 0.1)
            self._drain()
            self._reconcile(Scope.INCREMENTAL)
        if self._full or reindexed:
            # The first may be one that was begun long ago. Of an image set that is not found two must hear it.
            for _ in range(3):
                self._drain()
                self._reconcile(Scope.FULL)
        self._drain()
        for key in store.keys:
            if (self._full or store.lives(key)) and not self._is_right(key, revision=self._full or reindexed):
                raise Violation(f"{key.image_set_id[-2:]} is wrong in the end: {sorted(store.held(key))}")
            # Only a full pass finds those that landed late.
            if self._full and not {*store.kept(key)} <= ({store.version(key)} if store.lives(key) else set()):
                raise Violation(f"{key.image_set_id[-2:]} has documents in the end: {store.kept(key)}")
        self._check_plan()

    def _is_right(self, key: Key, *, revision: bool) -> bool:
        """Whether the table holds what it must; of an incremental pass, only that the version is there."""
        if not self.store.lives(key) and not self.store.held(key):
            return True  # nobody ever heard of it
        if self._full or revision:
            primary = self.store.healthimaging.image_sets[key.image_set_id].is_primary
            right = self.store.is_right(key)
            if right and self._full and self.store.lives(key):
                return bool(self.store.held(key)["entry"].get("IsPrimary") == {"BOOL": primary})
            return right
        held = self.store.held(key).get("entry", {}).get("ImageSetVersion", {}).get("N")
        return held == str(self.store.version(key))

    def _check_plan(self) -> None:
        """A plan writes nothing, and has the counts of the pass that follows; that reads no document in vain."""
        if not self._full:
            return
        store, chance = self.store, self.random
        for key in store.keys:
            if store.lives(key) and chance.random() < 0.3:
                chance.choice((store.update, store.delete))(key)
        store.clock.sleep(_LONGEST_LAG + _GRACE + 0.1)
        before = dict(store.table.partitions)
        scope = {"scope": Scope.FULL, **self._settings}
        plan = store.reconciler(apply=False, **scope).step(store.clock.now() + timedelta(days=1))
        if store.table.partitions != before or store.queues.messages[QUEUE]:
            raise Violation("a plan wrote something")
        wrong = sorted(
            key.image_set_id for key in store.keys if store.lives(key) and not self._is_right(key, revision=True)
        )
        store.healthimaging.read.clear()
        progress = store.reconciler(**scope).step(store.clock.now() + timedelta(days=1))
        if plan.finished[0].counts.differences != progress.finished[0].counts.differences:
            raise Violation("the plan was another")
        self._drain()
        if sorted(store.healthimaging.read) != wrong:
            raise Violation(f"{store.healthimaging.read} were read instead of {wrong}")

    def _reconcile(self, scope: Scope) -> None:
        """Passes until one is finished, however often they are killed."""
        while True:
            deadline = self.random.choice((0.5, 3.0, 1e6))
            with contextlib.suppress(Killed, Busy):
                if self._step(scope, deadline).done:
                    return
            if self._calls > _MOST_CALLS:
                raise Violation("it does not come to its end")
            if self._dead:
                self._dead = False
                self.store.clock.sleep(_LEASE)

    def _step(self, scope: Scope, seconds: float) -> Progress:
        scheduled = {"scheduled": True, "full_every": timedelta(0)} if scope is Scope.FULL else {"scope": scope}
        reconciler = self.store.reconciler(**scheduled, **self._settings)
        return reconciler.step(self.store.clock.now() + timedelta(seconds=seconds))

    # --- between calls

    def _before(self, operation: str, arguments: Mapping[str, Any]) -> None:
        self._calls += 1
        if self._dead:
            raise Killed
        if operation == "get_image_set":
            self._check_asked(arguments["imageSetId"])
        self._pass_time(self.random.random() * self._spell)
        self._perhaps_killed()
        if self._meetings and not self._nested and self._active and self.random.random() < 0.05:
            self._meetings -= 1
            self._meet()

    def _check_asked(self, image_set_id: str) -> None:
        """Nobody is asked for who was listed, and had an entry, and has not changed."""
        full = self.store.status().checkpoint.full
        key = Key(DATASTORE, image_set_id)
        if full is None or self._replicas_lag or image_set_id in self._damaged or not self.store.lives(key):
            return
        entry = self.store.held(key).get("entry", {})
        settled = self._changed[image_set_id] < full.began - timedelta(seconds=_LONGEST_LAG)
        if settled and entry.get("FirstIndexedAt", {}).get("S", "~") < indexed_at(full.began):
            raise Violation(f"{image_set_id[-2:]} was asked for in vain")

    def _after(self, operation: str) -> None:
        if operation == "send_message_batch":
            for message in self.store.queues.messages[QUEUE]:
                sent = hints.parse(message.body)
                key = next(key for key in self.store.keys if key.image_set_id == sent.image_set_id)
                if sent.kind is hints.Kind.DELETED and self.store.lives(key):
                    raise Violation(f"{key.image_set_id[-2:]} lives, and is said to be deleted")
        self._perhaps_killed()

    def _perhaps_killed(self) -> None:
        if self._active and not self._nested and self._kills and self.random.random() < 0.03:
            self._kills -= 1
            self._dead = True
            raise Killed

    def _meet(self) -> None:
        """Another run begins while this one waits; it may find the lease run out."""
        if self.random.random() < 0.5:
            self.store.clock.sleep(_LEASE)
        self._nested = True
        with contextlib.suppress(Busy):
            self._step(self.random.choice((Scope.INCREMENTAL, Scope.FULL)), 2.0)
        self._nested = False

    def _pass_time(self, seconds: float) -> None:
        self.store.clock.sleep(seconds)
        if self._active and self.random.random() < self._pace:
            self._happen()
        if self.random.random() < 0.1:
            self._drain()

    def _drain(self) -> None:
        """Hints are handled, by old code perhaps."""
        old = self._old_code and self.random.random() < 0.5
        self.store.drain(PROFILE if old else None)

    def _happen(self) -> None:
        chance, store = self.random, self.store
        live = [key for key in store.keys if store.lives(key)]
        what = chance.random()
        if not live or (what < 0.4 and len(store.keys) < _MOST_IMAGE_SETS):
            key = store.create(is_primary=chance.random() < 0.7)
        else:
            key = chance.choice(live)
            if what < 0.5:
                self._damage(key)
                return
            if what < 0.7:
                store.update(key)
            elif what < 0.9:
                store.delete(key)
                store.healthimaging.image_sets[key.image_set_id].hidden = chance.random() < 0.2
            else:
                primary = store.healthimaging.image_sets[key.image_set_id].is_primary
                store.healthimaging.promote(key.image_set_id, is_primary=not primary)
        self._changed[key.image_set_id] = store.clock.now()
        if chance.random() >= self._lost and not store.healthimaging.image_sets[key.image_set_id].hidden:
            old = self._old_code and chance.random() < 0.5
            store.index(key, profile=PROFILE if old else None)

    def _land_late(self) -> None:
        """A document of an older version lands after all sweeps, of an image set that lives or not; or one is lost."""
        store, chance = self.store, self.random
        if not self._full:
            return
        key = chance.choice(store.keys)
        version = chance.randint(1, store.version(key))
        place = objects.key_of(key, version)
        if chance.random() < 0.3:
            store.bucket.objects.pop(place, None)
        elif version < store.version(key) or not store.lives(key):
            store.bucket.objects[place] = objects.Object(b"late", {}, store.clock.now())

    def _damage(self, key: Key) -> None:
        """A page is lost, or one is left behind, by whatever means. Only a full pass finds that."""
        store = self.store
        if store.keeps_documents and self.random.random() < 0.5:
            self._land_late()
            return
        pages = [part for part in store.held(key) if part != "entry"]
        if not self._full or not pages:
            return
        self._damaged.add(key.image_set_id)
        partition = dict(store.table.partitions[str(key)])
        page = self.random.choice(pages)
        if self.random.random() < 0.5:
            stray = f"page/{1:010d}.{1:06d}.0001.0000/{'f' * 16}/0000"
            partition[stray] = {**partition[page], "Part": {"S": stray}}
        else:
            del partition[page]
        store.table.partitions[str(key)] = partition
