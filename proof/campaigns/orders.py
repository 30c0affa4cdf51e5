"""Hints in any order, doubled and lost, about image sets that have come to rest; all in memory."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from imaging_index.entry import columns
from imaging_index.queue.hint import Cause, Kind
from imaging_index.reconciling.settings import Scope
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from proof.harness.image_sets import deliver, hint, indexer
from proof.harness.reconciling import DATASTORE, PROFILE, TABLE, Store, document
from proof.simulation import truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imaging_index.queue.hint import Hint
    from proof.campaigns.kills import Progress
    from proof.simulation.truth import Dump

_small_pages: Final = patch.object(columns, "_ROWS_A_PAGE", 1)  # several pages an image set
_CAUSES: Final = (Cause.EVENT, Cause.RECONCILE, Cause.REINDEX)


class World:
    """Image sets that have come to rest, the events that told of it, and an empty table."""

    def __init__(self) -> None:
        self._store = Store()
        self.healthimaging = self._store.healthimaging
        self.events: list[Hint] = []
        self.empty_table()

    def empty_table(self) -> None:
        """Forget all that was indexed."""
        self._store.empty_table()
        client: Any = self._store.table
        self._indexer = indexer(self.healthimaging, TableWriter(client, TABLE), PROFILE)

    def make_any(self, chance: random.Random) -> Key:
        """An image set with any history."""
        return self.make(
            updates=chance.randrange(3),
            failed=chance.random() < 0.2,
            copied=chance.random() < 0.3,
            deleted=chance.random() < 0.4,
        )

    def make(self, *, updates: int = 0, failed: bool = False, copied: bool = False, deleted: bool = False) -> Key:
        """An image set with its history: imported or copied, updated, once in vain, deleted."""
        key = Key(DATASTORE, f"{len(self.healthimaging.image_sets):032d}")
        self.healthimaging.create(key.image_set_id, document(key, 1))
        self._tell(key, Kind.COPIED if copied else Kind.CREATED, 1)
        for version in range(2, updates + 2):
            self._update(key, version, Kind.UPDATED, document(key, version))
        if failed:
            self._update(key, updates + 2, Kind.UPDATE_FAILED, None)
        if deleted:
            self.healthimaging.begin_delete(key.image_set_id)
            self.healthimaging.finish_delete(key.image_set_id)
            self._tell(key, Kind.DELETED, self.version(key))
        return key

    def _update(self, key: Key, version: int, kind: Kind, content: bytes | None) -> None:
        self.healthimaging.begin_update(key.image_set_id)
        self.healthimaging.finish_update(key.image_set_id, content)
        self._tell(key, kind, version)

    def _tell(self, key: Key, kind: Kind, version: int) -> None:
        self.events.append(hint(key, kind, version))

    @property
    def keys(self) -> list[Key]:
        """Every image set that there is or was."""
        return [Key(DATASTORE, image_set_id) for image_set_id in self.healthimaging.image_sets]

    def version(self, key: Key) -> int:
        """The latest version's number."""
        return self.healthimaging.image_sets[key.image_set_id].version

    def deliver(self, hints: Iterable[Hint]) -> None:
        """Have the hints handled one after the other."""
        with self._store.plugged():
            deliver(self._indexer, hints)

    def held(self, key: Key) -> Dump:
        """What the table holds of an image set."""
        return self._store.held(key)

    def is_right(self, key: Key) -> bool:
        """Whether that is what it must hold, and nothing else."""
        return truth.comparable(self.held(key)) == truth.comparable(self.expected(key))

    def expected(self, key: Key) -> Dump:
        """What the table must hold of an image set."""
        image_set = self.healthimaging.image_sets[key.image_set_id]
        if image_set.state == "DELETED":
            return truth.deleted(key)
        said = truth.content([image_set.documents[-1] or b""], PROFILE)
        return truth.indexed(key, said, image_set.version, PROFILE)

    def is_reconciled(self, key: Key) -> bool:
        """Whether that is what a reconcile pass makes of it: of a deleted image set that no event told of, nothing."""
        gone = self.healthimaging.image_sets[key.image_set_id].state == "DELETED"
        return (gone and not self.held(key)) or self.is_right(key)

    def reconcile(self) -> int:
        """One full pass, and its hints are handled; how many documents they read.

        Raises:
            AssertionError: one was read of an image set that was indexed already, or was deleted.
        """
        missing = sorted(key.image_set_id for key in self.keys if not self.is_reconciled(key))
        missing = [each for each in missing if self.healthimaging.image_sets[each].state != "DELETED"]
        self.healthimaging.read.clear()
        self._store.clock.sleep(10)
        with self._store.plugged():
            assert self._store.reconcile(scope=Scope.FULL).done
        assert sorted(self.healthimaging.read) == missing
        return len(missing)


@_small_pages
def every_order(world: World, key: Key) -> int:
    """Deliver the events in every order, each of them once or twice; the number of lists.

    Raises:
        AssertionError: one of them made another table of it.
    """
    lists = 0
    for order in itertools.permutations(world.events):
        for times in itertools.product([0, 1], repeat=len(order)):
            again = itertools.compress(order, times)
            _deliver(world, [*order, *again], [key])
            lists += 1
    return lists


@_small_pages
def every_loss(world: World) -> int:
    """Lose every subset of the events, then reconcile; the number of subsets."""
    subsets = list(itertools.product([False, True], repeat=len(world.events)))
    for arriving in subsets:
        world.empty_table()
        world.deliver(itertools.compress(world.events, arriving))
        _reconcile(world)
    return len(subsets)


@_small_pages
def random_lists(count: int, progress: Progress = lambda *_: None) -> int:
    """Deliver the events of any history in any order: doubled, together with false and strange ones, none lost."""
    for seed in range(count):
        chance = random.Random(seed)
        world = World()
        keys = [world.make_any(chance) for _ in range(chance.randint(1, 2))]
        strange = [_strange(world, chance.choice(keys), chance) for _ in range(chance.randrange(4))]
        hints = world.events + chance.choices(world.events, k=chance.randrange(4)) + strange
        chance.shuffle(hints)
        _deliver(world, hints, keys, f"seed {seed}")
        progress(seed + 1, count)
    return count


@_small_pages
def random_losses(count: int, progress: Progress = lambda *_: None) -> int:
    """Lose any of the events of any histories, deliver the others in any order and doubled, then reconcile."""
    for seed in range(count):
        chance = random.Random(seed)
        world = World()
        for _ in range(chance.randint(1, 4)):
            world.make_any(chance)
        arriving = [told for told in world.events for _ in range(chance.choice([0, 0, 1, 1, 2]))]
        chance.shuffle(arriving)
        world.deliver(arriving)
        _reconcile(world, f"seed {seed}")
        progress(seed + 1, count)
    return count


def _strange(world: World, key: Key, chance: random.Random) -> Hint:
    """A hint of any kind with any version that there was: late, false, or nobody's."""
    version = chance.randint(1, world.version(key))
    return hint(key, chance.choice(list(Kind)), chance.choice([None, version]), chance.choice(_CAUSES))


def _deliver(world: World, hints: Sequence[Hint], keys: Iterable[Key], name: str = "") -> None:
    world.empty_table()
    world.deliver(hints)
    for key in keys:
        assert world.is_right(key), f"{name} {[(told.kind.value, told.cause.value, told.version) for told in hints]}"


def _reconcile(world: World, name: str = "") -> None:
    world.reconcile()
    assert all(map(world.is_reconciled, world.keys)), name
    assert world.reconcile() == 0, name
