"""`imaging-index dlq list | show | redrive`: the hints that could not be indexed, and their way back.

There are two dead-letter queues: the queue's, where the function parks a hint with its class (or SQS puts one that was
received a thousand times, without), and the rule's, for events that EventBridge could not put into the queue. Anybody
who may send events can have a message end there, so of its body nothing is shown but what `hint.parse` makes of it.
"""

from __future__ import annotations

import contextlib
import re
import signal
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import msgspec
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table

from cli import deployed
from cli.output import Failure, Misuse, counted, errors, print_json, screen, shown
from imaging_index import hint
from imaging_index.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_sqs import SQSClient

# Classes of the index's own, beside those of `errors`.
_KILLED: Final = "Killed"
_UNDELIVERED: Final = "Undelivered"
_OTHER: Final = "Other"
_PERMANENT: Final = Permanent.__name__

_WAITED: Final = "It met this for 13 days, until SQS would have forgotten it. End the cause first, then redrive."

WHAT_TO_DO: Final = {
    _PERMANENT: "No event of HealthImaging, or none with usable ids: find out who sends such. It can only come back, "
    "so redrive leaves it unless told --only Permanent; after 14 days it is gone.",
    "Poison": "The metadata cannot be read or is over the bounds: see `imaging-index inspect`. Redrive after an "
    "upgrade that reads it.",
    "NotReady": "HealthImaging had the image set locked, or did not have it, for hours: see `aws medical-imaging "
    "get-image-set`. Redrive when it is ACTIVE or DELETED.",
    "Overload": f"AWS throttled. {_WAITED}",
    "Configuration": f"A permission, a key or the table was missing. {_WAITED}",
    "Unknown": f"AWS failed or could not be reached. {_WAITED}",
    "HandedBack": f"It was never begun, since others failed. {_WAITED}",
    _KILLED: "Received 1,000 times and never finished: invocations were killed. Look for time-outs and memory in the "
    "function's log, raise memorySize if need be, then redrive.",
    _UNDELIVERED: "EventBridge could not put the event into the queue: somebody changed the policy of the queue, "
    "which imaging-index doctor tells, or of the key. Put it back, then redrive.",
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

# SQS API Reference, "SendMessageBatch": ten messages; a MiB today, 256 KiB where that has not arrived yet.
_MOST_IN_BATCH: Final = 10
_LARGEST_BATCH: Final = 2**18
# For how long messages are hidden when nothing makes them visible again, such as after a kill: long enough to look
# through the whole queue, ten messages in a fifth of a second. SQS takes 12 hours at most.
_HIDDEN: Final = 60
_HIDDEN_A_MESSAGE: Final = 0.02
_LONGEST_HIDDEN: Final = 12 * 60 * 60
# A second asks all of SQS's servers (long polling), so that nothing means that nothing is there.
_WAIT: Final = 1
_ANSWERS_WITHOUT_NEWS: Final = 3
# The step of the clock that SQS tells in the headers of its answers.
_CLOCK: Final = timedelta(seconds=1)

_LEAST_OF_ID: Final = 4

dead_letters: Final = typer.Typer(no_args_is_help=True, help="What could not be indexed, and its way back.")

Stack = Annotated[str, typer.Option(help="The stack's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What may be told of one message.

    `sent` (UTC) is when it was parked; of a `Killed` one, when the event came. `hint` is None when the body is
    malformed; `bytes` is the body's size; `told` are message attributes, each of the form it should have.
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
        """The dead letter in a received message of the dead-letter queue of `queue` or `rule`."""
        given = {name: str(value.get("StringValue")) for name, value in message.get("MessageAttributes", {}).items()}
        try:
            told: hint.Hint | None = hint.parse(message["Body"])
        except Permanent:
            told = None
        return cls(
            id=message["MessageId"],
            queue=queue,
            error_class=_class(given, queue, malformed=told is None),
            sent=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
            hint=told,
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
        return _PERMANENT
    if "ErrorClass" in given:
        return given["ErrorClass"] if given["ErrorClass"] in WHAT_TO_DO else _OTHER
    return _UNDELIVERED if queue == "rule" else _KILLED


class _Interrupt:
    """Ctrl-C, taken note of, and raised when all is put back. The second one is raised at once."""

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


class _Reading:
    """A dead-letter queue while a command looks through it. What was received is visible again when that has ended.

    Attributes:
        count: about how many messages are there to be received.
        hidden: about how many are not, since another command has them, or one that was killed.
        kept: for how long SQS keeps a message.
        begun: a moment when this has just begun.
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
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        self.begun = parsedate_to_datetime(date) + _CLOCK
        return self

    def __exit__(self, *_: object) -> None:
        held = list(self._handles.values())
        for start in range(0, len(held), _MOST_IN_BATCH):
            # What is refused is visible already, or will be soon.
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
        """Send the bodies to `destination` and then delete the messages; the ids of those that were moved.

        Ended in between, a message is in both queues, and comes twice: to a hint that makes no difference.
        """
        moved: set[str] = set()
        for batch in _sendable(messages):
            sent = self._client.send_message_batch(
                QueueUrl=destination,
                Entries=[{"Id": str(number), "MessageBody": each["Body"]} for number, each in enumerate(batch)],
            )
            taken = [batch[int(each["Id"])] for each in sent.get("Successful", [])]
            if not taken:
                continue
            deleted = self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(taken)
                ],
            )
            ids = {taken[int(each["Id"])]["MessageId"] for each in deleted.get("Successful", [])}
            for each_id in ids:
                del self._handles[each_id]
            moved |= ids
        return moved


def _sendable(messages: Iterable[Any]) -> Iterator[list[Any]]:
    """The messages in batches that SQS takes."""
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
def _open(stack: deployed.Stack) -> Iterator[list[tuple[str, _Reading]]]:
    """Both dead-letter queues, each under the name of what it belongs to.

    Raises:
        Failure: SQS refuses.
    """
    urls = {"queue": stack.outputs["DeadLetterQueueUrl"], "rule": stack.outputs["RuleDeadLetterQueueUrl"]}
    client = stack.session.client("sqs")
    try:
        with _Interrupt() as interrupt, contextlib.ExitStack() as entered:
            yield [(name, entered.enter_context(_Reading(client, url, interrupt))) for name, url in urls.items()]
    except ClientError as error:
        action = error.operation_name.removesuffix("Batch")
        raise Failure(
            f"SQS refuses {action} ({error.response['Error']['Code']}). It takes sqs:{action} on the stack's queues, "
            "and kms:Decrypt and kms:GenerateDataKey on its key. The command may be repeated."
        ) from None
    except BotoCoreError as error:
        raise Failure(f"SQS cannot be asked ({type(error).__name__}). The command may be repeated.") from None


def _say_hidden(readings: Iterable[tuple[str, _Reading]]) -> None:
    """On standard error: that there is more than can be seen."""
    if hidden := sum(reading.hidden for _, reading in readings):
        errors.print(
            f"About {hidden} more are hidden: another command is at them, or one was killed. They come back by "
            "themselves, mostly within a minute or two.",
            soft_wrap=True,
        )


def _read(stack: deployed.Stack) -> tuple[list[DeadLetter], datetime | None]:
    """All dead letters, oldest first, and when SQS forgets the first of them."""
    found: list[DeadLetter] = []
    ends: list[datetime] = []
    with _open(stack) as readings:
        _say_hidden(readings)
        for name, reading in readings:
            letters = [DeadLetter.of(message, name) for batch in reading.batches() for message in batch]
            ends += [letter.sent + reading.kept for letter in letters]
            found += letters
    return sorted(found, key=lambda letter: (letter.sent, letter.id)), min(ends, default=None)


@dead_letters.command(name="list")
def list_(stack: Stack = deployed.DEFAULT_STACK, json: Json = False) -> None:
    """List the dead letters by class, with what to do about each, and then each of them."""
    letters, forgotten = _read(deployed.find(stack))
    by_class: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        by_class.setdefault(letter.error_class, []).append(letter)
    if json:
        classes = [
            {
                "class": name,
                "count": len(each),
                "oldest": each[0].plain()["sent"],
                "newest": each[-1].plain()["sent"],
                "what_to_do": WHAT_TO_DO[name],
            }
            for name, each in by_class.items()
        ]
        print_json({"classes": classes, "messages": [letter.plain() for letter in letters]})
        return
    if not forgotten:
        screen.print("There are no dead letters.")
        return
    screen.print(_classes_table(by_class))
    for name in by_class:
        screen.print(f"[b]{name}[/b]: {WHAT_TO_DO[name]}")
    screen.print(_messages_table(letters))
    screen.print(f"{counted(len(letters), 'dead letter')}; SQS forgets the oldest at {_minute(forgotten)} UTC.")


def _classes_table(by_class: dict[str, list[DeadLetter]]) -> Table:
    table = Table(
        "Class", Column("Count", justify="right"), "Oldest (UTC)", "Newest (UTC)", box=SIMPLE_HEAD, pad_edge=False
    )
    for name, each in by_class.items():
        table.add_row(name, str(len(each)), _minute(each[0].sent), _minute(each[-1].sent))
    return table


def _messages_table(letters: list[DeadLetter]) -> Table:
    """A row for each, on one line: in a narrow window the ids give way."""
    table = Table(
        Column("Message", no_wrap=True, min_width=8),
        Column("Class", no_wrap=True, min_width=11),
        Column("Tries", no_wrap=True, min_width=5, justify="right"),
        Column("Since (UTC)", no_wrap=True, min_width=16),
        Column("Kind", no_wrap=True, min_width=9),
        *(Column(name, no_wrap=True, overflow="ellipsis") for name in ("Data store", "Image set")),
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for letter in letters:
        told = letter.hint
        table.add_row(
            letter.id.split("-")[0],
            letter.error_class,
            letter.told.get("Attempts", letter.told.get("RETRY_ATTEMPTS", "")),
            _minute(letter.sent),
            *((told.kind.removeprefix("Image Set "), told.datastore_id, told.image_set_id) if told else ("malformed",)),
        )
    return table


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


@dead_letters.command()
def show(
    message: Annotated[str, typer.Argument(metavar="ID", help="The message's id, or the beginning of it.")],
    stack: Stack = deployed.DEFAULT_STACK,
    json: Json = False,
) -> None:
    """Show one dead letter: all that it tells, but for what in it could be anything."""
    if len(message) < _LEAST_OF_ID:
        raise Failure(f"An id needs at least its first {_LEAST_OF_ID} characters; `imaging-index dlq list` shows them.")
    letters = [letter for letter in _read(deployed.find(stack))[0] if letter.id.startswith(message)]
    if len(letters) != 1:
        found = f"{len(letters)} dead letters begin" if letters else "No dead letter begins"
        raise Failure(f"{found} with this id; `imaging-index dlq list` shows them.")
    (letter,) = letters
    if json:
        print_json(letter.plain() | {"what_to_do": WHAT_TO_DO[letter.error_class]})
        return
    plain = letter.plain()
    told = plain.pop("hint")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = plain | plain.pop("told") | (told if isinstance(told, dict) else {"hint": told})
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, shown(value))
    table.add_row("what to do", WHAT_TO_DO[letter.error_class])
    screen.print(table)


@dataclass(slots=True)
class _Redrive:
    """What a redrive has done so far, by class."""

    only: frozenset[str]
    moved: Counter[str]
    failed: Counter[str]
    left: Counter[str]
    _sent: set[bytes] = field(init=False, default_factory=set)

    def run(self, name: str, reading: _Reading, destination: str) -> Iterator[int]:
        """Move what is chosen of one dead-letter queue; gives after each batch how many messages were looked at."""
        for batch in reading.batches():
            letters = {message["MessageId"]: DeadLetter.of(message, name) for message in batch}
            digests = {message["MessageId"]: sha256(message["Body"].encode()).digest() for message in batch}
            # What has come since the start may be what was just sent: it would go round for ever. In the second of
            # the start its body tells.
            chosen = {
                each.id
                for each in letters.values()
                if self._chosen(each)
                and each.sent < reading.begun
                and (each.sent < reading.begun - _CLOCK or digests[each.id] not in self._sent)
            }
            moved = reading.move([message for message in batch if message["MessageId"] in chosen], destination)
            self._sent |= {digests[each] for each in moved}
            for each in letters.values():
                count = self.moved if each.id in moved else self.failed if each.id in chosen else self.left
                count[each.error_class] += 1
            yield len(batch)

    def _chosen(self, letter: DeadLetter) -> bool:
        return letter.error_class in self.only if self.only else letter.error_class != _PERMANENT


@dead_letters.command()
def redrive(
    only: Annotated[
        list[str] | None, typer.Option(help="A class to send; may be repeated. Without it: all but Permanent.")
    ] = None,
    stack: Stack = deployed.DEFAULT_STACK,
    json: Json = False,
) -> None:
    """Send dead letters back into the index's queue. It may be interrupted and repeated at any time.

    Exit status 1 when it was interrupted, or SQS did not take all.
    """
    names = {name.lower(): name for name in WHAT_TO_DO}
    if unknown := [each for each in only or () if each.lower() not in names]:
        raise Misuse(f"There is no class {', '.join(unknown)}. Classes are {', '.join(WHAT_TO_DO)}.")
    found = deployed.find(stack)
    done = _Redrive(frozenset(names[each.lower()] for each in only or ()), Counter(), Counter(), Counter())
    interrupted = False
    columns = (TextColumn("Dead letters -> queue"), BarColumn(), MofNCompleteColumn())
    try:
        with (
            Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress,
            _open(found) as readings,
        ):
            _say_hidden(readings)
            task = progress.add_task("", total=sum(reading.count for _, reading in readings))
            for name, reading in readings:
                for looked_at in done.run(name, reading, found.outputs["QueueUrl"]):
                    progress.advance(task, looked_at)
    except KeyboardInterrupt:
        interrupted = True
    if json:
        print_json({"redriven": done.moved, "failed": done.failed, "left": done.left, "interrupted": interrupted})
    else:
        screen.print(f"Redriven: {_counts(done.moved)}.")
        screen.print(f"Left: {_counts(done.left)}.")
        if done.failed:
            screen.print(f"Not moved, since SQS refused: {_counts(done.failed)}. Repeat the command.")
        if interrupted:
            screen.print("It was interrupted. Repeat the command: nothing is lost, and what comes twice does no harm.")
    raise typer.Exit(1 if interrupted or done.failed else 0)


def _counts(by_class: Counter[str]) -> str:
    each = ", ".join(f"{name} {count}" for name, count in sorted(by_class.items()))
    return f"{by_class.total()} ({each})" if each else "none"
