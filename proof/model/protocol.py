"""The write protocol, line for line as it is written down. A program is a generator; each `yield` is a call to AWS."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, NamedTuple, TypeAlias

from proof.model.calls import (
    BURIED,
    ENTRY,
    TOMBSTONE,
    Attempt,
    Call,
    Condition,
    Content,
    Delete,
    Document,
    Entry,
    Generation,
    Get,
    GetImageSet,
    GetImageSetMetadata,
    NewAttempt,
    NextPage,
    Page,
    Parts,
    Put,
    State,
    newer,
    pages_of,
)

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
