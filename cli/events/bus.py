"""The bus of a stack, and a queue of a command's own that hears it for a while."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from cli.output import Failure
from imaging_index.publishing.event import SOURCE
from imaging_index.searching.refusals import why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.deployed import Stack

_WAIT: Final = 2  # seconds, that SQS waits for a message: Ctrl-C is heard within them
# What nobody has read in five minutes is of a command that was killed.
_KEPT: Final = "300"


def name_of(stack: Stack) -> str:
    """The name of a stack's bus.

    Raises:
        Failure: the stack has none.
    """
    if name := stack.outputs.get("EventBusName"):
        return name
    raise Failure(
        f"The stack {stack.name} announces nothing. Deploy it with the setting events, as in "
        '`make deploy CDK="-c events=on"`.'
    )


@contextlib.contextmanager
def listening(stack: Stack, patience: float | None = None) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a stack's bus from now on; nothing is left behind when the context is left.

    Args:
        stack: the stack.
        patience: the events end when none came for so many seconds; by default never.

    Raises:
        Failure: AWS refuses what it takes: a queue and a rule of the command's own.
    """
    bus, name = name_of(stack), f"{stack.name[:40]}-watch-{uuid4().hex[:12]}"
    try:
        with contextlib.ExitStack() as leaving:
            yield _events(stack, _make(stack, bus, name, leaving), patience)
    except (ClientError, BotoCoreError) as error:
        raise Failure(why("AWS", error, f"to make a queue and a rule {name} on the bus")) from None


def _make(stack: Stack, bus: str, name: str, leaving: contextlib.ExitStack) -> str:
    """Make the queue and the rule, to be deleted on leaving. Returns the queue's URL."""
    sqs, events = stack.session.client("sqs"), stack.session.client("events")
    rule = stack.arn("events", f"rule/{bus}/{name}")
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": stack.arn("sqs", name),
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    attributes: Any = {"Policy": policy, "MessageRetentionPeriod": _KEPT, "SqsManagedSseEnabled": "true"}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    leaving.callback(sqs.delete_queue, QueueUrl=url)
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
    leaving.callback(events.delete_rule, Name=name, EventBusName=bus)
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": stack.arn("sqs", name)}])
    leaving.callback(events.remove_targets, Rule=name, EventBusName=bus, Ids=["queue"])
    return url


def _events(stack: Stack, url: str, patience: float | None) -> Iterator[dict[str, Any]]:
    sqs, heard = stack.session.client("sqs"), time.monotonic()
    while patience is None or time.monotonic() - heard < patience:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=_WAIT).get("Messages", [])
        for message in messages:
            yield json.loads(message["Body"])
        if messages:
            heard = time.monotonic()
            entries: Any = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
