"""Sends many hints into the queue beside the live ones, no faster than HealthImaging's quota and the queue allow.

All of them are of one message group, which makes the queue a fair one: SQS lets messages of other groups, and those
without one, go first (Amazon SQS Developer Guide, "Amazon SQS fair queues").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imaging_index.faults import Overload, Unknown
from imaging_index.queue.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from mypy_boto3_sqs import SQSClient

    from imaging_index.queue.hint import Hint

GROUP: Final = "reconcile"

# Of the quota of GetImageSetMetadata. The rest is for events.
SHARE: Final = 0.96
# So many waiting messages keep all functions busy. A deep queue would hide live ones, and ring its alarms.
_MOST_WAITING: Final = 300
# Hints that take nothing of the quota: so many a second, and so many that wait. SQS may say ten seconds late how many
# there are, and the functions would run out of them meanwhile.
MOST_BESIDE_QUOTA: Final = 300.0
_MOST_WAITING_BESIDE_QUOTA: Final = 3_000
_LISTEN_EVERY: Final = 1.0  # seconds
# Amazon SQS API Reference, "SendMessageBatch".
_MOST_AT_ONCE: Final = 10
_TRIES: Final = 5


class Sender:
    """Sends to one queue, and listens to it. Errors of botocore pass through; `aws_errors.classify` knows them."""

    def __init__(
        self,
        client: SQSClient,
        url: str,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        quota: float = 50.0,
        at_once: int = 80,
    ) -> None:
        """Send to the queue `url`.

        Args:
            client: SQS.
            url: the queue's.
            now: the time.
            sleep: waits.
            quota: GetImageSetMetadata calls a second that the account has. At most 96 % of it is used.
            at_once: messages that the index functions hold at a time: their concurrency times their batch.
        """
        self._client = client
        self._url = url
        self._now = now
        self._sleep = sleep
        self._highest = quota * SHARE
        self._pace = Pace(self._highest, at_once)
        self._listened: datetime | None = None
        self._room = 0.0

    @property
    def hints_a_second(self) -> float:
        """The highest rate."""
        return self._highest

    def send(self, hints: Sequence[Hint], until: datetime, *, beside_quota: bool = False) -> int:
        """Send hints, in their order. Returns how many were sent by `until`; the others were not.

        Those `beside_quota` take no GetImageSetMetadata. They may keep the functions busy all the time, since live
        messages go first, and no other quota is near: fewer are sent only when some are put off.

        Raises:
            Overload: SQS takes no messages.
        """
        sent = 0
        weight, waiting = 1.0, _MOST_WAITING
        if beside_quota:
            weight, waiting = self._highest / MOST_BESIDE_QUOTA, _MOST_WAITING_BESIDE_QUOTA
        while sent < len(hints):
            self._listen(waiting, weight, busy=beside_quota)
            batch = hints[sent : sent + min(int(self._room / weight), _MOST_AT_ONCE)]
            if batch:
                self._send(batch)
                self._room -= len(batch) * weight
                sent += len(batch)
            elif self._now() >= until:
                break
            else:
                self._sleep(_LISTEN_EVERY)
        return sent

    def _listen(self, most_waiting: int, weight: float, *, busy: bool) -> None:
        """Once a second: see how many messages wait, and how many more of a `weight` may be sent.

        None are sent while `most_waiting` wait. The functions may be `busy` all the time.
        """
        now = self._now()
        if self._listened and (since := (now - self._listened).total_seconds()) < _LISTEN_EVERY:
            return
        since = min(since, 2 * _LISTEN_EVERY) if self._listened else _LISTEN_EVERY
        self._listened = now
        visible, hidden = self._depth()
        # A deep queue stops the sender, and need not slow it down: it would be slow for minutes after each burst.
        self._pace.look(since, hidden, busy=busy)
        self._room = min(self._room, 1.0) + self._pace.rate * since
        self._room = max(min(self._room, (most_waiting - visible - hidden) * weight), 0.0)

    def _depth(self) -> tuple[int, int]:
        """How many messages can be received now, and how many are hidden."""
        answer: Any = self._client.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        found = answer["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def _send(self, hints: Sequence[Hint]) -> None:
        waiting: list[Any] = [
            {"Id": str(number), "MessageBody": hint.message(), "MessageGroupId": GROUP}
            for number, hint in enumerate(hints)
        ]
        for _ in range(_TRIES):
            answer: Any = self._client.send_message_batch(QueueUrl=self._url, Entries=waiting)
            failed = {each["Id"]: each for each in answer.get("Failed", [])}
            if any(each["SenderFault"] for each in failed.values()):
                raise Unknown("SendMessageBatch: SQS refuses a message")
            waiting = [each for each in waiting if each["Id"] in failed]
            if not waiting:
                return
            self._sleep(_LISTEN_EVERY)
        raise Overload("SendMessageBatch: messages failed")
