"""What goes on beside the load: kills of functions, readers, searches, passes, quotas, and a consumer of the events."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from cli import deployed
from cli.events.bus import listening
from imaging_index.publishing.event import SOURCE
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged, TableReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.soak.load import Load
    from proof.soak.report import Report

RETRIES: Final = Config(retries={"mode": "standard", "total_max_attempts": 6}, read_timeout=120)
# Conditions of the command and of DICOMweb, one after the other.
_COMMANDS: Final = (
    (),
    ("PatientID=1CT1",),
    ("Modality=CT", "--level", "series"),
    ("--arrived", "1h", "--level", "image-set", "--all-copies"),
)
_END: Final = "The End"
_PATHS: Final = ("/studies?limit=10", "/studies?PatientID=1CT1&limit=10", "/series?Modality=CT&limit=10")


@dataclass
class Company:
    """The threads of a soak, from `start` to `stop`.

    Attributes:
        endpoint: of the local cloud.
        outputs: the stack's.
        datastore: the data store's id.
        load: what changes its image sets.
        report: what counts.
        heard: the events' keys, with how often each came.
    """

    endpoint: str
    outputs: dict[str, str]
    datastore: str
    load: Load
    report: Report
    heard: Counter[str] = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Begin."""
        consumer = self._thread(self._consume)
        consumer.start()
        asking = (self._read, self._search, self._ask_dicomweb, self._compare)
        for each in (*asking, self._kill, self._throttle, self._watch):
            thread = self._thread(each)
            self._threads.append(thread)
            thread.start()
        self._threads.append(consumer)

    def stop(self) -> None:
        """End all of it but the consumer."""
        self._stopping.set()
        for thread in self._threads[:-1]:
            thread.join()
        self.set(throttles=False)

    def hear_no_more(self) -> None:
        """End the consumer."""
        end: Any = {"Source": SOURCE, "DetailType": _END, "Detail": "{}", "EventBusName": self.outputs["EventBusName"]}
        boto3.client("events", config=RETRIES).put_events(Entries=[end])
        self._threads[-1].join()

    def set(self, **settings: Any) -> None:
        """Change settings of the local HealthImaging."""
        answer = urllib3.request("PUT", f"{self.endpoint}/_healthimaging/settings", json=settings)
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(answer.data.decode())

    def answer(self, path: str) -> tuple[int, bytes]:
        """DICOMweb's answer to a signed request."""
        api = self.outputs["DicomwebUrl"].removeprefix("https://").partition(".")[0]
        url, session = f"{self.endpoint}/_aws/execute-api/{api}/dicomweb{path}", boto3.Session()
        request, credentials = AWSRequest("GET", url), session.get_credentials()
        assert credentials
        SigV4Auth(credentials, "execute-api", session.region_name).add_auth(request)
        answer = urllib3.request("GET", url, headers=dict(request.headers), retries=False, timeout=60)
        return answer.status, answer.data

    def _thread(self, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except Exception as error:  # what ends a thread is told at the end
                self.report.breaks(f"{run.__name__} ended: {type(error).__name__}: {error}")

        return threading.Thread(target=guarded, daemon=True)

    def _kill(self) -> None:
        """Kill the process of one function every 4 to 12 seconds, those that were killed least first."""
        chance = random.Random(0)
        while not self._stopping.wait(chance.uniform(4, 12)):
            functions = {process: name_of(process) for process in children(cloud())}
            if functions:
                victim = min(functions, key=lambda process: (self.report.kills[functions[process]], chance.random()))
                os.kill(victim, signal.SIGKILL)
                self.report.kills[functions[victim]] += 1

    def _read(self) -> None:
        """Read image sets whole: an answer is all of one entry, or that nothing is there."""
        chance = random.Random(0)
        table = TableReader(boto3.client("dynamodb", config=RETRIES), self.outputs["TableName"])
        while not self._stopping.wait(0.2):
            if ids := self.load.ids:
                try:
                    table.read(Key(self.datastore, chance.choice(ids)))
                except Damaged:
                    self.report.breaks("a reader found an entry that was not whole")
                self.report.reads += 1

    def _search(self) -> None:
        """Search by the command."""
        number = 0
        while not self._stopping.wait(3):
            ended = command("search", *_COMMANDS[number % len(_COMMANDS)], "--json")
            try:
                rows = len(json.loads(ended.stdout)["rows"])
                self.report.searches["command, with rows" if rows else "command, without"] += 1
            except (ValueError, KeyError):
                self.report.breaks(f"search ended with {ended.returncode}: {ended.stderr.strip()[-300:]}")
            number += 1

    def _ask_dicomweb(self) -> None:
        """Search by DICOMweb. Where its function was killed, API Gateway answers with a status of 500 or more."""
        number = 0
        while not self._stopping.wait(2):
            status, _ = self.answer(_PATHS[number % len(_PATHS)])
            self.report.searches[f"DICOMweb, {status}"] += 1
            if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self.report.breaks(f"DICOMweb refused a search: {status}")
            number += 1

    def _compare(self) -> None:
        """Invoke the reconcile function, as the schedule does."""
        client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, read_timeout=120))
        while not self._stopping.wait(10):
            answer = client.invoke(FunctionName=self.outputs["ReconcileFunctionName"], Payload=b"{}")
            self.report.passes["failed or killed" if answer.get("FunctionError") else "ended"] += 1

    def _throttle(self) -> None:
        """Switch HealthImaging's quotas on for a while, again and again."""
        while not self._stopping.wait(20):
            self.set(throttles=True)
            self.report.throttled += 1
            self._stopping.wait(10)
            self.set(throttles=False)

    def _consume(self) -> None:
        """Hear all events of the bus, until the one that `hear_no_more` sends."""
        with listening(deployed.find(deployed.DEFAULT_STACK)) as events:
            for event in events:
                if event["detail-type"] == _END:
                    return
                self.heard[event["detail"]["key"]] += 1
                self.report.events += 1

    def _watch(self) -> None:
        while not self._stopping.wait(30):
            functions = [resident(process) for process in children(cloud())]
            minute = (time.monotonic() - self._begun) / 60
            self.report.memory.append((minute, resident(cloud()), max(functions, default=0)))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of `imaging-index`."""
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, check=False)


def cloud() -> int:
    """The local cloud's process, one of our children. The functions are its children."""
    return next(each for each in children(os.getpid()) if b"local.cloud" in _file(each, "cmdline"))


def children(parent: int) -> list[int]:
    """The processes that a process has begun."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            fields = _file(int(folder.name), "stat").rpartition(b")")[2].split()
            if fields and int(fields[1]) == parent and fields[0] != b"Z":
                found.append(int(folder.name))
    return sorted(found)


def name_of(process: int) -> str:
    """Which function a process runs: the part of the stack that it is of."""
    variables = dict(each.partition(b"=")[::2] for each in _file(process, "environ").split(b"\0"))
    name = variables.get(b"AWS_LAMBDA_FUNCTION_NAME", b"a function").decode()
    return next((part for part in ("Pipeline", "Reconciling", "Publishing", "Dicomweb") if part in name), name)


def resident(process: int) -> int:
    """Resident memory in MiB, 0 of a process that has just ended."""
    fields = _file(process, "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20 if fields else 0


def _file(process: int, name: str) -> bytes:
    """A file of a process, empty when it has just ended."""
    try:
        return (Path("/proc") / str(process) / name).read_bytes()
    except OSError:
        return b""
