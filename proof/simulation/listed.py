"""AWS HealthImaging in memory, with SearchImageSets: what is not documented of it is drawn by the seed.

A token may be a key, an offset or a snapshot; a list may lag behind; a locked version may be listed or not.
"""
# ruff: noqa: N803  the arguments are boto3's

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from proof.simulation import memory
from proof.simulation.memory import Answer

Token = Literal["key", "offset", "snapshot"]
TOKENS: Final[tuple[Token, ...]] = ("key", "offset", "snapshot")


@dataclass(frozen=True, slots=True)
class Record:
    """What a list says of an image set from a moment on; `gone` when it is not in lists any more."""

    since: datetime
    updated: datetime
    version: int
    is_primary: bool
    tier: str | None = "FREQUENT_ACCESS"
    accessed: datetime | None = None
    gone: bool = False


class HealthImaging(memory.HealthImaging):
    """The client `medical-imaging` with lists.

    Args:
        datastore_id: of the data store.
        now: the time.
        token: what tokens are.
        listed_after: how long a list does not know of a change.
        lag: as of `memory.HealthImaging`.
    """

    def __init__(
        self,
        datastore_id: str,
        now: Callable[[], datetime],
        *,
        token: Token = "key",
        listed_after: Callable[[], timedelta] = lambda: timedelta(0),
        lag: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(datastore_id, lag)
        self.records: dict[str, list[Record]] = {}
        self.read: list[str] = []
        self.asked: list[str] = []
        self._now = now
        self._token = token
        self._listed_after = listed_after
        self._snapshots: dict[str, list[Answer]] = {}
        self._numbers = itertools.count()

    def search_image_sets(
        self, *, datastoreId: str, searchCriteria: Mapping[str, Any], maxResults: int, nextToken: str | None = None
    ) -> Answer:
        """SearchImageSets by a range of updatedAt, in either order."""
        if datastoreId != self.datastore_id:
            raise memory.refusal("SearchImageSets", "ResourceNotFoundException", 404)
        low, high = (value["updatedAt"] for value in searchCriteria["filters"][0]["values"])
        descending = searchCriteria["sort"]["sortOrder"] == "DESC"
        now = self._now()
        listed = []
        for image_set_id, records in self.records.items():
            record = next((each for each in reversed(records) if each.since <= now), None)
            if record and not record.gone and low <= record.updated <= high:
                listed.append((record.updated, image_set_id, record))
        listed.sort(key=lambda each: each[:2], reverse=descending)
        every = [_summary(image_set_id, record) for _, image_set_id, record in listed]
        start = 0
        if nextToken is not None:
            kind, _, rest = nextToken.partition(":")
            if kind == "offset":
                start = int(rest)
            elif kind == "snapshot":
                name, _, place = rest.partition("/")
                every, start = self._snapshots[name], int(place)
            else:
                moment, _, last = rest.partition("/")
                key = (datetime.fromisoformat(moment), last)
                start = sum((each[:2] >= key) if descending else (each[:2] <= key) for each in listed)
        page = every[start : start + maxResults]
        answer: Answer = {"imageSetsMetadataSummaries": page}
        if len(every) > start + maxResults:
            answer["nextToken"] = self._next(every, start + maxResults, page, nextToken)
        return answer

    def _next(self, every: list[Answer], place: int, page: list[Answer], token: str | None) -> str:
        if self._token == "offset":
            return f"offset:{place}"
        if self._token == "snapshot":
            name = token.partition(":")[2].partition("/")[0] if token else str(next(self._numbers))
            self._snapshots[name] = every
            return f"snapshot:{name}/{place}"
        return f"key:{page[-1]['updatedAt'].isoformat()}/{page[-1]['imageSetId']}"

    def get_image_set(self, **arguments: Any) -> Answer:
        """GetImageSet, which is noted in `asked`."""
        self.asked.append(arguments["imageSetId"])
        return super().get_image_set(**arguments)

    def get_image_set_metadata(self, **arguments: Any) -> Answer:
        """GetImageSetMetadata, which is noted in `read`."""
        self.read.append(arguments["imageSetId"])
        return super().get_image_set_metadata(**arguments)

    # --- what happens

    def create(self, image_set_id: str, document: bytes, *, is_primary: bool = True) -> memory.ImageSet:
        """An import made an image set."""
        made = super().create(image_set_id, document, is_primary=is_primary)
        self._list(image_set_id)
        return made

    def finish_update(self, image_set_id: str, document: bytes | None) -> None:
        """The new version's content."""
        super().finish_update(image_set_id, document)
        self._list(image_set_id)

    def finish_copy(self, source_id: str, destination_id: str, document: bytes) -> None:
        """The copy's content."""
        super().finish_copy(source_id, destination_id, document)
        self._list(destination_id)

    def finish_delete(self, image_set_id: str) -> None:
        """The image set is no more, and vanishes from lists."""
        super().finish_delete(image_set_id)
        self._note(image_set_id, replace(self.records[image_set_id][-1], gone=True))

    def promote(self, image_set_id: str, *, is_primary: bool) -> None:
        """Whether an image set is primary changes, without a new version or another updatedAt."""
        self.image_sets[image_set_id].is_primary = is_primary
        self._note(image_set_id, replace(self.records[image_set_id][-1], is_primary=is_primary))

    def store(self, image_set_id: str, tier: str | None, accessed: datetime | None) -> None:
        """In which tier an image set is, and when it was accessed."""
        self._note(image_set_id, replace(self.records[image_set_id][-1], tier=tier, accessed=accessed))

    def _list(self, image_set_id: str) -> None:
        now, image_set = self._now(), self.image_sets[image_set_id]
        self._note(image_set_id, Record(now, now, image_set.version, image_set.is_primary, accessed=now))

    def _note(self, image_set_id: str, record: Record) -> None:
        records = self.records.setdefault(image_set_id, [])
        since = self._now() + self._listed_after()
        # A list does not go back.
        records.append(replace(record, since=max(since, records[-1].since) if records else since))


def _summary(image_set_id: str, record: Record) -> Answer:
    every = {
        "imageSetId": image_set_id,
        "version": record.version,
        "updatedAt": record.updated,
        "isPrimary": record.is_primary,
        "storageTier": record.tier,
        "lastAccessedAt": record.accessed,
    }
    return {name: value for name, value in every.items() if value is not None}


def moment(seconds: float) -> datetime:
    """A time, so many seconds after the simulation's beginning, to the millisecond."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(seconds * 1000))
