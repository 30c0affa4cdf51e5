"""The functions' deployment package, made without Docker: the locked dependencies, the sources and the profile.

The same tree gives the same package, byte for byte and so also by its hash, on any machine and in any folder.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from infra.config import ROOT, Architecture, BundleTarget

PYTHON: Final = "3.13"

# The AWS services that the functions call. botocore's descriptions of the other 400 are half of its size.
SERVICES: Final = frozenset({"dynamodb", "medical-imaging", "secretsmanager", "sqs"})


class BundlingError(RuntimeError):
    """The package could not be made; the message says what to do."""


@dataclass(frozen=True)
class Platform:
    """What the compiled dependencies must run on.

    Attributes:
        name: distinguishes the platform from others; part of the package's hash.
        arguments: what tells uv to choose wheels for it.
    """

    name: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, target: BundleTarget, architecture: Architecture) -> "Platform":
        """The platform of AWS Lambda with an instruction set, or of the Python that runs this."""
        if target == "host":
            return cls(f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}", ())
        machine = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
        # The runtime's Amazon Linux 2023 has a newer glibc than manylinux2014 asks for: every such wheel runs there.
        tag = f"{machine}-manylinux2014"
        return cls(f"{tag}-{PYTHON}", ("--python-platform", tag, "--python-version", PYTHON))


class Bundle:
    """A deployment package.

    Attributes:
        hash: 64 hexadecimal digits that stand for the package's content; known without making it.
    """

    def __init__(self, profile: Path, platform: Platform, root: Path = ROOT) -> None:
        """Read what goes into the package.

        Args:
            profile: path of the profile, which the package holds as `profile.toml`.
            platform: what the package runs on.
            root: the checkout that it is made from, and below whose `build/` it is kept.
        """
        sources = root / "lambda"
        # Read once: the package is what its hash says, even if somebody saves a source meanwhile.
        self._files = {
            path.relative_to(sources).as_posix(): path.read_bytes()
            for path in sorted((sources / "imaging_index").rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        }
        self._files["profile.toml"] = profile.read_bytes()
        self._lock = root / "requirements" / "lambda.txt"
        self._platform = platform
        self._build = root / "build"
        # This file says how wheels become a package: another way of doing it is another package.
        self._dependencies_hash = _hash([self._lock.read_bytes(), platform.name.encode(), Path(__file__).read_bytes()])
        names_and_contents = (part for name, content in self._files.items() for part in (name.encode(), content))
        self.hash = _hash([self._dependencies_hash.encode(), *names_and_contents])

    def build(self) -> Path:
        """Make the package, unless it is there already.

        Returns:
            The folder to deploy.

        Raises:
            BundlingError: a dependency is neither in uv's cache nor to be had from the package index.
        """
        return _once(self._build / "lambda" / self.hash, self._assemble)

    def _assemble(self, folder: Path) -> None:
        dependencies = _once(self._build / "dependencies" / self._dependencies_hash, self._install)
        # Links: every change of a source makes another package, of the same dependencies.
        shutil.copytree(dependencies, folder, copy_function=os.link)
        for name, content in self._files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        _make_readable(folder)

    def _install(self, folder: Path) -> None:
        if _uv_install(self._lock, self._platform, folder, "--offline").returncode != 0:
            online = _uv_install(self._lock, self._platform, folder)
            if online.returncode != 0:
                raise BundlingError(
                    f"The dependencies for {self._platform.name} could not be installed. They come from the Python "
                    "package index once, and from uv's cache from then on: connect to it and try again.\n"
                    + online.stderr.strip()
                )
        _prune(folder)


def _uv_install(lock: Path, platform: Platform, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [
        *(find_uv_bin(), "pip", "install", "--quiet", "--target", str(folder), "--python", sys.executable),
        *("--requirements", str(lock), "--require-hashes", "--no-deps", "--only-binary", ":all:"),
        *("--no-installer-metadata", "--link-mode", "copy", *platform.arguments, *arguments),
    ]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _prune(folder: Path) -> None:
    """Drop what differs from one machine to the next (scripts name their interpreter), and what no function reads."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for record in folder.glob("*.dist-info/RECORD"):
        record.unlink()
    for data in (folder / "boto3" / "data", folder / "botocore" / "data"):
        for service in data.iterdir():
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)


def _make_readable(folder: Path) -> None:
    # Lambda runs the function as a user of its own: files of a strict umask could not be opened there.
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, which `make` fills where it is missing; another process sees it whole or not at all."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as workshop:
            make(draft := Path(workshop) / "draft")
            try:
                draft.rename(folder)
            except OSError:
                # Somebody else was faster, with the same content.
                if not folder.is_dir():
                    raise
    return folder


def _hash(parts: Iterable[bytes]) -> str:
    """SHA-256 over the parts, each hashed first: no two lists of parts are the same text when run together."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
