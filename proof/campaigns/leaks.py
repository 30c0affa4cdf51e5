"""The canary under faults: the real handler over documents full of the marker, while anything in it may fail.

A number is a run: an image set whose document somebody may have tampered with, a hint or two about it, and then
exceptions that quote the marker, at a call of AWS or at any call of a function of the package. Whatever is logged,
counted, thrown, sent or parked meanwhile is looked through for the marker, and all that a tombstone leaves.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import importlib
import io
import json
import pkgutil
import random
import zlib
from dataclasses import dataclass, field
from decimal import InvalidOperation
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import msgspec
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ResponseStreamingError

import imaging_index
from imaging_index.faults import NotReady, Permanent, Poison
from imaging_index.healthimaging import HealthImaging
from imaging_index.indexing import Indexer
from imaging_index.queue.hint import Cause, Hint, Kind
from proof.campaigns import fuzz
from proof.harness import canary
from proof.harness.canary import MARKER
from proof.harness.pipeline import context, record
from proof.simulation import environments, memory, simulation
from proof.simulation.environments import DATASTORE, DEAD_LETTERS, NEW, QUEUE, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from proof.simulation.memory import Answer

IMAGE_SET: Final = "1" * 32
_VISIBILITY: Final = 3600.0
_DELIVERIES: Final = 8

# What the package and its libraries raise, each as quoting as it can be.
QUOTING: Final[tuple[Callable[[], Exception], ...]] = (
    lambda: ValueError(f"could not convert string to float: {MARKER!r}"),
    lambda: KeyError(MARKER),
    lambda: TypeError(f"{MARKER} is no number"),
    lambda: AttributeError(MARKER, name=MARKER, obj=MARKER),
    lambda: IndexError(MARKER),
    lambda: AssertionError({"PatientName": MARKER}),
    lambda: RecursionError(MARKER),
    lambda: MemoryError(MARKER),
    lambda: OSError(5, MARKER, MARKER),
    lambda: EOFError(MARKER),
    lambda: UnicodeDecodeError("utf-8", MARKER.encode(), 0, 1, MARKER),
    lambda: UnicodeEncodeError("utf-8", MARKER, 0, 1, MARKER),
    lambda: InvalidOperation(MARKER),
    lambda: zlib.error(MARKER),
    lambda: json.JSONDecodeError(MARKER, MARKER, 0),
    lambda: msgspec.ValidationError(f"Invalid value {MARKER!r}"),
    lambda: ParamValidationError(report=f"Invalid type for parameter Item.PatientName, value: {MARKER}"),
    lambda: EndpointConnectionError(endpoint_url=MARKER),
    lambda: ResponseStreamingError(error=MARKER),
    lambda: ClientError({"Error": {"Code": "ValidationException", "Message": MARKER}}, "PutItem"),
    lambda: ClientError({"Error": {"Code": "InternalFailure", "Message": MARKER}}, "GetImageSetMetadata"),
)

# What of the package has no document in its hands.
_NO_DOCUMENT: Final = ("aws_errors", "breaker", "delivery", "faults", "hint", "observability", "take_write_units")


@dataclass
class Report:
    """What some runs came to: how many exceptions were `raised`, and how many bytes were looked through."""

    tried: int = 0
    raised: int = 0
    bytes: int = 0
    harms: list[str] = field(default_factory=list)


def run(first: int, count: int) -> Report:
    """Live through the runs from `first` on."""
    report = Report(count)
    with _able_to_fail():
        for number in range(first, first + count):
            world = _World(number)
            said = world.run()
            report.raised += world.raised
            report.bytes += len(said)
            if place := canary.found(said):
                report.harms.append(f"run {number}: {place}")
    return report


class _Plug:
    """Whose run it is that calls of the package are told to, if any."""

    called: Callable[[], None] | None = None


@contextlib.contextmanager
def _able_to_fail() -> Iterator[None]:
    """Have every function and method of the package that may have a document in its hands tell of each call."""
    with contextlib.ExitStack() as stack:
        for owner, name, function in [*_functions()]:
            stack.enter_context(patch.object(owner, name, _telling(function)))
        yield


def _functions() -> Iterator[tuple[Any, str, FunctionType]]:
    found = (each.name for each in pkgutil.walk_packages(imaging_index.__path__, "imaging_index."))
    names = {
        name
        for name in found
        if not name.startswith("imaging_index.handlers") and name.rpartition(".")[2] not in _NO_DOCUMENT
    }
    for module in map(importlib.import_module, sorted(names)):
        classes = [
            each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__
        ]
        for owner in (module, *classes):
            for name, each in vars(owner).items():
                ours = isinstance(each, FunctionType) and each.__module__ in names
                if ours and name not in _NO_DOCUMENT and not name.startswith("__"):
                    yield owner, name, each


def _telling(function: FunctionType) -> Callable[..., Any]:
    @functools.wraps(function)
    def told(*arguments: Any, **named: Any) -> Any:
        if _Plug.called:
            _Plug.called()
        return function(*arguments, **named)

    return told


class _World:
    """One run. It is the `Wire` of the environment."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)
        self.now = 0.0
        self.raised = 0
        self._number = number
        self._fails = True
        self._service = memory.HealthImaging(DATASTORE)
        self._table = memory.Table(TABLE)
        self._queues = memory.Queues((QUEUE, DEAD_LETTERS), environments.moment, _VISIBILITY)
        self._services = {"medical-imaging": self._service, "dynamodb": self._table, "sqs": self._queues}
        self._using, self._reader = fuzz.readers()[number % len(fuzz.readers())]
        self._environment = environments.environments()[NEW][0]

    def run(self) -> str:
        """All of it; what was said meanwhile, and what is left."""
        written = io.StringIO()
        most_tries = {Permanent: 1, Poison: 3, NotReady: 3}
        with (
            environments.plugged(self, most_tries=most_tries, observed=True),
            simulation.into(written),
            contextlib.redirect_stderr(written),
            self._under_its_profile(),
        ):
            said = [*self._live()]
        letters = [(each.body, each.attributes) for each in self._queues.messages[DEAD_LETTERS]]
        items = [item for partition in self._table.partitions.values() for item in partition.values()]
        if len(items) > 1:
            said.append(f"{MARKER}: beside the tombstone {[item['Part'] for item in items]}")
        return "\n".join([written.getvalue(), *said, str(letters), str([*canary.keys(items)])])

    @contextlib.contextmanager
    def _under_its_profile(self) -> Iterator[None]:
        module: Any = self._environment.module
        before = module._indexer
        service = HealthImaging(environments.client("medical-imaging"))
        module._indexer = Indexer(service, module._table, self._using, self._reader, lambda: b"key")
        try:
            yield
        finally:
            module._indexer = before

    def _live(self) -> Iterator[str]:
        self._service.create(IMAGE_SET, self._document())
        self._send(self.random.choice((Kind.CREATED, Kind.UPDATED, Kind.COPIED, Kind.UNKNOWN)), 1)
        if self.random.random() < 0.5:
            self._service.begin_update(IMAGE_SET)
            self._service.finish_update(IMAGE_SET, self._document())
            self._send(Kind.UPDATED, 2)
        if self.random.random() < 0.2:
            self._send(Kind.UNKNOWN, self._service.image_sets[IMAGE_SET].version, Cause.REPAIR)
        for _ in range(_DELIVERIES):
            yield self._deliver()
        self._fails = False
        self._service.begin_delete(IMAGE_SET)
        self._service.finish_delete(IMAGE_SET)
        self._send(Kind.DELETED, None)
        for _ in range(_DELIVERIES):
            yield self._deliver()

    def _document(self) -> bytes:
        document = self.random.choice(documents()) | {"DatastoreID": DATASTORE, "ImageSetID": IMAGE_SET}
        written = fuzz.tampered(document, self.random) if self.random.random() < 0.4 else json.dumps(document).encode()
        return gzip.compress(written, 1)

    def _send(self, kind: Kind, version: int | None, cause: Cause = Cause.EVENT) -> None:
        hint = Hint(kind, cause, DATASTORE, IMAGE_SET, version, replayed=cause is not Cause.EVENT)
        self._queues.send_message(QueueUrl=QUEUE, MessageBody=hint.message())

    def _deliver(self) -> str:
        """Invoke the function with what waits; what it answers, or the report of its failure that Lambda makes."""
        self.now += 2 * _VISIBILITY
        messages = self._queues.receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=10).get("Messages", [])
        if not messages:
            return ""
        left = int(10 ** self.random.uniform(0, 3)) if self._fails and self.random.random() < 0.8 else 0

        def called() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._raise()

        try:
            with patch.object(_Plug, "called", called):
                answer = self._environment.handler({"Records": [record(message) for message in messages]}, context())
        except Exception as error:
            return canary.told(error)
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        present = {each.handle for each in self._queues.messages[QUEUE]}  # the function settles some itself
        for message in messages:
            if message["MessageId"] not in failed and message["ReceiptHandle"] in present:
                self._queues.delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
        return str(answer)

    def _raise(self) -> None:
        self.raised += 1
        raise self.random.choice(QUOTING)()

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """One call of AWS."""
        if self._fails and service != "sqs" and self.random.random() < 0.1:
            self._raise()
        answer: Answer = getattr(self._services[service], operation)(**arguments)
        return answer

    def sleep(self, seconds: float) -> None:
        """A pause in the function."""
        self.now += seconds


@cache
def documents() -> list[Any]:
    """pydicom's files as metadata documents, with the marker in every text."""
    every = fuzz.corpus()
    return [canary.marked(each) for each in every[: len(every) // 2]]
