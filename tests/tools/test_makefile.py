"""What `make help` prints."""

import subprocess

from infra.config import ROOT


def test_each_target_has_a_line_that_a_terminal_of_80_columns_does_not_fold() -> None:
    shown = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    assert len(lines) > 15
    assert [line for line in lines if len(line) > 80 or not line.startswith("  make ")] == []
