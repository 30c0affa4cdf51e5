"""The functions' deployment packages, made without Docker: the locked dependencies, the sources and the profile.

The same tree and the same Python give the same package, byte for byte and so also by its hash, on any machine and in
any folder.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from uv import find_uv_bin

from infra import botocore_pruning, byte_code
from infra.byte_code import Compiler
from infra.config import Architecture, BundleTarget
from infra.places import PLACES, Places

PYTHON: Final = "3.13"

# The functions, by their handlers' names: each has a package with what it needs.
Program = Literal["index", "dicomweb", "publish"]

# Files that no function imports or reads. The tests in the local cloud run this package, and fail if a needed module is
# missing. Licences stay, as they demand.
_UNUSED: Final = (
    "bin",  # names the interpreter of the machine
    "*.dist-info/RECORD",
    "*.dist-info/WHEEL",
    "*.dist-info/top_level.txt",
    "*.dist-info/zip-safe",
    ".lock",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/[!_jt]*",  # but for jmespath_utils and typing
    "dateutil/zoneinfo/*.tar.gz",
    "urllib3/contrib/emscripten",
    "**/*.pyi",
    "**/py.typed",
)

# Modules that only import more: urllib3's unused switch for HTTP/2 looks for a package by its metadata.
_EMPTIED: Final = ("urllib3/http2/__init__.py",)

# What a function does not need of the package: what other programs do, so that DICOMweb's has nothing that writes; and
# what finds the mistakes in a profile and their lines, since the stack was made from it before.
_OF_OTHER_PROGRAMS: Final[Mapping[Program, tuple[str, ...]]] = {
    "index": (
        "handlers/dicomweb.py",
        "handlers/publish.py",
        "publishing/",
        "qido/",
        "searching/",
        "dicom/meant.py",
        "table/answers.py",
        "table/watching.py",
        "profile/toml_lines.py",
        "profile/pseudonymity.py",
        "dicom/deidentification.py",
        "dicom/deidentification.tsv",
    ),
    "dicomweb": (
        "handlers/index.py",
        "handlers/publish.py",
        "handlers/reconcile.py",
        "observability.py",
        "pass_metrics.py",
        "metric_names.py",
        "indexing.py",
        "healthimaging.py",
        "queue/",
        "publishing/",
        "reconciling/",
        "table/checkpoints.py",
        "table/reconciling.py",
        "table/watching.py",
        "table/writing.py",
        "searching/index.py",
        "profile/toml_lines.py",
        "profile/pseudonymity.py",
        "dicom/deidentification.py",
        "dicom/deidentification.tsv",
    ),
    "publish": (
        "handlers/index.py",
        "handlers/dicomweb.py",
        "handlers/reconcile.py",
        "pass_metrics.py",
        "qido/",
        "reconciling/",
        "searching/",
        "dicom/meant.py",
        "table/checkpoints.py",
        "table/reconciling.py",
        "profile/toml_lines.py",
        "profile/pseudonymity.py",
        "dicom/deidentification.py",
        "dicom/deidentification.tsv",
    ),
}

_HOW: Final = (sys.modules[__name__], botocore_pruning, byte_code)


class BundlingError(RuntimeError):
    """The package could not be made. The message says what to do."""


@dataclass(frozen=True)
class Platform:
    """The platform that the compiled dependencies must run on.

    Attributes:
        name: identifies the platform; part of the package's hash.
        arguments: make uv choose wheels for it.
    """

    name: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, target: BundleTarget, architecture: Architecture) -> "Platform":
        """The platform of AWS Lambda with an instruction set, or of the Python that runs this."""
        if target == "host":
            return cls(f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}", ())
        machine = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
        # The runtime's Amazon Linux 2023 has a newer glibc than manylinux2014 requires, so every such wheel runs there.
        tag = f"{machine}-manylinux2014"
        return cls(f"{tag}-{PYTHON}", ("--python-platform", tag, "--python-version", PYTHON))

    def compiler(self) -> Compiler | None:
        """The Python that compiles for the platform; None if it is neither installed nor available for download."""
        return byte_code.find(PYTHON) if self.arguments else byte_code.own()


class Bundle:
    """A deployment package.

    Attributes:
        hash: 64 hexadecimal digits that identify the package's content, known before it is made.
    """

    def __init__(
        self,
        profile: Path,
        platform: Platform,
        compiler: Compiler | None,
        places: Places = PLACES,
        program: Program = "index",
    ) -> None:
        """Read what goes into the package.

        Args:
            profile: path of the profile, which the package holds as `profile.toml`.
            platform: what the package runs on.
            compiler: makes the byte code; None leaves it out.
            places: what it is made from, and where it is kept.
            program: the function that it is for.
        """
        sources = places.sources
        package = sources / "imaging_index"
        # Read once, so that the package matches its hash even if a source is saved meanwhile.
        self._files = {
            path.relative_to(sources).as_posix(): path.read_bytes()
            for path in sorted(package.rglob("*"))
            if path.is_file() and path.suffix != ".pyc" and path.name != "py.typed"
            if not path.relative_to(package).as_posix().startswith(_OF_OTHER_PROGRAMS[program])
        }
        self._files["profile.toml"] = profile.read_bytes()
        self._lock = places.root / "requirements" / "lambda.txt"
        self._platform = platform
        self._compiler = compiler
        self._build = places.build
        self._operations = botocore_pruning.called(
            content for name, content in self._files.items() if name.endswith(".py")
        )
        parts = [
            self._lock.read_bytes(),
            platform.name.encode(),
            compiler.version.encode() if compiler else b"",
            json.dumps(self._operations).encode(),
            # These modules turn wheels into a package: if they change, so does the package.
            *(Path(str(module.__file__)).read_bytes() for module in _HOW),
        ]
        self._dependencies_hash = _hash(parts)
        names_and_contents = (part for name, content in self._files.items() for part in (name.encode(), content))
        self.hash = _hash([self._dependencies_hash.encode(), *names_and_contents])

    def build(self) -> Path:
        """Make the package, unless it already exists.

        Returns:
            The folder to deploy.

        Raises:
            BundlingError: a dependency is neither in uv's cache nor available from the package index.
        """
        return _once(self._build / "lambda" / self.hash, self._assemble)

    def _assemble(self, folder: Path) -> None:
        dependencies = _once(self._build / "dependencies" / self._dependencies_hash, self._install)
        # Hard links: each change of a source makes another package with the same dependencies.
        shutil.copytree(dependencies, folder, copy_function=os.link)
        for name, content in self._files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self._compile(folder, "imaging_index")
        _make_readable(folder)

    def _install(self, folder: Path) -> None:
        if _uv_install(self._lock, self._platform, folder, "--offline").returncode != 0:
            online = _uv_install(self._lock, self._platform, folder)
            if online.returncode != 0:
                raise BundlingError(
                    f"The dependencies for {self._platform.name} could not be installed. The first time they "
                    "come from the Python package index, later from uv's cache. Connect to it and try again.\n"
                    + online.stderr.strip()
                )
        for pattern in _UNUSED:
            for path in list(folder.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in _EMPTIED:
            (folder / name).write_bytes(b"")
        botocore_pruning.prune(folder / "botocore", self._operations)
        self._compile(folder)

    def _compile(self, folder: Path, within: str = ".") -> None:
        if self._compiler:
            try:
                self._compiler.compile(folder, within)
            except subprocess.CalledProcessError as error:
                raise BundlingError(
                    f"Python {self._compiler.version} cannot compile the package:\n{error.stdout.strip()}"
                ) from error


def _uv_install(lock: Path, platform: Platform, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [
        *(find_uv_bin(), "pip", "install", "--quiet", "--target", str(folder), "--python", sys.executable),
        *("--requirements", str(lock), "--require-hashes", "--no-deps", "--only-binary", ":all:"),
        *("--no-installer-metadata", "--link-mode", "copy", *platform.arguments, *arguments),
    ]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _make_readable(folder: Path) -> None:
    # Lambda runs the function as another user, who could not open files made under a strict umask.
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
    """SHA-256 over the hashes of the parts, so that different lists of parts never run together to the same bytes."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
