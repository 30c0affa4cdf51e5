"""`imaging-index dlq list | show | redrive | drop`: the hints that could not be indexed, and their way back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table

from cli import deployed
from cli.asking import ask
from cli.aws_cli import with_address
from cli.dead_letters.letter import PERMANENT, WHAT_TO_DO, DeadLetter
from cli.dead_letters.queue import opened
from cli.output import Failure, Misuse, counted, errors, print_json, screen, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from cli.dead_letters.queue import Reading
    from imaging_index.queue.hint import Hint

_LEAST_OF_ID: Final = 4

dead_letters: Final = typer.Typer(no_args_is_help=True, help="What could not be indexed, and how to send it again.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _say_hidden(readings: Iterable[tuple[str, Reading]]) -> None:
    """Say on standard error that some dead letters cannot be seen."""
    if hidden := sum(reading.hidden for _, reading in readings):
        errors.print(
            f"About {hidden} more are hidden: another command is using them, or one was killed. They reappear by "
            "themselves, usually within a minute or two.",
            soft_wrap=True,
        )


def _read(stack: deployed.Stack) -> tuple[list[DeadLetter], datetime | None]:
    """All dead letters, oldest first, and when SQS deletes the first of them."""
    found: list[DeadLetter] = []
    ends: list[datetime] = []
    with opened(stack) as readings:
        _say_hidden(readings)
        for name, reading in readings:
            letters = [DeadLetter.of(message, name) for batch in reading.batches() for message in batch]
            ends += [letter.sent + reading.kept for letter in letters]
            found += letters
    return sorted(found, key=lambda letter: (letter.sent, letter.id)), min(ends, default=None)


@dead_letters.command(name="list")
def list_(stack: deployed.StackName = deployed.DEFAULT_STACK, json: Json = False) -> None:
    """Count the dead letters by class, with what to do about each class, then list every one."""
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
                "what_to_do": with_address(WHAT_TO_DO[name]),
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
        screen.print(f"[b]{name}[/b]: {with_address(WHAT_TO_DO[name])}")
    screen.print(_messages_table(letters))
    screen.print(f"{counted(len(letters), 'dead letter')}; SQS deletes the oldest at {_minute(forgotten)} UTC.")


def _classes_table(by_class: dict[str, list[DeadLetter]]) -> Table:
    table = Table(
        "Class", Column("Count", justify="right"), "Oldest (UTC)", "Newest (UTC)", box=SIMPLE_HEAD, pad_edge=False
    )
    for name, each in by_class.items():
        table.add_row(name, str(len(each)), _minute(each[0].sent), _minute(each[-1].sent))
    return table


def _messages_table(letters: list[DeadLetter]) -> Table:
    """A row for each, on one line. In a narrow window the ids are cut."""
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
        parsed = letter.hint
        table.add_row(
            letter.id.split("-")[0],
            letter.error_class,
            letter.told.get("Attempts", letter.told.get("RETRY_ATTEMPTS", "")),
            _minute(letter.sent),
            *((_kind(parsed), parsed.datastore_id, parsed.image_set_id) if parsed else ("malformed",)),
        )
    return table


def _kind(parsed: Hint) -> str:
    return parsed.kind.removeprefix("Image Set ")


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


@dead_letters.command()
def show(
    message: Annotated[str, typer.Argument(metavar="ID", help="The message's id, or its first characters.")],
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    json: Json = False,
) -> None:
    """Show one dead letter. Fields that could contain arbitrary text are withheld."""
    letter = _by_id(message, _read(deployed.find(stack))[0])
    if json:
        print_json(letter.plain() | {"what_to_do": with_address(WHAT_TO_DO[letter.error_class])})
        return
    plain = letter.plain()
    parsed = plain.pop("hint")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = plain | plain.pop("told") | (parsed if isinstance(parsed, dict) else {"hint": parsed})
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, shown(value))
    table.add_row("what to do", with_address(WHAT_TO_DO[letter.error_class]))
    screen.print(table)


def _by_id(beginning: str, letters: list[DeadLetter]) -> DeadLetter:
    """The dead letter whose id begins so.

    Raises:
        Failure: none does, or several do, or that is too short.
    """
    if len(beginning) < _LEAST_OF_ID:
        raise Failure(f"An id needs at least its first {_LEAST_OF_ID} characters; `imaging-index dlq list` shows them.")
    found = [letter for letter in letters if letter.id.startswith(beginning)]
    if len(found) != 1:
        begin = f"{len(found)} dead letters begin" if found else "No dead letter begins"
        raise Failure(f"{begin} with this id; `imaging-index dlq list` shows them.")
    return found[0]


@dataclass(slots=True)
class _Redrive:
    """What a redrive has done so far, by class."""

    only: frozenset[str]
    moved: Counter[str]
    failed: Counter[str]
    left: Counter[str]
    _sent: set[bytes] = field(init=False, default_factory=set)

    def run(self, name: str, reading: Reading, destination: str) -> Iterator[int]:
        """Move the chosen letters of one dead-letter queue. Yields the size of each batch when it is done."""
        for batch in reading.batches():
            letters = {message["MessageId"]: DeadLetter.of(message, name) for message in batch}
            digests = {message["MessageId"]: sha256(message["Body"].encode()).digest() for message in batch}
            # What has come since the start may be what was just sent, which would go round for ever. SQS's clock is
            # too coarse for the second of the start, so there the bodies are compared.
            chosen = {
                each.id
                for each in letters.values()
                if self._chosen(each)
                and each.sent < reading.begun
                and (each.sent < reading.before or digests[each.id] not in self._sent)
            }
            moved = reading.move([message for message in batch if message["MessageId"] in chosen], destination)
            self._sent |= {digests[each] for each in moved}
            for each in letters.values():
                count = self.moved if each.id in moved else self.failed if each.id in chosen else self.left
                count[each.error_class] += 1
            yield len(batch)

    def _chosen(self, letter: DeadLetter) -> bool:
        return letter.error_class in self.only if self.only else letter.error_class != PERMANENT


@dead_letters.command()
def redrive(
    only: Annotated[
        list[str] | None,
        typer.Option(help="A class to send; may be repeated. Default: every class but Permanent (malformed)."),
    ] = None,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    json: Json = False,
) -> None:
    """Send dead letters back into the index's queue. You can interrupt and repeat it at any time.

    Exit status 1 if it was interrupted, or SQS did not accept all.
    """
    classes = _classes(only)
    found = deployed.find(stack)
    done = _Redrive(classes, Counter(), Counter(), Counter())
    interrupted = False
    columns = (TextColumn("Dead letters -> queue"), BarColumn(), MofNCompleteColumn())
    try:
        with (
            Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress,
            opened(found) as readings,
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
            screen.print(f"Not moved, because SQS refused: {_counts(done.failed)}. Repeat the command.")
        if interrupted:
            screen.print(
                "It was interrupted. Repeat the command: nothing is lost, and sending a hint twice does no harm."
            )
    raise typer.Exit(1 if interrupted or done.failed else 0)


@dead_letters.command()
def drop(
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="The messages' ids, or their first characters.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="A class to delete; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
    json: Json = False,
) -> None:
    """Delete dead letters: what is malformed, or what you have looked into. It asks before it does.

    Exit status 1 if you said no, it was interrupted, or SQS did not delete all.
    """
    if bool(messages) == bool(only):
        raise Misuse("Give either the ids of dead letters, or --only with a class.")
    classes = _classes(only)
    found = deployed.find(stack)
    letters, _ = _read(found)
    if messages:
        chosen = {letter.id: letter for letter in (_by_id(each, letters) for each in messages)}
    else:
        chosen = {letter.id: letter for letter in letters if letter.error_class in classes}
    if chosen and not yes:
        _ask_whether_to_delete(list(chosen.values()))
    dropped: Counter[str] = Counter()
    interrupted = False
    try:
        if chosen:
            with opened(found) as readings:
                for _, reading in readings:
                    for batch in reading.batches():
                        gone = reading.delete([message for message in batch if message["MessageId"] in chosen])
                        dropped.update(chosen[each].error_class for each in gone)
                        if dropped.total() == len(chosen):
                            break
    except KeyboardInterrupt:
        interrupted = True
    left = len(chosen) - dropped.total()
    if json:
        print_json({"dropped": dropped, "failed": left, "interrupted": interrupted})
    else:
        screen.print(f"Deleted: {_counts(dropped)}.")
        if left:
            screen.print(f"Not deleted: {left}. Repeat the command.")
    raise typer.Exit(1 if left else 0)


def _ask_whether_to_delete(letters: list[DeadLetter]) -> None:
    """Say what would be deleted, and ask.

    Raises:
        Misuse: nobody can be asked.
        Abort: the answer is no.
    """
    errors.print(_messages_table(letters))
    lost = sum(letter.hint is not None for letter in letters)
    if lost:
        errors.print(
            f"{lost} of them name an image set, whose entry stays as it is. `imaging-index dlq redrive` indexes it "
            "instead.",
            soft_wrap=True,
        )
    ask(f"Delete {counted(len(letters), 'dead letter')}?", "to delete them")


def _classes(only: list[str] | None) -> frozenset[str]:
    """The classes that were named, in any case.

    Raises:
        Misuse: there is no such class.
    """
    names = {name.lower(): name for name in WHAT_TO_DO}
    if unknown := [each for each in only or () if each.lower() not in names]:
        raise Misuse(f"There is no class {', '.join(unknown)}. Classes are {', '.join(WHAT_TO_DO)}.")
    return frozenset(names[each.lower()] for each in only or ())


def _counts(by_class: Counter[str]) -> str:
    each = ", ".join(f"{name} {count}" for name, count in sorted(by_class.items()))
    return f"{by_class.total()} ({each})" if each else "none"
