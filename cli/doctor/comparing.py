"""Whether the index is compared with HealthImaging: the schedule, the function that it invokes, and the last pass."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cli.aws_cli import aws
from cli.deployed import Stack
from cli.doctor import functions, repairs
from cli.doctor.data_stores import named_or_all
from cli.doctor.finding import Finding, Status, failure, ok, warning
from imaging_index.reconciling import keeping
from imaging_index.table.checkpoints import Checkpoints
from infra.alarms import LONGEST_WITHOUT_PASS

_LONGEST: Final = timedelta(seconds=LONGEST_WITHOUT_PASS)
# What UpdateSchedule takes of what GetSchedule answers (Amazon EventBridge Scheduler API Reference).
_KEPT: Final = ("Name", "GroupName", "Description", "ScheduleExpression", "FlexibleTimeWindow", "Target")


def comparing(stack: Stack) -> list[Finding]:
    """What compares the index by itself."""
    schedules = stack.ids("AWS::Scheduler::Schedule", of="Reconciling")
    if not schedules:
        return [ok("Nothing is compared by a schedule, as the setting reconcileMinutes says.")]
    variables = {"TABLE_NAME": "TableName", "QUEUE_URL": "QueueUrl"} | functions.of_documents(stack)
    function = functions.function(stack, stack.outputs["ReconcileFunctionName"], variables)
    findings = [*_schedule(stack, schedules[0]), *function, *_passes(stack)]
    return [each for each in findings if each.status is not Status.OK] or [findings[-1]]


def _schedule(stack: Stack, name: str) -> Iterator[Finding]:
    client = stack.session.client("scheduler")
    try:
        schedule: Any = client.get_schedule(Name=name)
    except client.exceptions.ResourceNotFoundException:
        yield failure(
            f"The schedule {name} is gone: what events lose stays missing in the index.", repairs.find_drift(stack)
        )
        return
    if schedule["State"] != "ENABLED":
        enabled = {each: schedule[each] for each in _KEPT if each in schedule} | {"State": "ENABLED"}
        yield failure(
            f"The schedule {name} is disabled: what events lose stays missing in the index.",
            aws(f"scheduler update-schedule --cli-input-json '{json.dumps(enabled)}'"),
        )


def _passes(stack: Stack) -> Iterator[Finding]:
    """The last pass over each data store, or that all have been compared within the hour."""
    checkpoints = Checkpoints(stack.session.client("dynamodb"), stack.outputs["TableName"])
    now, look = datetime.now(UTC), "Look at imaging-index reconcile --status, and at docs/runbook.md, No pass."
    for datastore in named_or_all(stack):
        ends = [each.ended for each in keeping.status(checkpoints, datastore).checkpoint.last.values()]
        if ends and now - max(ends) > _LONGEST:
            ago = timedelta(seconds=int((now - max(ends)).total_seconds()))
            yield failure(f"The last pass over {datastore} ended {ago} ago.", look)
        elif not ends and now - stack.description["CreationTime"] > _LONGEST:
            # The data store may be new.
            yield warning(f"No pass over {datastore} has ended yet.", look)
    yield ok(f"{stack.outputs['ReconcileFunctionName']} is invoked by its schedule.")
