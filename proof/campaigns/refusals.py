"""AWS refuses: every error code of every operation, at every call that the handler makes.

A case is one message, with what the table holds before and after. Its calls are counted in a run without any refusal;
then each is refused with each code in turn, and the message comes again.
"""

from __future__ import annotations

import io
import itertools
import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import botocore.session
from botocore.retries.standard import ExponentialBackoff

from imaging_index.entry import columns
from imaging_index.faults import Configuration, Fault, HandedBack, NotReady, Overload, Poison, Unknown
from imaging_index.queue.hint import REPLAY_SOURCE, Cause
from imaging_index.table import writing
from imaging_index.table.layout import Key
from proof.campaigns import kills
from proof.harness import canary
from proof.harness.canary import MARKER
from proof.harness.pipeline import response
from proof.simulation import truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from botocore.awsrequest import AWSResponse
    from mypy_boto3_medical_imaging import HealthImagingClient

    from imaging_index.queue.hint import Hint
    from proof.campaigns.kills import Progress
    from proof.harness.pipeline import Pipeline
    from proof.simulation.truth import Dump

Class = type[Fault]
# What each code means, whoever answers with it; the status is the one that AWS documents. The first ones are any
# service's (API references, "Common Errors"), those without a name a load balancer's.
_COMMON: Final[dict[str, tuple[int, Class]]] = {
    "AccessDeniedException": (403, Configuration),
    "ExpiredTokenException": (403, Configuration),
    "IncompleteSignature": (403, Configuration),
    "InternalFailure": (500, Unknown),
    "MalformedHttpRequestException": (400, Unknown),
    "NotAuthorized": (401, Configuration),
    "OptInRequired": (403, Configuration),
    "RequestAbortedException": (400, Unknown),
    "RequestEntityTooLargeException": (413, Unknown),
    "RequestExpired": (400, Unknown),
    "RequestTimeoutException": (408, Unknown),
    "ServiceUnavailable": (503, Unknown),
    "ThrottlingException": (400, Overload),
    "UnknownOperationException": (404, Unknown),
    "UnrecognizedClientException": (403, Configuration),
    "ValidationError": (400, Unknown),
    "": (502, Unknown),
    " ": (429, Overload),
}
_OF_SERVICES: Final[dict[str, dict[str, tuple[int, Class]]]] = {
    "medical-imaging": {
        "ConflictException": (409, NotReady),
        "InternalServerException": (500, Unknown),
        "ResourceNotFoundException": (404, NotReady),
        "ThrottlingException": (429, Overload),
        "ValidationException": (400, Poison),
    },
    # DynamoDB Developer Guide, "Error handling with DynamoDB": all but the server's own are 400.
    "dynamodb": {
        "AccessDeniedException": (400, Configuration),
        "ExpiredTokenException": (400, Configuration),
        "IncompleteSignatureException": (400, Configuration),
        "InternalServerError": (500, Unknown),
        "ItemCollectionSizeLimitExceededException": (400, Unknown),
        "LimitExceededException": (400, Overload),
        "MissingAuthenticationTokenException": (400, Configuration),
        "ProvisionedThroughputExceededException": (400, Overload),
        "ReplicatedWriteConflictException": (400, Unknown),
        "RequestLimitExceeded": (400, Overload),
        "ResourceNotFoundException": (400, Configuration),
        "TransactionConflictException": (400, Unknown),
        "UnrecognizedClientException": (400, Configuration),
        "ValidationException": (400, Poison),
    },
    "sqs": {
        "InvalidAddress": (400, Unknown),
        "InvalidMessageContents": (400, Unknown),
        "InvalidSecurity": (400, Unknown),
        "KmsAccessDenied": (400, Configuration),
        "KmsDisabled": (400, Configuration),
        "KmsInvalidKeyUsage": (400, Configuration),
        "KmsInvalidState": (400, Configuration),
        "KmsNotFound": (400, Configuration),
        "KmsOptInRequired": (400, Configuration),
        "KmsThrottled": (400, Overload),
        "MessageNotInflight": (400, Unknown),
        "QueueDoesNotExist": (400, Unknown),
        "ReceiptHandleIsInvalid": (400, Unknown),
        "RequestThrottled": (400, Overload),
        "UnsupportedOperation": (400, Unknown),
    },
}
# It tells that somebody newer was there, which a table can only say when it is so.
_NO_REFUSAL: Final = {"ConditionalCheckFailedException"}

# The longest pause of a first try in seconds.
_FIRST_PAUSE: Final[dict[Class, float]] = {NotReady: 30, Configuration: 30, Overload: 5, Poison: 120, Unknown: 5}
_LONGEST_PAUSE: Final = 1800
_PARKED: Final = {NotReady, Poison}
_OPEN: Final = {Overload, Configuration}
_NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that AWS answers with, and what it means."""

    code: str
    status: int
    means: Class

    def answer(self, request: Any, service: str) -> AWSResponse:
        """As the service sends it. Its message quotes what nobody may see."""
        if service == "medical-imaging":
            body = json.dumps({"message": MARKER}).encode()
            return response(request, self.status, body, "x-amzn-ErrorType", self.code.strip())
        body = json.dumps({"__type": f"com.amazonaws.{service}#{self.code}", "message": MARKER}).encode()
        return response(request, self.status, body if self.code.strip() else b"<html>", "Content-Type", "text/plain")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a run."""

    service: str
    operation: str


class Refuser:
    """Counts the calls of some clients from 0, and refuses those that it is told, however often they are repeated."""

    def __init__(self, *clients: Any) -> None:
        self.calls: list[Call] = []
        self.visibility: list[int] = []
        self._refusals: Mapping[int, Refusal] = {}
        for client in clients:
            client.meta.events.register("before-call", self._begin)
            client.meta.events.register_first("before-send", self._answer)
            client.meta.events.register(
                "provide-client-params.sqs.ChangeMessageVisibility",
                lambda params, **_: self.visibility.append(params["VisibilityTimeout"]),
            )

    def begin(self, refusals: Mapping[int, Refusal]) -> None:
        """Count from 0 again."""
        self.calls, self.visibility, self._refusals = [], [], refusals

    def _begin(self, model: Any, **_: Any) -> None:
        self.calls.append(Call(model.service_model.service_name, model.name))

    def _answer(self, request: Any, **_: Any) -> AWSResponse | None:
        refusal = self._refusals.get(len(self.calls) - 1)
        return refusal.answer(request, self.calls[-1].service) if refusal else None


@dataclass(frozen=True, slots=True)
class Case:
    """One message, what the table holds before it came and after it was handled.

    `overtaken`: what somebody else has made of it by the time that the entry is put. `comes_back`: HealthImaging is
    not ready for it. `parked`: it is no event.
    """

    key: Key
    before: Dump
    body: str
    end: Dump
    overtaken: Dump | None = None
    comes_back: bool = False
    parked: bool = False


def cases(client: HealthImagingClient, folder: Path) -> dict[str, Case]:
    """Messages that make every call which the handler can make; arguments as of `kills.scenarios`."""
    scenarios = kills.scenarios(client, folder, PatientName=MARKER)
    update, duplicate, delete, unseen = (scenarios[name] for name in ("update", "duplicate", "delete", "delete unseen"))
    unreadable = Key(update.key.datastore_id, "0" * 32)
    entry_and_pages = {part: item for part, item in update.before.items() if "/dead/" not in part}
    told = update.hints[1][0]
    return {
        "updated": Case(update.key, update.before, event(told), update.end),
        "duplicate": Case(duplicate.key, duplicate.before, event(duplicate.hints[0][0]), duplicate.end),
        "overtaken": Case(update.key, {}, event(update.hints[0][0]), update.end, overtaken=update.end),
        "deleted": Case(delete.key, delete.before, event(delete.hints[2][0]), delete.end),
        "created and deleted": Case(unseen.key, unseen.before, event(unseen.hints[0][0]), unseen.end),
        "malformed": Case(unreadable, {}, '{"detail": "none"}', {}, parked=True),
        "not readable": Case(
            unreadable,
            update.before,
            event(told).replace(told.image_set_id, unreadable.image_set_id),
            entry_and_pages,
            comes_back=True,
        ),
    }


def event(told: Hint) -> str:
    """The message that a hint comes from."""
    detail = {"datastoreId": told.datastore_id, "imagesetId": told.image_set_id}
    if told.version is not None:
        detail["imageSetVersion"] = str(told.version)
    source = "aws.medical-imaging" if told.cause is Cause.EVENT else REPLAY_SOURCE
    return json.dumps(
        {"source": source, "detail-type": told.kind.value, "time": told.time, "detail": detail | {"cause": told.cause}}
    )


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one delivery; `words` is all that was logged, counted and thrown."""

    comes_back: bool
    calls: list[Call]
    visibility: list[int]
    words: str

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the log says of messages that could not be handled."""
        lines = [json.loads(line) for line in self.words.splitlines() if line.startswith('{"level"')]
        return [line for line in lines if "fault" in line]


class Stage:
    """A pipeline whose handler is refused what it asks for, and one message of each case in its queue."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        module = pipeline.module
        self._refuser = Refuser(module._indexer._healthimaging._client, module._table._client, module._queue._client)
        module._table._client.meta.events.register("before-send.dynamodb.PutItem", self._overtake)
        self._overtaking: Case | None = None

    def _overtake(self, **_: Any) -> None:
        if self._overtaking and self._overtaking.overtaken:
            truth.restore(self._pipeline.table, self._overtaking.key, (), self._overtaking.overtaken)

    def receive(self, case: Case) -> Any:
        """The case's message, in flight for an hour."""
        sent = self._pipeline.sqs.send_message(QueueUrl=self._pipeline.queue, MessageBody=case.body)["MessageId"]
        # Those of earlier cases, which the handler has put off, may have come again meanwhile.
        received = self._pipeline.receive(self._pipeline.queue)
        message = next(message for message in received if message["MessageId"] == sent)
        self._pipeline.sqs.change_message_visibility(
            QueueUrl=self._pipeline.queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=3600
        )
        return message

    def prepare(self, case: Case) -> None:
        """Have the table hold what it does before the case's message comes, and close the breaker."""
        self._overtaking = case
        truth.restore(self._pipeline.table, case.key, truth.dump(self._pipeline.table, case.key), case.before)
        self.close_breaker()

    def close_breaker(self) -> None:
        """As after a while."""
        self._pipeline.module._breaker.note(None)

    def handle(self, message: Any, refusals: Mapping[int, Refusal], *, tries: int, age: timedelta) -> Handled:
        """Have the message handled as if it were received for that time, and sent so long ago."""
        self._refuser.begin(refusals)
        sent = datetime.now(UTC) - age
        attributes = {"ApproximateReceiveCount": str(tries), "SentTimestamp": str(round(sent.timestamp() * 1000))}
        self._pipeline.log.seek(0)
        self._pipeline.log.truncate()
        with (
            redirect_stdout(io.StringIO()) as metrics,
            patch.object(ExponentialBackoff, "delay_amount", lambda *_: 0),
            patch.object(columns, "_ROWS_A_PAGE", 2),
            patch.object(writing, "_MOST_REQUESTS", 2),
        ):
            failed = self._pipeline.handle([message | {"Attributes": attributes}])
        words = "\n".join([self._pipeline.log.getvalue(), metrics.getvalue()])
        assert not canary.found(words)
        return Handled(bool(failed), self._refuser.calls, self._refuser.visibility, words)

    def open(self) -> Class | None:
        """The class of what has opened the breaker, if it is open."""
        try:
            self._pipeline.module._breaker.check()
        except HandedBack as met:
            return type(met.cause) if met.cause else None
        return None

    def parked(self) -> list[Any]:
        """What the dead-letter queue holds, which is then empty."""
        found = self._pipeline.parked()
        for message in found:
            self._pipeline.sqs.delete_message(
                QueueUrl=self._pipeline.dead_letters, ReceiptHandle=message["ReceiptHandle"]
            )
        return found

    def residue(self, case: Case) -> list[str]:
        """The pages that no entry can name again."""
        return truth.residue(truth.dump(self._pipeline.table, case.key))

    def check_end(self, case: Case) -> None:
        """The table holds what it must once the case's message was handled."""
        assert truth.comparable(truth.dump(self._pipeline.table, case.key)) == truth.comparable(case.end)


def refusals_of(call: Call) -> Iterator[Refusal]:
    """Every error that a call may be answered with: those of botocore's model of the operation, and of all services."""
    known = _COMMON | _OF_SERVICES[call.service]
    model = botocore.session.get_session().get_service_model(call.service).operation_model(call.operation)
    modelled = {shape.name for shape in model.error_shapes}
    for code in sorted(known.keys() | modelled - _NO_REFUSAL):
        # A KeyError here: AWS has a new code, whose class is to be written down above.
        yield Refusal(code, *known[code])


def one_of_each_class(call: Call) -> list[Refusal]:
    """For every class the first error that a call may be answered with."""
    first: dict[Class, Refusal] = {}
    for refusal in refusals_of(call):
        first.setdefault(refusal.means, refusal)
    return list(first.values())


def singles(stage: Stage, case: Case, progress: Progress = lambda *_: None, *, refused: set[Call] | None = None) -> int:
    """Refuse every call of the case once with every code, and once late in the message's life with each class.

    With calls that were `refused` before, to which the case's are added, they get one code of each class.
    """
    message = stage.receive(case)
    calls = _calls(stage, case, message)
    every = []
    for at, call in enumerate(calls):
        codes = one_of_each_class(call) if refused is not None and call in refused else refusals_of(call)
        every += [(at, refusal, False) for refusal in codes]
        if refused is not None:
            refused.add(call)
    every += [(at, refusal, True) for at, call in enumerate(calls) for refusal in one_of_each_class(call)]
    for number, (at, refusal, late) in enumerate(every):
        stage.prepare(case)
        _check(stage, case, message, at, refusal, late=late)
        if late:  # what is left to do when it comes again hangs on the call alone
            _comes_again(stage, case, message)
        progress(number + 1, len(every))
    return len(every)


def pairs(stage: Stage, case: Case, progress: Progress = lambda *_: None) -> int:
    """Refuse one call when the message comes first, and one when it comes again, with each class."""
    message = stage.receive(case)
    calls = list(enumerate(_calls(stage, case, message)))
    firsts = [(at, refusal) for at, call in calls for refusal in one_of_each_class(call)]
    every = list(itertools.product(firsts, firsts))
    for number, refusals in enumerate(every):
        stage.prepare(case)
        for at, refusal in refusals:
            stage.handle(message, {at: refusal}, tries=1, age=_NONE)
            stage.close_breaker()
        _comes_again(stage, case, message)
        progress(number + 1, len(every))
    return len(every)


def _calls(stage: Stage, case: Case, message: Any) -> list[Call]:
    stage.prepare(case)
    calls = stage.handle(message, {}, tries=1, age=_NONE).calls
    stage.parked()
    return calls


def _check(stage: Stage, case: Case, message: Any, at: int, refusal: Refusal, *, late: bool) -> None:
    tries, age = (60, timedelta(hours=11)) if late else (1, _NONE)
    handled = stage.handle(message, {at: refusal}, tries=tries, age=age)
    call = handled.calls[at]
    where = f"{call.operation} ({at}): {refusal.code}{', late' if late else ''}"
    dead = stage.parked() if any(each.operation == "SendMessage" for each in handled.calls) else []
    if call.service == "sqs":
        # Neither put off nor parked: it comes back when its visibility time-out has passed.
        assert (handled.comes_back, dead) == (True, []), where
        assert [line["fault"] for line in handled.told] == [refusal.means.__name__], where
        return
    if _is_believed(case, at, call, refusal, late=late):
        assert not handled.comes_back, where
        return
    assert [line["fault"] for line in handled.told] == [refusal.means.__name__], where
    assert stage.open() is (refusal.means if refusal.means in _OPEN else None), where
    if late and refusal.means in _PARKED:
        (letter,) = dead
        attributes = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
        assert (handled.comes_back, letter["Body"]) == (False, case.body), where
        assert attributes == {"ErrorClass": refusal.means.__name__, "Attempts": "60", "RequestId": "request"}, where
        # It may never come again. (What is left when the last sweep itself was refused is reconcile's to find.)
        assert stage.residue(case) == [] or (case.comes_back and at > 1), where
        return
    (pause,) = handled.visibility
    longest = _LONGEST_PAUSE if late else _FIRST_PAUSE[refusal.means]
    assert (handled.comes_back, dead) == (True, []), where
    assert longest / 2 - 1 <= pause <= longest, where


def _is_believed(case: Case, at: int, call: Call, refusal: Refusal, *, late: bool) -> bool:
    """Whether "not found" is what may be said of an image set that was deleted."""
    if refusal.code != "ResourceNotFoundException" or not truth.is_deleted(case.end):
        return False
    return call.operation == "GetImageSetMetadata" or (call.operation == "GetImageSet" and at == 0 and late)


def _comes_again(stage: Stage, case: Case, message: Any) -> None:
    stage.close_breaker()
    handled = stage.handle(message, {}, tries=2, age=_NONE)
    assert handled.comes_back == case.comes_back, handled.words
    assert [letter["Body"] for letter in stage.parked()] == ([case.body] if case.parked else [])
    stage.check_end(case)
