"""Sends many hints into the queue beside the live ones, no faster than HealthImaging's quota and the queue allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from mypy_boto3_sqs import SQSClient

    from imaging_index.queue.hint import Hint


class Sender:
    """Sends to one queue, and listens to it."""

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

    def send(self, hints: Sequence[Hint], until: datetime) -> int:
        """Send hints, in their order. Returns how many were sent by `until`; the others were not."""
        raise NotImplementedError
