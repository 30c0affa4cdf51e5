"""What imports what: the picture in CONTRIBUTING.md, and the contracts that `make lint` checks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.config import ROOT
from tools import floors


def test_contributing_shows_the_modules_and_the_imports_as_they_are() -> None:
    shown = floors.FILE.read_text("utf-8")
    assert floors.contents() in shown, "something has moved: run `python -m tools.floors`"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, in which nothing is refused."""
    copy = tmp_path_factory.mktemp("sources")
    for folder in ("lambda/imaging_index", "infra", "local", "cli", "deploy", "bench", "tools", "proof"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    assert _lint(copy).returncode == 0
    return copy


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("lambda/imaging_index/dicom/vrs.py", "from imaging_index import handlers"),
        ("lambda/imaging_index/dicom/vrs.py", "def late():\n    from infra import indexes"),
        ("lambda/imaging_index/dicom/vrs.py", "import boto3"),
        ("infra/indexes.py", "from imaging_index import handlers"),
        ("infra/indexes.py", "import local"),
        ("cli/output.py", "import ministack"),
        ("bench/stub.py", "import cli"),
        ("local/permissions.py", "import cli"),
    ],
)
def test_an_import_that_is_not_allowed_is_refused_with_its_line(file: str, line: str, sources: Path) -> None:
    planted = sources / file
    allowed = planted.read_text("utf-8")
    wrong = f"{allowed}\n{line}\n"
    planted.write_text(wrong, "utf-8")
    refused = _lint(sources)
    planted.write_text(allowed, "utf-8")

    assert refused.returncode == 1
    assert f"(l.{len(wrong.splitlines())})" in refused.stdout


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the sources in a folder, which come before those that the environment has on its path."""
    script = (
        "import os, sys; sys.path[:0] = [os.getcwd(), 'lambda'];"
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=folder, text=True, capture_output=True, check=False)
