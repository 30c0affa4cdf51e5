"""Lambda execution environments of the real function, whose clients, clock and chance belong to a simulation.

Each environment has executed `handlers/index.py` anew, as Lambda does in a cold start. What it calls of AWS goes to the
`Wire` that is plugged in; the time, pauses and random numbers of the whole package come from there as well.
"""

import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, partial
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any, Final, Protocol, Self
from unittest import mock

from botocore.session import Session

from imaging_index import healthimaging, indexing
from imaging_index.entry import columns
from imaging_index.faults import Fault, NotReady, Poison
from imaging_index.profile import toml_file
from imaging_index.queue import breaker, delivery
from imaging_index.table import reading as table_reading
from imaging_index.table import writing as table_writing
from imaging_index.table.reading import TableReader
from proof.simulation.memory import Answer, QueryPaginator

DATASTORE: Final = "d" * 32
TABLE: Final = "table"
QUEUE: Final = "queue"
DEAD_LETTERS: Final = "dead-letters"
BUCKET: Final = "bucket"

# The profile before and after the operator's change: the new one selects the study's description as well.
OLD, NEW = 1, 2
_ATTRIBUTES: Final = {
    OLD: '["PatientID", "StudyInstanceUID", "Modality"]',
    NEW: '["PatientID", "StudyInstanceUID", "Modality", "StudyDescription"]',
}
MOST_AT_A_TIME: Final = 8

_EPOCH: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z
_OPERATIONS: Final = {
    "medical-imaging": ("get_image_set", "get_image_set_metadata"),
    "dynamodb": ("get_item", "put_item", "batch_write_item", "query"),
    "sqs": ("send_message", "change_message_visibility", "delete_message"),
    "s3": ("put_object", "get_object", "list_objects_v2", "delete_object"),
}


class Wire(Protocol):
    """What stands for the world around the function."""

    random: Random

    @property
    def now(self) -> float:
        """The time in seconds."""

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """The answer to a call of AWS."""

    def sleep(self, seconds: float) -> None:
        """Come back after a while."""


class _Plug:
    """Where the wire that is in use stands."""

    wire: Wire


def _call(service: str, operation: str, **arguments: Any) -> Answer:
    return _Plug.wire.call(service, operation, arguments)


def client(service: str) -> Any:
    """A client of a service, in place of botocore's."""
    calls: Any = SimpleNamespace(**{name: partial(_call, service, name) for name in _OPERATIONS[service]})
    if service == "dynamodb":
        calls.get_paginator = lambda operation: QueryPaginator(getattr(calls, operation))
    return calls


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(moment(), tz)


def now() -> datetime:
    """The simulation's time."""
    return _Datetime.now(UTC)


def moment() -> float:
    """The simulation's time in seconds since 1970."""
    return _EPOCH + _Plug.wire.now


class _Nowhere:
    """A logger and metrics that nobody reads."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


@dataclass(frozen=True, slots=True)
class Environment:
    """One execution environment: `handler` as Lambda calls it, `bare` without Powertools' decorators."""

    module: ModuleType
    revision: int
    handler: Callable[[Any, Any], Any]
    bare: Callable[[Any, Any], Any]

    def restart(self) -> None:
        """What the environment remembers of earlier invocations is gone, as after a kill."""
        self.module._breaker.__init__()
        self.module._healthimaging._makes_way_until = 0.0


def environments(most: int = MOST_AT_A_TIME) -> Mapping[int, tuple[Environment, ...]]:
    """As many environments as may run at a time, of the code with the old profile and of that with the new one."""
    return _environments(most)


@cache
def _environments(most: int) -> Mapping[int, tuple[Environment, ...]]:
    return {revision: tuple(_environment(revision, number) for number in range(most)) for revision in (OLD, NEW)}


def _environment(revision: int, number: int) -> Environment:
    path = Path(indexing.__file__).with_name("handlers") / "index.py"
    spec = importlib.util.spec_from_file_location(f"index_of_revision_{revision}_{number}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    variables = {
        "DATASTORES": DATASTORE,
        "PROFILE": "none",
        "QUEUE_URL": QUEUE,
        "DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
        "TABLE_NAME": TABLE,
        "DOCUMENTS_BUCKET": BUCKET,
    }
    selected = toml_file.parse(f"revision = {revision}\nattributes = {_ATTRIBUTES[revision]}")
    with (
        mock.patch.dict(os.environ, variables),
        mock.patch.object(Session, "create_client", lambda _, service, **__: client(service)),
        mock.patch.object(toml_file, "load", return_value=selected),
    ):
        spec.loader.exec_module(module)
    return Environment(module, revision, module.handler, inspect.unwrap(module.handler))


@cache
def reading() -> TableReader:
    """The table, as somebody reads it who is not the function."""
    return TableReader(client("dynamodb"), TABLE)


def pack_by(rows: int) -> None:
    """From now on a page holds so many instances: two codes may pack one document differently."""
    columns._ROWS_A_PAGE = rows  # type: ignore[misc]


@contextmanager
def plugged(
    wire: Wire,
    *,
    most_tries: Mapping[type[Fault], int],
    observed: bool,
    documents: bool = False,
    most: int = MOST_AT_A_TIME,
) -> Iterator[None]:
    """The package under the wire's time and chance.

    Args:
        wire: the world.
        most_tries: after how many a hint is parked, by its fault: fifty of one that is not ready would take most of the
            time.
        observed: whether the real logger and metrics are used.
        documents: whether documents are kept.
        most: how many environments of each code there are.
    """
    _Plug.wire = wire
    every = [each for some in environments(most).values() for each in some]
    clock = SimpleNamespace(monotonic=lambda: wire.now, sleep=wire.sleep)
    secrets = SimpleNamespace(token_hex=lambda size: f"{wire.random.getrandbits(8 * size):0{2 * size}x}")
    observability = every[0].module.observability
    changes: list[tuple[Any, str, Any]] = [
        (indexing, "datetime", _Datetime),
        (indexing, "secrets", secrets),
        (delivery, "datetime", _Datetime),
        (delivery, "random", wire.random),
        (delivery, "_MOST_TRIES", most_tries),
        (delivery, "_LEAST_AGE", {Poison: timedelta(minutes=1), NotReady: timedelta(minutes=1)}),
        (breaker, "random", wire.random),
        (breaker, "time", clock),
        (healthimaging, "time", clock),
        (table_writing, "random", wire.random),
        (table_writing, "time", clock),
        (table_reading, "time", clock),
        (observability, "datetime", _Datetime),
        (columns, "_ROWS_A_PAGE", columns._ROWS_A_PAGE),
    ]
    if not documents:
        changes += [(each.module._indexer, "_documents", None) for each in every]
    if not observed:
        changes += [(observability, "logger", _Nowhere()), (observability, "metrics", _Nowhere())]
    with ExitStack() as stack:
        for owner, name, value in changes:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        for each in every:
            each.restart()
        yield
