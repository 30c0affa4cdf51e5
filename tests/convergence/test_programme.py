"""`make prove` can begin: its pieces run in processes of their own, which import them by name."""

import pickle
import sys
from pathlib import Path

import pytest

from proof import programme as module
from proof.programme import programme


def test_every_piece_of_the_programme_reaches_a_worker_process() -> None:
    pieces = [(work, arguments) for suite in programme() for work, arguments in suite.pieces]
    assert {work.__module__ for work, _ in pieces} == {"proof.programme"}
    for piece in pieces:
        assert pickle.loads(pickle.dumps(piece)) == piece  # noqa: S301


def test_suites_are_chosen_by_a_part_of_their_names_and_a_name_that_none_has_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "REPORT", tmp_path / "report.txt")
    monkeypatch.setattr(module, "run", lambda suites, *_: chosen.extend(suite.name for suite in suites))
    monkeypatch.setattr(sys, "argv", ["prove", "--only", "a pass"])
    assert module.main() == 0
    assert chosen == ["Wrong rules of a pass"]
    monkeypatch.setattr(sys, "argv", ["prove", "--only", "of anything"])
    with pytest.raises(SystemExit, match="2"):
        module.main()
    assert "no suite has 'of anything' in its name: Lost events" in capsys.readouterr().err
