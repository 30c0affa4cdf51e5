"""Puts events on the bus, in order for what they are about, and repeats only what EventBridge refused."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from imaging_index.aws_errors import classify
from imaging_index.faults import Configuration, Fault, Overload, Poison, Unknown
from imaging_index.publishing.event import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_events import EventBridgeClient

    from imaging_index.publishing.event import Event

# Amazon EventBridge API Reference, "PutEvents": entries a call, and the bytes of all of them together.
_MOST_ENTRIES: Final = 10
_MOST_BYTES: Final = 240_000
_TRIES: Final = 4
_PAUSE: Final = 0.1  # seconds, doubled from try to try

# The codes of an entry ("PutEventsResultEntry") that is refused each time: all the others are worth a repetition.
_HOPELESS: Final = frozenset({"InvalidArgument", "MalformedDetail", "RedactionFailure"})
_OVERLOAD: Final = frozenset({"LimitExceededException", "ThrottlingException"})


class Put(msgspec.Struct, frozen=True):
    """What became of some events: the first `done` are through, of which EventBridge will never take the `refused`.

    `fault` is why the next one is not.
    """

    done: int
    refused: tuple[int, ...] = ()
    fault: Fault | None = None


class Bus:
    """One event bus. The function needs events:PutEvents on it."""

    def __init__(self, client: EventBridgeClient, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """`name` is the bus's name or ARN."""
        self._client = client
        self._name = name
        self._sleep = sleep

    def put(self, events: Sequence[Event]) -> Put:
        """Put events on the bus until one fails each time; errors of AWS are in the answer."""
        refused: list[int] = []
        for places in _calls(events):
            left, fault = self._put(events, places, refused)
            if left:
                return Put(left[0], tuple(each for each in refused if each < left[0]), fault)
        return Put(len(events), tuple(refused))

    def put_one(self, event: Event) -> None:
        """Put one event on the bus.

        Raises:
            Fault: EventBridge did not take it.
        """
        put = self.put([event])
        if put.fault:
            raise put.fault
        if put.refused:
            raise Poison("PutEvents: the event is refused for what it is")

    def _put(self, events: Sequence[Event], left: list[int], refused: list[int]) -> tuple[list[int], Fault | None]:
        """The places of the events of one call that are not through after some tries, and why."""
        fault: Fault | None = None
        for round_ in range(_TRIES):
            if round_:
                self._sleep(_PAUSE * 2**round_ * random.uniform(0.5, 1))
            try:
                answer = self._client.put_events(Entries=[self._entry(events[place]) for place in left])
            except (ClientError, BotoCoreError) as error:
                # The SDK has repeated it already.
                return left, classify(error)
            failed = []
            for place, result in zip(left, answer["Entries"], strict=True):
                code = result.get("ErrorCode")
                if code in _HOPELESS:
                    refused.append(place)
                elif code:
                    failed.append(place)
                    fault = _fault(code)
            left = failed
            if not left:
                break
        return left, fault

    def _entry(self, event: Event) -> Any:
        return {"Source": SOURCE, "DetailType": event.kind, "Detail": event.detail, "EventBusName": self._name}


def _calls(events: Sequence[Event]) -> Iterator[list[int]]:
    """The places of the events of each call. A call has one event of an image set: EventBridge may refuse the first."""
    places: list[int] = []
    about: set[str] = set()
    size = 0
    for place, event in enumerate(events):
        length = len(event.detail.encode()) + len(event.kind) + len(SOURCE)
        if places and (len(places) == _MOST_ENTRIES or size + length > _MOST_BYTES or event.about in about):
            yield places
            places, about, size = [], set(), 0
        places.append(place)
        about.add(event.about)
        size += length
    if places:
        yield places


def _fault(code: str) -> Fault:
    """What the code of a refused entry means."""
    if code in _OVERLOAD:
        return Overload(f"PutEvents: {code}")
    if code in ("AccessDeniedException", "NotAuthorizedForSource", "NotAuthorizedForDetailType"):
        return Configuration(f"PutEvents: {code}")
    return Unknown("PutEvents: an entry was refused")
