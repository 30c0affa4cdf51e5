"""The calls to AWS that a pass makes, each kind at its pace. Without `settings.apply` none of them writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from botocore.exceptions import ClientError

from imaging_index.aws_errors import classify
from imaging_index.faults import Poison
from imaging_index.reconciling import lanes
from imaging_index.reconciling.pacing import Pace
from imaging_index.reconciling.refusals import Refused
from imaging_index.table import generation
from imaging_index.table.layout import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imaging_index.healthimaging import HealthImaging, ImageSetState
    from imaging_index.kept_documents import Kept, KeptDocuments
    from imaging_index.queue.hint import Hint
    from imaging_index.queue.sender import Sender
    from imaging_index.reconciling.checkpoint import Lane, Segment
    from imaging_index.reconciling.lanes import Turned
    from imaging_index.reconciling.pacing import Clock
    from imaging_index.reconciling.settings import Settings
    from imaging_index.table.layout import Head
    from imaging_index.table.reconciling import Known, Part, ReconcilingTable, Scanned

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# While hints wait for room in the queue, the lease is renewed so often.
_KEEP_EVERY: Final = timedelta(seconds=30)
# How often a token is refused at one place before the pass gives up.
_MOST_REFUSED: Final = 3
_DELETED_AT_ONCE: Final = 20


class Gather(Protocol):
    """Calls a function for each item, side by side or one by one; the results in the items' order."""

    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item], /) -> list[_Result]:
        """The results."""


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Call a function for each item in a thread of its own."""
    every = list(items)
    if len(every) < 2:
        return [function(each) for each in every]
    with ThreadPoolExecutor(len(every)) as pool:
        return list(pool.map(function, every))


class TimeIsUp(Exception):  # noqa: N818
    """The deadline has come while hints wait for room in the queue."""


class Calls:
    """What a pass asks and does."""

    def __init__(
        self,
        healthimaging: HealthImaging,
        table: ReconcilingTable,
        documents: KeptDocuments | None,
        sender: Sender | None,
        settings: Settings,
        clock: Clock,
        gather: Gather,
    ) -> None:
        """Call these services."""
        self.settings = settings
        self._healthimaging = healthimaging
        self._table = table
        self._documents = documents
        self._sender = sender
        self._clock = clock
        self._gather = gather
        self._ahead = timedelta(0)
        self._searches = Pace(settings.searches_a_second, clock)
        self._asks = Pace(settings.asks_a_second, clock)
        self._scans = Pace(settings.scans_a_second, clock)

    def key(self, image_set_id: str) -> Key:
        """An image set of the data store."""
        return Key(self.settings.datastore_id, image_set_id)

    def learn_the_time(self) -> None:
        """Ask HealthImaging for its time, which counts whatever the time of this machine is."""
        now = self._clock.now()
        self._searches.wait(1)
        page = self._healthimaging.listing(self.settings.datastore_id, now, now)
        self._ahead = page.now - self._clock.now() if page.now else timedelta(0)

    def now(self) -> datetime:
        """HealthImaging's time."""
        return self._clock.now() + self._ahead

    def slower(self) -> None:
        """AWS has refused a call for too many."""
        for pace in (self._searches, self._asks, self._scans):
            pace.slower()

    # --- what is asked

    def turn(self, every: Sequence[Lane]) -> list[Turned]:
        """The next page of each lane.

        Raises:
            Refused: HealthImaging refuses its own tokens.
        """
        self._searches.wait(len(every))
        return self._gather(self._turn, every)

    def _turn(self, lane: Lane) -> Turned:
        try:
            page = self._healthimaging.listing(self.settings.datastore_id, lane.low, lane.cursor, lane.token)
        except ClientError as error:
            if lane.token is None or not isinstance(classify(error), Poison):
                raise
            if lane.refused >= _MOST_REFUSED:
                raise Refused(
                    f"SearchImageSets refuses its own tokens at updatedAt {lane.cursor.isoformat()}. Start again later."
                ) from None
            return lanes.Turned([], lanes.restarted(lane))
        return lanes.turned(lane, page)

    def known(self, every: Sequence[Sequence[str]]) -> list[tuple[dict[Key, Known], float]]:
        """What the table knows of some lists of at most 100 image sets, and the read units."""
        return self._gather(self._known, every)

    def _known(self, image_set_ids: Sequence[str]) -> tuple[dict[Key, Known], float]:
        keys = [self.key(each) for each in dict.fromkeys(image_set_ids)]
        return self._table.known(keys) if keys else ({}, 0.0)

    def scan(self, every: Sequence[Segment], segments: int) -> list[Scanned]:
        """The next page of each segment of the table."""
        self._scans.wait(len(every))
        return self._gather(lambda each: self._table.scan(each.number, segments, each.start), every)

    def parts(self, image_set_id: str) -> Iterable[Part]:
        """The items of an image set, strongly consistent."""
        return self._table.parts(self.key(image_set_id))

    def head(self, image_set_id: str) -> Head | None:
        """The head of an entry, strongly consistent."""
        return self._table.head(self.key(image_set_id))

    def state(self, image_set_id: str) -> ImageSetState | None:
        """What GetImageSet says of an image set; None for 404."""
        self._asks.wait(1)
        return self._healthimaging.state(self.settings.datastore_id, image_set_id)

    @property
    def keeps_documents(self) -> bool:
        """Whether documents are kept."""
        return self._documents is not None

    def is_kept(self, head: Head | None, version: int) -> bool:
        """Whether the document of a version is kept, by the word of its entry."""
        if head is None or self._documents is None or head.document_in != self._documents.name:
            return False
        return generation.described(head.generation)[0] == version

    def kept(self, after: str) -> tuple[list[Kept], str]:
        """The next kept documents, by image set; the last object, empty for no more."""
        return self._documents.page(self.settings.datastore_id, after) if self._documents else ([], "")

    def documents_below(self, image_set_id: str, version: int | None) -> list[Kept]:
        """The kept documents of an image set below a version, or all of them."""
        return self._documents.older(self.settings.datastore_id, image_set_id, version) if self._documents else []

    # --- what is done

    def delete_documents(self, every: Sequence[Kept]) -> None:
        """Delete kept documents."""
        if self.settings.apply and self._documents:
            for start in range(0, len(every), _DELETED_AT_ONCE):
                self._gather(self._documents.delete, every[start : start + _DELETED_AT_ONCE])

    def send(
        self, hints: Sequence[Hint], deadline: datetime, keep: Callable[[], None], *, beside_quota: bool = False
    ) -> int:
        """Send hints. Returns how many were sent: all, or none in a plan. `keep` is called now and then meanwhile.

        Those `beside_quota` take no call of GetImageSetMetadata.

        Raises:
            TimeIsUp: the deadline came first; some of them may have been sent.
        """
        if not self.settings.apply or self._sender is None:
            return 0
        left: Any = hints
        while left:
            until = min(self._clock.now() + _KEEP_EVERY, deadline)
            left = left[self._sender.send(left, until, beside_quota=beside_quota) :]
            if left:
                if self._clock.now() >= deadline:
                    raise TimeIsUp
                keep()
        return len(hints)

    def correct_primary(self, image_set_id: str, head: Head, *, is_primary: bool) -> None:
        """Have an entry say whether its image set is primary, unless it has changed meanwhile."""
        if self.settings.apply:
            self._table.correct_primary(self.key(image_set_id), head, is_primary=is_primary)

    def sweep(self, image_set_id: str, head: Head) -> None:
        """Delete the pages that no entry can name again."""
        if self.settings.apply:
            self._table.sweep(self.key(image_set_id), head)
