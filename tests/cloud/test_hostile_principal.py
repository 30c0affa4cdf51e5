"""A hostile principal who may put events and send messages, and who has documents imported, against the whole stack.

Nothing true may be hidden or lost, nothing come back that was deleted, nothing be made up or told, and the live work
must go on. What the attacker writes bears a mark of its own, which stands nowhere but in the messages that were sent.
"""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pydicom
import pydicom.config
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from cli.main import application
from imaging_index.entry.item import plain
from imaging_index.queue.hint import REPLAY_SOURCE, Kind
from imaging_index.searching.question import Level, Question
from imaging_index.searching.search import Search
from imaging_index.table.layout import Key
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import StackError, import_folder, make_datastore
from proof.harness import canary, image_sets
from proof.harness.canary import DAY, MARKER
from proof.harness.forgeries import INTRUDER, LARGE, forged, lies, malformed
from proof.harness.image_sets import wait_for

_BACKLOG = 60  # forged messages that wait at any time
_POURED = 250


class Hospital:
    """A deployed stack, its data store with image sets full of the marker, and what is true of them."""

    def __init__(self, aws: boto3.Session, outputs: dict[str, str], folder: Path) -> None:
        self._client = aws.client("medical-imaging")
        self._sqs = aws.client("sqs")
        self._events = aws.client("events")
        self._folder = folder
        self._numbers = itertools.count()
        self._datastore = make_datastore(self._client, "hospital")
        self._table = TableReader(aws.client("dynamodb"), outputs["TableName"])
        self._outputs = outputs
        self.deleted: list[Key] = []

    def admit(self, count: int = 1, **attributes: Any) -> list[Key]:
        """Import some image sets, and wait until they are indexed; some `attributes` may be as no standard allows."""
        before = set(self.keys())
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        for number in range(count):
            dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.PatientName, dataset.PatientID = f"{MARKER}^{folder.name}", f"{MARKER}-{folder.name}-{number}"
            dataset.PatientBirthDate = DAY
            for keyword in ("StudyDescription", "SeriesDescription", "AccessionNumber", "StationName"):
                setattr(dataset, keyword, MARKER)
            for keyword, value in attributes.items():
                setattr(dataset, keyword, value)
            dataset.save_as(folder / f"{number}.dcm")
        import_folder(self._client, self._datastore, folder)
        new = [key for key in self.keys() if key not in before]
        assert len(new) == count
        wait_for(lambda: all(self._table.read(key) for key in new))
        return new

    def discharge(self, key: Key) -> None:
        """Delete an image set, and wait until the index knows."""
        image_sets.delete(self._client, key)
        self.deleted.append(key)
        wait_for(lambda: self._is_tombstone(key))

    def keys(self) -> list[Key]:
        """The image sets that are there."""
        pages = self._client.get_paginator("search_image_sets").paginate(datastoreId=self._datastore)
        found = [each["imageSetId"] for page in pages for each in page["imageSetsMetadataSummaries"]]
        return [key for each in found if (key := Key(self._datastore, each)) not in self.deleted]

    def check(self) -> None:
        """Every true image set is found and right, and nothing else is."""
        keys = self.keys()
        wait_for(lambda: all(self._version(key) == self._true_version(key) for key in keys))
        for key in keys:
            found = self._table.read(key)
            assert found, "a true image set was lost"
            assert len(found.instances) == 1
            assert MARKER in str(found.entry["PatientID"])
        assert all(self._is_tombstone(key) for key in self.deleted)
        question = Question(datastores=(self._datastore,), level=Level.IMAGE_SET, index="arrived", limit=None)
        entries = [plain(row.entries[0]) for row in Search(self._table, question)]
        assert {entry["ImageSetId"] for entry in entries} == {key.image_set_id for key in keys}
        assert INTRUDER not in str(self._table._client.scan(TableName=self._outputs["TableName"])["Items"])

    def send(self, bodies: list[str]) -> None:
        """As somebody who may send to the queue."""
        for start in range(0, len(bodies), 10):
            some = bodies[start : start + 10]
            for batch in [some] if sum(map(len, some)) < LARGE else [[each] for each in some]:
                entries: Any = [{"Id": str(number), "MessageBody": each} for number, each in enumerate(batch)]
                answer = self._sqs.send_message_batch(QueueUrl=self._outputs["QueueUrl"], Entries=entries)
                assert not answer.get("Failed")

    def put_events(self, bodies: list[str]) -> None:
        """As somebody who may put events on the bus: what is refused there does not matter."""
        for body in bodies:
            with contextlib.suppress(json.JSONDecodeError, RecursionError):
                event = json.loads(body)
                if isinstance(event, dict) and isinstance(event.get("detail"), dict):
                    told = {
                        "Source": REPLAY_SOURCE,
                        "DetailType": str(event.get("detail-type")),
                        "Detail": json.dumps(event["detail"]),
                    }
                    self._events.put_events(Entries=[told])  # type: ignore[list-item]

    def parked(self) -> list[Any]:
        """The dead letters, which stay."""
        answer = self._sqs.receive_message(
            QueueUrl=self._outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def park(self, queue: str, body: str, **attributes: str) -> None:
        """Put a dead letter where dead letters are, as somebody who may."""
        told: Any = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self._sqs.send_message(QueueUrl=self._outputs[queue], MessageBody=body, MessageAttributes=told)

    def waiting(self) -> int:
        """About how many messages wait in the queue to be received."""
        name: Any = "ApproximateNumberOfMessages"
        answer = self._sqs.get_queue_attributes(QueueUrl=self._outputs["QueueUrl"], AttributeNames=[name])
        return int(answer["Attributes"][name])

    def _version(self, key: Key) -> str | None:
        found = self._table.read(key)
        return found.entry["ImageSetVersion"]["N"] if found else None

    def _true_version(self, key: Key) -> str:
        return self._client.get_image_set(datastoreId=key.datastore_id, imageSetId=key.image_set_id)["versionId"]

    def _is_tombstone(self, key: Key) -> bool:
        head = self._table.head(key)
        return head is not None and head.tombstone


@pytest.fixture
def hospital(aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path) -> Iterator[Hospital]:
    """Three image sets, one of them updated, and a fourth that was deleted; in the end all is as it is in truth."""
    hospital = Hospital(aws, deploy(assembly, environment), tmp_path)
    keys = hospital.admit(4)
    hospital.discharge(keys[0])
    image_sets.update(hospital._client, keys[1], 1)
    hospital.check()
    yield hospital
    hospital.check()
    assert INTRUDER not in canary.Account(environment).logs()


@pytest.mark.parametrize("way", [Hospital.send, Hospital.put_events], ids=["queue", "bus"])
def test_whatever_is_said_of_an_image_set_what_healthimaging_answers_stands(
    way: Callable[[Hospital, list[str]], None], hospital: Hospital, record_property: Callable[[str, object], None]
) -> None:
    elsewhere = Key("f" * 32, "e" * 32)
    never = Key(hospital.keys()[0].datastore_id, "0" * 32)
    bodies: list[str] = []
    for key in (*hospital.keys()[:2], *hospital.deleted, never, elsewhere):
        bodies += lies(key)
    bodies += malformed(hospital.keys()[0])
    way(hospital, bodies)
    hospital.admit()
    wait_for(lambda: hospital.waiting() == 0)
    record_property("forged messages", len(bodies))


def test_a_hint_that_is_none_is_parked_as_it_came_and_nothing_is_told_of_it(hospital: Hospital) -> None:
    bodies = malformed(hospital.keys()[0])
    hospital.send(bodies)
    wait_for(hospital.parked)
    for letter in hospital.parked():
        assert letter["Body"] in bodies
        assert letter["MessageAttributes"]["ErrorClass"]["StringValue"] == "Permanent"
        assert INTRUDER not in str(letter["MessageAttributes"])


def test_while_hints_are_poured_in_the_live_work_is_done(
    hospital: Hospital, record_property: Callable[[str, object], None]
) -> None:
    true = hospital.keys()
    enough = threading.Event()
    poured: list[str] = []

    def pour() -> None:
        while not enough.is_set():
            if hospital.waiting() > _BACKLOG:
                enough.wait(0.05)
                continue
            number = len(poured)
            lie = forged(Key(true[0].datastore_id, f"{number:032}"), (Kind.CREATED, Kind.UPDATED)[number % 2])
            repair = forged(true[number % 3], Kind.UNKNOWN, REPLAY_SOURCE, imageSetVersion=1, cause="repair")
            more = [lie] * 4 + [repair, forged(true[0], Kind.DELETED)] + [f"{INTRUDER} {number}"] * 4
            hospital.send(more)
            poured.extend(more)

    flood = threading.Thread(target=pour)
    flood.start()
    try:
        wait_for(lambda: hospital.waiting() > _BACKLOG)
        for _ in range(3):
            (key,) = hospital.admit()
        hospital.discharge(key)
        wait_for(lambda: len(poured) > _POURED)
    finally:
        enough.set()
        flood.join()
    wait_for(lambda: hospital.waiting() == 0)
    record_property("hints poured in", len(poured))


def test_hostile_documents_are_indexed_or_parked_by_their_ids_and_the_others_are_served(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pydicom.config.settings, "_writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "_reading_validation_mode", pydicom.config.IGNORE)
    nested = pydicom.Dataset()
    nested.TextValue = MARKER
    for _ in range(40):
        outer = pydicom.Dataset()
        outer.ContentSequence = [nested]
        nested = outer
    hostile: list[dict[str, Any]] = [
        {"PatientName": f"{MARKER}\x1b[2J\x00=^" * 500},
        {"PatientID": f"../../{MARKER}" * 200, "AccessionNumber": MARKER * 400},
        {"StudyDate": MARKER, "StudyTime": MARKER, "PatientBirthDate": MARKER, "SeriesNumber": 1},
        {"StudyDescription": "{{" + MARKER + '}}\r\n{"fault":"none"}', "SliceThickness": "1e300"},
        {"ContentSequence": nested.ContentSequence},
        {"ImageType": [MARKER] * 300, "Modality": f"{MARKER}{INTRUDER}"[: len(MARKER)]},
    ]
    admitted = 0
    for attributes in hostile:
        with contextlib.suppress(StackError):  # HealthImaging itself refuses it
            admitted += len(hospital.admit(**attributes))
    assert admitted > 2
    assert hospital.parked() == []


@pytest.mark.parametrize("only", [[], ["--only", "Permanent", "--only", "Other"]], ids=["all", "also malformed"])
def test_malformed_dead_letters_neither_harm_nor_are_told_when_they_are_redriven(
    only: list[str], hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.dead_letters.queue._WAIT", 0)
    true, *_ = hospital.keys()
    for queue in ("DeadLetterQueueUrl", "RuleDeadLetterQueueUrl"):
        for body in [*malformed(true)[:40:3], *lies(true)[::5], *lies(hospital.deleted[0])[::9]]:
            hospital.park(queue, body, ErrorClass=INTRUDER, Attempts=f"\x1b[2J{INTRUDER}", ERROR_MESSAGE=INTRUDER)
    for arguments in (["list"], ["list", "--json"], ["redrive", *only], ["redrive", "--json", *only], ["list"]):
        ended = CliRunner().invoke(application, ["dlq", *arguments])
        assert ended.exit_code == 0, ended.output
        assert INTRUDER not in ended.output
        assert "\x1b[2J" not in ended.output
    hospital.admit()
