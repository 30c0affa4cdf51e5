"""What may be shown of a dead letter, its class, and what to do about it.

There are two dead-letter queues: the queue's, where the function parks a hint with its class (and SQS itself, without a
class, a message that was received a thousand times), and the rule's, for events that EventBridge could not put into the
queue. Anybody who may send events can make a message end there, so of its body nothing is shown but what `hint.parse`
makes of it.
"""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec

from imaging_index.faults import Permanent
from imaging_index.queue import hint

PERMANENT: Final = Permanent.__name__

# Classes of the index's own, beside those of `errors`.
_KILLED: Final = "Killed"
_UNDELIVERED: Final = "Undelivered"
_OTHER: Final = "Other"

_WAITED: Final = "It failed like this for 13 days, until SQS would have deleted it. Remove the cause, then redrive."

WHAT_TO_DO: Final = {
    PERMANENT: "Not an event of HealthImaging, or without usable ids: find out who sends it. It can only come back, "
    "so redrive skips it unless you pass --only Permanent; `imaging-index dlq drop --only Permanent` deletes it.",
    "Poison": "The metadata cannot be read or exceeds the bounds: see `imaging-index inspect`. Redrive after an "
    "upgrade that can read it.",
    "NotReady": "HealthImaging had the image set locked, or did not have it, for hours: see `aws medical-imaging "
    "get-image-set`. Redrive when it is ACTIVE or DELETED.",
    "Overload": f"AWS throttled. {_WAITED}",
    "Configuration": f"A permission, a key or the table was missing. {_WAITED}",
    "Unknown": f"AWS failed or could not be reached. {_WAITED}",
    "HandedBack": f"It was never started, because others failed. {_WAITED}",
    "Yielded": f"A hint of a long list that made way for others, since AWS throttled. {_WAITED}",
    _KILLED: "Received 1,000 times and never finished: invocations were killed. Look for time-outs and memory in the "
    "function's log, raise memorySize if necessary, then redrive.",
    _UNDELIVERED: "EventBridge could not put the event into the queue: somebody changed the policy of the queue, "
    "which imaging-index doctor shows, or of the key. Restore it, then redrive.",
    _OTHER: "Parked by another version of the index, or by somebody else. Redrive tries it again.",
}

# Amazon EventBridge User Guide, "Using dead-letter queues to process undelivered events": attributes of each message.
_SHOWABLE: Final = {
    "Attempts": re.compile(r"\d{1,6}"),
    "RequestId": re.compile(r"[0-9a-f-]{36}"),
    "ERROR_CODE": re.compile(r"[A-Z_]{1,60}"),
    "EXHAUSTED_RETRY_CONDITION": re.compile(r"Maximum(RetryAttempts|EventAgeInSeconds)"),
    "RETRY_ATTEMPTS": re.compile(r"\d{1,6}"),
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What may be shown of one message.

    Attributes:
        id: SQS's id of the message.
        queue: whose dead letter it is: `queue` or `rule`.
        error_class: a key of `WHAT_TO_DO`.
        sent: when it was parked (UTC); for the class `Killed`, when the event came.
        hint: None when the body is malformed.
        bytes: the size of the body.
        told: message attributes, each in its expected form.
    """

    id: str
    queue: str
    error_class: str
    sent: datetime
    hint: hint.Hint | None
    bytes: int
    told: dict[str, str]

    @classmethod
    def of(cls, message: Any, queue: str) -> Self:
        """The dead letter in a message received from the dead-letter queue of `queue` or `rule`."""
        given = {name: str(value.get("StringValue")) for name, value in message.get("MessageAttributes", {}).items()}
        try:
            parsed: hint.Hint | None = hint.parse(message["Body"])
        except Permanent:
            parsed = None
        return cls(
            id=message["MessageId"],
            queue=queue,
            error_class=_class(given, queue, malformed=parsed is None),
            sent=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
            hint=parsed,
            bytes=len(message["Body"].encode()),
            told={name: given[name] for name, form in _SHOWABLE.items() if form.fullmatch(given.get(name, ""))},
        )

    def plain(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self) | {
            "sent": self.sent.isoformat(timespec="milliseconds"),
            "hint": msgspec.to_builtins(self.hint) if self.hint else "malformed",
        }


def _class(given: dict[str, str], queue: str, *, malformed: bool) -> str:
    if malformed:
        return PERMANENT
    if "ErrorClass" in given:
        return given["ErrorClass"] if given["ErrorClass"] in WHAT_TO_DO else _OTHER
    return _UNDELIVERED if queue == "rule" else _KILLED
