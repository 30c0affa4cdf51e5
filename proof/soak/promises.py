"""What must hold at the end of a soak, when the load has ended and a pass has compared everything."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import boto3

from cli import deployed
from cli.dead_letters.letter import DeadLetter
from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.entry.item import plain
from imaging_index.publishing import change
from imaging_index.publishing.event import of_change
from imaging_index.table import generation
from imaging_index.table.layout import ENTRY, Key
from imaging_index.table.reading import TableReader
from proof.harness.canary import Account
from proof.soak.company import RETRIES, command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proof.soak.company import Company
    from proof.soak.report import Report

QUEUES: Final = ("DeadLetterQueueUrl", "RuleDeadLetterQueueUrl", "EventDeadLetterQueueUrl", "EventFailureQueueUrl")
# How long an event may come after its change, once nothing changes any more.
_PATIENCE: Final = 180  # seconds


class Promises:
    """Checks a soak's promises. What is broken is noted in the report.

    Args:
        company: what went on beside the load, and has ended but for the consumer.
        environment: the variables of the local cloud's account.
    """

    def __init__(self, company: Company, environment: Mapping[str, str]) -> None:
        self._company, self._environment = company, environment
        self._report: Report = company.report
        self._table = TableReader(boto3.client("dynamodb", config=RETRIES), company.outputs["TableName"])
        self._client: Any = boto3.client("medical-imaging", config=RETRIES)

    def check(self) -> None:
        """Check all of them."""
        held = self._company.load.held()
        self._report.image_sets = len(held)
        items = [*self._everything()]
        self._table_is_healthimaging(held, items)
        self._searches_find_everything(held, items)
        self._a_pass_finds_nothing()
        self._events_were_heard()
        self._nothing_is_parked()
        self._company.hear_no_more()
        for harm in Account(self._environment).harms():
            self._report.breaks(f"patient data in {harm.partition(':')[0]}")

    def _everything(self) -> Iterator[dict[str, Any]]:
        client: Any = boto3.client("dynamodb", config=RETRIES)
        table = self._company.outputs["TableName"]
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            yield from page["Items"]

    def _table_is_healthimaging(self, held: Mapping[str, int], items: list[dict[str, Any]]) -> None:
        """Every entry is what its document becomes; of what is deleted, tombstones are left alone."""
        profile = deployed.find(deployed.DEFAULT_STACK).profile
        found: dict[str, list[dict[str, Any]]] = {}
        for item in items:
            datastore, _, image_set = item["ImageSet"]["S"].partition("/")
            # Reconciling keeps items of its own.
            if datastore == self._company.datastore:
                found.setdefault(image_set, []).append(item)
        reader = Reader(profile)
        for image_set, version in held.items():
            if difference := self._difference(reader, image_set, version, len(found.pop(image_set, []))):
                self._report.breaks(f"{image_set}: {difference}")
        for image_set, left in found.items():
            if [item.get("Generation", {}).get("S") for item in left] == [generation.TOMBSTONE]:
                self._report.tombstones += 1
            else:
                self._report.breaks(f"{image_set}: deleted, but more than a tombstone is left")

    def _difference(self, reader: Reader, image_set: str, version: int, items: int) -> str | None:
        ids = {"datastoreId": self._company.datastore, "imageSetId": image_set}
        answer = self._client.get_image_set_metadata(**ids, versionId=str(version))
        content = entry.build(reader, [answer["imageSetMetadataBlob"].read()])
        whole = self._table.read(Key(self._company.datastore, image_set))
        if whole is None or whole.entry["ImageSetVersion"]["N"] != str(version):
            return f"version {version} is not indexed"
        # DynamoDB writes numbers in its own way, so they are compared as numbers.
        if not plain(content.attributes).items() <= plain(whole.entry).items():
            return "the entry has another content"
        if whole.entry["PagesChecksum"]["S"] != content.checksum or items != 1 + len(content.pages):
            return "pages are missing or left over"
        return None

    def _searches_find_everything(self, held: Mapping[str, int], items: list[dict[str, Any]]) -> None:
        """The command finds each image set, and DICOMweb each study with a primary one."""
        ended = command(
            "search", "--level", "image-set", "--all-copies", "--limit", "0", "--jsonl", "--show", "ImageSetId"
        )
        rows = [json.loads(line) for line in ended.stdout.splitlines()]
        ids = {each["attributes"]["ImageSetId"] for each in rows if "attributes" in each}
        if ids != held.keys():
            self._report.breaks(f"the command finds {len(ids)} image sets of {len(held)}: exit {ended.returncode}")
        there = [item for item in items if item["Part"]["S"] == ENTRY and "StudyInstanceUID" in item]
        every = {item["StudyInstanceUID"]["S"] for item in there}
        primary = {item["StudyInstanceUID"]["S"] for item in there if item.get("IsPrimary", {}).get("BOOL")}
        status, body = self._company.answer("/studies?limit=1000")
        studies = {each["0020000D"]["Value"][0] for each in json.loads(body)} if status == 200 else set()
        if len(primary) <= 1000 and not primary <= studies <= every:
            self._report.breaks(f"DICOMweb, {status}, finds {len(studies)} studies, of {len(primary)} to {len(every)}")

    def _a_pass_finds_nothing(self) -> None:
        ended = command("reconcile", "--full", "--plan", "--json")
        try:
            told = json.loads(ended.stdout)
        except ValueError:
            self._report.breaks(f"reconcile --plan ended with {ended.returncode}")
            return
        takes = [each["takes"] for each in told["datastores"]]
        if left := {name: each[name] for each in takes for name in ("hints", "corrected", "swept") if each[name]}:
            self._report.breaks(f"a pass still finds what takes {left}")

    def _events_were_heard(self) -> None:
        """Each change of an entry in the table's stream was announced at least once."""
        wanted = {key for record in self._stream() if (key := _key(record))}
        self._report.changes = len(wanted)
        begun = time.monotonic()
        while (missing := wanted - self._company.heard.keys()) and time.monotonic() - begun < _PATIENCE:
            time.sleep(1)
        if missing:
            self._report.breaks(f"{len(missing)} of {len(wanted)} changes were not announced")

    def _stream(self) -> Iterator[dict[str, Any]]:
        described: Any = boto3.client("dynamodb", config=RETRIES).describe_table(
            TableName=self._company.outputs["TableName"]
        )
        arn, client = described["Table"]["LatestStreamArn"], boto3.client("dynamodbstreams", config=RETRIES)
        for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            where: Any = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = client.get_shard_iterator(**where)["ShardIterator"]
            while (answer := client.get_records(ShardIterator=iterator))["Records"]:
                yield from (dict(each) for each in answer["Records"])
                iterator = answer["NextShardIterator"]

    def _nothing_is_parked(self) -> None:
        sqs = boto3.client("sqs", config=RETRIES)
        for output in QUEUES:
            messages: Any = sqs.receive_message(
                QueueUrl=self._company.outputs[output],
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
                VisibilityTimeout=1,
            ).get("Messages", [])
            if messages:
                classes = sorted({DeadLetter.of(each, "queue").error_class for each in messages})
                self._report.breaks(f"dead letters in {output}: {classes}")


def _key(record: dict[str, Any]) -> str | None:
    """The key of the event that a record of the stream must have; None where it says nothing new."""
    # Lambda gives seconds, and the SDK a moment.
    data = {name: value for name, value in record["dynamodb"].items() if name != "ApproximateCreationDateTime"}
    changed = change.read({"eventName": record["eventName"], "dynamodb": data})
    event = of_change(changed, ()) if changed else None
    return event.key if event else None
