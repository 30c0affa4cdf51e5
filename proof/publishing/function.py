"""The function that announces, whose clients, clock and chance belong to a world.

It has executed `handlers/publish.py` as Lambda does in a cold start. What it calls of AWS goes to the world that is
plugged in; the time, pauses and random numbers come from there as well.
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from unittest import mock

from botocore.session import Session

from imaging_index import indexing
from imaging_index.profile import toml_file
from imaging_index.publishing import bus as publishing_bus
from imaging_index.queue import delivery
from imaging_index.table import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo
    from random import Random

DATASTORE: Final = "d" * 32
ACCOUNT: Final = "0" * 12
EPOCH: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z
MINUTES: Final = 2

_OPERATIONS: Final = {
    "events": ("put_events",),
    "dynamodb": ("get_item", "batch_get_item", "update_item", "query", "describe_table"),
    "medical-imaging": ("get_image_set", "search_image_sets"),
    "s3": ("get_object",),
    "sqs": ("send_message", "change_message_visibility"),
}
_PROFILE: Final = 'revision = 1\nattributes = ["StudyInstanceUID", "PatientID", "Modality", "SOPClassUID"]'


class World(Protocol):
    """Everything around the function."""

    now: float
    random: Random
    observed: bool

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """The answer to a call of AWS."""

    def pass_time(self, seconds: float) -> None:
        """Come back after a while."""


class _Plug:
    """Holds the world that is plugged in."""

    world: World


def _call(operation: str, **arguments: Any) -> Any:
    return _Plug.world.call(operation, arguments)


def _client(service: str) -> Any:
    calls: Any = SimpleNamespace(**{name: partial(_call, name) for name in _OPERATIONS[service]})
    if service == "medical-imaging":
        calls.get_paginator = lambda operation: SimpleNamespace(
            paginate=lambda **arguments: iter([getattr(calls, operation)(**arguments)])
        )
    return calls


def world() -> World:
    """The world that is plugged in."""
    return _Plug.world


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(_Plug.world.now, tz)


def _pass_time(seconds: float) -> None:
    _Plug.world.pass_time(seconds)


class _Nowhere:
    """A logger and metrics that nobody reads."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


@cache
def function() -> ModuleType:
    """The function's module, whose clients call the world that is plugged in."""
    path = Path(indexing.__file__).with_name("handlers") / "publish.py"
    spec = importlib.util.spec_from_file_location("publish_in_a_world", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    variables = {
        "BUS_NAME": "bus",
        "DATASTORES": DATASTORE,
        "PROFILE": "none",
        "QUEUE_URL": "queue",
        "DEAD_LETTER_QUEUE_URL": "dead-letters",
        "TABLE_NAME": "table",
        "STUDY_STABLE_MINUTES": str(MINUTES),
    }
    with (
        mock.patch.dict(os.environ, variables),
        mock.patch.object(Session, "create_client", lambda _, service, **__: _client(service)),
        mock.patch.object(toml_file, "load", return_value=toml_file.parse(_PROFILE)),
    ):
        spec.loader.exec_module(module)
        for make in (module._queue, module._studies, module._jobs):
            make()
    for part in (module._studies(), module._jobs()):
        part._now = lambda: _Plug.world.now
    module._bus._sleep = _pass_time
    return module


@contextmanager
def plugged(world: World) -> Iterator[None]:
    """The function under a world's time and chance."""
    module = function()
    _Plug.world = world
    module._table._index = None
    changes: list[tuple[Any, str, Any]] = [
        (delivery, "datetime", _Datetime),
        (delivery, "random", world.random),
        (publishing_bus, "random", world.random),
        (watching, "time", SimpleNamespace(sleep=world.pass_time)),
    ]
    if not world.observed:
        changes += [(module.observability, "logger", _Nowhere()), (module.observability, "metrics", _Nowhere())]
    with ExitStack() as stack:
        for owner, name, value in changes:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield
