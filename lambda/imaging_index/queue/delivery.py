"""One message of the queue: when it comes again, and when it is parked in the dead-letter queue."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.faults import Configuration, Fault, HandedBack, NotReady, Overload, Permanent, Poison, Yielded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_sqs import SQSClient

# After how many tries a message of this class is parked. Others never are: they pass when AWS does.
_MOST_TRIES: Final[dict[type[Fault], int]] = {Permanent: 1, Poison: 3, NotReady: 50}
# And how long it must have waited as well: a hand-back or a kill counts as a try without having asked HealthImaging.
# Fifty pauses of a message that is not ready take at least eleven hours, two of a poisonous one three minutes.
_LEAST_AGE: Final[dict[type[Fault], timedelta]] = {Poison: timedelta(minutes=3), NotReady: timedelta(hours=10)}

# SQS forgets a message after the queue's 14 days, without a word: what waits nearly that long is parked, whatever for.
_LONGEST_WAIT: Final = timedelta(days=13)

# The first pause of each class in seconds, doubled from try to try. The longest is such that a message outlives the
# queue's thousand receipts for the fortnight that the queue keeps it.
_FIRST_PAUSE: Final[dict[type[Fault], float]] = {Poison: 120, NotReady: 30, Configuration: 30}
_SHORT_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 30 * 60.0
# What AWS throttles waits no longer than a tenth of its age: a flood is handed back many times, and pauses that double
# each time would leave HealthImaging idle. So does what yields: it would use up the thousand receipts within a day.
_LONGEST_OF_OVERLOAD: Final = 60.0
_OF_ITS_AGE: Final = 0.1
# After so many receipts a message may be one that ended its function every time, for want of memory or time.
_KILLS_SUSPECTED: Final = 3
# A message that was not begun for want of time is at no fault.
_HAND_BACK: Final = 2.0
# A hint that made way comes again when a burst of live events, which lasts about a minute, is over.
_YIELDED: Final = 90.0

# Amazon SQS API Reference, "ChangeMessageVisibility": twelve hours from the receipt, which took a while already.
_LONGEST_HIDDEN: Final = 12 * 3600 - 300


class Delivery(msgspec.Struct, frozen=True):
    """One receipt of a message. `tries` counts receipts, this one included; `sent` is when it was first sent."""

    body: str
    receipt_handle: str
    tries: int
    sent: datetime

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Delivery:
        """The delivery in a record of Lambda's SQS event (AWS Lambda Developer Guide, "Using Lambda with SQS")."""
        attributes = record["attributes"]
        sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
        return cls(record["body"], record["receiptHandle"], int(attributes["ApproximateReceiveCount"]), sent)

    @property
    def age(self) -> timedelta:
        """For how long the message has been waiting. Kills raise the receive count within seconds, but not this."""
        # Never less than nothing, though SQS's clock may be ahead of ours.
        return max(datetime.now(UTC) - self.sent, timedelta(0))

    @property
    def suspect(self) -> bool:
        """Whether the message was received so often that it may be what ended its function every time."""
        return self.tries > _KILLS_SUSPECTED


def to_be_parked(fault: Fault, delivery: Delivery) -> bool:
    """Whether a message that met `fault` at this delivery is given up."""
    if delivery.age >= _LONGEST_WAIT:
        return True
    most = _MOST_TRIES.get(type(fault))
    return most is not None and delivery.tries >= most and delivery.age >= _LEAST_AGE.get(type(fault), timedelta(0))


def pause(fault: Fault, tries: int, age: timedelta) -> int:
    """For how many seconds a message that met `fault` waits: doubling from try to try, with jitter, at most 1,800.

    One that was throttled waits a minute at most, or a tenth of the time that it has been waiting already.

    One that was handed back waits as long as if it had met the fault itself that stopped it. One that yielded waits a
    minute and a half at most, however often it came, or a tenth of its age.
    """
    tenth = age.total_seconds() * _OF_ITS_AGE
    if isinstance(fault, Yielded):
        return round(min(max(_YIELDED, tenth), _LONGEST_PAUSE) * random.uniform(0.5, 1))
    if isinstance(fault, HandedBack):
        if fault.cause is None:
            return round(_HAND_BACK * random.uniform(0.5, 1))
        fault = fault.cause
    longest = min(_FIRST_PAUSE.get(type(fault), _SHORT_FIRST_PAUSE) * 2.0 ** min(tries - 1, 20), _LONGEST_PAUSE)
    if isinstance(fault, Overload):
        longest = min(longest, max(_LONGEST_OF_OVERLOAD, tenth))
    return round(longest * random.uniform(0.5, 1))


class Queue:
    """The queue that hints come from, and the dead-letter queue for hints that cannot be handled."""

    def __init__(self, client: SQSClient, url: str, dead_letter_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url

    def defer(self, delivery: Delivery, fault: Fault) -> None:
        """Have the message come again after its pause."""
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=delivery.receipt_handle,
            VisibilityTimeout=pause(fault, delivery.tries, delivery.age),
        )

    def wait(self, delivery: Delivery, seconds: float) -> None:
        """Have the message come again after so many seconds, or after the longest time that SQS hides it."""
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=delivery.receipt_handle,
            VisibilityTimeout=max(0, min(math.ceil(seconds), _LONGEST_HIDDEN)),
        )

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Delete messages, so that they do not come again whatever happens to their batch."""
        for delivery in deliveries:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=delivery.receipt_handle)

    def park(self, delivery: Delivery, fault: Fault, request_id: str) -> None:
        """Send the message's body, which contains only ids, to the dead-letter queue, with the reason."""
        self._client.send_message(
            QueueUrl=self._dead_letter_url,
            MessageBody=delivery.body,
            MessageAttributes={
                "ErrorClass": {"DataType": "String", "StringValue": fault.name},
                "Attempts": {"DataType": "Number", "StringValue": str(delivery.tries)},
                "RequestId": {"DataType": "String", "StringValue": request_id},
            },
        )
