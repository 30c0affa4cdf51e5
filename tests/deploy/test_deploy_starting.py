"""Ctrl-C while `python -m deploy` still imports what it needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.config import ROOT


@pytest.mark.parametrize("command", [[], ["bootstrap"], ["synth"]], ids=str)
def test_an_interruption_while_modules_are_imported_ends_in_a_sentence(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("raise KeyboardInterrupt\n")
    ended = subprocess.run(
        [sys.executable, "-m", "deploy", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "\nStopped. Nothing was deployed.\n")
