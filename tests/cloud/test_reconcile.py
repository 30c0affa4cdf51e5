"""Reconcile in the local cloud: the real template, the command, the function of the schedule."""

from typing import TYPE_CHECKING

import pytest

from local.deployment import deploy
from proof.campaigns import drifted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.assembly import Assembly
    from local.cloud import LocalCloud


@pytest.fixture
def stage(cloud: "LocalCloud", assembly: "Assembly", environment: dict[str, str]) -> "Iterator[drifted.Stage]":
    found = drifted.Stage(cloud, environment["AWS_ACCESS_KEY_ID"], deploy(assembly, environment))
    yield found
    found.settings(faults={"lost": 0.0}, throttles=True, archiveAfterSeconds=30 * 86400)


def test_one_pass_puts_lost_events_and_deletions_right_with_exactly_the_planned_calls(
    stage: drifted.Stage, tmp_path: "Path", record_property: "Callable[[str, object], None]"
) -> None:
    report = drifted.run(stage, tmp_path, 300)
    assert not report.harms
    assert 150 < report.missing < 270
    record_property("image sets reconciled in the local cloud", f"{report.missing} of {report.image_sets}")
