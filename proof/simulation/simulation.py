"""A deterministic simulation of the real function: one seed is one history, and replays exactly.

Several execution environments handle messages at a time. Each runs in a greenlet that gives way at every AWS call, for
as long as the call takes in virtual time. Meanwhile image sets are made, updated, copied and deleted, their events are
lost, doubled, late and wrong, functions are killed, AWS throttles, fails and loses answers, bodies break, and the
profile may change. A reader reads all the time.

What must hold (`promises.py`) is checked at every write and every read, and when everything has settled: first as the
events alone have left it, then after one pass of a stand-in for reconcile.
"""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import greenlet  # type: ignore[import-untyped]
import msgspec
from botocore.exceptions import ClientError, ReadTimeoutError

from imaging_index.faults import NotReady, Permanent, Poison
from imaging_index.queue.hint import Cause, Kind
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged
from proof.harness import canary
from proof.harness.pipeline import context, record
from proof.simulation import environments, memory, objects, promises
from proof.simulation.environments import BUCKET, DATASTORE, DEAD_LETTERS, NEW, OLD, QUEUE, TABLE, Environment
from proof.simulation.happenings import Happenings, Promise, document
from proof.simulation.mutants import MUTANTS
from proof.simulation.promises import Promises
from proof.simulation.timeline import Timeline, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imaging_index.faults import Fault
    from proof.simulation.memory import Answer

__all__ = ["FAULTS", "MUTANTS", "Failure", "history", "run"]

_FUNCTION_SECONDS: Final = 60.0
_VISIBILITY_SECONDS: Final = 360.0
_KEEPS_DOCUMENTS: Final = 4  # one seed in so many
_OBSERVED: Final = 8  # one seed in so many runs with the real logger and metrics, through Powertools' decorators

# What can go wrong at a call. Each seed takes a share of these, so that few of them come together often.
FAULTS: Final = (
    "killed before",
    "killed after",
    "answer lost",
    "timed out",
    "repeated",
    "late",
    "throttled",
    "server error",
    "forbidden",
    "slow",
    "unprocessed",
    "cut",
    "corrupt",
    "of another",
    "not found",
    "conflict",
)
_READS: Final = ("get_image_set", "get_image_set_metadata", "get_item", "query", "get_object", "list_objects_v2")
_WRITES: Final = (
    *("put_item", "batch_write_item", "send_message", "change_message_visibility", "delete_message"),
    *("put_object", "delete_object"),
)
_ONLY_OF_BODIES: Final = ("cut", "corrupt", "of another", "not found")
_SPOILT: Final = 0.3  # of the readings of kept documents: few histories have any
_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "repeated": _WRITES,
    "late": _WRITES,
    "unprocessed": ("batch_write_item",),
    **dict.fromkeys(_ONLY_OF_BODIES, ("get_image_set_metadata", "get_object")),
    "conflict": ("get_image_set_metadata",),
}
_REFUSALS: Final = {
    ("throttled", "medical-imaging"): ("ThrottlingException", 429),
    ("throttled", "dynamodb"): ("ThrottlingException", 400),
    ("throttled", "sqs"): ("RequestThrottled", 403),
    ("server error", "medical-imaging"): ("InternalServerException", 500),
    ("server error", "dynamodb"): ("InternalServerError", 500),
    ("server error", "sqs"): ("InternalError", 500),
    ("forbidden", "medical-imaging"): ("AccessDeniedException", 403),
    ("forbidden", "dynamodb"): ("AccessDeniedException", 400),
    ("forbidden", "sqs"): ("AccessDeniedException", 403),
    ("not found", "medical-imaging"): ("ResourceNotFoundException", 404),
    ("conflict", "medical-imaging"): ("ConflictException", 409),
    ("throttled", "s3"): ("SlowDown", 503),
    ("server error", "s3"): ("InternalError", 500),
    ("forbidden", "s3"): ("AccessDenied", 403),
    ("not found", "s3"): ("NoSuchKey", 404),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed whose history broke a promise; `history` tells it step by step."""

    seed: int
    what: str
    history: list[str]

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}: {self.what}", *self.history])


def run(seed: int, lag: int | None = None) -> Failure | None:
    """Live through one seed; None when every promise was kept.

    `lag` is how many answers of GetImageSet may not know of a change yet; the seed's own when not given.
    """
    try:
        _Simulation(seed, recorded=False, lag=lag).run()
    except Violation as violation:
        return Failure(seed, str(violation), history(seed, lag))
    return None


def history(seed: int, lag: int | None = None) -> list[str]:
    """What happens in one seed, step by step."""
    simulation = _Simulation(seed, recorded=True, lag=lag)
    with contextlib.suppress(Violation):
        simulation.run()
    return simulation.timeline.history


class _Killed(BaseException):
    """The end of a function's process: nothing in the function handles it."""


@dataclass(slots=True)
class _Run:
    """An invocation of the function, or a reader: a greenlet that waits while a call lasts."""

    name: str
    greenlet: Any
    rows: int  # how many instances it packs into a page
    environment: Environment | None = None  # None for a reader
    deadline: float = float("inf")
    messages: list[Any] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)  # bodies
    settled: set[str] = field(default_factory=set)  # messages that the function settled itself
    began: int = 0  # at which write of the table
    before: Mapping[str, memory.Partition] = field(default_factory=dict)  # the table at its beginning
    killed: bool = False


@dataclass(slots=True)
class _Slot:
    """A place for one environment. Deployed code comes to each at its own time."""

    number: int
    rows: int
    revision: int = NEW
    busy: bool = False


class _Simulation:
    """One seed. It is the `Wire` of the environments."""

    def __init__(self, seed: int, *, recorded: bool, lag: int | None) -> None:
        self.timeline = Timeline(seed, recorded=recorded)
        self.random = self.timeline.random
        choice, likely = self.random.choice, self.timeline.likely
        self._observed = seed % _OBSERVED == 0
        self._runs: list[_Run] = []
        self._current: _Run | None = None

        self._happenings = Happenings(self.timeline, self._arrive, lag)
        self._promises = Promises(self.timeline, self._happenings)
        self._table = memory.Table(TABLE, choice((2, 3, 1000)), lambda: likely(0.5), self._promises.changed)
        self._queues = memory.Queues((QUEUE, DEAD_LETTERS), environments.moment, _VISIBILITY_SECONDS)
        self._keeps_documents = seed % _KEEPS_DOCUMENTS == 1
        page_size = (1, 2, 1_000)[seed % 3]
        self._bucket = objects.Bucket(BUCKET, environments.now, page_size, self._promises.document_changed)
        self._promises.connect(self._table, self._bucket)
        self._services = {
            "medical-imaging": self._happenings.service,
            "dynamodb": self._table,
            "sqs": self._queues,
            "s3": self._bucket,
        }
        self._promised: dict[str, Promise] = {}  # by message
        self._sent: set[str] = set()

        faults = [fault for fault in FAULTS if likely(0.25)]
        self._faults = {name: [each for each in faults if _applies(each, name)] for name in (*_READS, *_WRITES)}
        self._budget = choice((0, 2, 5, 12))
        self._answers_as_ever = not self._budget
        self._rate = choice((0.03, 0.1, 0.3))
        self._slowness = choice((0.1, 2.0, 10.0, 10.0))
        self._received_twice = choice((0.0, 0.0, 0.0, 0.1, 0.4))
        self._most_tries: dict[type[Fault], int] = {Permanent: 1, Poison: 3, NotReady: choice((3, 3, 6, 9))}
        self._slots = [_Slot(number, choice((2, 3))) for number in range(choice((1, 2, 2, 3)))]

    @property
    def now(self) -> float:
        """Seconds since the seed's beginning."""
        return self.timeline.now

    # --- the course of a seed

    def run(self) -> None:
        """All of it.

        Raises:
            Violation: a promise was broken.
        """
        written = io.StringIO()
        with (
            environments.plugged(
                self, most_tries=self._most_tries, observed=self._observed, documents=self._keeps_documents
            ),
            into(written) if self._observed else contextlib.nullcontext(),
        ):
            try:
                self._live()
            finally:
                self._end()
        if canary.found(written.getvalue()):
            self.timeline.violated("a value of a document is in the log or in the metrics")
        messages = [(each.body, each.attributes) for queue in self._queues.messages.values() for each in queue]
        items = (item for partition in self._table.partitions.values() for item in partition.values())
        if canary.found((messages, [*canary.keys(items)])):
            self.timeline.violated("a value of a document is in a message, a key or a tombstone")

    def _live(self) -> None:
        self._begin()
        self._settle()
        self._promises.check_what_events_did(self._table)
        self._promises.check_documents_after_events()
        self._reconcile()
        self._settle()
        self._mend()
        self._settle()
        self._promises.check_everything(self._table)
        self._promises.check_documents()
        self._promises.check_dead_letters(self._queues.messages[DEAD_LETTERS], self._sent)

    def _begin(self) -> None:
        after, spell, likely = self.timeline.after, self.timeline.spell, self.timeline.likely
        self._happenings.begin()
        if likely(0.3):
            self.timeline.marred.add("the profile was changed")
            for slot in self._slots:
                slot.revision = OLD
                after(spell(60), lambda slot=slot: self._deploy(slot))  # type: ignore[misc]
        if likely(0.4):
            reader = _Run("reader", greenlet.greenlet(self._read), rows=2)
            after(spell(5), lambda: self._resume(reader, lambda _: None))
            self._runs.append(reader)
        for share, what in ((0.25, self._backfill), (0.2, self._repair), (0.1, self._damage), (0.1, self._noise)):
            if likely(share):
                for _ in range(self.random.choice((1, 2))):
                    after(spell(60), what)

    def _settle(self) -> None:
        self.timeline.run()
        if self._queues.messages[QUEUE]:
            self.timeline.violated("a hint is left in the queue")

    def _end(self) -> None:
        """Let nobody live on: what is collected later would end in another seed."""
        for each in self._runs:
            if each.greenlet and not each.greenlet.dead:
                each.killed = True
                with contextlib.suppress(_Killed):
                    each.greenlet.throw(_Killed)

    def _backfill(self) -> None:
        """Somebody reconciles meanwhile."""
        for image_set in self._happenings.live():
            self._happenings.hint(image_set, Cause.RECONCILE)

    def _repair(self) -> None:
        """Somebody has an entry written anew."""
        for image_set in self._happenings.live()[:1]:
            self._happenings.hint(image_set, Cause.REPAIR)

    def _damage(self) -> None:
        """A page of an entry is lost, by whatever means; later that is found."""
        for key, partition in self._table.partitions.items():
            pages = [part for part in partition if part != "entry" and promises.owned(part, partition)]
            if pages:
                lost = self.random.choice(pages)
                self.timeline.note(f"page {lost} of {key[-2:]} is damaged")
                self.timeline.marred.add("a page was damaged")
                self._table.partitions[key] = {part: item for part, item in partition.items() if part != lost}
                self._promises.damaged.add(key)
                self.timeline.after(self.timeline.spell(600), self._repair)
                return

    def _noise(self) -> None:
        """What is no hint, or not ours."""
        elsewhere = {"detail-type": Kind.CREATED.value, "detail": {"datastoreId": "e" * 32, "imageSetId": "1" * 32}}
        self._arrive(self.random.choice(("{", '{"detail": 1}', msgspec.json.encode(elsewhere).decode())), None)

    def _reconcile(self) -> None:
        """The profile's change is through, nothing goes wrong any more, and there is a hint for every image set."""
        self.timeline.note("everything has settled; now a reconcile pass")
        self._happenings.calm_down()
        self._budget = 0
        self._most_tries[NotReady] = 50
        for slot in self._slots:
            slot.revision = NEW
        for image_set in self._happenings.contents:
            self._happenings.hint(image_set, Cause.RECONCILE)

    def _mend(self) -> None:
        """Reconcile's second look: entries whose pages are damaged, or not the only ones, are repaired."""
        for image_set in self._happenings.contents:
            partition = self._table.partitions.get(key := f"{DATASTORE}/{image_set}", {})
            litter = self.timeline.marred and not all(promises.owned(part, partition) for part in partition)
            if litter or key in self._promises.damaged:
                self._happenings.hint(image_set, Cause.REPAIR)

    # --- Lambda

    def _deploy(self, slot: _Slot) -> None:
        self.timeline.note(f"slot {slot.number} has new code for its next invocation")
        slot.revision = NEW

    def _arrive(self, body: str, promise: Promise | None) -> None:
        """A message reaches the queue."""
        self._sent.add(body)
        message = self._queues.send_message(QueueUrl=QUEUE, MessageBody=body)["MessageId"]
        if promise:
            self._promised[message] = promise
        self.timeline.note(f"{message} arrives: {body}")
        self._poll()

    def _poll(self) -> None:
        """Give idle slots what is visible in the queue, in any order."""
        messages, moment = self._queues.messages[QUEUE], environments.moment()
        for slot in self._slots:
            if not slot.busy and any(message.visible <= moment for message in messages):
                self.random.shuffle(messages)
                most = self.random.choice((1, 1, 2, 10))
                received = self._queues.receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=most)["Messages"]
                if self.timeline.likely(self._received_twice):
                    # At least once: the queue forgets that it has handed them out.
                    for message in messages:
                        message.visible = min(message.visible, moment)
                self._invoke(slot, received)

    def _poll_when_visible(self) -> None:
        moment = environments.moment()
        for message in self._queues.messages[QUEUE]:
            if message.visible > moment:
                self.timeline.after(message.visible - moment + 0.001, self._poll)

    def _invoke(self, slot: _Slot, messages: list[Any]) -> None:
        environment = environments.environments()[slot.revision][slot.number]
        one = _Run(
            f"{'new' if slot.revision == NEW else 'old'}-{slot.number}",
            greenlet.greenlet(environment.handler if self._observed else environment.bare),
            slot.rows,
            environment,
            deadline=self.now + _FUNCTION_SECONDS,
            messages=messages,
            began=self._promises.writes,
            before=self._table.partitions.copy(),
        )
        slot.busy = True
        self._runs.append(one)
        self.timeline.note(f"slot {slot.number} begins {[message['MessageId'] for message in messages]}")
        given = context(lambda: round((one.deadline - self.now) * 1000))
        event = {"Records": [record(message) for message in messages]}
        self._resume(one, lambda response: self._returned(slot, one, response), event, given)

    def _resume(self, one: _Run, then: Callable[[Any], None], *arguments: Any) -> None:
        """Let a run go on to its next call, or to its end."""
        self._current, self.timeline.actor = one, one.name
        self._promises.began = one.began if one.environment else None
        environments.pack_by(one.rows)
        try:
            answer = one.greenlet.switch(*arguments)
        except _Killed:
            self.timeline.note("is killed")
            one.killed = True
            answer = None
        finally:
            self._current, self.timeline.actor, self._promises.began = None, "", None
        if one.greenlet.dead:
            then(answer)
        else:
            self.timeline.after(answer, lambda: self._resume(one, then))

    def _returned(self, slot: _Slot, one: _Run, response: Any) -> None:
        """An invocation ended: what it does not name as failed is deleted from the queue."""
        slot.busy = False
        assert one.environment
        failed = {message["MessageId"] for message in one.messages}
        if one.killed:
            one.environment.restart()
        else:
            failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        handles = {message.handle for message in self._queues.messages[QUEUE]}
        for message in one.messages:
            if message["MessageId"] in one.settled:
                continue
            if message["ReceiptHandle"] not in handles:
                # Somebody else has received it since, and settles it.
                if message["MessageId"] in failed:
                    self.timeline.marred.add(promises.NOT_REDELIVERED)
            elif message["MessageId"] not in failed:
                self._acknowledge(message, one)
        self._poll()
        self._poll_when_visible()

    def _acknowledge(self, message: Any, one: _Run) -> None:
        assert one.environment
        self.timeline.note(f"{message['MessageId']} is settled")
        self._queues.delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
        if promise := self._promised.get(message["MessageId"]):
            key = f"{DATASTORE}/{promise.image_set}"
            revision = None if message["Body"] in one.parked else one.environment.revision
            before, now = one.before.get(key, {}), self._table.partitions.get(key, {})
            self._promises.check_settled(promise, before, now, revision)

    def _delete(self, one: _Run, *, QueueUrl: str, ReceiptHandle: str) -> Answer:  # noqa: N803  boto3's words
        """DeleteMessage by the function itself, before it begins what may end it."""
        message = next(each for each in one.messages if each["ReceiptHandle"] == ReceiptHandle)
        if any(each.handle == ReceiptHandle for each in self._queues.messages[QueueUrl]):
            one.settled.add(message["MessageId"])
            self._acknowledge(message, one)
        return {}

    # --- calls of AWS

    def sleep(self, seconds: float) -> None:
        """A pause in the function or in a reader."""
        if self._current:
            self._give_way(seconds)

    def _give_way(self, seconds: float) -> None:
        one = self._current
        assert one
        one.greenlet.parent.switch(seconds)
        if one.killed or self.now > one.deadline:
            raise _Killed

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """One call: first it takes its time, then it has its effect, if it has, and its answer comes, if it does."""
        there = getattr(self._services[service], operation)
        if service == "s3":
            arguments = objects.bytes_of(arguments)
        if self._current is None:
            answer: Answer = there(**arguments)
            return answer
        if self._current.killed:
            raise _Killed
        if operation == "delete_message":
            there = functools.partial(self._delete, self._current)
        self._give_way(self.timeline.spell(self._slowness))
        fault = self._draw(operation, arguments) if self._current.environment else None
        why = f"({fault})" if fault else ""
        try:
            answer = self._under(fault, service, operation, arguments, lambda: there(**arguments))
        except Exception as error:
            if self.timeline.recorded:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
                self.timeline.note(f"{operation} {_told(arguments)} -> {code} {why}")
            raise
        except Violation:
            self.timeline.note(f"that was {operation} {_told(arguments)} {why}")
            raise
        if self.timeline.recorded:
            self.timeline.note(f"{operation} {_told(arguments)} -> {_answered(answer)} {why}")
        return answer

    def _draw(self, operation: str, arguments: Mapping[str, Any]) -> str | None:
        """What goes wrong at this call."""
        if operation == "get_image_set_metadata":
            version = arguments["imageSetId"], arguments.get("versionId", "")
            if unreadable := self._happenings.unreadable.get(version):
                return unreadable
        if operation == "get_object" and self.timeline.likely(_SPOILT):
            return self.random.choice(_ONLY_OF_BODIES)
        faults = self._faults[operation]
        if self._budget <= 0 or not faults or not self.timeline.likely(self._rate):
            return None
        self._budget -= 1
        return self.random.choice(faults)

    def _under(
        self,
        fault: str | None,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        effect: Callable[[], Answer],
    ) -> Answer:
        if refused := _REFUSALS.get((fault or "", service)):
            raise memory.refusal(operation, *refused)
        match fault:
            case "killed before":
                raise _Killed
            case "killed after":
                effect()
                raise _Killed
            case "answer lost":
                effect()
                self._give_way(self.timeline.spell(15))
                raise ReadTimeoutError(endpoint_url=service)
            case "timed out":
                raise ReadTimeoutError(endpoint_url=service)
            case "repeated":
                # The answer was lost, and the SDK asks again.
                effect()
                self._give_way(self.timeline.spell(15))
            case "late":
                if service in promises.LATE:
                    self.timeline.marred.add(promises.LATE[service])
                self.timeline.after(self.timeline.spell(120), lambda: self._land(operation, arguments, effect))
                raise ReadTimeoutError(endpoint_url=service)
            case "slow":
                self._give_way(self.timeline.spell(100))
            case "cut" | "corrupt" | "of another" if service == "s3":
                return self._broken_object(fault, effect())
            case "cut" | "corrupt" | "of another":
                return {"imageSetMetadataBlob": self._broken(fault, effect()["imageSetMetadataBlob"].read())}
        if operation == "batch_write_item":
            return self._batch(arguments, unprocessed=fault == "unprocessed")
        if operation == "send_message" and self._current:
            self._current.parked.append(arguments["MessageBody"])
            self.timeline.marred.add("a hint was parked")
            if self._answers_as_ever:
                self._promises.check_parked(arguments["MessageBody"], self._age(arguments["MessageBody"]))
        return effect()

    def _age(self, body: str) -> float:
        """For how many seconds a message of the invocation has been waiting."""
        assert self._current
        sent = next(each["Attributes"]["SentTimestamp"] for each in self._current.messages if each["Body"] == body)
        return environments.moment() - int(sent) / 1000

    def _broken(self, fault: str, content: bytes) -> Any:
        """The body of a document, as it must not be."""
        if fault == "cut":
            return memory.body(content[: self.random.randrange(len(content))], announced=len(content))
        if fault == "of another":
            return memory.body(document("9" * 32, 0))
        wrong = bytearray(content)
        wrong[self.random.randrange(12, len(content))] ^= 1 << self.random.randrange(8)
        return memory.body(bytes(wrong))

    def _broken_object(self, fault: str, answer: Answer) -> Answer:
        """A kept document, as it must not be: another's object was copied over it, or its bytes are wrong."""
        if fault == "of another":
            image_set = answer["Metadata"]["document"].split("/")[2]
            other = objects.Object(document(image_set, 99), {"document": "documents/another"}, environments.now())
            return {"Body": memory.body(other.content), "Metadata": dict(other.metadata)}
        return answer | {"Body": self._broken(fault, answer["Body"].read())}

    def _batch(self, arguments: Mapping[str, Any], *, unprocessed: bool) -> Answer:
        """A batch is no transaction: others see its middle, and a part of it may come back."""
        requests = list(arguments["RequestItems"][TABLE])
        parted = unprocessed or self.timeline.likely(0.3)
        first = self.random.randrange(len(requests) + 1) if parted else len(requests)
        if requests[:first]:
            self._table.batch_write_item(RequestItems={TABLE: requests[:first]})
        if not requests[first:]:
            return {"UnprocessedItems": {}}
        if unprocessed:
            return {"UnprocessedItems": {TABLE: requests[first:]}}
        self._give_way(self.timeline.spell(1))
        return self._table.batch_write_item(RequestItems={TABLE: requests[first:]})

    def _land(self, operation: str, arguments: Mapping[str, Any], effect: Callable[[], Answer]) -> None:
        self.timeline.note(f"{operation} {_told(arguments)} lands late")
        with contextlib.suppress(ClientError):
            effect()
        self._poll_when_visible()

    # --- a reader

    def _read(self) -> None:
        """Read again and again, as long as something may be going on."""
        last: dict[str, str] = {}
        for _ in range(self.random.choice((5, 15))):
            for image_set in list(self._happenings.contents):
                last[image_set] = self._read_one(image_set, last.get(image_set, ""))
            self._give_way(self.timeline.spell(30))

    def _read_one(self, image_set: str, last: str) -> str:
        """Read one image set after its generation `last` was seen; the generation that is seen now."""
        key = f"{DATASTORE}/{image_set}"
        before, whole = self._table.partitions.get(key, {}).get("entry"), key not in self._promises.damaged
        try:
            found = environments.reading().read(Key(DATASTORE, image_set))
        except Damaged:
            stood = before is self._table.partitions[key]["entry"]
            if stood and whole and key not in self._promises.damaged:
                self.timeline.violated(f"{image_set[-2:]} is taken for damaged, though its entry stood all the while")
            return last
        if found is None:
            if last and not self._happenings.gone(image_set):
                self.timeline.violated(f"{image_set[-2:]} cannot be read any more")
            return last
        now: str = found.entry["Generation"]["S"]
        if now < last:
            self.timeline.violated(f"a reader saw {image_set[-2:]} go back")
        self._promises.check_read(image_set, found.entry, found.instances)
        return now


def _applies(fault: str, operation: str) -> bool:
    return fault not in _ONLY or operation in _ONLY[fault]


@contextlib.contextmanager
def into(written: io.StringIO) -> Iterator[None]:
    """The real logger and metrics, into `written`."""
    observability = environments.environments()[NEW][0].module.observability
    handlers = observability.logger.handlers
    streams = [handler.setStream(written) for handler in handlers]
    propagating, observability.logger._logger.propagate = observability.logger._logger.propagate, False
    named = [(name, getattr(observability.metrics, name)) for name in ("namespace", "service")]
    try:
        for name, _ in named:
            setattr(observability.metrics, name, "simulation")
        with contextlib.redirect_stdout(written), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invocations that had nothing to count
            yield
    finally:
        for name, value in named:
            setattr(observability.metrics, name, value)
        observability.logger._logger.propagate = propagating
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)


def _told(arguments: Mapping[str, Any]) -> str:
    """The arguments of a call, as far as a history needs them."""
    match arguments:
        case {"Bucket": _}:
            return str(arguments.get("Key") or arguments["Prefix"])
        case {"RequestItems": requests}:
            ((_, every),) = requests.items()
            verb = "put" if "PutRequest" in every[0] else "delete"
            keys = [one["PutRequest"]["Item"] if verb == "put" else one["DeleteRequest"]["Key"] for one in every]
            return f"{verb} {[key['Part']['S'] for key in keys]} of {keys[0]['ImageSet']['S'][-2:]}"
        case {"Item": item}:
            return f"entry {_named(item)} of {item['ImageSet']['S'][-2:]}"
        case {"Key": key}:
            return f"{key['Part']['S']} of {key['ImageSet']['S'][-2:]}"
        case {"imageSetId": image_set}:
            return f"{image_set[-2:]} {arguments.get('versionId', '')}"
        case {"ExpressionAttributeValues": values}:
            return f"of {values[':key']['S'][-2:]}, {list(values.values())[-1]['S']}"
        case {"VisibilityTimeout": seconds}:
            return f"{arguments['ReceiptHandle']} in {seconds} s"
        case {"ReceiptHandle": handle}:
            return str(handle)
    return str([each["StringValue"] for each in arguments["MessageAttributes"].values()])


def _answered(answer: Answer) -> str:
    match answer:
        case {"Item": item}:
            return _named(item)
        case {"Items": items}:
            return f"{len(items)} items"
        case {"imageSetState": state}:
            return f"{state} {answer['imageSetWorkflowStatus']} {answer['versionId']}"
        case {"UnprocessedItems": {"table": left}}:
            return f"{len(left)} unprocessed"
    return "done" if answer else "nothing"


def _named(item: Mapping[str, Any]) -> str:
    return f"{item['Generation']['S']}/{item.get('Attempt', {}).get('S', '')}"
