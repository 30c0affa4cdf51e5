"""The protocol holds in every state of the model, and each of its neighbours that look right is exposed there.

A neighbour is the protocol with one thing done differently; the test names the harm that it does and how many steps the
shortest way to it has.
"""

from typing import Any, NamedTuple

import pytest

from proof.model import configurations, search
from proof.model.calls import (
    BURIED,
    ENTRY,
    NOTHING,
    STUDY,
    TOMBSTONE,
    Condition,
    Content,
    Delete,
    Document,
    Entry,
    Generation,
    Get,
    GetImageSet,
    GetImageSetMetadata,
    Items,
    NewAttempt,
    Page,
    Parts,
    Put,
    State,
    newer,
    pages_of,
)
from proof.model.protocol import Hint, Outcome, Program, Protocol
from proof.model.world import CREATED, DELETED, MERGED, PURGED, UPDATED, Budget, Configuration, Harm


@pytest.mark.parametrize("configuration", configurations.CONFIGURATIONS, ids=lambda configuration: configuration.name)
def test_the_protocol_does_no_harm_in_any_state(configuration: Configuration) -> None:
    report = search.run(configuration, limit=1_000_000)
    assert report.violation is None, f"\n{report.violation}"
    assert report.exhaustive


# ------------------------------------------------------------------------------------------------------- neighbours


class Upserts(Protocol):
    """The latest document over what is there, item by item, at every event; no event of a deletion is listened to."""

    def handle(self) -> Program:
        if self.hint.kind == "Deleted":
            return self.deleted()
        document = yield GetImageSetMetadata(None)
        return self.write(self.entry(NOTHING, None, document)) if document else "again"

    def write(self, entry: Entry) -> Program:
        for page in pages_of(entry):
            yield Put(page, entry.content)
        yield Put(ENTRY, entry)
        return "done"

    def deleted(self) -> Program | Outcome:
        return "done"


class UpsertsWithDeletion(Upserts):
    """And an event of a deletion deletes."""

    def deleted(self) -> Program | Outcome:
        yield Delete(ENTRY)
        for page in (yield Parts(upto=TOMBSTONE)):
            yield Delete(page)
        return "done"


class Idempotent(UpsertsWithDeletion):
    """And each event is handled once."""

    def handle(self) -> Program:
        if (yield Get(self.hint)):
            return "done"
        return (yield from super().handle())

    def write(self, entry: Entry) -> Program:
        yield from super().write(entry)
        yield Put(self.hint, True)
        return "done"


def not_older(stands: Content | Entry | None, item: Content | Entry) -> bool:
    return stands is None or _version(stands) <= _version(item)


def _version(item: Content | Entry) -> float:
    return item.version if isinstance(item, Content) else item.content.version


class EveryItemConditional(UpsertsWithDeletion):
    """Every item is written unless it stands there of a newer version; then the surplus of older ones goes."""

    def write(self, entry: Entry) -> Program:
        for page in pages_of(entry):
            yield Put(page, entry.content, not_older)
        if (yield Put(ENTRY, entry, not_older)):
            for page in (yield Parts(upto=TOMBSTONE)):
                if page.number >= entry.pages:
                    yield Delete(page)
        return "done"


class Transact(NamedTuple):
    """TransactWriteItems: all of it or, when a condition fails, nothing. Answers whether it was written."""

    calls: tuple[Put | Delete, ...]

    def on(self, items: Items) -> tuple[Any, Items]:
        after = items
        for call in self.calls:
            answer, after = call.on(after)
            if answer is False:
                return False, items
        return True, after


class OneTransaction(Protocol):
    """All in one TransactWriteItems; a reader trusts that."""

    def write(self, entry: Entry) -> Program:
        surplus = yield Parts(upto=entry.generation)
        pages = [Put(page, entry.content) for page in pages_of(entry)]
        won = yield Transact((Put(ENTRY, entry, newer), *pages, *map(Delete, surplus)))
        return self.sweep(entry) if won else self.beaten()

    def whole(self, entry: Entry, contents: list[Content]) -> bool:  # noqa: ARG002
        return True


class SweepOfAllOthers(Protocol):
    def sweep(self, entry: Entry, outcome: Outcome = "done") -> Program:
        for page in (yield Parts(upto=TOMBSTONE)):
            if self.obsolete(page, entry):
                yield Delete(page)
        return outcome


class DuplicateWithoutSweep(Protocol):
    def duplicate(self, entry: Entry) -> Outcome:  # noqa: ARG002
        return "done"


class StaleWithoutSweep(Protocol):
    def stale(self, entry: Entry) -> Outcome:  # noqa: ARG002
        return "done"

    def beaten(self) -> Outcome:
        return "done"


class NotReadyWithoutSweep(Protocol):
    def not_ready(self, outcome: Outcome) -> Outcome:
        return outcome


class BuriedWithoutSweep(Protocol):
    """404, and the entry is a tombstone: done at once."""

    def missing(self) -> Program:
        entry = yield Get(ENTRY)
        if entry and entry.generation == TOMBSTONE:
            return "done"
        return (yield from super().missing())


class NoTombstone(Protocol):
    def tombstone(self) -> Program:
        yield Delete(ENTRY)
        for page in (yield Parts(upto=TOMBSTONE)):
            yield Delete(page)
        return "done"


class ReaderWithoutCount(Protocol):
    def whole(self, entry: Entry, contents: list[Content]) -> bool:
        return all(content == entry.content for content in contents)


class EntryFirst(Protocol):
    def write(self, entry: Entry) -> Program:
        won = yield Put(ENTRY, entry, newer)
        for page in pages_of(entry) if won else ():
            yield Put(page, entry.content)
        return self.sweep(entry) if won else self.beaten()


class LatestLabelled(Protocol):
    def fetch(self, version: int) -> GetImageSetMetadata:  # noqa: ARG002
        return GetImageSetMetadata(None)


class MissingIsDeleted(Protocol):
    def missing(self) -> Program:
        return self.tombstone()

    def unreadable(self, version: int) -> Program:  # noqa: ARG002
        if (yield GetImageSet()) is None:
            return self.tombstone()
        return self.not_ready(self.later)


class MissingIsDeletedWhenSaid(Protocol):
    tries = 1

    def missing(self) -> Program:
        if self.hint.kind != "Deleted":
            return (yield from super().missing())
        for _ in range(self.tries - 1):
            if (yield GetImageSet()):
                return self.not_ready("again")
        return self.tombstone()


class MissingIsDeletedAfterTries(MissingIsDeletedWhenSaid):
    tries = 3


class ActiveAtOnce(Protocol):
    """A Deleted hint for what HealthImaging says is there is taken for an update at the first try."""

    def handle(self) -> Program:
        self.old = True
        return (yield from super().handle())


class TombstoneOfTheEvent(Protocol):
    def tombstone(self) -> Program:
        buried = BURIED._replace(generation=Generation(self.hint.version, 99, 0))
        yield Put(ENTRY, buried, newer)
        return self.sweep(buried)


class FirstAnswerBelieved(Protocol):
    """GetImageSet's first ACTIVE answer counts, though the hint names a newer version."""

    def ahead(self, state: State) -> bool:  # noqa: ARG002
        return self.hint.kind == "Deleted"


class NeverComes(Protocol):
    """A Created whose version does not exist waits until it is parked."""

    def settles(self, state: State | None, version: int) -> bool:  # noqa: ARG002
        return False


class DeletedBelieved(Protocol):
    def handle(self) -> Program:
        if self.hint.kind == "Deleted":
            return self.tombstone()
        return (yield from super().handle())


class LiftedTombstone(Protocol):
    def index(self, version: int) -> Program:
        if self.hint.kind != "Reconcile":
            return (yield from super().index(version))
        document = yield self.fetch(version)
        attempt = yield NewAttempt()
        return self.write(self.entry(self.generation(version), attempt, document))

    def condition(self) -> Condition:
        return newer_or_lifted


def newer_or_lifted(stands: Entry | None, entry: Entry) -> bool:
    return newer(stands, entry) or stands == BURIED


class NoAttempt(Protocol):
    def entry(self, generation: Generation, attempt: Any, document: Document) -> Entry:  # noqa: ARG002
        return super().entry(generation, None, document)


class AttemptsNotSwept(Protocol):
    def obsolete(self, page: Page, entry: Entry) -> bool:
        return page.generation < entry.generation


class RepairInPlace(Protocol):
    def repaired(self, generation: Generation) -> Generation:
        return generation

    def condition(self) -> Condition:
        return not_older_generation if self.hint.kind == "Repair" else newer


def not_older_generation(stands: Entry | None, entry: Entry) -> bool:
    return stands is None or stands.generation <= entry.generation


class RepairCompared(Protocol):
    def same_but_for_repair(self, one: Generation, other: Generation) -> bool:
        return one == other


class VersionAlone(Protocol):
    def generation(self, version: int) -> Generation:
        return Generation(version, 0, 0)


class VersionAloneAgain(VersionAlone):
    """And what is of the same version is written again."""

    def duplicate(self, entry: Entry) -> Program:
        document = yield self.fetch(int(entry.generation.version))
        attempt = yield NewAttempt()
        return self.write(self.entry(entry.generation, attempt, document))

    def condition(self) -> Condition:
        return not_older_generation


class Add(NamedTuple):
    """UpdateItem with ADD on a counter."""

    part: str
    number: int

    def on(self, items: Items) -> tuple[Any, Items]:
        return None, items | {self.part: items[self.part] + self.number}


class Counter(Protocol):
    def write(self, entry: Entry) -> Program:
        for page in pages_of(entry):
            yield Put(page, entry.content)
        won = yield Put(ENTRY, entry, newer)
        if won:
            yield Add(STUDY, 1)
        return self.sweep(entry) if won else self.beaten()


def neighbour(name: str, protocol: type[Protocol], harm: Harm, steps: int, **where: Any) -> Any:
    """What is done differently, the harm that it does, the steps of a shortest way to it, and where that is seen."""
    configuration = Configuration(name=name, protocol=protocol, watch=frozenset({harm}), **where)
    return pytest.param(configuration, steps, id=name)


NEW = (CREATED,)
UPDATE = (CREATED, UPDATED)
DELETION = (CREATED, DELETED)
WHOLE = (CREATED, UPDATED, DELETED)
FALSE_DELETED = (Hint("Deleted", 1),)
KILL = Budget(kills=1)


@pytest.mark.parametrize(
    ("configuration", "steps"),
    [
        neighbour("upserts: a removed instance stays", Upserts, Harm.RESIDUE, 11, life=UPDATE),
        neighbour("upserts: a deletion is never seen", Upserts, Harm.DIVERGED, 8, life=DELETION),
        neighbour("upserts and a delete handler", UpsertsWithDeletion, Harm.RESURRECTION, 13, life=WHOLE),
        neighbour("idempotency records", Idempotent, Harm.RESURRECTION, 17, life=WHOLE),
        neighbour("every item conditional: residue", EveryItemConditional, Harm.RESIDUE, 12, life=UPDATE),
        neighbour("every item conditional: resurrection", EveryItemConditional, Harm.RESURRECTION, 14, life=WHOLE),
        neighbour("one transaction", OneTransaction, Harm.TORN, 15, life=UPDATE, reading=True),
        neighbour("a sweep of newer pages too", SweepOfAllOthers, Harm.BROKEN, 16, life=UPDATE),
        neighbour("a duplicate without a sweep", DuplicateWithoutSweep, Harm.RESIDUE, 19, life=UPDATE, budget=KILL),
        neighbour("a stale run without a sweep", StaleWithoutSweep, Harm.RESIDUE, 12, life=DELETION),
        neighbour(
            "parked without a sweep",
            NotReadyWithoutSweep,
            Harm.RESIDUE,
            18,
            life=NEW,
            also=(Hint("Updated"),),
            lag=True,
            budget=Budget(kills=1, parks=1),
        ),
        neighbour(
            "404 under a tombstone without a sweep",
            BuriedWithoutSweep,
            Harm.RESIDUE,
            17,
            life=(*DELETION, PURGED),
            budget=KILL,
        ),
        neighbour("the entry deleted", NoTombstone, Harm.RESURRECTION, 19, life=WHOLE),
        neighbour("a reader without a count", ReaderWithoutCount, Harm.TORN, 19, life=UPDATE, reading=True),
        neighbour("the entry before its pages", EntryFirst, Harm.BROKEN, 5, life=NEW),
        neighbour("the latest, labelled", LatestLabelled, Harm.REGRESSION, 14, life=(CREATED, MERGED, MERGED)),
        neighbour("404 means deleted", MissingIsDeleted, Harm.HIDDEN, 6, life=NEW, lag=True),
        neighbour(
            "404 on Deleted means deleted",
            MissingIsDeletedWhenSaid,
            Harm.HIDDEN,
            4,
            life=NEW,
            lag=True,
            also=FALSE_DELETED,
        ),
        neighbour(
            "404 on Deleted means deleted after tries",
            MissingIsDeletedAfterTries,
            Harm.HIDDEN,
            6,
            life=NEW,
            lag=True,
            also=FALSE_DELETED,
        ),
        neighbour("ACTIVE on Deleted is an update at once", ActiveAtOnce, Harm.DIVERGED, 14, life=DELETION, lag=True),
        neighbour(
            "a tombstone of the event's version: ignored",
            TombstoneOfTheEvent,
            Harm.DIVERGED,
            14,
            life=(CREATED, UPDATED, DELETED._replace(says=1)),
        ),
        neighbour(
            "a tombstone of the event's version: resurrection",
            TombstoneOfTheEvent,
            Harm.RESURRECTION,
            11,
            life=(CREATED, MERGED, DELETED._replace(says=1)),
        ),
        neighbour("an answer that lags believed", FirstAnswerBelieved, Harm.DIVERGED, 14, life=UPDATE, lag=True),
        neighbour("a version that never comes", NeverComes, Harm.DIVERGED, 6, life=(CREATED._replace(says=2),)),
        neighbour("Deleted believed", DeletedBelieved, Harm.HIDDEN, 3, life=NEW, also=FALSE_DELETED),
        neighbour(
            "a tombstone lifted",
            LiftedTombstone,
            Harm.BROKEN,
            10,
            life=NEW,
            also=(Hint("Reconcile", 1),),
            items={ENTRY: BURIED},
        ),
        neighbour(
            "pages without an attempt", NoAttempt, Harm.BROKEN, 12, life=NEW, packings=2, budget=Budget(duplicates=1)
        ),
        neighbour("other attempts not swept", AttemptsNotSwept, Harm.RESIDUE, 13, life=NEW, budget=KILL),
        neighbour("a repair in place", RepairInPlace, Harm.BROKEN, 16, life=NEW, also=(Hint("Repair"),)),
        neighbour(
            "the repair number compared",
            RepairCompared,
            Harm.DIVERGED,
            29,
            life=NEW,
            budget=Budget(damages=2, passes=1),
        ),
        neighbour(
            "the version alone: a new profile never comes",
            VersionAlone,
            Harm.DIVERGED,
            14,
            life=NEW,
            revisions=2,
            budget=Budget(passes=1),
        ),
        neighbour(
            "the version alone: old code undoes the new",
            VersionAloneAgain,
            Harm.REGRESSION,
            15,
            life=NEW,
            revisions=2,
            budget=Budget(duplicates=1),
        ),
        neighbour("a study's counter", Counter, Harm.DIVERGED, 11, life=NEW, budget=KILL, items={STUDY: 0}),
        neighbour("a write after a kill, no reconcile", Protocol, Harm.RESIDUE, 13, life=NEW, budget=Budget(late=1)),
        neighbour("an event lost, no reconcile", Protocol, Harm.DIVERGED, 1, life=NEW, budget=Budget(losses=1)),
    ],
)
def test_a_neighbour_that_looks_right_is_exposed(configuration: Configuration, steps: int) -> None:
    violation = search.run(configuration, limit=1_000_000).violation
    assert violation, "nothing was found"
    assert len(violation.steps) == steps, f"\n{violation}"
