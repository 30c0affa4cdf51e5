"""Ctrl-C while a command works: a few moments of the campaign, which `make prove` has at length."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from local.scratch import scratch
from proof.campaigns.interruptions import interrupt


@pytest.mark.parametrize(("command", "seconds"), [(["demo"], 4.0), (["local", "up", "--port", "0"], 7.0)], ids=str)
def test_ctrl_c_leaves_nothing_behind_and_says_so(command: list[str], seconds: float) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ended = interrupt(command, seconds, environment)
    assert not ended.harms(" ".join(command))


def test_what_is_temporary_is_gone_whatever_the_moment_and_a_second_ctrl_c_does_not_disturb_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def work() -> None:
        with scratch() as folder:
            assert Path(tempfile.mkdtemp()).parent == folder == Path(os.environ["TMPDIR"])
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)  # while what was interrupted cleans up
                cleaned_up.append(folder)

    cleaned_up: list[Path] = []
    with pytest.raises(KeyboardInterrupt):
        work()
    assert cleaned_up
    assert list(tmp_path.iterdir()) == []
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path)
