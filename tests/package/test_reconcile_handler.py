"""The function of the schedule: its time is shared, and one data store does not keep the others from being compared."""

from __future__ import annotations

import importlib
import io
import json
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from imaging_index.reconciling.checkpoint import Checkpoint, End, Finished
from imaging_index.reconciling.counts import Counts, Difference, Tier
from imaging_index.reconciling.keeping import Status
from imaging_index.reconciling.refusals import Busy, Refused
from imaging_index.reconciling.run import ROOM, Progress
from imaging_index.reconciling.settings import Scope
from proof.harness.pipeline import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

RECONCILE = VARIABLES | {
    "DOLLARS": "2.5",
    "FULL_DAYS": "7",
    "GENERATION": "2.3",
    "MAXIMUM_CONCURRENCY": "8",
    "MEAN_MEGABYTES": "40.0",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
}
NOW = datetime.now(UTC)
DONE = Progress(done=True, current=None, share=1.0, finished=[])
MORE = Progress(done=False, current=None, share=0.5, finished=[])
WAITS = Progress(done=False, current=None, share=0.5, finished=[], waited_for="SearchImageSets: ThrottlingException")
BLOCKED = Progress(done=False, current=None, share=1.0, finished=[], blocked="many ghosts")


def finished(scope: Scope, counts: Counts | None = None) -> Finished:
    return Finished(scope, NOW, NOW - timedelta(minutes=5), End.WHOLE, counts or Counts(), 0.25, 3.0)


class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "request"

    def __init__(self, seconds: float) -> None:
        self._milliseconds = seconds * 1000

    def get_remaining_time_in_millis(self) -> float:
        return self._milliseconds


class Stub:
    """A data store's reconciler, whose steps come to `ends`, one after the other; the last one again and again."""

    def __init__(self, *ends: Progress | Exception) -> None:
        self.ends, self.given = list(ends), list[float]()

    def step(self, deadline: datetime) -> Progress:
        self.given.append((deadline - datetime.now(UTC)).total_seconds())
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return end


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in RECONCILE.items():
        monkeypatch.setenv(name, value)
    # Made anew from these variables, and for no other test.
    package = sys.modules["imaging_index"]
    for name in ("handlers.reconcile", "pass_metrics", "observability"):
        monkeypatch.delitem(sys.modules, f"imaging_index.{name}", raising=False)
    for name in ("pass_metrics", "observability"):
        monkeypatch.delattr(package, name, raising=False)
    return importlib.import_module("imaging_index.handlers.reconcile")


@pytest.fixture
def run(handler: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Invoke the handler over some data stores; what it sent as metrics."""

    def invoke(last: Checkpoint | None = None, seconds: float = 600.0, **stubs: Stub) -> dict[str, Any]:
        monkeypatch.setattr(handler, "_datastores", lambda: list(stubs))
        monkeypatch.setattr(handler, "_reconciler", lambda datastore, _: stubs[datastore])
        monkeypatch.setattr(handler, "status", lambda *_: Status(last or Checkpoint(), None, None))
        with redirect_stdout(io.StringIO()) as output:
            handler.handler({}, Context(seconds))
        lines = [json.loads(line) for line in output.getvalue().splitlines()]
        return next((line for line in lines if "_aws" in line), {})

    return invoke


def test_each_data_store_has_its_share_of_the_time_and_what_others_leave(run: Callable[..., Any]) -> None:
    one, two, three = Stub(DONE), Stub(MORE, MORE, DONE), Stub(MORE, DONE)
    run(one=one, two=two, three=three)
    assert one.given == [pytest.approx(190, abs=5)]
    assert two.given == [pytest.approx(each, abs=5) for each in (285, 285, 570)]
    assert three.given == [pytest.approx(570, abs=5)] * 2


@pytest.mark.parametrize(
    "end",
    [Busy("alice", NOW), Refused("no such data store"), RuntimeError("patient"), WAITS, BLOCKED],
    ids=lambda end: type(end).__name__,
)
def test_what_cannot_go_on_is_left_to_the_next_invocation_and_the_others_are_compared(
    run: Callable[..., Any], end: Any
) -> None:
    one, two = Stub(end), Stub(MORE, DONE)
    run(one=one, two=two)
    assert (len(one.given), len(two.given)) == (1, 2)


def test_nothing_is_begun_without_time(run: Callable[..., Any]) -> None:
    one = Stub(DONE)
    run(seconds=20, one=one)
    assert one.given == []


def test_metrics_tell_what_ended_and_how_long_ago_whoever_ended_it(run: Callable[..., Any]) -> None:
    counts = Counts(again=2)
    counts.found(Difference.MISSING, Tier.ARCHIVE, 3, 0.5)
    counts.found(Difference.STALE, Tier.FREQUENT, 1, 0.0)
    counts.refused.add(2, 0.75)
    ended = finished(Scope.INCREMENTAL, counts)
    sent = run(Checkpoint(last={Scope.INCREMENTAL: ended}), one=Stub(Progress(True, None, 1.0, [ended], "many ghosts")))
    assert min(sent["SincePass"]) >= 300
    wanted = {
        "PassSeconds": 3.0, "Missing": 3, "StaleEntry": 1, "StillDifferent": 2, "TierDollars": 0.25,
        "TierDollarsRefused": 0.75, "GhostsRefused": 1,
    }  # fmt: skip
    assert {name: sent[name] for name in wanted} == {name: [value] for name, value in wanted.items()}
    assert "Ghost" not in sent


def test_a_pass_that_found_nothing_sends_no_counts(run: Callable[..., Any]) -> None:
    sent = run(one=Stub(Progress(True, None, 1.0, [structs.replace(finished(Scope.FULL), dollars=0.0)])))
    assert {name for name in sent if name[0].isupper()} == {"PassSeconds"}


@pytest.mark.parametrize("end", [Refused("no such data store"), RuntimeError("patient"), WAITS], ids=repr)
def test_a_data_store_that_could_never_be_compared_rings_though_others_are_compared(
    run: Callable[..., Any], end: Any
) -> None:
    assert run(one=Stub(end))["SincePass"] == [86_400]
    compared = Checkpoint(last={Scope.INCREMENTAL: finished(Scope.INCREMENTAL)})
    assert max(run(compared, one=Stub(end))["SincePass"]) < 86_400


@pytest.mark.parametrize(
    "end",
    [Busy("alice", NOW), BLOCKED, DONE, structs.replace(WAITS, waited_for=ROOM)],
    ids=["busy", "blocked", "done", "no room"],
)
def test_a_first_pass_that_others_make_or_that_is_under_way_rings_nowhere(run: Callable[..., Any], end: Any) -> None:
    assert "SincePass" not in run(one=Stub(end))


def test_without_data_stores_no_pass_is_missed(run: Callable[..., Any]) -> None:
    assert run()["SincePass"] == [0]


def test_the_schedule_compares_everything_only_after_somebody_has_done_so_once(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scope, every in ((Scope.INCREMENTAL, None), (Scope.FULL, timedelta(days=7))):
        known = Status(Checkpoint(last={scope: finished(scope)}), None, None)
        monkeypatch.setattr(handler, "status", lambda *_, known=known: known)
        settings = handler._reconciler("0" * 32, "request")._settings
        assert settings.full_every == every
    assert (settings.revision, settings.entry_format, settings.most_dollars) == (2, 3, 2.5)
    assert settings.mean_bytes == 40 * 2**20
    assert settings.apply
    assert settings.scheduled


def test_listed_data_stores_are_compared_without_asking_which_there_are(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_variables", structs.replace(handler._variables, datastores="a,b"))
    assert handler._datastores() == ["a", "b"]
