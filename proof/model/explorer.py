"""Every state that one step can lead to: of a run, a reader, HealthImaging, the queue, or a kill."""

from __future__ import annotations

import inspect
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from proof.model.calls import (
    BURIED,
    DAMAGED,
    ENTRY,
    NOTHING,
    STUDY,
    TOMBSTONE,
    Asked,
    Attempt,
    Call,
    Delete,
    Document,
    Entry,
    Generation,
    GetImageSet,
    GetImageSetMetadata,
    Items,
    NewAttempt,
    Page,
    Put,
    State,
    pages_of,
)
from proof.model.protocol import Answer, Hint, Program, Run
from proof.model.world import Budget, Configuration, Harm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


class Frame:
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
    runs: tuple[Frame, ...]
    reader: Frame | None
    budget: Budget

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way, and nothing more is to come."""
        return not self.queue and not self.runs and self.outside.over


# Who does what: parts that `_words` makes a sentence of.
Step: TypeAlias = tuple[Any, ...]
_KILLED: Final = "killed before that"
_in_order: Final = attrgetter("number")
READER: Final = Run(Hint("Updated"), 1, old=True)


class Explorer:
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
                    begun = _with(now.runs, frame) if isinstance(frame, Frame) else now.runs
                    yield (hint, "is delivered"), now._replace(queue=queue, runs=begun)

    def _calls(self, now: Moment) -> Iterator[tuple[Step, Moment]]:
        outside, table, queue, runs, reader, budget = now
        for place, frame in enumerate(runs):
            others = runs[:place] + runs[place + 1 :]
            for answer, then, written in self._outcomes(frame, outside, table):
                if then.__class__ is Frame:
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
        frame = now.reader or self._frame(READER, "read", (), ())
        for answer, then, _ in self._outcomes(frame, now.outside, now.table):
            going_on = isinstance(then, Frame)
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

    def _outcomes(self, frame: Frame, outside: _HealthImaging, table: _Table) -> list[Any]:
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

    def _after(self, frame: Frame, answer: Any) -> Any:
        run, procedure, arguments, answers = frame.key
        return self._frame(run, procedure, arguments, (*answers, answer))

    def _attempting(self, frame: Frame, table: _Table, others: Iterable[Frame], reader: Frame | None) -> Any:
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
                self._frames[key] = Frame(len(self._frames), key, call)
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


def _with(runs: tuple[Frame, ...], frame: Frame) -> tuple[Frame, ...]:
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
