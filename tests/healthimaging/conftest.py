"""HealthImaging served on a free loopback port, and a real client of it for each test, in an account of its own."""

import asyncio
import gzip
import itertools
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config as ClientConfig
from botocore.credentials import Credentials
from hypercorn.asyncio import serve
from hypercorn.config import Config
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from local.healthimaging import HealthImaging
from proof.harness.image_sets import PATIENCE

Event = dict[str, Any]
ROLE = "arn:aws:iam::000000000000:role/import"
ANY = "multipart/related; type=application/octet-stream; transfer-syntax=*"


class Server:
    """The application under hypercorn in a thread of its own; `events` are those it emitted, by account."""

    def __init__(self) -> None:
        self.events: defaultdict[str, list[Event]] = defaultdict(list)
        self.objects: dict[str, bytes] = {}
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        config = Config()
        config.loglevel = "WARNING"
        config.bind = [f"fd://{self._listener.detach()}"]
        app = HealthImaging(
            emit=lambda account, event: self.events[account].append(event),
            read_s3=self._read_s3,
            write_s3=lambda _, uri, data: self.objects.update({uri: data}),
        )
        self._loop.run_until_complete(serve(app, config, shutdown_trigger=self._end.wait))  # type: ignore[arg-type]
        self._loop.close()

    def _read_s3(self, _: str, uri: str) -> Iterator[tuple[str, bytes]]:
        found = ((each, data) for each, data in self.objects.items() if each.startswith(uri))
        return ((each.removeprefix("s3://").partition("/")[2], data) for each, data in found)

    def own(self, path: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
        """GET under the service's own prefix, or PUT where there are changes."""
        method, body = ("GET", None) if changes is None else ("PUT", json.dumps(changes).encode())
        request = Request(f"{self.url}/_healthimaging/{path}", body, method=method)  # noqa: S310  loopback
        with urlopen(request) as answer:  # noqa: S310
            return dict(json.load(answer))


@dataclass
class World:
    """One account of the service, with a data store, and what tests do with them."""

    server: Server
    account: str
    client: Any
    directory: Path
    store: str = ""

    @property
    def events(self) -> list[Event]:
        """The events of this account so far."""
        return self.server.events[self.account]

    def kinds(self, prefix: str = "Image Set ") -> list[str]:
        """The detail-types that begin so, in the order they came."""
        return [event["detail-type"] for event in self.events if event["detail-type"].startswith(prefix)]

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for a condition to be true, and return what it then gave."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.005)
        return found

    def create_store(self, **members: Any) -> str:
        """A new data store that is ACTIVE."""
        store = str(self.client.create_datastore(**members)["datastoreId"])
        self.until(lambda: self.datastore(store)["datastoreStatus"] == "ACTIVE")
        return store

    def datastore(self, store: str) -> Any:
        """The properties of a data store."""
        return self.client.get_datastore(datastoreId=store)["datastoreProperties"]

    def start(self, folder: Path) -> str:
        """Begin to import a folder; the output goes into the test's own directory."""
        answer = self.client.start_dicom_import_job(
            dataAccessRoleArn=ROLE,
            datastoreId=self.store,
            inputS3Uri=folder.as_uri(),
            outputS3Uri=(self.directory / "output").as_uri(),
        )
        return str(answer["jobId"])

    def ended(self, job: str) -> Any:
        """The properties of a job, once it has ended."""
        return self.until(
            lambda: (
                (p := self.client.get_dicom_import_job(datastoreId=self.store, jobId=job)["jobProperties"])["jobStatus"]
                in ("COMPLETED", "FAILED")
                and p
            )
        )

    def load(self, folder: Path) -> Any:
        """Import a folder to the end, and give the manifest's summary."""
        job = self.ended(self.start(folder))
        assert job["jobStatus"] == "COMPLETED"
        manifest = Path(job["outputS3Uri"].removeprefix("file://"), "job-output-manifest.json")
        return json.loads(manifest.read_text())["jobSummary"]

    def image_sets(self, **criteria: Any) -> list[Any]:
        """All image sets that SearchImageSets finds."""
        pages = self.client.get_paginator("search_image_sets").paginate(
            datastoreId=self.store, **({"searchCriteria": criteria} if criteria else {})
        )
        return [found for page in pages for found in page["imageSetsMetadataSummaries"]]

    def image_set(self, identifier: str, **members: Any) -> Any:
        """The properties of an image set."""
        return self.client.get_image_set(datastoreId=self.store, imageSetId=identifier, **members)

    def idle(self, identifier: str) -> Any:
        """The properties of an image set, once nothing locks it."""
        return self.until(lambda: (p := self.image_set(identifier))["imageSetState"] != "LOCKED" and p)

    def document(self, identifier: str, **members: Any) -> Any:
        """The metadata of an image set."""
        answer = self.client.get_image_set_metadata(datastoreId=self.store, imageSetId=identifier, **members)
        return json.loads(gzip.decompress(answer["imageSetMetadataBlob"].read()))

    def update(self, identifier: str, version: str, updates: dict[str, Any], **members: Any) -> Any:
        """Begin an update whose `updatable` or `removable` part is a dict, or whatever else the API takes."""
        dicom = {
            f"{name}Attributes": json.dumps({"SchemaVersion": 1.1, **updates[name]}).encode()
            for name in ("updatable", "removable")
            if name in updates
        }
        return self.client.update_image_set_metadata(
            datastoreId=self.store,
            imageSetId=identifier,
            latestVersionId=version,
            updateImageSetMetadataUpdates={"DICOMUpdates": dicom} if dicom else updates,
            **members,
        )


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def settings(server: Server) -> Iterator[Callable[..., dict[str, Any]]]:
    """Change the service's settings for one test: without throttles to begin with, since tests call fast."""
    usual = {**server.own("settings"), "throttles": False, "jobSeconds": 0.01}
    server.own("settings", usual)
    yield lambda **changes: server.own("settings", changes)
    server.own("settings", usual)


@pytest.fixture
def dicom(tmp_path: Path) -> Callable[..., Path]:
    """Write a file into the folder `scans`: pydicom's MR_small.dcm with some attributes set, or removed by None."""

    def write(name: str, folder: str = "scans", **attributes: Any) -> Path:
        dataset = dcmread(str(get_testdata_file("MR_small.dcm")))
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path)
        return path.parent

    return write


@cache
def _session() -> boto3.Session:
    """One session for all clients: it reads the service's model once."""
    return boto3.Session()


_accounts = itertools.count(100000000001)


@pytest.fixture
def world(
    server: Server,
    settings: object,  # noqa: ARG001  the world runs without throttles
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[World]:
    account = str(next(_accounts))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    once = ClientConfig(retries={"total_max_attempts": 1})
    client = _session().client("medical-imaging", config=once, aws_access_key_id=account, aws_secret_access_key="none")
    here = World(server, account, client, tmp_path)
    here.store = here.create_store()
    yield here
    client.close()


class DicomwebClient:
    """A client of DICOMweb that signs as the service requires."""

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, path: str, accept: str = "application/dicom+json") -> Any:
        """The answer to a path below the data store."""
        url = f"{self.world.server.url}/datastore/{self.world.store}{path}"
        request = AWSRequest("GET", url)
        SigV4Auth(Credentials(self.world.account, "none"), "medical-imaging", "eu-west-1").add_auth(request)
        headers = {**dict(request.headers), "Accept": accept}
        return urlopen(Request(url, headers=headers))  # noqa: S310  loopback

    @staticmethod
    def path(dataset: Dataset) -> str:
        """The path of an instance below the data store."""
        series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        return f"{series}/instances/{dataset.SOPInstanceUID}"

    def json(self, path: str) -> Any:
        """The objects that a path answers with."""
        with self.get(path) as answer:
            assert answer.headers["Content-Type"] == "application/dicom+json"
            return json.load(answer)

    def parts(self, path: str, accept: str = ANY) -> list[tuple[str, bytes]]:
        """The content type and the bytes of each part of an answer."""
        with self.get(path, accept) as answer:
            boundary = answer.headers["Content-Type"].partition("boundary=")[2]
            first, *parts, last = answer.read().split(f"--{boundary}".encode())
        assert (first, last) == (b"", b"--\r\n")
        split = [
            part.removeprefix(b"\r\nContent-Type: ").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts
        ]
        return [(kind.decode(), content) for kind, _, content in split]

    def refusal(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """The status of a path that is refused, and the service's name for it."""
        with pytest.raises(HTTPError) as caught:
            self.get(path, accept)
        assert json.load(caught.value)["message"]
        return caught.value.code, caught.value.headers["x-amzn-ErrorType"]


@pytest.fixture
def client(world: World) -> DicomwebClient:
    return DicomwebClient(world)
