"""What the command loads before it knows what to do: whoever types `imaging-index search` waits for that."""

import subprocess
import sys

SLOW = {"aws_cdk", "duckdb", "hypercorn", "ministack", "numpy", "pyarrow", "pydicom", "pyiceberg"}


def test_no_command_waits_for_what_only_another_one_needs() -> None:
    code = "import sys, cli.main; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert not SLOW & {*loaded}
