"""`imaging-index reconcile`: options that contradict each other, and what it prints of numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import application
from cli.output import Failure, Misuse, screen
from cli.reconcile import choices, mean_size, showing, work
from cli.reconcile.choices import Choices
from cli.reconcile.showing import Compared
from imaging_index.profile import toml_file
from imaging_index.reconciling.checkpoint import Checkpoint, End, Finished, Pass, Stage
from imaging_index.reconciling.counts import Counts, Difference, Tally, Tier
from imaging_index.reconciling.keeping import Status
from imaging_index.reconciling.settings import LEAST_BYTES, Scope, Settings
from infra import write_units
from infra.config import ROOT

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PLAIN: Any = {
    "full": False, "since": None, "plan": False, "apply": False, "status": False, "most_dollars": None,
    "mean_size": None, "ghosts": False,
}  # fmt: skip
STORE = "0123456789abcdef" * 2


class Stack:
    """A deployed stack, as the command knows it."""

    name, account = "ImagingIndex", "111122223333"

    def __init__(self, session: object = None, **outputs: str) -> None:
        self.session, self.outputs = session, {"DataStores": "all data stores", "Generation": "2.3", **outputs}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--plan", "--apply"], "Leave one of them out"),
        (["--full", "--since", "7d"], "Leave out --since, or leave out --full"),
        (["--status", "--full"], "Leave out the other options"),
        (["--most-dollars", "5"], "Add --apply"),
        (["--ghosts"], "Add --apply"),
        (["--since", "soon"], "Write --since as a span like 90m, 12h or 7d"),
        (["--since", "2999-01-01"], "--since is in the future"),
        (["--apply", "--most-dollars", "-1"], "greater than or equal to"),
        (["--apply", "--most-dollars", "inf"], "Write --most-dollars as a number"),
        (["--mean-size", "inf"], "Write --mean-size as a number"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_asked(options: list[str], sentence: str) -> None:
    ended = CliRunner().invoke(application, ["reconcile", *options])
    assert ended.exit_code == 2
    assert sentence in " ".join(ended.output.split())


def test_everything_is_compared_until_it_once_was_and_then_what_has_changed() -> None:
    finished = Finished(Scope.FULL, NOW, NOW, End.WHOLE, Counts(), 0.0, 1.0)
    full = Pass(Scope.FULL, NOW, NOW, 2, 3)
    for checkpoint, scope in (
        (Checkpoint(), Scope.FULL),
        (Checkpoint(last={Scope.INCREMENTAL: finished}), Scope.FULL),
        (Checkpoint(last={Scope.FULL: finished}), Scope.INCREMENTAL),
        (Checkpoint(last={Scope.FULL: finished}, full=full), Scope.FULL),
    ):
        assert Choices(**PLAIN).scope(checkpoint, None) == {"scope": scope}
    known = Checkpoint(last={Scope.FULL: finished})
    assert Choices(**PLAIN | {"full": True}).scope(known, None) == {"scope": Scope.FULL}
    assert Choices(**PLAIN | {"since": "2h"}).moment(NOW) == NOW - timedelta(hours=2)
    assert Choices(**PLAIN).scope(known, NOW) == {"scope": Scope.SINCE, "since": NOW}


@pytest.mark.parametrize("stage", Stage)
def test_what_a_pass_does_is_said_in_words_that_users_know_and_leaves_room_for_the_bar(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Counts(compared=1_234_567, differences={Difference.GHOST: {Tier.UNKNOWN: Tally(12_345)}})
    one = Pass(Scope.FULL, NOW, NOW, 2, 3, stage=stage, counts=counts)
    line = showing.progress(one)
    # Beside it: a bar of one column, the share and the time, with a column between them.
    assert len(line) <= 80 - len(" - 100% 0:00:00")
    assert "12,345 differ" in line
    showing.print_status(STORE, Status(checkpoint=Checkpoint(full=one), holder=None, until=None))
    printed = " ".join(capsys.readouterr().out.split())
    if stage is Stage.BURYING:
        assert line.startswith("Removing entries of deleted image sets")
        assert "UTC is removing entries of deleted image sets; so far" in printed
    assert "bury" not in (line + printed).lower()


def test_data_stores_are_those_that_the_stack_indexes(capsys: pytest.CaptureFixture[str]) -> None:
    listed: Any = Stack(DataStores=f"{STORE}, {'1' * 32}")
    assert choices.data_stores(listed, None) == [STORE, "1" * 32]
    assert choices.data_stores(listed, [STORE, STORE]) == [STORE]
    anywhere: Any = Stack()
    assert choices.data_stores(anywhere, [STORE]) == [STORE]
    for stack, named, sentence in (
        (listed, "2" * 32, "does not index"),
        (anywhere, "hospital", "is not the id of a data store"),
    ):
        with pytest.raises(Misuse):
            choices.data_stores(stack, [named])
        assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("outputs", [{"Generation": ""}, {"Generation": "two"}])
def test_a_stack_of_another_version_is_to_be_deployed_again(
    outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    stack: Any = Stack(**outputs)
    with pytest.raises(Failure):
        work.Work(stack)
    assert "Deploy it again with `make deploy`" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("end", End)
def test_that_ghosts_were_not_looked_for_is_said_in_plan_and_outcome(
    end: End, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(datastore_id=STORE, revision=1, entry_format=1, scope=Scope.FULL)
    passes = [Finished(Scope.FULL, NOW, NOW, end, Counts(compared=7), 0.0, 1.0)]
    compared = [Compared(settings, mean_size.MeanSize(LEAST_BYTES, "any"), passes)]
    showing.print_plan(compared, toml_file.load(ROOT / "profiles" / "minimal.toml"), on=screen)
    showing.print_done(compared)
    said = " ".join(capsys.readouterr().out.split())
    wanted = 0 if end is End.WHOLE else 2
    assert said.count(f"Of {STORE}, entries of deleted image sets were not looked for") == wanted


class Metrics:
    """A session whose CloudWatch has the sums of a data store."""

    def __init__(self, size: list[float], count: list[float]) -> None:
        self._results = [{"Id": "storagebytes", "Values": size}, {"Id": "imagesetcount", "Values": count}]

    def client(self, _: str) -> Metrics:
        return self

    def get_metric_data(self, **_: object) -> object:
        return {"MetricDataResults": self._results}


@pytest.mark.parametrize(
    ("session", "given", "size", "source"),
    [
        (Metrics([4e10], [1000.0]), None, 40_000_000, "CloudWatch"),
        (Metrics([4e10], [1000.0]), 80.0, 80 * 2**20, "--mean-size"),
        (Metrics([1e6], [1000.0]), None, LEAST_BYTES, "CloudWatch"),
        (Metrics([], []), None, LEAST_BYTES, "the least that HealthImaging bills; set --mean-size to yours"),
        (Metrics([0.0], [0.0]), None, LEAST_BYTES, "the least that HealthImaging bills; set --mean-size to yours"),
    ],
)
def test_the_mean_size_is_the_given_one_or_cloudwatchs_or_the_least_that_is_billed(
    session: Metrics, given: float | None, size: int, source: str
) -> None:
    stack: Any = Stack(session)
    assert mean_size.find(stack, STORE, given) == mean_size.MeanSize(size, source)


@pytest.mark.parametrize(("profile", "new", "again"), [("radiology", 11, 6), ("minimal", 7, 4)])
def test_write_units_are_those_of_the_documented_formula(profile: str, new: int, again: int) -> None:
    loaded = toml_file.load(ROOT / "profiles" / f"{profile}.toml")
    assert (write_units.new(loaded), write_units.again(loaded)) == (new, again)
