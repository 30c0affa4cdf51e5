"""Whether the exports that a schedule begins end: when DynamoDB finished the last one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.deployed import Stack
from cli.doctor import repairs
from cli.doctor.finding import Finding, failure, ok
from exporting.finished import finished
from imaging_index.searching.refusals import code

# An export of a large table takes hours.
_TAKES: Final = timedelta(hours=12)
_LOOK: Final = "docs/runbook.md, Exports, says how to see why."


def exports(stack: Stack) -> Iterator[Finding]:
    """The schedule and the bucket of exports; nothing where the setting `exportDays` is 0."""
    bucket = stack.outputs.get("ExportsBucketName")
    if bucket is None:
        return
    (schedule,) = stack.ids("AWS::Scheduler::Schedule", of="Exporting")
    (group,) = stack.ids("AWS::Scheduler::ScheduleGroup", of="Exporting")
    scheduler = stack.session.client("scheduler")
    try:
        state = scheduler.get_schedule(Name=schedule, GroupName=group)["State"]
    except scheduler.exceptions.ResourceNotFoundException:
        yield failure(f"The schedule {schedule} is gone: nothing is exported.", repairs.find_drift(stack))
        return
    if state != "ENABLED":
        yield failure(
            f"The schedule {schedule} is disabled: nothing is exported.",
            f"Enable it in the console of EventBridge Scheduler, in the group {group}.",
        )
        return
    try:
        last = next(finished(stack.session.client("s3"), bucket), None)
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise
        yield failure(
            f"The bucket {bucket} is gone: nothing is exported.", "Set exportDays to 0, deploy, and set it again."
        )
        return
    yield _late(stack, bucket, last.at if last else None)


def _late(stack: Stack, bucket: str, last: datetime | None) -> Finding:
    longest = timedelta(days=_days(stack)) + _TAKES
    # A stack that has just been given the setting has had no time for an export.
    since = last or stack.description.get("LastUpdatedTime", stack.description["CreationTime"])
    if datetime.now(UTC) - since > longest:
        found = f"DynamoDB finished the last export {since:%Y-%m-%d %H:%M}" if last else f"{bucket} has no export"
        return failure(f"{found}; one is due every {_days(stack)} days.", _LOOK)
    return ok(f"DynamoDB finished an export {last:%Y-%m-%d %H:%M}." if last else f"No export is due in {bucket} yet.")


def _days(stack: Stack) -> int:
    settings: Any = stack.template["Metadata"]["Settings"]
    return int(settings["exportDays"])
