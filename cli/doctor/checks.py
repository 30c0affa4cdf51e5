"""The checks of all parts of a stack, in the order of an event's way through it."""

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.deployed import Stack
from cli.doctor import announcing, comparing, data_stores, documents, entries, exports, ingestion, storage
from cli.doctor.finding import Finding, failure, ok, warning
from imaging_index.searching.refusals import code, denied

Check = Callable[[Stack], Iterable[Finding]]

_EVENTS: Final = "Look for the first failure in the stack's events, and deploy again."


def examine(stack: Stack, checks: Mapping[str, Check] | None = None) -> Generator[tuple[str, Finding]]:
    """The findings, each with its part. A part about which AWS does not answer has a warning.

    Args:
        stack: the stack.
        checks: the checks by their parts; by default those of all parts of a stack.
    """
    for part, check in (_CHECKS if checks is None else checks).items():
        try:
            for finding in check(stack):
                yield part, finding
        except ClientError as error:
            mend = f"Grant your credentials the permission for {error.operation_name}." if denied(error) else ""
            yield part, warning(f"{error.operation_name} answers {code(error)}.", mend)
        except BotoCoreError as error:
            yield part, warning(f"AWS cannot be reached: {type(error).__name__}.", "")


def _stack(stack: Stack) -> list[Finding]:
    """The last deployment."""
    status = stack.description["StackStatus"]
    if status.endswith("_IN_PROGRESS"):
        return [warning(f"{stack.name} is {status}.", "Look again when the deployment has ended.")]
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        since = stack.description.get("LastUpdatedTime", stack.description["CreationTime"])
        return [ok(f"{stack.name} is {status} since {since:%Y-%m-%d %H:%M}.")]
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return [warning(f"The last update of {stack.name} failed and was undone.", _EVENTS)]
    return [failure(f"{stack.name} is {status}.", _EVENTS)]


_CHECKS: Final[dict[str, Check]] = {
    "stack": _stack,
    "data stores": data_stores.data_stores,
    "rule": ingestion.rule,
    "queue": ingestion.queue,
    "dead letters": ingestion.dead_letters,
    "mapping": ingestion.mapping,
    "function": ingestion.function,
    "reconcile": comparing.comparing,
    "events": announcing.events,
    "table": storage.table,
    "indexes": storage.indexes,
    "entries": entries.entries,
    "key": storage.key,
    "secret": storage.secret,
    "documents": documents.documents,
    "exports": exports.exports,
}
