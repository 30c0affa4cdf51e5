"""Orthanc, an independent client and server of DICOMweb, as Debian packages it; installed, or only unpacked."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import urllib3

from proof.harness.image_sets import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES: Final = ("orthanc", "orthanc-dicomweb")
_PROGRAM: Final = Path("usr/sbin/Orthanc")
_PLUGIN: Final = Path("usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_HOST: Final = "127.0.0.1"


class NotHereError(Exception):
    """There is no Orthanc on this machine, and none can be fetched."""


def place() -> Path:
    """The folder below which Orthanc's files are: the root if it is installed, else one in the user's cache.

    The first call fetches 10 MB from Debian. Nothing is installed.

    Raises:
        NotHereError: there is no apt-get, it does not know Orthanc, or it cannot fetch it.
    """
    if (Path("/") / _PROGRAM).exists() and (Path("/") / _PLUGIN).exists():
        return Path("/")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imaging-index"
    folder = cache / "orthanc"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            files = Path(made, "files")
            try:
                _unpack(Path(made), files)
            except (OSError, subprocess.SubprocessError) as error:
                raise NotHereError(f"apt-get cannot fetch Orthanc: {type(error).__name__}") from None
            with contextlib.suppress(OSError):  # another process was faster
                files.rename(folder)
    return folder


def _unpack(folder: Path, files: Path) -> None:
    """Unpack Orthanc, and what it needs that is not installed."""
    simulated = _output("apt-get", "install", "--simulate", "--no-install-recommends", *_PACKAGES, cwd=folder)
    missing = [line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")]
    _output("apt-get", "download", *missing, cwd=folder)
    for package in folder.glob("*.deb"):
        _output("dpkg", "--extract", str(package), str(files), cwd=folder)


def _output(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=120).stdout


class Orthanc:
    """A running Orthanc.

    Args:
        port: on which it answers on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._pool = urllib3.PoolManager(retries=False)

    @property
    def version(self) -> str:
        """Such as `1.10.1`."""
        return str(self._json("GET", "/system")["Version"])

    def store(self, files: Path) -> None:
        """Store all files of a folder."""
        for path in files.iterdir():
            self._json("POST", "/instances", path.read_bytes())

    def asks(self, server: str, path: str, **arguments: str) -> list[dict[str, Any]]:
        """What its client of QIDO-RS gets of a server that it knows: objects with values by tags, in DICOM JSON."""
        asked = json.dumps({"Uri": path, "Arguments": arguments}).encode()
        found = self._json("POST", f"/dicom-web/servers/{server}/qido", asked)
        # It gives values in a form of its own, without lists; sequences have none.
        return [
            {tag: {"Value": [element["Value"]]} for tag, element in each.items() if "Value" in element}
            for each in found
        ]

    def answer(self, address: str, accept: str) -> tuple[int, list[dict[str, Any]]]:
        """The status, and the objects, of its answer to a request of QIDO-RS, which is sent byte for byte."""
        with contextlib.closing(http.client.HTTPConnection(_HOST, self._port)) as connection:
            connection.request("GET", f"/dicom-web{address}", headers={"Accept": accept})
            response = connection.getresponse()
            body = response.read()
        return response.status, json.loads(body) if response.status == http.HTTPStatus.OK else []

    def _json(self, method: str, path: str, body: bytes = b"") -> Any:
        answer = self._pool.request(method, f"http://{_HOST}:{self._port}{path}", body=body)
        assert answer.status == http.HTTPStatus.OK, answer.data
        return answer.json()


@contextlib.contextmanager
def running(root: Path, folder: Path, servers: dict[str, str]) -> Iterator[Orthanc]:
    """An empty Orthanc.

    Args:
        root: where its files are.
        folder: an empty one, for what it stores.
        servers: the addresses of those of DICOMweb that it knows, by their names.
    """
    port = _free_port()
    configuration = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "DefaultEncoding": "Utf8",
        "Plugins": [str(root / _PLUGIN)],
        "DicomWeb": {
            "Enable": True,
            "QidoCaseSensitive": True,
            "Servers": {name: {"Url": url} for name, url in servers.items()},
        },
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    libraries = ":".join(map(str, root.glob("usr/lib/*-linux-gnu")))
    dictionary = next(root.glob("usr/share/libdcmtk*/dicom.dic"))
    process = subprocess.Popen(
        [root / _PROGRAM, folder / "orthanc.json"],
        env=os.environ | {"LD_LIBRARY_PATH": libraries, "DCMDICTPATH": str(dictionary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, "Orthanc ended at once"
        yield Orthanc(port)
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((_HOST, 0))
        port: int = taken.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((_HOST, port)) == 0
