"""The dead-letter queues while a command looks through them: messages are received, put back, moved, or deleted."""

from __future__ import annotations

import contextlib
import signal
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from cli.output import Failure
from imaging_index.searching.refusals import code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_sqs import SQSClient

    from cli.deployed import Stack

# SQS API Reference, "SendMessageBatch": ten messages; a MiB today, 256 KiB where that has not arrived yet.
_MOST_IN_BATCH: Final = 10
_LARGEST_BATCH: Final = 2**18
# For how long messages are hidden when nothing makes them visible again, such as after a kill: long enough to look
# through the whole queue, ten messages in a fifth of a second. SQS takes 12 hours at most.
_HIDDEN: Final = 60
_HIDDEN_A_MESSAGE: Final = 0.02
_LONGEST_HIDDEN: Final = 12 * 60 * 60
# With a second SQS asks all its servers (long polling), so that an empty answer means an empty queue.
_WAIT: Final = 1
_ANSWERS_WITHOUT_NEWS: Final = 3
# The resolution of the clock in the headers of SQS's answers.
_CLOCK: Final = timedelta(seconds=1)


class _Interrupt:
    """Ctrl-C, which is noted, and raised when all messages are put back. A second one is raised at once."""

    noted = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *failed: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self.noted and failed[0] is None:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self.noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Reading:
    """A dead-letter queue while a command looks through it. What was received is visible again when that has ended.

    Attributes:
        count: about how many messages can be received.
        hidden: about how many cannot, because another command has them, or one that was killed.
        kept: for how long SQS keeps a message.
        before: a moment at which this had not begun.
        begun: a moment at which this had just begun.
    """

    def __init__(self, client: SQSClient, url: str, interrupt: _Interrupt) -> None:
        self._client = client
        self._url = url
        self._interrupt = interrupt
        self._handles: dict[str, str] = {}  # of every message that was received and is not deleted, by its id

    def __enter__(self) -> Self:
        answer = self._client.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "MessageRetentionPeriod",
            ],
        )
        self.count = int(answer["Attributes"]["ApproximateNumberOfMessages"])
        self.hidden = int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])
        self.kept = timedelta(seconds=int(answer["Attributes"]["MessageRetentionPeriod"]))
        # By SQS's own clock.
        self.before = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        self.begun = self.before + _CLOCK
        return self

    def __exit__(self, *_: object) -> None:
        held = list(self._handles.values())
        for start in range(0, len(held), _MOST_IN_BATCH):
            # Messages whose change is refused are visible already, or will be soon.
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(held[start : start + _MOST_IN_BATCH])
                ],
            )

    def batches(self) -> Iterator[list[Any]]:
        """Every message once, at most ten at a time, until Ctrl-C."""
        hidden = min(round(_HIDDEN + _HIDDEN_A_MESSAGE * self.count), _LONGEST_HIDDEN)
        answers_without_news = 0
        while answers_without_news < _ANSWERS_WITHOUT_NEWS and not self._interrupt.noted:
            received = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_MOST_IN_BATCH,
                VisibilityTimeout=hidden,
                WaitTimeSeconds=_WAIT,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not received:
                return
            new = [message for message in received if message["MessageId"] not in self._handles]
            self._handles |= {message["MessageId"]: message["ReceiptHandle"] for message in received}
            answers_without_news = 0 if new else answers_without_news + 1
            yield new

    def move(self, messages: list[Any], destination: str) -> set[str]:
        """The ids of the messages that were moved: sent to `destination`, then deleted here.

        If it ends in between, a message is in both queues and is handled twice, which does no harm to a hint.
        """
        moved: set[str] = set()
        for batch in _sendable(messages):
            sent = self._client.send_message_batch(
                QueueUrl=destination,
                Entries=[{"Id": str(number), "MessageBody": each["Body"]} for number, each in enumerate(batch)],
            )
            taken = [batch[int(each["Id"])] for each in sent.get("Successful", [])]
            moved |= self.delete(taken)
        return moved

    def delete(self, messages: list[Any]) -> set[str]:
        """The ids of the messages that were deleted, of at most ten."""
        if not messages:
            return set()
        deleted = self._client.delete_message_batch(
            QueueUrl=self._url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(messages)
            ],
        )
        ids = {messages[int(each["Id"])]["MessageId"] for each in deleted.get("Successful", [])}
        for each_id in ids:
            del self._handles[each_id]
        return ids


def _sendable(messages: Iterable[Any]) -> Iterator[list[Any]]:
    """The messages in batches that SQS accepts."""
    batch: list[Any] = []
    size = 0
    for message in messages:
        length = len(message["Body"].encode())
        if batch and (len(batch) == _MOST_IN_BATCH or size + length > _LARGEST_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


@contextlib.contextmanager
def opened(stack: Stack) -> Iterator[list[tuple[str, Reading]]]:
    """Both dead-letter queues, each under the name of what it belongs to: `queue` and `rule`.

    Raises:
        Failure: SQS refuses.
    """
    urls = {"queue": stack.outputs["DeadLetterQueueUrl"], "rule": stack.outputs["RuleDeadLetterQueueUrl"]}
    client = stack.session.client("sqs")
    try:
        with _Interrupt() as interrupt, contextlib.ExitStack() as entered:
            yield [(name, entered.enter_context(Reading(client, url, interrupt))) for name, url in urls.items()]
    except ClientError as error:
        if "NonExistentQueue" in code(error) or "QueueDoesNotExist" in code(error):
            raise Failure(
                f"A queue of the stack is gone. `imaging-index doctor --stack {stack.name}` says which, and how to "
                "make it again."
            ) from None
        action = error.operation_name.removesuffix("Batch")
        raise Failure(
            f"SQS refuses {action} ({code(error)}). You need the permissions sqs:{action} on the stack's queues, and "
            "kms:Decrypt and kms:GenerateDataKey on its key. You can repeat the command."
        ) from None
    except BotoCoreError as error:
        raise Failure(f"SQS cannot be reached ({type(error).__name__}). You can repeat the command.") from None
