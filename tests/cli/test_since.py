"""`--since` of `events replay` and of `reconcile`: one way to write a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from typer.testing import CliRunner

from cli import moments
from cli.main import application

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize("command", [["events", "replay"], ["reconcile"]])
@pytest.mark.parametrize(
    ("written", "sentence"),
    [("soon", "Write --since as a span like 90m, 12h or 7d"), ("2999-01-01", "--since is in the future")],
)
def test_both_commands_refuse_what_is_no_moment_before_anything_is_asked(
    command: list[str], written: str, sentence: str
) -> None:
    ended = CliRunner().invoke(application, [*command, "--since", written])
    assert ended.exit_code == 2
    assert sentence in " ".join(ended.output.split())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90m", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 21, 11, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 26, 23, tzinfo=UTC)),
        ("2026-11-27", datetime(2026, 11, 26, 23, tzinfo=UTC)),
        ("2026-11-27T08:00", datetime(2026, 11, 27, 7, tzinfo=UTC)),
        ("2026-11-27T08:00:00Z", datetime(2026, 11, 27, 8, tzinfo=UTC)),
    ],
)
def test_a_span_a_day_and_a_moment_are_understood_in_the_callers_time_zone(written: str, meant: datetime) -> None:
    assert moments.since(written, NOW) == meant
