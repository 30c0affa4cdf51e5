"""The demo's rule on the bus of events: which image sets reach its queue, by an attribute that HealthImaging's own
events do not have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import boto3

from cli.events.watching import line
from cli.output import counted, screen, shown
from imaging_index.publishing.event import INDEXED, REINDEXED, SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.output import Entry

# What the rule looks at, which not every profile gives to events.
MODALITY: Final = "Modality"

_NAME: Final = "demo"
_MR: Final = "MR"
_PATTERN: Final = {
    "source": [SOURCE],
    "detail-type": [INDEXED, REINDEXED],
    "detail": {"attributes": {MODALITY: [_MR]}},
}


class DemoRule:
    """A rule on a bus, with a queue as its target. The local cloud takes both with it."""

    def __init__(self, bus: str) -> None:
        self._sqs = boto3.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=_NAME)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        events, arn = boto3.client("events"), answer["Attributes"]["QueueArn"]
        events.put_rule(Name=_NAME, EventBusName=bus, EventPattern=json.dumps(_PATTERN))
        events.put_targets(Rule=_NAME, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        # The last event of each image set; doubles have its key.
        self._events: dict[str, dict[str, Any]] = {}

    def delivered(self) -> set[tuple[str, int]]:
        """The image sets that have reached the queue so far, each with its last version."""
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                before = self._events.setdefault(event["detail"]["imageSetId"], event)
                if event["detail"]["generation"] > before["detail"]["generation"]:
                    self._events[event["detail"]["imageSetId"]] = event
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return {(each["detail"]["imageSetId"], each["detail"]["imageSetVersion"]) for each in self._events.values()}

    def print_delivered(self) -> None:
        """Show the rule and what has reached its queue."""
        screen.print("\nA rule on the stack's bus of events, with a queue as its target:")
        screen.print(f"  {json.dumps(_PATTERN['detail'])}", markup=False, soft_wrap=True)
        screen.print(f"It has delivered {counted(len(self._events), 'image set')}:")
        for event in sorted(self._events.values(), key=lambda each: str(each["time"])):
            screen.print("  ", shown(line(event)), sep="", soft_wrap=True)


def matching(entries: Iterable[Entry]) -> set[tuple[str, int]]:
    """The image sets that the rule must deliver, each with its version."""
    return {(each["ImageSetId"], int(each["ImageSetVersion"])) for each in entries if each.get(MODALITY) == _MR}
