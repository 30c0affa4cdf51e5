"""The loops that the pages give to send hints with, as they stand there."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from imaging_index.queue import hint
from imaging_index.queue.hint import REPLAY_SOURCE, Cause, Hint, Kind
from infra.config import ROOT
from local.stack import import_folder, make_datastore


def run(page: str, *arguments: str) -> str:
    """What the page's one Python loop prints."""
    loop: str
    (loop,) = re.findall(
        r"^\.venv/bin/python - .* <<'END'\n(.*?)^END$",
        (ROOT / "docs" / page).read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    done = subprocess.run([sys.executable, "-", *arguments], input=loop, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def import_image_sets(client: Any, folder: Path, count: int) -> str:
    """A new data store's id, with so many image sets in it."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    folder.mkdir()
    for number in range(count):
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{number}.dcm")
    return import_folder(client, make_datastore(client, "hospital"), folder).datastore_id


def ids(client: Any, datastore: str) -> set[str]:
    pages = client.get_paginator("search_image_sets").paginate(datastoreId=datastore)
    return {each["imageSetId"] for page in pages for each in page["imageSetsMetadataSummaries"]}


@pytest.fixture
def bus(aws: boto3.Session) -> Any:
    """What takes and returns the hints that came over the default bus since the last call."""
    sqs, events = aws.client("sqs"), aws.client("events")
    url = sqs.create_queue(QueueName="hints")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="replays", EventPattern=json.dumps({"source": [REPLAY_SOURCE]}))
    events.put_targets(Rule="replays", Targets=[{"Id": "queue", "Arn": arn}])

    def received() -> list[Hint]:
        found: list[Hint] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found += [hint.parse(message["Body"]) for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return received


def test_the_loops_send_a_hint_for_every_image_set_or_for_what_changed_in_a_time(
    aws: boto3.Session, bus: Any, tmp_path: Path
) -> None:
    client = aws.client("medical-imaging")
    datastore = import_image_sets(client, tmp_path / "more-than-ten", 11)
    assert run("upgrades.md", datastore) == "11 image sets\n"
    sent = bus()
    assert {(each.kind, each.cause, each.datastore_id, each.version) for each in sent} == {
        (Kind.UPDATED, Cause.REINDEX, datastore, None)
    }
    assert sorted(each.image_set_id for each in sent) == sorted(ids(client, datastore))

    def between(begin: datetime, end: datetime) -> str:
        return run("runbook.md", datastore, *(each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in (begin, end)))

    now, hour = datetime.now(UTC), timedelta(hours=1)
    assert between(now - 2 * hour, now - hour) == "0 image sets\n"
    assert bus() == []
    assert between(now - hour, now + hour) == "11 image sets\n"
    again = bus()
    assert {each.cause for each in again} == {Cause.REINDEX}
    assert {each.image_set_id for each in again} == ids(client, datastore)
