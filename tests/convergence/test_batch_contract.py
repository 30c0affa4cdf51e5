"""Exactly the messages that failed come back: every pattern of failures among ten."""

import io
import itertools
import json
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from imaging_index.faults import Configuration, Fault, NotReady, Overload, Poison, Unknown
from imaging_index.indexing import Outcome, Result
from imaging_index.queue import delivery
from imaging_index.queue.hint import Hint, Kind
from imaging_index.table.layout import Key
from proof.campaigns.refusals import event
from proof.harness.image_sets import hint
from proof.harness.pipeline import Pipeline, make_pipeline, response

RECORDS = 10
PATTERNS = list(itertools.product([False, True], repeat=RECORDS))
KEYS = [Key("d" * 32, f"{number:032d}") for number in range(RECORDS)]
MESSAGES = [
    {
        "MessageId": f"message {number}",
        "ReceiptHandle": f"receipt {number}",
        "Body": event(hint(key, Kind.UPDATED)),
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(round(time.time() * 1000))},
    }
    for number, key in enumerate(KEYS)
]


class Killed(BaseException):
    """The end of a function's process: nothing in the function handles it."""


class Batch:
    """The handler, whose indexing fails as it is told; SQS says yes to everything, and is listened to."""

    def __init__(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pipeline = pipeline
        self._faults: dict[str, Fault] = {}
        self.breaker = pipeline.module._breaker
        self.outcome = Outcome.INDEXED
        self.put_off: set[str] = set()
        self.tried: list[str] = []
        self.killers: set[str] = set()
        self.handled: set[str] = set()
        self.settled: set[str] = set()
        monkeypatch.setattr(pipeline.module._indexer, "converge", self._converge, raising=False)
        events = pipeline.module._queue._client.meta.events
        events.register("before-send.sqs", lambda request, **_: _yes(request))
        events.register("provide-client-params.sqs.ChangeMessageVisibility", self._listen)
        events.register("provide-client-params.sqs.DeleteMessage", self._settle)

    def _converge(self, told: Hint, **_: Any) -> Result:
        self.tried.append(told.image_set_id)
        if told.image_set_id in self.killers:
            raise Killed
        self.handled.add(told.image_set_id)
        if told.image_set_id in self._faults:
            raise self._faults[told.image_set_id]
        return Result(self.outcome)

    def _listen(self, params: Any, **_: Any) -> None:
        self.put_off.add(params["ReceiptHandle"].replace("receipt", "message"))

    def _settle(self, params: Any, **_: Any) -> None:
        self.settled.add(params["ReceiptHandle"].replace("receipt", "message"))

    def deliver(self, messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
        """One invocation: the messages that come again, received once more each, and whether it was ended."""
        self.settled = set()
        ended = False
        try:
            failed = self.handle({}, messages)
        except Killed:
            ended, failed = True, {message["MessageId"] for message in messages} - self.settled
        return [_again(message) for message in messages if message["MessageId"] in failed], ended

    def handle(
        self, faults: dict[int, Fault], messages: list[dict[str, Any]] = MESSAGES, *, milliseconds: int = 60_000
    ) -> set[str]:
        """The ids that come back when the image sets of these numbers meet these faults, with so much time left."""
        self._pipeline.milliseconds = milliseconds
        self._faults = {KEYS[number].image_set_id: fault for number, fault in faults.items()}
        self.put_off, self.tried = set(), []
        self.breaker.note(None)
        with redirect_stdout(io.StringIO()):
            return self._pipeline.handle(messages)


def _again(message: dict[str, Any]) -> dict[str, Any]:
    tries = int(message["Attributes"]["ApproximateReceiveCount"]) + 1
    return message | {"Attributes": message["Attributes"] | {"ApproximateReceiveCount": str(tries)}}


def _yes(request: Any) -> AWSResponse:
    return response(request, 200, b"{}", "Content-Type", "application/x-amz-json-1.0")


@pytest.fixture
def batch(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Batch:
    return Batch(make_pipeline(aws, monkeypatch.setenv), monkeypatch)


def test_exactly_the_messages_that_failed_come_back_and_each_has_been_put_off(
    batch: Batch, record_property: Callable[[str, object], None]
) -> None:
    classes = [NotReady, Unknown, Poison]
    for pattern in PATTERNS:
        faults = {number: classes[number % 3]("any") for number, fails in enumerate(pattern) if fails}
        failed = batch.handle(faults)
        assert failed == batch.put_off == {f"message {number}" for number in faults}
        assert len(batch.tried) == RECORDS
    record_property("patterns of failures in a batch", len(PATTERNS))


@pytest.mark.parametrize("refusal", [Overload, Configuration])
def test_once_aws_throttles_or_refuses_that_message_and_all_behind_it_come_back(
    batch: Batch, refusal: type[Fault]
) -> None:
    for first, before in itertools.product(range(RECORDS), [False, True]):
        faults: dict[int, Fault] = {first: refusal("any")}
        if before and first:
            faults[0] = NotReady("any")
        failed = batch.handle(faults)
        assert failed == batch.put_off == {f"message {number}" for number in {*faults, *range(first, RECORDS)}}
        assert len(batch.tried) == first + 1


def test_no_message_is_begun_with_less_time_than_a_large_document_takes(batch: Batch) -> None:
    assert batch.handle({}, milliseconds=19_999) == {f"message {number}" for number in range(RECORDS)}
    assert batch.tried == []
    assert batch.handle({}, milliseconds=20_000) == set()


def test_messages_that_are_given_up_do_not_come_back(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_MOST_TRIES", {Poison: 1})
    monkeypatch.setattr(delivery, "_LEAST_AGE", {})
    failed = batch.handle({1: Poison("any"), 2: Unknown("any")})
    assert failed == batch.put_off == {"message 2"}


def test_two_messages_of_one_image_set_come_back_each_for_itself(batch: Batch) -> None:
    again = MESSAGES[0] | {"MessageId": "message 0 again", "ReceiptHandle": "receipt 0 again"}
    failed = batch.handle({0: NotReady("any")}, [MESSAGES[0], MESSAGES[1], again])
    assert failed == batch.put_off == {"message 0", "message 0 again"}


def test_malformed_messages_are_given_up_and_the_others_handled(batch: Batch) -> None:
    bodies = ["", "{", "[]", json.dumps({"detail": {}}), json.dumps({"detail": {"datastoreId": "x", "imagesetId": 1}})]
    malformed = [message | {"Body": body} for message, body in zip(MESSAGES[:5], bodies, strict=True)]
    assert batch.handle({}, malformed + MESSAGES[5:]) == set()
    assert len(batch.tried) == 5


def test_messages_for_which_aws_is_not_asked_do_not_close_the_breaker(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    closings: list[Fault | None] = []
    monkeypatch.setattr(batch.breaker, "note", closings.append)
    batch.outcome = Outcome.PASSED
    assert batch.handle({}) == set()
    assert closings == [None]  # of this test's own
    batch.outcome = Outcome.STALE
    assert batch.handle({}) == set()
    assert closings == [None] * (2 + RECORDS)


@pytest.mark.parametrize("place", [0, 4, 9])
def test_a_message_that_ends_its_function_takes_nobody_along_from_the_fourth_time_on(batch: Batch, place: int) -> None:
    batch.killers = {KEYS[place].image_set_id}
    # When each is visible.
    queue = [(0.0, message) for message in MESSAGES]
    invocations, killed = 0, 0
    while len(queue) > 1 or queue[0][0] < 3_600:
        now = min(visible for visible, _ in queue)
        received = [message for visible, message in queue if visible <= now]
        again, ended = batch.deliver(received)
        invocations, killed = invocations + 1, killed + ended
        queue = [each for each in queue if each[1] not in received]
        # What the function put off comes back within seconds, what it had in hand after the visibility time-out.
        queue += [(now + (2 if message["MessageId"] in batch.put_off else 360), message) for message in again]
        assert invocations < 40
    assert [message["MessageId"] for _, message in queue] == [f"message {place}"]
    # Three times with those behind it, and then every six minutes alone.
    assert killed == 3_600 / 360
    assert batch.handled == {key.image_set_id for key in KEYS} - batch.killers


def test_of_several_that_were_received_often_one_is_handled_and_the_ordinary_ones_before_it(batch: Batch) -> None:
    killer, often, seldom, new = MESSAGES[:4]
    for _ in range(40):
        killer = _again(killer)
    for _ in range(3):
        often, seldom = _again(often), _again(seldom)
    assert batch.deliver([killer, often, seldom, new]) == ([_again(killer), _again(seldom)], False)
    assert batch.tried == [KEYS[number].image_set_id for number in (3, 1)]
    assert batch.put_off == {"message 0", "message 2"}
    assert batch.settled == {"message 3"}


def test_of_ordinary_messages_none_is_settled_before_the_batch_ends(batch: Batch) -> None:
    assert batch.deliver(MESSAGES) == ([], False)
    assert batch.settled == set()
    assert batch.tried == [key.image_set_id for key in KEYS]
