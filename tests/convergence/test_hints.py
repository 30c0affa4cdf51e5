"""What one hint does, call by call, where a random history would seldom come by: over services in memory."""
# ruff: noqa: N803  the arguments are boto3's

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from imaging_index.document.reader import Reader
from imaging_index.entry.entry import FORMAT
from imaging_index.faults import NotReady, Overload, Poison
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer, Outcome
from imaging_index.profile import toml_file
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table import generation, writing
from imaging_index.table.layout import Key
from imaging_index.table.writing import TableWriter
from proof.simulation import memory
from proof.simulation.environments import DATASTORE
from proof.simulation.happenings import document

IMAGE_SET: Final = "1" * 32
KEY: Final = Key(DATASTORE, IMAGE_SET)
SELECTED: Final = toml_file.parse('revision = 1\nattributes = ["PatientID"]')
_TIME: Final = "2026-01-01T00:00:00Z"
_OLD: Final = timedelta(hours=1)


class World:
    """One image set in HealthImaging, and the index."""

    def __init__(self) -> None:
        self.service = memory.HealthImaging(DATASTORE)
        self.memory = memory.Table("table")
        self.table = TableWriter(self.memory, "table")  # type: ignore[arg-type]
        client: Any = self.service
        self.indexer = Indexer(HealthImaging(client), self.table, SELECTED, Reader(SELECTED))
        self.service.create(IMAGE_SET, document(IMAGE_SET, 0))

    def hint(
        self,
        kind: Kind,
        version: int | None = None,
        *,
        primary: bool | None = None,
        cause: Cause = Cause.EVENT,
        replayed: bool = False,
        age: timedelta = timedelta(0),
        tries: int = 1,
    ) -> Outcome:
        """Let the index handle a hint."""
        hint = Hint(kind, cause, DATASTORE, IMAGE_SET, version, primary, _TIME, replayed)
        return self.indexer.converge(hint, age=age, tries=tries).outcome

    def update(self, lag: int = 0) -> None:
        """The next version is there; so many answers do not know of it."""
        image_set = self.service.image_sets[IMAGE_SET]
        self.service.begin_update(IMAGE_SET)
        self.service.finish_update(IMAGE_SET, document(IMAGE_SET, image_set.version))
        image_set.lag = lag

    @property
    def entry(self) -> Mapping[str, Any]:
        """What is stored of the image set."""
        return self.memory.partitions[str(KEY)]["entry"]


@pytest.fixture
def world() -> World:
    """Nothing is indexed yet."""
    return World()


@pytest.mark.parametrize("kind", [Kind.UPDATED, Kind.COPIED, Kind.UPDATE_FAILED, Kind.UNKNOWN])
@pytest.mark.parametrize("lag", range(4))
def test_a_hint_that_is_ahead_of_get_image_set_waits_for_it(world: World, kind: Kind, lag: int) -> None:
    world.hint(Kind.CREATED, 1, primary=True)
    world.update(lag)
    for tries in range(1, lag + 1):
        with pytest.raises(NotReady):
            world.hint(kind, 2, age=timedelta(minutes=tries), tries=tries)
    assert world.hint(kind, 2, age=timedelta(minutes=lag), tries=lag + 1) is Outcome.INDEXED
    assert world.entry["ImageSetVersion"] == {"N": "2"}


def test_hand_backs_do_not_shorten_the_wait(world: World) -> None:
    world.hint(Kind.CREATED, 1, primary=True)
    world.update(lag=1)
    with pytest.raises(NotReady):
        world.hint(Kind.UPDATED, 2, age=timedelta(seconds=104), tries=40)
    assert world.hint(Kind.UPDATED, 2, age=timedelta(seconds=104), tries=41) is Outcome.INDEXED


def test_a_version_that_get_image_set_never_tells_is_not_waited_for_for_ever(world: World) -> None:
    assert world.hint(Kind.UPDATED, 9, age=timedelta(seconds=105), tries=4) is Outcome.INDEXED
    assert world.entry["ImageSetVersion"] == {"N": "1"}


def test_a_created_event_whose_version_never_comes_ends_at_what_is_there(world: World) -> None:
    with pytest.raises(NotReady):
        world.hint(Kind.CREATED, 3, primary=True, age=timedelta(minutes=15), tries=30)
    assert world.memory.partitions == {}
    assert world.hint(Kind.CREATED, 3, primary=False, age=timedelta(minutes=15, seconds=1), tries=31) is Outcome.INDEXED
    assert world.entry["ImageSetVersion"] == {"N": "1"}
    assert world.entry["IsPrimary"] == {"BOOL": True}, "of the version that is there, HealthImaging's word counts"


def test_a_created_event_of_what_was_deleted_meanwhile_buries_it(world: World) -> None:
    world.service.begin_delete(IMAGE_SET)
    world.service.finish_delete(IMAGE_SET)
    assert world.hint(Kind.CREATED, 3, primary=True) is Outcome.DELETED


@pytest.mark.parametrize("cause", [Cause.EVENT, Cause.REINDEX, Cause.REPAIR])
@pytest.mark.parametrize("primary", [True, False, None])
@pytest.mark.parametrize("kind", [Kind.CREATED, Kind.UNKNOWN])
def test_is_primary_of_a_replay_by_hand_is_healthimagings(
    world: World, cause: Cause, primary: bool | None, kind: Kind
) -> None:
    world.service.image_sets[IMAGE_SET].is_primary = False
    world.hint(kind, 1, primary=primary, cause=cause, replayed=True)
    assert world.entry["IsPrimary"] == {"BOOL": False}


def test_what_reconcile_found_is_believed_at_that_version_without_asking_again(world: World) -> None:
    world.service.image_sets[IMAGE_SET].lag = 3
    world.hint(Kind.UNKNOWN, 1, primary=False, cause=Cause.RECONCILE, replayed=True)
    assert world.entry["IsPrimary"] == {"BOOL": False}
    assert world.service.image_sets[IMAGE_SET].lag == 3


def test_a_replay_without_is_primary_erases_nothing(world: World) -> None:
    world.hint(Kind.CREATED, 1, primary=True)
    world.update()
    world.hint(Kind.UNKNOWN, 2, cause=Cause.RECONCILE, replayed=True)
    assert (world.entry["ImageSetVersion"], world.entry["IsPrimary"]) == ({"N": "2"}, {"BOOL": True})


def test_the_entry_says_false_where_it_is_not_primary_and_when_its_event_was_sent(world: World) -> None:
    world.hint(Kind.CREATED, 1, primary=False)
    assert (world.entry["IsPrimary"], world.entry["EventTime"]) == ({"BOOL": False}, {"S": _TIME})


def test_copied_with_a_version_that_is_not_there_is_indexed_as_healthimaging_has_it(world: World) -> None:
    assert world.hint(Kind.COPIED, 2, primary=False, age=_OLD, tries=9) is Outcome.INDEXED
    assert (world.entry["ImageSetVersion"], world.entry["IsPrimary"]) == ({"N": "1"}, {"BOOL": True})


def test_404_under_a_tombstone_is_settled_and_swept(world: World) -> None:
    world.hint(Kind.CREATED, 1, primary=True)
    world.service.begin_delete(IMAGE_SET)
    world.service.finish_delete(IMAGE_SET)
    world.hint(Kind.DELETED)
    world.service.image_sets[IMAGE_SET].hidden = True
    world.table.put_pages(KEY, generation.make(1, 1, FORMAT), "late", [b"page"])
    assert world.hint(Kind.UPDATED, 1) is Outcome.DELETED
    assert [*world.memory.partitions[str(KEY)]] == ["entry"]


def test_locked_is_not_read_also_when_the_workflow_status_is_not_told(world: World) -> None:
    world.service.begin_update(IMAGE_SET)
    world.service.image_sets[IMAGE_SET].workflow = None  # type: ignore[assignment]
    with pytest.raises(NotReady, match="LOCKED"):
        world.hint(Kind.UPDATED, 1, age=_OLD, tries=9)


@pytest.mark.parametrize("which", [DATASTORE, IMAGE_SET])
def test_a_document_of_another_data_store_or_image_set_is_poison(world: World, which: str) -> None:
    content = document(IMAGE_SET, 0)
    other = Key(DATASTORE.replace(which, "e" * 32), IMAGE_SET.replace(which, "e" * 32))
    with pytest.raises(Poison):
        world.indexer._content(other, [content])
    assert world.indexer._content(KEY, [content])


class Busy(memory.Table):
    """A table that hands the last request of every batch back, so many times."""

    def __init__(self, rounds: int) -> None:
        super().__init__("table")
        self._rounds = rounds
        self._batches: Iterator[int] = itertools.count()

    def batch_write_item(
        self, *, RequestItems: Mapping[str, Sequence[Any]], ReturnConsumedCapacity: str = "NONE"
    ) -> memory.Answer:
        """BatchWriteItem."""
        ((name, requests),) = RequestItems.items()
        if self._rounds <= 0:
            return super().batch_write_item(RequestItems=RequestItems, ReturnConsumedCapacity=ReturnConsumedCapacity)
        if len(requests) < 25:  # the last batch of a round
            self._rounds -= 1
        if requests[:-1]:
            super().batch_write_item(RequestItems={name: requests[:-1]})
        return {"UnprocessedItems": {name: requests[-1:]}}


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table does not wait between its rounds."""
    monkeypatch.setattr(writing.time, "sleep", lambda _: None)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_pauses")
def test_what_came_back_of_every_batch_is_written_again(world: World) -> None:
    world.table = TableWriter(Busy(rounds=1), "table")  # type: ignore[arg-type]
    busy: Any = world.table._client
    world.table.put_pages(KEY, generation.make(1, 1, FORMAT), "attempt", [b"page"] * 60)
    assert len(busy.partitions[str(KEY)]) == 60


@pytest.mark.usefixtures("no_pauses")
def test_no_entry_is_written_over_pages_that_did_not_all_get_through(world: World) -> None:
    busy: Any = Busy(rounds=1_000)
    client: Any = world.service
    indexer = Indexer(HealthImaging(client), TableWriter(busy, "table"), SELECTED, Reader(SELECTED))
    hint = Hint(Kind.CREATED, Cause.EVENT, DATASTORE, IMAGE_SET, 1, True, _TIME)
    with pytest.raises(Overload):
        indexer.converge(hint, age=timedelta(0), tries=1)
    assert "entry" not in busy.partitions.get(str(KEY), {})
