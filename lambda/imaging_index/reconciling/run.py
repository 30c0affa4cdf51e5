"""One step of reconciling: which passes are under way or due, and working on them until the deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.aws_errors import classify
from imaging_index.faults import Overload, Unknown
from imaging_index.reconciling import ghosts, lanes, listing, orphans
from imaging_index.reconciling.calls import TimeIsUp
from imaging_index.reconciling.checkpoint import Day, End, Finished, Pass, Segment, Stage
from imaging_index.reconciling.counts import Difference
from imaging_index.reconciling.digest import CELLS, Digest
from imaging_index.reconciling.refusals import Refused
from imaging_index.reconciling.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging_index.reconciling.calls import Calls
    from imaging_index.reconciling.keeping import Keeper, Kept
    from imaging_index.reconciling.pacing import Clock

# A full pass lists all image sets: none is older.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A pass leaves out where it begins.
_INSTANT: Final = timedelta(microseconds=1)
# Pauses in seconds after AWS did not answer.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
# A digest grows to 64 times its usual size at most, 9 MB.
_MOST_CELLS: Final = 64 * CELLS
# So many 404s are remembered for the next full pass.
_MOST_UNSURE: Final = 1_000


# What a pass waits for whose hints find a full queue.
ROOM: Final = "room in the queue"


class Progress(msgspec.Struct, frozen=True):
    """Where a step is, or ended.

    Attributes:
        done: whether nothing that is wanted is left to do.
        current: the pass under way; None when there is none.
        share: of its stage, 0 to 1, by the time range or the parts of the table that are through.
        finished: the passes that ended in this step, in their order.
        blocked: why it does not go on without a person: more ghosts than are buried unasked; None when it does.
        waited_for: what AWS did not answer at last, such as "SearchImageSets: ThrottlingException", or `ROOM`; None
            when it did.
    """

    done: bool
    current: Pass | None
    share: float
    finished: list[Finished]
    blocked: str | None = None
    waited_for: str | None = None


class Run:
    """One step over the checkpoint that `kept` holds."""

    def __init__(
        self,
        calls: Calls,
        keeper: Keeper,
        kept: Kept,
        clock: Clock,
        deadline: datetime,
        observe: Callable[[Progress], None],
        begun: set[datetime],
    ) -> None:
        """Work until `deadline`; `observe` is called after each round, `begun` are the passes that we have begun."""
        self._calls = calls
        self._settings = calls.settings
        self._keeper = keeper
        self._kept = kept
        self._checkpoint = kept.checkpoint
        self._clock = clock
        self._deadline = deadline
        self._observe = observe
        self._begun = begun
        self._saved = clock.now()
        self._knows_the_time = False
        self._searches = 0
        self._finished: list[Finished] = []
        self._waited_for: str | None = None
        self._pause = _FIRST_PAUSE

    def run(self) -> Progress:
        """All of it. What AWS refuses for good passes through as it came."""
        for scope in self._wanted():
            if not self._reach(scope):
                return self._progress(self._under_way(scope))
        return self._progress(None, done=True)

    def save(self) -> None:
        """Keep what was reached.

        Raises:
            Busy: another run has taken the lease.
            Exception: DynamoDB refuses for good, or until the deadline.
        """
        while True:
            try:
                self._keeper.save(self._kept)
                break
            except Exception as error:
                if self._clock.now() >= self._deadline:
                    raise
                self._wait_after(error)
        self._saved = self._clock.now()

    # --- which passes

    def _wanted(self) -> list[Scope]:
        settings, checkpoint = self._settings, self._checkpoint
        if not settings.scheduled:
            return [settings.scope]
        last = checkpoint.last.get(Scope.FULL)
        due = settings.full_every is not None and (
            last is None or self._clock.now() - last.began >= settings.full_every
        )
        return [Scope.INCREMENTAL, Scope.FULL] if due or checkpoint.full else [Scope.INCREMENTAL]

    def _under_way(self, scope: Scope) -> Pass | None:
        return self._checkpoint.full if scope is Scope.FULL else self._checkpoint.short

    def _reach(self, scope: Scope) -> bool:
        """Finish a pass of a scope, the one under way or a new one. Returns whether it is finished."""
        one = self._under_way(scope)
        if one and self._is_given_up(one):
            one = self._begin(one.scope, one)
            if one is None:
                return False
        if one and scope is not Scope.FULL and one.began not in self._begun:
            # An earlier run's leaves out what was changed since it began, or begins elsewhere: a new one follows.
            if not self._work(one):
                return False
            one = None
        one = one or self._begin(scope)
        return one is not None and self._work(one)

    def _is_given_up(self, one: Pass) -> bool:
        """Whether a new pass replaces one under way.

        Either it compares with what is not deployed any more, or its digest is lost, or it waits for a person to say
        that ghosts are to be buried, who says nothing of it, or the next one is due.
        """
        settings = self._settings
        lost = one.scope is Scope.FULL and not len(self._kept.digest)
        if lost or (one.revision, one.entry_format) != (settings.revision, settings.entry_format):
            return True
        every = settings.full_every
        due = every is not None and self._clock.now() - one.began >= every
        return self._is_blocked(one) and (due or not settings.scheduled)

    def _begin(self, scope: Scope, old: Pass | None = None) -> Pass | None:
        """A new pass, with what the `old` one that it replaces was allowed; None when AWS does not answer in time."""
        settings, checkpoint = self._settings, self._checkpoint
        while not self._knows_the_time:
            try:
                self._learn_the_time()
            except Exception as error:
                self._wait_after(error)
                if self._clock.now() >= self._deadline:
                    return None
        began = self._calls.now()
        full = scope is Scope.FULL
        # A watermark ahead of the time is that of a wrong clock.
        low = _FIRST if full else min(checkpoint.watermark or began, began) - settings.overlap
        if settings.since:
            if settings.since > began:
                raise Refused(
                    f"By HealthImaging's clock it is {began:%Y-%m-%d %H:%M} UTC, and the moment to begin at is later. "
                    "Set the clock of this machine."
                )
            low = settings.since - _INSTANT
        low = old.low if old else low
        one = Pass(
            scope=scope,
            began=began,
            low=low,
            revision=settings.revision,
            entry_format=settings.entry_format,
            scheduled=old.scheduled if old else settings.scheduled,
            most_dollars=old.most_dollars if old else settings.most_dollars,
            lanes=[lanes.lane(low, began)],
        )
        self._begun.add(began)
        if full:
            checkpoint.full, self._kept.digest = one, Digest(max(checkpoint.cells, settings.cells))
        else:
            checkpoint.short = one
        self.save()
        return one

    def _learn_the_time(self) -> None:
        if not self._knows_the_time:
            self._calls.learn_the_time()
            self._knows_the_time = True
            self._searches = 1

    # --- one pass

    def _work(self, one: Pass) -> bool:
        """Go on with a pass. Returns whether it is finished."""
        one.ghosts = one.ghosts or self._settings.ghosts
        while not self._is_blocked(one):
            begun, spent, end = self._clock.now(), one.dollars, None
            self._limit(one)
            try:
                self._learn_the_time()
                end = self._round(one)
                self._waited_for, self._pause = None, _FIRST_PAUSE
            except Exception as error:
                self._wait_after(error)
            one.counts.searches += self._searches
            self._searches = 0
            now = self._clock.now()
            one.seconds += (now - begun).total_seconds()
            self._spend(one, one.dollars - spent)
            if end is not None:
                self._finish(one, end)
                return True
            if now - self._saved >= self._settings.save_every:
                self.save()
            self._observe(self._progress(one))
            if now >= self._deadline:
                break
        return False

    def _round(self, one: Pass) -> End | None:
        """The next piece of work; how the pass ended, if it did."""
        calls, deadline, keep, digest = self._calls, self._deadline, self.save, self._kept.digest
        if one.stage is Stage.COMPARING:
            if one.lanes:
                listing.compare(calls, one, digest, self._checkpoint.watermark, deadline, keep)
                return None
            if one.scope is not Scope.FULL:
                return End.WHOLE
            one.stage, one.segments = Stage.SCANNING, [Segment(number) for number in range(self._settings.lanes)]
        if one.stage is Stage.SCANNING:
            if not all(segment.done for segment in one.segments):
                ghosts.scan(calls, one, digest, deadline, keep)
                return None
            one.stage = Stage.DOCUMENTS
        if one.stage is Stage.DOCUMENTS:
            if calls.keeps_documents and not orphans.delete(calls, one, digest):
                return None
            absent = digest.taken_off()
            if absent is None:
                self._checkpoint.cells = min(2 * len(digest), _MOST_CELLS)
                return End.TOO_MANY_DIFFERENCES
            one.stage = Stage.LOOKING_AGAIN
            one.lanes = [lanes.lane(one.began - self._settings.overlap, calls.now())] if absent else []
        elif one.stage is Stage.LOOKING_AGAIN:
            if one.lanes:
                listing.look_again(calls, one, digest)
            else:
                one.stage = Stage.ASKING
        elif one.stage is Stage.ASKING:
            if ghosts.ask(calls, one, digest, self._checkpoint.unsure, deadline, keep):
                one.stage = Stage.BURYING
        elif ghosts.bury(calls, one, digest, deadline, keep):
            return End.WHOLE
        return None

    def _is_blocked(self, one: Pass) -> bool:
        """Whether ghosts are found, and a person has to say that so many are to be buried."""
        asked = self._settings.apply and not self._settings.ghosts
        return asked and one.stage is Stage.BURYING and ghosts.too_many(one)

    def _finish(self, one: Pass, end: End) -> None:
        checkpoint = self._checkpoint
        ended = self._calls.now()
        finished = Finished(one.scope, one.began, ended, end, one.counts, one.dollars, one.seconds)
        checkpoint.last[one.scope] = finished
        self._finished.append(finished)
        # The begin is the new watermark, never the end: what was changed meanwhile may have been missed. And not where
        # something lies between the old one and this pass.
        if checkpoint.watermark is None or one.low <= checkpoint.watermark:
            checkpoint.watermark = max(checkpoint.watermark or one.began, one.began)
        if one.scope is Scope.FULL:
            if end is End.WHOLE:
                checkpoint.unsure = one.unsure[:_MOST_UNSURE]
            checkpoint.full, self._kept.digest = None, Digest(0)
        else:
            checkpoint.short = None
        self.save()

    # --- dollars

    def _limit(self, one: Pass) -> None:
        """Allow a scheduled pass what is left of the day's dollars."""
        most = self._settings.most_dollars
        if not one.scheduled or not self._settings.scheduled or most is None:
            return
        today = self._clock.now().date().isoformat()
        if self._checkpoint.today.date != today:
            self._checkpoint.today = Day(today)
        one.most_dollars = one.dollars + max(most - self._checkpoint.today.dollars, 0.0)

    def _spend(self, one: Pass, dollars: float) -> None:
        if one.scheduled:
            self._checkpoint.today.dollars += dollars

    # --- what is reported

    def _wait_after(self, error: Exception) -> None:
        """Wait after a failure that passes.

        Raises:
            Exception: the failure, when it does not pass.
        """
        if isinstance(error, TimeIsUp):
            self._waited_for = ROOM
            return
        fault = classify(error)
        if not isinstance(fault, Overload | Unknown):
            raise error
        self._waited_for = fault.reason
        if isinstance(fault, Overload):
            self._calls.slower()
        left = (self._deadline - self._clock.now()).total_seconds()
        self._clock.sleep(max(min(self._pause, left), 0.0))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _progress(self, one: Pass | None, *, done: bool = False) -> Progress:
        blocked = None
        if one and self._is_blocked(one):
            blocked = f"HealthImaging has deleted {one.counts.of(Difference.GHOST)} image sets that are in the index."
        return Progress(done, one, _share(one) if one else 1.0, self._finished, blocked, self._waited_for)


def _share(one: Pass) -> float:
    """How much of its stage is through."""
    if one.stage is Stage.COMPARING:
        return lanes.share(one.lanes, one.low, one.began)
    if one.stage is Stage.SCANNING:
        return sum(segment.done for segment in one.segments) / max(len(one.segments), 1)
    return 0.0
