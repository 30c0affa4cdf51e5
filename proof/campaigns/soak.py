"""The deployed index under load while its functions are killed: in the end it agrees with HealthImaging.

    python proof/campaigns/soak.py --minutes 30

Image sets are imported, updated, copied and deleted; events are lost, doubled, delayed, wrong about their version, and
falsely Deleted; every 5 to 20 seconds the process of one function is killed. A reader reads all the while. At the end
comes what a reconcile pass would send, a hint for every image set; then every entry must be what its document becomes.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pydicom
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from rich.progress import Progress

from cli.output import screen
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.profile import toml_file
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged, TableReader
from local.stack import import_folder, make_datastore, running

FAULTS = {"lost": 0.05, "doubled": 0.2, "delayed": 0.3, "delaySeconds": 5, "wrongVersion": 0.05, "falseDeleted": 0.02}
PROFILE = toml_file.load(Path(__file__).parents[2] / "profiles" / "radiology.toml")
_QUIET = 20  # seconds
_VISIBILITY = 6 * 60 + 60  # seconds: when the messages of a killed function have come again and were handled
SHARES = {"import": 2.0, "update": 5.0, "copy": 1.0, "delete": 1.5}


@dataclass
class Report:
    """What happened. `differences` must be empty, and `torn` zero."""

    operations: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    reads: int = 0
    torn: int = 0
    image_sets: int = 0
    tombstones: int = 0
    waiting: int = 0
    differences: list[str] = field(default_factory=list)
    memory: list[tuple[float, int, int]] = field(default_factory=list)

    def __str__(self) -> str:
        marks = self.memory[:: max(1, len(self.memory) // 6)]
        memory = ", ".join(f"{minute:.0f} min: {cloud} / {function}" for minute, cloud, function in marks)
        return (
            f"{dict(self.operations)}; {self.kills} kills; {self.reads} reads, {self.torn} torn; {self.image_sets} "
            f"image sets, {self.tombstones} tombstones, {self.waiting} hints still waiting, {len(self.differences)} "
            f"differences {self.differences[:5]}; memory in MiB (local cloud / largest function): {memory}"
        )


class Soak:
    """One soak. What it does comes from `seed`; what that meets, and when, does not."""

    def __init__(self, endpoint: str, outputs: dict[str, str], seed: int) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 6})
        self._endpoint = endpoint
        self._outputs = outputs
        self._random = random.Random(seed)
        self._client = boto3.client("medical-imaging", config=config)
        self._events = boto3.client("events", config=config)
        self._sqs = boto3.client("sqs", config=config)
        self._table = TableReader(boto3.client("dynamodb", config=config), outputs["TableName"])
        self._datastore = make_datastore(self._client, "soak")
        self._ids: list[str] = []
        self._report = Report()
        self._stopping = threading.Event()
        self._begun = time.monotonic()

    def run(self, minutes: float) -> Report:
        """Soak for `minutes`, then settle and compare."""
        self._set(throttles=False, faults=FAULTS)
        threads = [threading.Thread(target=each, daemon=True) for each in (self._kill, self._read, self._watch)]
        for thread in threads:
            thread.start()
        with Progress(console=screen) as progress, tempfile.TemporaryDirectory(prefix="imaging-index-") as folder:
            task = progress.add_task("soak", total=minutes * 60)
            while (elapsed := time.monotonic() - self._begun) < minutes * 60:
                self._operate(Path(folder))
                progress.update(task, completed=elapsed)
                time.sleep(self._random.uniform(0, 0.6))
        self._stopping.set()
        for thread in threads:
            thread.join()
        self._set(faults=dict.fromkeys(FAULTS, 0))
        self._settle(_VISIBILITY)
        self._reconcile()
        self._settle(_QUIET)
        self._compare()
        return self._report

    def _set(self, **settings: Any) -> None:
        answer = urllib3.request("PUT", f"{self._endpoint}/_healthimaging/settings", json=settings)
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(answer.data.decode())

    def _operate(self, folder: Path) -> None:
        (name,) = self._random.choices(list(SHARES), list(SHARES.values()))
        try:
            if name == "import" or not self._ids:
                self._import(folder)
            else:
                getattr(self, f"_{name}")(self._random.choice(self._ids))
            self._report.operations[name] += 1
        except ClientError as error:  # another change of the same image set is under way
            self._report.operations[error.response["Error"]["Code"]] += 1

    def _import(self, folder: Path) -> None:
        dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        files = Path(tempfile.mkdtemp(dir=folder))
        for number in range(self._random.randint(1, 4)):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.InstanceNumber = number
            dataset.save_as(files / f"{number}.dcm")
        import_folder(self._client, self._datastore, files)
        shutil.rmtree(files)
        self._ids = sorted(self._held())

    def _update(self, image_set_id: str) -> None:
        text = {"SchemaVersion": 1.1, "Study": {"DICOM": {"StudyDescription": f"S{self._random.random()}"}}}
        self._client.update_image_set_metadata(
            datastoreId=self._datastore,
            imageSetId=image_set_id,
            latestVersionId=self._version(image_set_id),
            updateImageSetMetadataUpdates={"DICOMUpdates": {"updatableAttributes": json.dumps(text).encode()}},
        )

    def _copy(self, image_set_id: str) -> None:
        self._client.copy_image_set(
            datastoreId=self._datastore,
            sourceImageSetId=image_set_id,
            copyImageSetInformation={"sourceImageSet": {"latestVersionId": self._version(image_set_id)}},
        )

    def _delete(self, image_set_id: str) -> None:
        self._client.delete_image_set(datastoreId=self._datastore, imageSetId=image_set_id)
        self._ids = [each for each in self._ids if each != image_set_id]

    def _version(self, image_set_id: str) -> str:
        return self._client.get_image_set(datastoreId=self._datastore, imageSetId=image_set_id)["versionId"]

    def _held(self) -> dict[str, int]:
        """What HealthImaging's own search finds: the versions by image set."""
        pages = self._client.get_paginator("search_image_sets").paginate(datastoreId=self._datastore)
        return {each["imageSetId"]: each["version"] for page in pages for each in page["imageSetsMetadataSummaries"]}

    def _kill(self) -> None:
        """Kill the process of one function every 5 to 20 seconds."""
        chance = random.Random(0)
        while not self._stopping.wait(chance.uniform(5, 20)):
            if functions := _children(_cloud()):
                os.kill(chance.choice(functions), signal.SIGKILL)
                self._report.kills += 1

    def _read(self) -> None:
        """Read image sets whole: an answer is all of one entry, or that nothing is there."""
        chance = random.Random(0)
        while not self._stopping.wait(0.05):
            if ids := self._ids:
                try:
                    self._table.read(Key(self._datastore, chance.choice(ids)))
                except Damaged:
                    self._report.torn += 1
                self._report.reads += 1

    def _watch(self) -> None:
        while not self._stopping.wait(30):
            functions = [_resident(process) for process in _children(_cloud())]
            minute = (time.monotonic() - self._begun) / 60
            self._report.memory.append((minute, _resident(_cloud()), max(functions, default=0)))

    def _settle(self, seconds: float) -> None:
        """Until no hint can be received for a while, after at least `seconds`.

        Hints that lie about a version stay behind: they wait for it until they are parked.
        """
        begun, quiet = time.monotonic(), 0
        with screen.status("Waiting for the queue to settle"):
            while quiet < _QUIET or time.monotonic() - begun < seconds:
                time.sleep(1)
                visible, self._report.waiting = self._counts()
                quiet = quiet + 1 if visible == 0 else 0

    def _counts(self) -> tuple[int, int]:
        """How many hints could be received now, and how many come later."""
        counts = self._sqs.get_queue_attributes(QueueUrl=self._outputs["QueueUrl"], AttributeNames=["All"])[
            "Attributes"
        ]
        return int(counts["ApproximateNumberOfMessages"]), int(counts["ApproximateNumberOfMessagesNotVisible"])

    def _reconcile(self) -> None:
        """A hint for every image set that the table or HealthImaging knows."""
        known = {_image_set_id(item) for item in self._everything()} | set(self._held())
        for image_set_id in sorted(known):
            event: Any = Hint(Kind.UNKNOWN, Cause.RECONCILE, self._datastore, image_set_id).event()
            self._events.put_events(Entries=[event])

    def _everything(self) -> list[dict[str, Any]]:
        client: Any = boto3.client("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName=self._outputs["TableName"], ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def _compare(self) -> None:
        """Every entry against the document that HealthImaging holds now; nothing else may be there but tombstones."""
        held = self._held()
        self._report.image_sets = len(held)
        found: dict[str, list[dict[str, Any]]] = {}
        for item in self._everything():
            found.setdefault(_image_set_id(item), []).append(item)
        for image_set_id, version in held.items():
            difference = self._difference(image_set_id, version, len(found.pop(image_set_id, [])))
            if difference:
                self._report.differences.append(f"{image_set_id}: {difference}")
        for image_set_id, items in found.items():
            if [item.get("Generation", {}).get("S") for item in items] == ["~"]:
                self._report.tombstones += 1
            else:
                self._report.differences.append(f"{image_set_id}: deleted, but more than a tombstone is left")

    def _difference(self, image_set_id: str, version: int, items: int) -> str | None:
        answer = self._client.get_image_set_metadata(
            datastoreId=self._datastore, imageSetId=image_set_id, versionId=str(version)
        )
        content = entry.build(Reader(PROFILE), [answer["imageSetMetadataBlob"].read()])
        whole = self._table.read(Key(self._datastore, image_set_id))
        if whole is None or whole.entry["ImageSetVersion"]["N"] != str(version):
            return f"version {version} is not indexed"
        # DynamoDB writes numbers in its own way, so they are compared as numbers.
        if not plain(content.attributes).items() <= plain(whole.entry).items():
            return "the entry has another content"
        if whole.entry["PagesChecksum"]["S"] != content.checksum or items != 1 + len(content.pages):
            return "pages are missing or left over"
        return None


def _image_set_id(item: dict[str, Any]) -> str:
    return str(item["ImageSet"]["S"].partition("/")[2])


def _cloud() -> int:
    """The local cloud's process: our child. The functions are its children."""
    return _children(os.getpid())[0]


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(folder.name))
    return sorted(found)


def _resident(process: int) -> int:
    """Resident memory in MiB, 0 of a process that has just ended."""
    try:
        pages = (Path("/proc") / str(process) / "statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") // 2**20


def soak(minutes: float, seed: int = 0) -> Report:
    """Run one soak in a local cloud of its own."""
    with running() as (cloud, outputs):
        return Soak(cloud.endpoint, dict(outputs), seed).run(minutes)


def main() -> int:
    """Exit status 0 when nothing differed and nothing was torn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = soak(options.minutes, options.seed)
    screen.print(str(report), soft_wrap=True)
    return 1 if report.differences or report.torn else 0


if __name__ == "__main__":
    sys.exit(main())
