"""A model of the write protocol, and the explorer of everything that can happen to it.

`Protocol` is the protocol as it is written down, line for line: a program is a generator, and each `yield` is one call
to AWS. Between any two calls of a run everything else may move: other runs, a reader, HealthImaging, the queue, a kill.
`run` goes breadth-first through every state that this can lead to, so that a violation comes with a shortest way to it.

One image set is enough: no call names two partitions, so two image sets can do nothing but what one can do twice. An
entry's format is a part of its profile's revision here. A batch is written or deleted page by page.
"""

from __future__ import annotations

import gc
import inspect
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

# ---------------------------------------------------------------------------------------------------- what is stored


class Generation(NamedTuple):
    """Which of two entries is the newer."""

    version: float
    revision: int
    repair: int

    def __str__(self) -> str:
        return "~" if self == TOMBSTONE else f"v{self.version}.r{self.revision}.{self.repair}"


TOMBSTONE: Final = Generation(math.inf, 0, 0)
NOTHING: Final = Generation(0, 0, 0)


class Attempt(int):
    """The random id of one run's pages. The explorer takes the smallest number that nothing remembers."""


class Content(NamedTuple):
    """What an entry and its pages say: a version as a profile's revision shows it, packed in one of several ways."""

    version: float
    revision: int
    packing: int


DAMAGED: Final = Content(0, 0, 0)


class Entry(NamedTuple):
    """The item that is searched; `pages` is how many it has."""

    generation: Generation
    attempt: Attempt | None
    content: Content
    pages: int

    def __str__(self) -> str:
        return f"{self.generation}/{self.attempt}"


ENTRY: Final = "entry"
BURIED: Final = Entry(TOMBSTONE, None, Content(math.inf, 0, 0), 0)


class Page(NamedTuple):
    """The sort key of a page."""

    generation: Generation
    attempt: Attempt | None
    number: int

    def __str__(self) -> str:
        return f"page/{self.generation}/{self.attempt}/{self.number}"


# A counter over a study, which only a neighbour of the protocol has.
STUDY: Final = "study"

Items: TypeAlias = dict[Any, Any]
Condition: TypeAlias = Callable[[Any, Any], bool]


def pages_of(entry: Entry) -> list[Page]:
    """The pages that an entry names."""
    return [Page(entry.generation, entry.attempt, number) for number in range(entry.pages)]


def newer(stands: Entry | None, entry: Entry) -> bool:
    """The condition `attribute_not_exists(ImageSet) OR Generation < :g`."""
    return stands is None or stands.generation < entry.generation


# ------------------------------------------------------------------------------------------------------------- calls


class Get(NamedTuple):
    """GetItem, strongly consistent. Answers the item or None."""

    part: Any

    def on(self, items: Items) -> tuple[Any, Items]:
        return items.get(self.part), items


class Put(NamedTuple):
    """PutItem under a condition on the item that stands. Answers whether it was written."""

    part: Any
    item: Any
    condition: Condition | None = None

    def on(self, items: Items) -> tuple[Any, Items]:
        if self.condition and not self.condition(items.get(self.part), self.item):
            return False, items
        return True, items | {self.part: self.item}


class Delete(NamedTuple):
    """DeleteItem; nothing happens when the item is gone already."""

    part: Any

    def on(self, items: Items) -> tuple[Any, Items]:
        return None, {part: item for part, item in items.items() if part != self.part}


class Parts(NamedTuple):
    """A Query for the sort keys of the pages up to a generation. Answers them in their order."""

    upto: Generation

    def on(self, items: Items) -> tuple[Any, Items]:
        pages = (part for part in items if isinstance(part, Page))
        return tuple(sorted(page for page in pages if page.generation <= self.upto)), items


class NextPage(NamedTuple):
    """One result page of a Query for an attempt's pages. Answers a page and what it holds, or None after the last."""

    generation: Generation
    attempt: Attempt | None
    after: int

    def on(self, items: Items) -> tuple[Any, Items]:
        pages = (part for part in items if isinstance(part, Page) and part[:2] == self[:2] and part.number > self.after)
        page = min(pages, default=None)
        return page and (page, items[page]), items


class GetImageSet(NamedTuple):
    """Answers a `State`, or None for 404."""


class State(NamedTuple):
    """The state of an image set and its latest version."""

    name: Literal["ACTIVE", "LOCKED", "DELETED"]
    version: int


class GetImageSetMetadata(NamedTuple):
    """Answers a `Document`, or None for 404. A version of None asks for the latest."""

    version: int | None


class Document(NamedTuple):
    """A version, how its content comes to be packed (the order of the document's maps, say), and in how many pages."""

    version: int
    packing: int
    pages: int


class NewAttempt(NamedTuple):
    """Answers an `Attempt`. Nobody else can notice, so it takes no step of its own."""


Asked: TypeAlias = GetImageSet | GetImageSetMetadata
# Any other call has `on`: the items before it -> its answer and the items after it.
Call: TypeAlias = tuple[Any, ...]

# ---------------------------------------------------------------------------------------------------------- protocol

Kind: TypeAlias = Literal["Created", "Updated", "Deleted", "Reconcile", "Repair"]


class Hint(NamedTuple):
    """A message; version 0 is none. `Updated` stands for every kind that makes the index ask."""

    kind: Kind
    version: int = 0

    def __str__(self) -> str:
        return f"{self.kind}({self.version or ''})"


class Run(NamedTuple):
    """One run of the function: its message, the profile's revision in its code, whether the message waited for long."""

    hint: Hint
    revision: int
    old: bool


Outcome: TypeAlias = Literal["done", "again", "parked"]


class Answer(NamedTuple):
    """What a reader got: an entry, and what its pages hold."""

    entry: Entry
    contents: tuple[Content, ...]


# A program returns how it ended or, where the written protocol goes on elsewhere, the program that goes on: what the
# first one knew is forgotten then. (It is found by its name, so an override reaches what it overrides by `yield from`.)
Program: TypeAlias = Generator[Call, Any, "Program | Outcome | Answer | None"]


class Protocol:
    """The protocol. A neighbour of it is a subclass that overrides what it does differently."""

    def __init__(self, run: Run) -> None:
        self.hint, self.revision, self.old = run
        # A message that is not ready comes again; one that has waited for long is parked.
        self.later: Outcome = "parked" if self.old else "again"

    def handle(self) -> Program:
        if self.hint.version and self.hint.kind in ("Created", "Reconcile"):
            return self.index(self.hint.version)
        state = yield GetImageSet()
        if state is None:
            return self.missing()
        if state.name == "DELETED":
            return self.tombstone()
        if state.name == "LOCKED":
            return self.not_ready("again")
        if self.ahead(state) and not self.old:
            return self.not_ready("again")
        return self.index(state.version)

    def ahead(self, state: State) -> bool:
        """Whether the hint says more than an ACTIVE that GetImageSet answered, which may lag."""
        return self.hint.kind == "Deleted" or self.hint.version > state.version

    def missing(self) -> Program:
        """GetImageSet answered 404."""
        entry = yield Get(ENTRY)
        if entry and entry.generation == TOMBSTONE:
            return self.sweep(entry)
        if self.hint.kind == "Deleted" and self.old:
            return self.tombstone()
        return self.not_ready(self.later)

    def index(self, version: int) -> Program:
        generation = self.generation(version)
        entry = yield Get(ENTRY)
        if entry and self.same_but_for_repair(entry.generation, generation):
            generation = entry.generation
        if entry and entry.generation > generation:
            return self.stale(entry)
        if entry and entry.generation == generation:
            if self.hint.kind != "Repair":
                return self.duplicate(entry)
            generation = self.repaired(generation)
        document = yield self.fetch(version)
        if document is None:
            return self.unreadable(version)
        attempt = yield NewAttempt()
        return self.write(self.entry(generation, attempt, document))

    def unreadable(self, version: int) -> Program:
        """GetImageSetMetadata answered 404."""
        state = yield GetImageSet()
        if state and state.name == "DELETED":
            return self.tombstone()
        if self.settles(state, version):
            return self.index(state.version)
        return self.not_ready(self.later)

    def settles(self, state: State | None, version: int) -> bool:
        """Whether what GetImageSet says is indexed instead of a version that has not come for long."""
        return self.old and state is not None and state.name == "ACTIVE" and state.version != version

    def write(self, entry: Entry) -> Program:
        for page in pages_of(entry):
            yield Put(page, entry.content)
        won = yield Put(ENTRY, entry, self.condition())
        return self.sweep(entry) if won else self.beaten()

    def beaten(self) -> Program | Outcome:
        """Somebody newer won, which is no error."""
        return self.sweep((yield Get(ENTRY)))

    def stale(self, entry: Entry) -> Program | Outcome:
        return self.sweep(entry)

    def duplicate(self, entry: Entry) -> Program | Outcome:
        return self.sweep(entry)

    def not_ready(self, outcome: Outcome) -> Program | Outcome:
        """A run that was killed before its sweep may have left pages behind."""
        entry = yield Get(ENTRY)
        return self.sweep(entry, outcome) if entry else outcome

    def sweep(self, entry: Entry, outcome: Outcome = "done") -> Program:
        for page in (yield Parts(upto=entry.generation)):
            if self.obsolete(page, entry):
                yield Delete(page)
        return outcome

    def tombstone(self) -> Program:
        yield Put(ENTRY, BURIED, newer)
        return self.sweep(BURIED)

    def read(self) -> Program:
        """One try of a reader, which ends with None when it is to read again."""
        entry = yield Get(ENTRY)
        if entry is None or entry.generation == TOMBSTONE:
            return None
        contents: list[Content] = []
        after = -1
        while found := (yield NextPage(entry.generation, entry.attempt, after)):
            after = found[0].number
            contents.append(found[1])
        return Answer(entry, tuple(contents)) if self.whole(entry, contents) else None

    def late(self, call: Call) -> Program:
        """What a killed run had sent reaches the table afterwards."""
        yield call
        return "done"

    def generation(self, version: int) -> Generation:
        return Generation(version, self.revision, 0)

    def same_but_for_repair(self, one: Generation, other: Generation) -> bool:
        return one[:2] == other[:2]

    def repaired(self, generation: Generation) -> Generation:
        return generation._replace(repair=generation.repair + 1)

    def fetch(self, version: int) -> GetImageSetMetadata:
        """Always with the version: the label is what was asked for."""
        return GetImageSetMetadata(version)

    def entry(self, generation: Generation, attempt: Attempt | None, document: Document) -> Entry:
        content = Content(document.version, self.revision, document.packing)
        return Entry(generation, attempt, content, document.pages)

    def condition(self) -> Condition:
        return newer

    def obsolete(self, page: Page, entry: Entry) -> bool:
        """Whether no entry can name the page again; newer ones are not listed."""
        return (page.generation, page.attempt) != (entry.generation, entry.attempt)

    def whole(self, entry: Entry, contents: list[Content]) -> bool:
        """Whether the pages' count and checksum are what the entry says."""
        return contents == [entry.content] * entry.pages


# ------------------------------------------------------------------------------------------------------------ outside


class Change(NamedTuple):
    """What happens to an image set: its state then, how many versions it gains, and the event that is sent.

    `says` is the version that the event tells, where it is not the true one. A kind of None sends no event.
    """

    name: str
    state: Literal["ACTIVE", "LOCKED", "DELETED", "GONE"]
    versions: int
    kind: Kind | None
    says: int | None = None


CREATED: Final = Change("is created", "ACTIVE", 1, "Created")
# An import adds instances to it.
MERGED: Final = Change("gains instances", "ACTIVE", 1, "Created")
UPDATING: Final = Change("is locked for an update", "LOCKED", 0, None)
UPDATED: Final = Change("is updated", "ACTIVE", 1, "Updated")
DELETED: Final = Change("is deleted", "DELETED", 0, "Deleted")
# HealthImaging remembers a deleted image set for a while, then it answers 404.
PURGED: Final = Change("is forgotten", "GONE", 0, None)


class Harm(StrEnum):
    """What must never be seen."""

    TORN = "a reader got a torn answer"
    BROKEN = "the entry's pages are not all there, or not its own"
    REGRESSION = "the index goes back to something older"
    RESURRECTION = "what was deleted is visible again"
    HIDDEN = "a live image set is hidden"
    RESIDUE = "at rest, there are pages that are not the entry's"
    DIVERGED = "at rest, the index is not what HealthImaging holds"


class Budget(NamedTuple):
    """How often each may still happen."""

    kills: int = 0
    late: int = 0  # a run is killed, and what it wrote last has not reached the table yet
    losses: int = 0  # an event is not sent
    duplicates: int = 0  # a message is there twice
    parks: int = 0  # a message was not ready for so long that it is given up
    damages: int = 0  # a page goes bad, and a reader sends a repair hint
    backfills: int = 0  # reconcile sends a hint, whatever the table holds
    passes: int = 0  # at rest, reconcile sends a hint for what differs


NO_FAULTS: Final = Budget()


@dataclass(frozen=True)
class Configuration:
    """What may happen in one exploration.

    Attributes:
        life: what happens to the image set, in this order.
        budget: the faults.
        also: messages that are sent besides, as soon as the image set is there: false ones, repairs, a backfill's.
        lag: until time has passed any read of HealthImaging may answer 404, GetImageSet an older version, and a deleted
            image set may look alive; only then does a hint count as old. Without lag it does from the beginning.
        revisions: of the profile. While the second is being deployed runs of both codes begin.
        packings: how many contents one generation's pages can have.
        pages: how many pages the versions 1, 2 and 3 have.
        runs: how many go on at a time.
        reading: whether a reader reads all the time.
        items: what the table holds at first.
        watch: the harms that are looked for.
    """

    name: str
    life: tuple[Change, ...]
    budget: Budget = NO_FAULTS
    also: tuple[Hint, ...] = ()
    lag: bool = False
    revisions: Literal[1, 2] = 1
    packings: int = 1
    pages: tuple[int, int, int] = (2, 1, 2)
    runs: int = 2
    reading: bool = False
    items: Mapping[Any, Any] | None = None
    protocol: type[Protocol] = Protocol
    watch: frozenset[Harm] = frozenset(Harm)


# ---------------------------------------------------------------------------------------------------------- explorer
#
# The parts of a moment are made once each and compared by identity, and what each can do next is worked out once.


class _HealthImaging:
    """The image set in HealthImaging, which code runs, and whether time has passed (`settled`)."""

    def __init__(self, configuration: Configuration, step: int, phase: int, settled: bool) -> None:
        self.configuration, self.step, self.phase, self.settled = configuration, step, phase, settled
        past = configuration.life[:step]
        self.version = sum(change.versions for change in past)
        self.state = past[-1].state if past else "GONE"
        self.deleted = self.state in ("DELETED", "GONE")
        self.revisions = ((1,), (1, 2), (2,))[phase]
        self.over = step == len(configuration.life) and settled and self.revisions == (configuration.revisions,)

    def answers(self, call: Asked) -> list[State | Document | None]:
        """All that a call may be answered."""
        late = not self.settled
        if isinstance(call, GetImageSet):
            if self.state == "GONE":
                return [None]
            stale = [None, *(State("ACTIVE", version) for version in range(1, self.version))]
            if self.state == "DELETED":
                stale.append(State("ACTIVE", self.version))
            return [State(self.state, self.version), *(stale if late else [])]
        version = call.version or self.version
        if version > self.version or self.state == "GONE" or (self.state == "DELETED" and not late):
            return [None]
        pages = self.configuration.pages[version - 1]
        documents = [Document(version, packing, pages) for packing in range(self.configuration.packings)]
        return [*documents, *([None] if late else [])]

    def reconciled(self) -> Hint:
        """The hint that reconcile sends."""
        return Hint("Deleted") if self.deleted else Hint("Reconcile", self.version)


class _Table:
    """The items of the image set's partition. `shown` is the newest that could be found until now."""

    def __init__(self, items: Items, shown: Generation) -> None:
        self.items = items
        self.entry: Entry | None = items.get(ENTRY)
        self.attempts = _attempts(tuple(items.items()))
        own = pages_of(self.entry) if self.entry else []
        shows = _shows(self.entry)
        # An entry that was there and is no more has been deleted, as the users of the index see it.
        self.hides = shows == TOMBSTONE or (self.entry is None and shown > NOTHING)
        self.shown = TOMBSTONE if self.hides else max(shown, shows)
        self.intact = [page for page in own if items.get(page) != DAMAGED]
        self.damaged = len(self.intact) < len(own)
        self.residue = any(isinstance(part, Page) and part not in own for part in items)
        self.harms: set[Harm] = set()
        if not self.hides and shows < self.shown:
            self.harms.add(Harm.RESURRECTION if self.shown == TOMBSTONE else Harm.REGRESSION)
        if self.entry and not all(items.get(page) in (self.entry.content, DAMAGED) for page in own):
            self.harms.add(Harm.BROKEN)

    def agrees(self, outside: _HealthImaging) -> bool:
        """Whether the index is what HealthImaging holds. What it was never told of need not be buried."""
        if outside.deleted:
            return self.entry == BURIED or (not self.items and outside.configuration.budget.losses > 0)
        now = (outside.version, outside.configuration.revisions)
        right = self.entry is not None and self.entry.content[:2] == now and not self.damaged
        return right and self.items.get(STUDY, 1) == 1


def _shows(entry: Entry | None) -> Generation:
    """What an entry really is, whatever its label says."""
    return Generation(*entry.content[:2], entry.generation.repair) if entry else NOTHING


class _Frame:
    """Where a program stands: in which procedure, with which arguments and answers, and what it calls next."""

    def __init__(self, number: int, key: tuple[Any, ...], call: Call) -> None:
        self.number, self.key, self.call = number, key, call
        self.run: Run = key[0]
        self.attempts = _attempts(key)
        self.outcomes: dict[Any, list[Any]] = {}


class Moment(NamedTuple):
    """A state of everything, between two steps."""

    outside: _HealthImaging
    table: _Table
    queue: tuple[Hint, ...]
    runs: tuple[_Frame, ...]
    reader: _Frame | None
    budget: Budget

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way, and nothing more is to come."""
        return not self.queue and not self.runs and self.outside.over


# Who does what: parts that `_words` makes a sentence of.
Step: TypeAlias = tuple[Any, ...]
_KILLED: Final = "killed before that"
_in_order: Final = attrgetter("number")
_READER: Final = Run(Hint("Updated"), 1, old=True)


class _Explorer:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._frames: dict[Any, Any] = {}
        self._tables: dict[Any, _Table] = {}
        self._outside = cache(lambda *parts: _HealthImaging(configuration, *parts))

    def first(self) -> Moment:
        table = self._table(dict(self._configuration.items or {}), NOTHING)
        outside = self._outside(0, 0, not self._configuration.lag)
        return Moment(outside, table, (), (), None, self._configuration.budget)

    def following(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        """Everything that can happen next."""
        yield from self._changes(now)
        yield from self._faults(now)
        yield from self._deliveries(now)
        yield from self._calls(now)
        if self._configuration.reading:
            yield from self._reads(now)

    def _changes(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        step, phase, settled = now.outside.step, now.outside.phase, now.outside.settled
        life, revisions = self._configuration.life, self._configuration.revisions
        if step < len(life):
            change = life[step]
            outside = self._outside(step + 1, phase, settled)
            also = () if step else self._configuration.also
            event = (Hint(change.kind, change.says or outside.version),) if change.kind else ()
            after = now._replace(outside=outside, queue=_plus(now.queue, *event, *also))
            yield ("the image set", change.name), after
            if event and now.budget.losses:
                lost = after._replace(queue=_plus(now.queue, *also), budget=_spend(now.budget, "losses"))
                yield ("the image set", change.name, "and the event is lost"), lost
        if step and not settled:
            yield ("time passes",), now._replace(outside=self._outside(step, phase, True))
        if step and phase < 2 * (revisions - 1):
            what = ("a new profile is deployed", "the old code begins no more runs")[phase]
            yield (what,), now._replace(outside=self._outside(step, phase + 1, settled))

    def _faults(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        outside, table, queue, runs, _, budget = now
        if budget.kills:
            left = _spend(budget, "kills")
            for place, frame in enumerate(runs):
                back = _plus(queue, frame.run.hint)
                yield (frame, _KILLED), now._replace(queue=back, runs=runs[:place] + runs[place + 1 :], budget=left)
        if budget.late:
            left = _spend(budget, "late")
            for place, frame in enumerate(runs):
                if isinstance(frame.call, (Put, Delete)):
                    sent = self._frame(frame.run, "late", (frame.call,), ())
                    back = _plus(queue, frame.run.hint)
                    rest = _with(runs[:place] + runs[place + 1 :], sent)
                    yield (frame, _KILLED), now._replace(queue=back, runs=rest, budget=left)
        if budget.duplicates:
            left = _spend(budget, "duplicates")
            for hint in dict.fromkeys(queue):
                yield (hint, "is doubled"), now._replace(queue=_plus(queue, hint), budget=left)
        if budget.damages:
            left, told = _spend(budget, "damages"), _plus(queue, Hint("Repair"))
            for page in table.intact:
                damaged = self._table(table.items | {page: DAMAGED}, table.shown)
                yield (page, "is damaged"), now._replace(table=damaged, queue=told, budget=left)
        if budget.backfills and outside.step:
            hint, left = outside.reconciled(), _spend(budget, "backfills")
            yield ("a backfill sends", hint), now._replace(queue=_plus(queue, hint), budget=left)
        if budget.passes and now.at_rest and not table.agrees(outside):
            hint, left = Hint("Repair") if table.damaged else outside.reconciled(), _spend(budget, "passes")
            yield ("reconcile sends", hint), now._replace(queue=(hint,), budget=left)

    def _deliveries(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        if len(now.runs) < self._configuration.runs:
            for hint in dict.fromkeys(now.queue):
                queue = _minus(now.queue, hint)
                for revision in now.outside.revisions:
                    frame = self._frame(Run(hint, revision, now.outside.settled), "handle", (), ())
                    begun = _with(now.runs, frame) if isinstance(frame, _Frame) else now.runs
                    yield (hint, "is delivered"), now._replace(queue=queue, runs=begun)

    def _calls(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        outside, table, queue, runs, reader, budget = now
        for place, frame in enumerate(runs):
            others = runs[:place] + runs[place + 1 :]
            for answer, then, written in self._outcomes(frame, outside, table):
                if then.__class__ is _Frame:
                    if then.call.__class__ is NewAttempt:
                        then = self._attempting(then, table, others, reader)  # noqa: PLW2901
                    yield (frame, answer), now._replace(table=written, runs=_with(others, then))
                    continue
                gone = now._replace(table=written, runs=others)
                back = gone._replace(queue=_plus(queue, frame.run.hint))
                if then == "again":
                    yield (frame, answer, then), back
                    if budget.parks:
                        yield (frame, answer, "parked"), gone._replace(budget=_spend(budget, "parks"))
                else:
                    yield (frame, answer, then), gone
                    if budget.kills:
                        yield (frame, answer, "killed then"), back._replace(budget=_spend(budget, "kills"))

    def _reads(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        frame = now.reader or self._frame(_READER, "read", (), ())
        for answer, then, _ in self._outcomes(frame, now.outside, now.table):
            going_on = isinstance(then, _Frame)
            yield (frame, answer, None if going_on else then), now._replace(reader=then if going_on else None)

    def harms(self, step: Step, now: Moment) -> set[Harm]:
        """What must not be seen and is, when a step has led to this moment."""
        found = set(now.table.harms)
        if now.table.hides and not now.outside.deleted:
            found.add(Harm.HIDDEN)
        answer = step[-1]
        if isinstance(answer, Answer) and answer.contents != (answer.entry.content,) * answer.entry.pages:
            found.add(Harm.TORN)
        if now.at_rest:
            agrees = now.table.agrees(now.outside)
            if not agrees and not now.budget.passes:
                found.add(Harm.DIVERGED)
            if now.table.residue and (agrees or not now.budget.passes):
                found.add(Harm.RESIDUE)
        return found & self._configuration.watch

    def _outcomes(self, frame: _Frame, outside: _HealthImaging, table: _Table) -> list[Any]:
        """The answers that a frame's call may get, each with what follows and the table after it."""
        call: Any = frame.call
        asks = isinstance(call, (GetImageSet, GetImageSetMetadata))
        place = (outside, table) if asks else table
        if place not in frame.outcomes:
            if asks:
                answers = [(answer, table) for answer in outside.answers(call)]
            else:
                answer, items = call.on(table.items)
                answers = [(answer, table if items is table.items else self._table(items, table.shown))]
            frame.outcomes[place] = [(answer, self._after(frame, answer), after) for answer, after in answers]
        return frame.outcomes[place]

    def _after(self, frame: _Frame, answer: Any) -> Any:
        run, procedure, arguments, answers = frame.key
        return self._frame(run, procedure, arguments, (*answers, answer))

    def _attempting(self, frame: _Frame, table: _Table, others: Iterable[_Frame], reader: _Frame | None) -> Any:
        used = table.attempts.union(*(other.attempts for other in others), reader.attempts if reader else ())
        return self._after(frame, Attempt(next(number for number in range(len(used) + 1) if number not in used)))

    def _frame(self, *key: Any) -> Any:
        """Where a run's procedure stands after its answers, or how it ended."""
        if key not in self._frames:
            run, procedure, arguments, answers = key
            program: Program = getattr(self._configuration.protocol(run), procedure)(*arguments)
            try:
                call = next(program)
                for answer in answers:
                    call = program.send(answer)
                self._frames[key] = _Frame(len(self._frames), key, call)
            except StopIteration as end:
                then = end.value
                if inspect.isgenerator(then):
                    code, given = then.gi_code, inspect.getgeneratorlocals(then)
                    named = tuple(given[name] for name in code.co_varnames[1 : code.co_argcount])
                    then = self._frame(run, code.co_name, named, ())
                self._frames[key] = then
        return self._frames[key]

    def _table(self, items: Items, shown: Generation) -> _Table:
        key = (frozenset(items.items()), shown)
        if key not in self._tables:
            table = _Table(items, shown)
            self._tables[key] = self._tables.setdefault((key[0], table.shown), table)
        return self._tables[key]


def _with(runs: tuple[_Frame, ...], frame: _Frame) -> tuple[_Frame, ...]:
    """Which run is which does not matter, so they stand in one order."""
    return tuple(sorted((*runs, frame), key=_in_order)) if runs else (frame,)


@cache
def _plus(queue: tuple[Hint, ...], *hints: Hint) -> tuple[Hint, ...]:
    return tuple(sorted((*queue, *hints)))


@cache
def _minus(queue: tuple[Hint, ...], hint: Hint) -> tuple[Hint, ...]:
    place = queue.index(hint)
    return queue[:place] + queue[place + 1 :]


@cache
def _spend(budget: Budget, what: str) -> Budget:
    return budget._replace(**{what: getattr(budget, what) - 1})


def _attempts(value: Any) -> set[int]:
    if isinstance(value, Attempt):
        return {value}
    return set().union(*map(_attempts, value)) if isinstance(value, tuple) else set()


# --------------------------------------------------------------------------------------------------------------- run


class Violation(NamedTuple):
    """A harm, and the steps of a shortest way to it."""

    harm: str
    steps: list[str]

    def __str__(self) -> str:
        return "\n".join([self.harm, *(f"{number:3} {step}" for number, step in enumerate(self.steps, 1))])


class Report(NamedTuple):
    """How many states were seen, whether they are all there are, and what was found."""

    states: int
    exhaustive: bool
    violation: Violation | None


def run(configuration: Configuration, limit: int) -> Report:
    """Go through a configuration's states, nearest first, until all or `limit` were seen or one must not be."""
    explorer = _Explorer(configuration)
    first = explorer.first()
    whence: dict[Moment, Moment | None] = {first: None}
    waiting = [first]
    # Millions of small tuples that live to the end: the collector would look through them again and again.
    gc.disable()
    try:
        for moment in waiting:
            for step, after in explorer.following(moment):
                if after in whence and step[-1].__class__ is not Answer:
                    continue
                if harms := explorer.harms(step, after):
                    way = [*_way(explorer, whence, moment), _words(step)]
                    return Report(len(whence), False, Violation(" and ".join(sorted(harms)), way))
                if after not in whence:
                    whence[after] = moment
                    waiting.append(after)
            if len(whence) >= limit:
                return Report(len(whence), False, None)
        return Report(len(whence), True, None)
    finally:
        gc.enable()


def _way(explorer: _Explorer, whence: Mapping[Moment, Moment | None], moment: Moment) -> list[str]:
    steps: list[str] = []
    while (before := whence[moment]) is not None:
        steps.append(next(_words(step) for step, after in explorer.following(before) if after == moment))
        moment = before
    return steps[::-1]


def _words(step: Step) -> str:
    frame, *parts = step
    if not isinstance(frame, _Frame):
        return " ".join(map(str, step))
    who = "the reader" if frame.run is _READER else f"{frame.run.hint} r{frame.run.revision}"
    return f"{who}: {_say(frame.call)} -> " + ", ".join(map(_say, parts))


def _say(part: Any) -> str:
    if callable(part):
        return f"if {part.__name__}"
    if isinstance(part, tuple) and "__str__" not in type(part).__dict__:
        name = "" if type(part) is tuple else type(part).__name__
        return " ".join([name, *(_say(each) for each in part if each is not None)]).strip() or "none"
    return str(part)


# ---------------------------------------------------------------------------------------------------- configurations

_TWO: Final = (CREATED, MERGED)
_TWO_GONE: Final = (CREATED, MERGED, DELETED)
_TWO_ASKED_GONE: Final = (CREATED, UPDATED, DELETED)
_FALSE: Final = (Hint("Deleted", 1),)
_LIE: Final = MERGED._replace(says=1)
_LAST_LIE: Final = DELETED._replace(says=1)
# A write that lands after its run was killed can leave a page, which is what the full reconcile pass is for.
_BUT_RESIDUE: Final = frozenset(Harm) - {Harm.RESIDUE}

# What is explored on every change, a move at a time and to the last state: 0.9 million.
CONFIGURATIONS: Final = [
    Configuration("a whole life", (CREATED, UPDATING, UPDATED, DELETED, PURGED), Budget(kills=1)),
    Configuration("two kills", _TWO, Budget(kills=2)),
    Configuration("three runs", _TWO_GONE, Budget(kills=1), runs=3),
    Configuration("three versions", (CREATED, MERGED, UPDATED, DELETED)),
    Configuration("a reader", (CREATED, MERGED, MERGED, DELETED), reading=True),
    Configuration("duplicates", _TWO_GONE, Budget(duplicates=2)),
    Configuration("lag and a false Deleted", (*_TWO_ASKED_GONE, PURGED), also=_FALSE, lag=True),
    Configuration("a version that lags", (CREATED, UPDATED, UPDATED), lag=True),
    Configuration("a version that never comes", (CREATED._replace(says=3), UPDATED), Budget(kills=1), lag=True),
    Configuration("parked", (CREATED,), Budget(kills=1, parks=1, passes=1), also=(Hint("Updated"),), lag=True),
    Configuration("a backfill", _TWO_GONE, Budget(backfills=1)),
    Configuration("lost events", (*_TWO_GONE, PURGED), Budget(kills=1, losses=3, passes=1)),
    Configuration("lies", (CREATED, _LIE, _LAST_LIE), Budget(kills=1, passes=1), also=(Hint("Created", 2),)),
    Configuration("repairs", (CREATED,), Budget(kills=1, damages=2, passes=1)),
    Configuration("repairs, deleted", (CREATED, DELETED), Budget(damages=2, passes=1)),
    Configuration("a new profile", _TWO, Budget(kills=1, passes=1), revisions=2),
    Configuration("two contents", _TWO, Budget(kills=1, duplicates=1), packings=2),
    Configuration("late writes", _TWO, Budget(late=1, duplicates=1), watch=_BUT_RESIDUE),
]

# What is explored besides on demand: 25 million, and as much of the last one as the limit allows.
PROVE: Final = [
    Configuration("three kills", _TWO_GONE, Budget(kills=3)),
    Configuration("two hints of a backfill", _TWO_GONE, Budget(backfills=2)),
    Configuration("three runs, a duplicate", _TWO_GONE, Budget(duplicates=1), runs=3),
    Configuration("three runs, three versions", (CREATED, MERGED, UPDATED, DELETED), runs=3),
    Configuration("three runs, three versions, a kill", (CREATED, MERGED, MERGED), Budget(kills=1), runs=3),
    Configuration("a reader, a kill", (CREATED, MERGED, MERGED, DELETED), Budget(kills=1), reading=True),
    Configuration("a reader, repairs", _TWO, Budget(kills=1, damages=1, passes=1), packings=2, reading=True),
    Configuration("lag, a false Deleted, three runs", _TWO_ASKED_GONE, also=_FALSE, lag=True, runs=3),
    Configuration("lag, a false Deleted, a kill", (*_TWO_ASKED_GONE, PURGED), Budget(kills=1), also=_FALSE, lag=True),
    Configuration("lag, a backfill", (*_TWO_ASKED_GONE, PURGED), Budget(kills=1, backfills=1), lag=True),
    Configuration("parked, deleted", _TWO_ASKED_GONE, Budget(kills=1, parks=1, passes=1), also=_FALSE, lag=True),
    Configuration(
        "lies of three versions",
        (CREATED, _LIE, UPDATED._replace(says=1), _LAST_LIE),
        Budget(kills=1, passes=1),
        also=(Hint("Created", 3),),
    ),
    Configuration("repairs, two contents", _TWO, Budget(kills=1, damages=2, passes=1), packings=2),
    Configuration("a new profile, a backfill", _TWO, Budget(kills=1, backfills=1, passes=1), revisions=2),
    Configuration("a new profile, three runs", _TWO, Budget(backfills=1, passes=1), revisions=2, runs=3),
    Configuration("two contents, three runs", (CREATED,), Budget(kills=1, duplicates=2), packings=2, runs=3),
    Configuration("two late writes", _TWO_GONE, Budget(late=2, duplicates=1), watch=_BUT_RESIDUE),
    Configuration(
        "everything at once",
        _TWO_ASKED_GONE,
        Budget(kills=1, losses=1, parks=1, passes=1),
        also=_FALSE,
        lag=True,
        revisions=2,
        packings=2,
    ),
]
