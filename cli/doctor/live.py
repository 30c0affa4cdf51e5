"""The self-test of `imaging-index doctor --live`: hints of its own go the whole way, and what comes of them is seen.

It changes nothing but the generation of up to three entries, by a repair. The queue and the rule by which it hears
events are deleted when it ends.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cli.doctor import data_stores
from cli.doctor.finding import Finding, failure, ok, warning
from cli.events.bus import listening
from cli.output import Failure, counted
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.layout import ENTRY, Key, item_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cli.deployed import Stack
    from imaging_index.entry.item import Item

# Data stores of which an image set is tried, and image sets of each that are looked at for one.
_MOST_STORES: Final = 3
_LOOKED_AT: Final = 10
_POLL: Final = 0.5  # seconds
# What the function that announces, and the one that reconciles, run beside the index function.
_OTHERS: Final = 4
# HealthImaging's default quota of documents a second, at 11 write units each (docs/cost.md).
_WRITE_UNITS: Final = 550


class _Tried(NamedTuple):
    """An image set whose hint arrived, with the entry that it made."""

    key: Key
    entry: Item


class SelfTest:
    """A self-test of a stack. It is a context, in which it hears the stack's events.

    Args:
        stack: the stack.
        wait: how many seconds an entry, an index or an event may take.

    Attributes:
        seconds: how long each step took.
    """

    def __init__(self, stack: Stack, wait: float) -> None:
        self._stack = stack
        self._wait = wait
        self._tried: list[_Tried] = []
        self._events: Iterator[dict[str, Any]] | None = None
        self._leaving = contextlib.ExitStack()
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> SelfTest:
        if "EventBusName" in self._stack.outputs:
            with contextlib.suppress(Failure):  # it has said what is refused
                self._events = self._leaving.enter_context(listening(self._stack, patience=self._wait))
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    @property
    def checks(self) -> Mapping[str, Callable[[Stack], Iterable[Finding]]]:
        """The steps in their order."""
        return {
            "limits": _limits,
            "live hint": lambda _: self._hint(),
            "live search": lambda _: self._search(),
            "live event": lambda _: self._hear(),
        }

    def _hint(self) -> Iterator[Finding]:
        """Send a hint of each chosen image set by the rule's bus, and wait for its entry."""
        chosen = [*_chosen(self._stack)]
        if not chosen:
            yield warning("There is no image set to try.", "Import one, and repeat this.")
        for key, own_key in chosen:
            yield self._send(key, own_key=own_key)

    def _send(self, key: Key, *, own_key: bool) -> Finding:
        before = self._stack.table.head(key)
        hint: Any = Hint(Kind.UPDATED, Cause.REPAIR, key.datastore_id, key.image_set_id).event()
        answer = self._stack.session.client("events").put_events(Entries=[hint])
        if answer["FailedEntryCount"]:
            return failure(f"PutEvents answers {answer['Entries'][0].get('ErrorCode')}.", "Try again.")
        begun = time.monotonic()
        entry = self._until(lambda: self._written(key, before.attempt if before else ""))
        where = f"{key.datastore_id}, which has a key of its own" if own_key else key.datastore_id
        if entry is None:
            return failure(
                f"A hint of an image set of {where} changed no entry in {self._wait:.0f} s.",
                "The findings above and the function's log say where it was lost. "
                + ("AccessDenied there: KMS may know HealthImaging by another kms:ViaService. " if own_key else "")
                + "Nothing in the log: EventBridge did not deliver, see the rule's metrics FailedInvocations and "
                "InvocationsSentToDlq.",
            )
        self._tried.append(_Tried(key, entry))
        self.seconds["entry"] = max(self.seconds.get("entry", 0.0), time.monotonic() - begun)
        return ok(f"A hint of an image set of {where} went by the rule, the queue and the function to its entry.")

    def _written(self, key: Key, attempt: str) -> Item | None:
        """The entry that the hint wrote, as soon as it is there."""
        answer: Any = self._stack.session.client("dynamodb").get_item(
            TableName=self._stack.outputs["TableName"], Key=item_key(key, ENTRY), ConsistentRead=True
        )
        entry: Item = answer.get("Item", {})
        repaired = entry.get("Cause", {}).get("S") == Cause.REPAIR and entry["Attempt"]["S"] != attempt
        return entry if repaired else None

    def _search(self) -> Iterator[Finding]:
        """Find each entry by every index that it is in."""
        table = self._stack.table
        described = table.describe()
        for tried in self._tried:
            found: list[str] = []
            lost: list[str] = []
            begun = time.monotonic()
            for name, index in described.indexes.items():
                keys = (*index.partition, *index.sort)
                if any(each not in tried.entry for each in keys):
                    continue
                conditions = {each: str(next(iter(tried.entry[each].values()))) for each in keys}

                def there(name: str = name, wanted: dict[str, str] = conditions, key: Key = tried.key) -> bool:
                    items = table.page(name, wanted, described.key_types).items
                    return any(item["ImageSet"]["S"] == str(key) for item in items)

                (found if self._until(there) else lost).append(name)
            self.seconds["search"] = max(self.seconds.get("search", 0.0), time.monotonic() - begun)
            if lost:
                yield failure(
                    f"The entry is not found by {', '.join(lost)}.", "Compare the indexes above with the template's."
                )
            else:
                yield ok(f"The entry is found by its keys in {', '.join(found) or 'no index, as it has no keys'}.")

    def _hear(self) -> Iterator[Finding]:
        """Hear what the index announces of the entries."""
        if "EventBusName" not in self._stack.outputs:
            yield ok("Events are off.")
            return
        if self._events is None:
            yield warning("Events could not be heard.", "Grant your credentials what is named above.")
            return
        waiting, begun = {tried.key for tried in self._tried}, time.monotonic()
        if not waiting:
            return
        for event in self._events:
            detail = event["detail"]
            waiting.discard(Key(detail.get("datastoreId", ""), detail.get("imageSetId", "")))
            if not waiting or time.monotonic() - begun > self._wait:
                break
        self.seconds["event"] = time.monotonic() - begun
        if waiting:
            yield failure(
                f"{counted(len(waiting), 'change')} of an entry came without an event.",
                "See the log of the function that announces, and its queue of failures.",
            )
        else:
            yield ok("Each of these entries was announced on the stack's bus.")

    def _until(self, look: Callable[[], Any]) -> Any:
        """What `look` returns as soon as it is anything; None if that takes too long."""
        begun = time.monotonic()
        while not (seen := look()):
            if time.monotonic() - begun > self._wait:
                return None
            time.sleep(_POLL)
        return seen


def _chosen(stack: Stack) -> Iterator[tuple[Key, bool]]:
    """An image set of each of some data stores, and whether the data store has a key of its own; these come first."""
    client = stack.session.client("medical-imaging")
    stores = [client.get_datastore(datastoreId=each)["datastoreProperties"] for each in data_stores.named_or_all(stack)]
    own = {each["datastoreId"]: str(each.get("kmsKeyArn", "")).startswith("arn:") for each in stores}
    for datastore in sorted(own, key=lambda each: not own[each])[:_MOST_STORES]:
        newest: Any = {"sort": {"sortField": "updatedAt", "sortOrder": "DESC"}}
        answer = client.search_image_sets(datastoreId=datastore, maxResults=_LOOKED_AT, searchCriteria=newest)
        found = answer["imageSetsMetadataSummaries"]
        # Reading one of the archive tier would move it.
        for each in sorted(found, key=lambda each: each.get("storageTier") == "ARCHIVE_INSTANT_ACCESS"):
            ids = {"datastoreId": datastore, "imageSetId": each["imageSetId"]}
            if client.get_image_set(**ids)["imageSetState"] == "ACTIVE":
                yield Key(datastore, each["imageSetId"]), own[datastore]
                break


def _limits(stack: Stack) -> Iterator[Finding]:
    """What the account lets Lambda run, and what the table takes at once."""
    resources = stack.template["Resources"].values()
    mappings = [each["Properties"] for each in resources if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    wanted = _OTHERS + sum(each.get("ScalingConfig", {}).get("MaximumConcurrency", 0) for each in mappings)
    limit = stack.session.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if limit < wanted:
        yield warning(
            f"Lambda runs {limit} functions of this account and region at a time. The stack's run up to {wanted}.",
            "Request more of Lambda's quota 'Concurrent executions', or set maximumConcurrency lower.",
        )
    else:
        yield ok(f"Lambda runs {limit} functions of this account and region at a time.")
    described: Any = stack.session.client("dynamodb").describe_table(TableName=stack.outputs["TableName"])["Table"]
    units = described.get("WarmThroughput", {}).get("WriteUnitsPerSecond")
    if not units:  # the local cloud has none
        yield ok("DescribeTable does not say what the table takes at once.")
    elif units < _WRITE_UNITS:
        yield warning(
            f"The table takes {units} write units a second at once; a backfill writes up to {_WRITE_UNITS}.",
            "Raise its warm throughput before a large backfill, or let DynamoDB adapt: throttled hints come again.",
        )
    else:
        yield ok(f"The table takes {units} write units a second at once.")
