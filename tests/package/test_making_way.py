"""Hints that can wait make no call of GetImageSetMetadata for a moment after AWS throttled one; others always do."""

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from imaging_index import healthimaging
from imaging_index.document.reader import Reader
from imaging_index.faults import Yielded
from imaging_index.handlers import environment
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer, Outcome
from imaging_index.profile import toml_file
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.writing import TableWriter
from proof.harness.pipeline import response
from proof.simulation import memory
from proof.simulation.environments import DATASTORE
from proof.simulation.happenings import document

PROFILE = toml_file.parse('revision = 1\nattributes = ["PatientID"]')
CAN_WAIT = [Cause.RECONCILE, Cause.REINDEX]
CANNOT = [Cause.EVENT, Cause.REPAIR]


class World:
    """Image sets in HealthImaging, whose calls botocore had to repeat `retries` times, and the index."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1_000.0
        self.retries = 0
        self.refused: str | None = None
        self.calls = 0
        self._service = memory.HealthImaging(DATASTORE)
        service: Any = SimpleNamespace(
            get_image_set=self._service.get_image_set, get_image_set_metadata=self._get_image_set_metadata
        )
        table: Any = memory.Table("table")
        self._indexer = Indexer(HealthImaging(service), TableWriter(table, "table"), PROFILE, Reader(PROFILE))
        monkeypatch.setattr(healthimaging, "time", SimpleNamespace(monotonic=lambda: self.seconds))

    def _get_image_set_metadata(self, **arguments: Any) -> dict[str, Any]:
        self.calls += 1
        if self.refused:
            error = memory.refusal("GetImageSetMetadata", self.refused)
            error.response["ResponseMetadata"]["RetryAttempts"] = self.retries
            raise error
        answer: dict[str, Any] = self._service.get_image_set_metadata(**arguments)
        return answer | {"ResponseMetadata": {"RetryAttempts": self.retries}}

    def converge(self, number: int, cause: Cause) -> Outcome:
        """Index a new image set by a hint of this cause."""
        image_set_id = f"{number:032d}"
        self._service.create(image_set_id, document(image_set_id, 0))
        hint = Hint(Kind.CREATED, cause, DATASTORE, image_set_id, 1, is_primary=True)
        return self._indexer.converge(hint, age=timedelta(0), tries=1).outcome


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.mark.parametrize("cause", CAN_WAIT)
def test_a_hint_that_can_wait_makes_no_call_for_two_seconds_after_a_repeated_one(world: World, cause: Cause) -> None:
    world.retries = 1
    # It was throttled itself, and got through.
    assert world.converge(1, cause) is Outcome.INDEXED
    world.retries = 0
    world.seconds += 1.9
    with pytest.raises(Yielded):
        world.converge(2, cause)
    assert world.calls == 1
    world.seconds += 0.2
    assert world.converge(3, cause) is Outcome.INDEXED


@pytest.mark.parametrize("cause", CANNOT)
def test_events_and_repairs_never_make_way_and_what_can_wait_does_for_them(world: World, cause: Cause) -> None:
    world.retries = 3
    assert [world.converge(number, cause) for number in range(3)] == [Outcome.INDEXED] * 3
    with pytest.raises(Yielded):
        world.converge(3, Cause.REINDEX)


def test_calls_that_were_not_repeated_let_everything_pass(world: World) -> None:
    causes = [*Cause] * 2
    assert [world.converge(number, cause) for number, cause in enumerate(causes)] == [Outcome.INDEXED] * len(causes)


def test_a_call_that_was_repeated_in_vain_counts_as_well(world: World) -> None:
    world.refused, world.retries = "ThrottlingException", 3
    with pytest.raises(Exception, match="Throttling"):
        world.converge(1, Cause.EVENT)
    with pytest.raises(Yielded):
        world.converge(2, Cause.RECONCILE)


def test_botocore_says_that_it_repeated_a_throttled_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    client = environment.client("medical-imaging")
    answers = iter([(200, ""), (429, "ThrottlingException"), (200, "")])

    def answer(request: Any, **_: Any) -> Any:
        status, error = next(answers)
        return response(request, status, b"{}", "x-amzn-ErrorType", error)

    client.meta.events.register("before-send", answer)
    tested = HealthImaging(client)

    def read(*, can_wait: bool) -> bytes | None:
        return tested.metadata("d" * 32, "i" * 32, 1, b"".join, can_wait=can_wait)

    assert [read(can_wait=True), read(can_wait=True)] == [b"{}", b"{}"]
    with pytest.raises(Yielded):
        read(can_wait=True)
    assert next(answers, None) is None
