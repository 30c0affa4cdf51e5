"""Whether events reach the function: the rule, the queues, the event source mapping and the function itself."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, islice
from typing import Final

from cli.aws_cli import aws, with_address
from cli.dead_letters.letter import WHAT_TO_DO, DeadLetter
from cli.dead_letters.queue import opened
from cli.deployed import Stack
from cli.doctor import functions, policies, queues, repairs
from cli.doctor.finding import Finding, failure, ok, warning
from cli.doctor.repairs import queue_name
from cli.output import Failure, counted

# The names of its resources in the template begin with this: events have a rule and mappings of their own.
_PART: Final = "Pipeline"

# A hint that is handled at once waits for seconds. One that is older waits for something.
_LATE: Final = timedelta(minutes=15)
# Tens of dead letters whose classes are looked at.
_LOOKED_AT: Final = 10


def rule(stack: Stack) -> list[Finding]:
    """The rule that picks HealthImaging's events."""
    client = stack.session.client("events")
    (name,) = stack.ids("AWS::Events::Rule", of=_PART)
    name = name.rpartition("/")[2]
    try:
        state = client.describe_rule(Name=name)["State"]
        targets = client.list_targets_by_rule(Rule=name)["Targets"]
    except client.exceptions.ResourceNotFoundException:
        return [failure(f"The rule {name} is gone: no change reaches the index.", repairs.find_drift(stack))]
    problems = []
    if state == "DISABLED":
        problems.append(
            failure(f"{name} is disabled: no change reaches the index.", aws(f"events enable-rule --name {name}"))
        )
    if not any(target["Arn"].rpartition(":")[2] == queue_name(stack.outputs["QueueUrl"]) for target in targets):
        problems.append(failure(f"{name} does not send to the queue.", repairs.find_drift(stack)))
    return problems or [ok(f"{name} is enabled.")]


def queue(stack: Stack) -> list[Finding]:
    """The queue of hints: who may send, and how long they wait."""
    url = stack.outputs["QueueUrl"]
    attributes = queues.attributes(stack, url)
    if attributes is None:
        return [
            failure(
                f"The queue {queue_name(url)} is gone: no change reaches the index.", repairs.make_queue(stack, url)
            )
        ]
    problems = _of_policy(stack, url, attributes)
    waiting, in_flight = queues.counts(attributes)
    found = f"{counted(waiting, 'hint')} waiting, {in_flight} being handled"
    age = _oldest(stack, queue_name(url))
    if age is not None:
        found += f"; the oldest has waited for {age}"
    if age is not None and age > _LATE:
        problems.append(warning(f"{found}.", "See the function below and its log: something keeps it from indexing."))
    return problems or [ok(f"{found}.")]


def dead_letters(stack: Stack) -> Iterator[Finding]:
    """Both dead-letter queues."""
    yield from _dead_letters_of("queue", stack, stack.outputs["DeadLetterQueueUrl"])
    yield from _dead_letters_of("rule", stack, stack.outputs["RuleDeadLetterQueueUrl"])


def _dead_letters_of(sender: str, stack: Stack, url: str) -> list[Finding]:
    attributes = queues.attributes(stack, url)
    if attributes is None:
        return [
            failure(
                f"The dead-letter queue of the {sender}, {queue_name(url)}, is gone.", repairs.make_queue(stack, url)
            )
        ]
    problems = _of_policy(stack, url, attributes) if sender == "rule" else []
    if count := sum(queues.counts(attributes)):
        advice = [f"{name}: {with_address(WHAT_TO_DO[name])}" for name in sorted(_classes(stack, sender))]
        name = f" --stack {stack.name}"
        commands = f"imaging-index dlq list{name} lists them; imaging-index dlq redrive{name} sends them again."
        problems.append(
            failure(
                f"{counted(count, 'dead letter')} of the {sender}: as many changes may be missing in the index.",
                " ".join([*advice, commands]),
            )
        )
    return problems or [ok(f"None of the {sender}.")]


def _classes(stack: Stack, sender: str) -> set[str]:
    """The classes of some dead letters; none if this caller may not receive them."""
    try:
        with opened(stack) as readings:
            messages = chain.from_iterable(islice(dict(readings)[sender].batches(), _LOOKED_AT))
            return {DeadLetter.of(message, sender).error_class for message in messages}
    except Failure:
        return set()


def mapping(stack: Stack) -> list[Finding]:
    """The event source mapping, through which Lambda takes hints from the queue."""
    (identifier,) = stack.ids("AWS::Lambda::EventSourceMapping", of=_PART)
    return functions.mapping(stack, identifier, gets="hints from the queue")


def function(stack: Stack) -> list[Finding]:
    """The function that indexes."""
    variables = {"TABLE_NAME": "TableName", "QUEUE_URL": "QueueUrl", "DEAD_LETTER_QUEUE_URL": "DeadLetterQueueUrl"}
    return functions.function(stack, stack.outputs["FunctionName"], variables | functions.of_documents(stack))


def _of_policy(stack: Stack, url: str, attributes: dict[str, str]) -> list[Finding]:
    """What keeps the rule from a queue. CloudFormation's drift detection does not cover the policies of queues."""
    (name,) = stack.ids("AWS::Events::Rule", of=_PART)
    arn = stack.arn("events", f"rule/{name.rpartition('/')[2]}")
    if policies.lets_rule_send(json.loads(attributes.get("Policy", "{}")), arn):
        return []
    return [
        failure(
            f"The policy of {queue_name(url)} does not let the rule send: events are lost.",
            repairs.set_policy(stack, url),
        )
    ]


def _oldest(stack: Stack, name: str) -> timedelta | None:
    """For how long the oldest message of a queue has waited; None where that is not known."""
    seconds = queues.latest(stack, ("AWS/SQS", "ApproximateAgeOfOldestMessage"), ("QueueName", name), within=_LATE)
    return None if seconds is None else timedelta(seconds=int(seconds))
