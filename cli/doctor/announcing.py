"""Whether the index's own events go out: the bus, the function that announces, what it reads, and what it gave up."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from cli.aws_cli import aws
from cli.deployed import Stack
from cli.doctor import functions, queues, repairs
from cli.doctor.finding import Finding, Status, failure, ok
from cli.doctor.repairs import queue_name
from cli.output import counted
from infra.alarms import EVENTS_BEHIND_SECONDS

# The names of its resources in the template begin with this.
_PART: Final = "Publishing"
_MAPPING: Final = "AWS::Lambda::EventSourceMapping"

# How far back the latest value of a metric is looked for.
_OF_LATE: Final = timedelta(minutes=15)


def events(stack: Stack) -> list[Finding]:
    """What the setting `events` adds; nothing where it is off."""
    bus = stack.outputs.get("EventBusName")
    if bus is None:
        return []
    checks = (_bus(stack, bus), _mappings(stack), _rule(stack), _function(stack), _behind(stack), _queues(stack))
    problems = [finding for check in checks for finding in check if finding.status is not Status.OK]
    return problems or [ok(f"{bus} exists, and the function that announces gets the table's changes.")]


def _bus(stack: Stack, name: str) -> Iterator[Finding]:
    client = stack.session.client("events")
    try:
        client.describe_event_bus(Name=name)
    except client.exceptions.ResourceNotFoundException:
        yield failure(
            f"The bus {name} is gone: nothing is announced.",
            f"{aws(f'events create-event-bus --name {name}')}; then make its rules again.",
        )


def _mappings(stack: Stack) -> Iterator[Finding]:
    for name, gets in (("Stream", "changes of the table"), ("Messages", "studies and import jobs")):
        for identifier in stack.ids(_MAPPING, of=f"{_PART}Function{name}"):
            yield from functions.mapping(stack, identifier, gets=gets)


def _rule(stack: Stack) -> Iterator[Finding]:
    """The rule that picks HealthImaging's events of import jobs, if the stack has one."""
    client = stack.session.client("events")
    for name in stack.ids("AWS::Events::Rule", of=_PART):
        try:
            state = client.describe_rule(Name=name)["State"]
        except client.exceptions.ResourceNotFoundException:
            yield failure(f"The rule {name} is gone: no import job is announced.", repairs.find_drift(stack))
            continue
        if state == "DISABLED":
            yield failure(f"{name} is disabled: no import job is announced.", aws(f"events enable-rule --name {name}"))


def _function(stack: Stack) -> list[Finding]:
    variables = {
        "BUS_NAME": "EventBusName",
        "DEAD_LETTER_QUEUE_URL": "EventDeadLetterQueueUrl",
        "QUEUE_URL": "EventQueueUrl",
        "TABLE_NAME": "TableName",
    }
    return functions.function(stack, stack.outputs["EventFunctionName"], variables)


def _behind(stack: Stack) -> Iterator[Finding]:
    function = stack.outputs["EventFunctionName"]
    age = queues.latest(stack, ("AWS/Lambda", "IteratorAge"), ("FunctionName", function), within=_OF_LATE)
    if age is not None and age > 1000 * EVENTS_BEHIND_SECONDS:
        yield failure(
            f"Events are {timedelta(seconds=int(age / 1000))} behind the table, whose stream keeps changes for a day.",
            f"Look at the log of {function}: docs/runbook.md, Events out.",
        )


def _queues(stack: Stack) -> Iterator[Finding]:
    for output, holds, next_step in (
        (
            "EventFailureQueueUrl",
            "of changes that were given up: they were not announced",
            "Run imaging-index events replay --since TIME, from when they began, and purge the queue.",
        ),
        (
            "EventDeadLetterQueueUrl",
            "of studies and import jobs that could not be checked",
            "docs/runbook.md, Studies and jobs that wait, says what to do by their ErrorClass.",
        ),
    ):
        url = stack.outputs[output]
        attributes = queues.attributes(stack, url)
        if attributes is None:
            yield failure(f"The queue {queue_name(url)} is gone.", repairs.make_queue(stack, url))
        elif count := sum(queues.counts(attributes)):
            yield failure(f"{counted(count, 'message')} {holds}.", next_step)
    url = stack.outputs["EventQueueUrl"]
    if queues.attributes(stack, url) is None:
        yield failure(f"The queue {queue_name(url)} is gone: no study is announced.", repairs.make_queue(stack, url))
