"""What the model stores, and the calls that a run makes: to the table, and to HealthImaging."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias


class Generation(NamedTuple):
    """Which of two entries is the newer."""

    version: float
    revision: int
    repair: int

    def __str__(self) -> str:
        return "~" if self == TOMBSTONE else f"v{self.version}.r{self.revision}.{self.repair}"


TOMBSTONE: Final = Generation(math.inf, 0, 0)
NOTHING: Final = Generation(0, 0, 0)


class Attempt(int):
    """The random id of one run's pages. The explorer takes the smallest number that nothing remembers."""


class Content(NamedTuple):
    """What an entry and its pages say: a version as a profile's revision shows it, packed in one of several ways."""

    version: float
    revision: int
    packing: int


DAMAGED: Final = Content(0, 0, 0)


class Entry(NamedTuple):
    """The item that is searched; `pages` is how many it has."""

    generation: Generation
    attempt: Attempt | None
    content: Content
    pages: int

    def __str__(self) -> str:
        return f"{self.generation}/{self.attempt}"


ENTRY: Final = "entry"
BURIED: Final = Entry(TOMBSTONE, None, Content(math.inf, 0, 0), 0)


class Page(NamedTuple):
    """The sort key of a page."""

    generation: Generation
    attempt: Attempt | None
    number: int

    def __str__(self) -> str:
        return f"page/{self.generation}/{self.attempt}/{self.number}"


# A counter over a study, which only a neighbour of the protocol has.
STUDY: Final = "study"

Items: TypeAlias = dict[Any, Any]
Condition: TypeAlias = Callable[[Any, Any], bool]


def pages_of(entry: Entry) -> list[Page]:
    """The pages that an entry names."""
    return [Page(entry.generation, entry.attempt, number) for number in range(entry.pages)]


def newer(stands: Entry | None, entry: Entry) -> bool:
    """The condition `attribute_not_exists(ImageSet) OR Generation < :g`."""
    return stands is None or stands.generation < entry.generation


class Get(NamedTuple):
    """GetItem, strongly consistent. Answers the item or None."""

    part: Any

    def on(self, items: Items) -> tuple[Any, Items]:
        return items.get(self.part), items


class Put(NamedTuple):
    """PutItem under a condition on the item that stands. Answers whether it was written."""

    part: Any
    item: Any
    condition: Condition | None = None

    def on(self, items: Items) -> tuple[Any, Items]:
        if self.condition and not self.condition(items.get(self.part), self.item):
            return False, items
        return True, items | {self.part: self.item}


class Delete(NamedTuple):
    """DeleteItem; nothing happens when the item is gone already."""

    part: Any

    def on(self, items: Items) -> tuple[Any, Items]:
        return None, {part: item for part, item in items.items() if part != self.part}


class Parts(NamedTuple):
    """A Query for the sort keys of the pages up to a generation. Answers them in their order."""

    upto: Generation

    def on(self, items: Items) -> tuple[Any, Items]:
        pages = (part for part in items if isinstance(part, Page))
        return tuple(sorted(page for page in pages if page.generation <= self.upto)), items


class NextPage(NamedTuple):
    """One result page of a Query for an attempt's pages. Answers a page and what it holds, or None after the last."""

    generation: Generation
    attempt: Attempt | None
    after: int

    def on(self, items: Items) -> tuple[Any, Items]:
        pages = (part for part in items if isinstance(part, Page) and part[:2] == self[:2] and part.number > self.after)
        page = min(pages, default=None)
        return page and (page, items[page]), items


class GetImageSet(NamedTuple):
    """Answers a `State`, or None for 404."""


class State(NamedTuple):
    """The state of an image set and its latest version."""

    name: Literal["ACTIVE", "LOCKED", "DELETED"]
    version: int


class GetImageSetMetadata(NamedTuple):
    """Answers a `Document`, or None for 404. A version of None asks for the latest."""

    version: int | None


class Document(NamedTuple):
    """A version, how its content comes to be packed (the order of the document's maps, say), and in how many pages."""

    version: int
    packing: int
    pages: int


class NewAttempt(NamedTuple):
    """Answers an `Attempt`. Nobody else can notice, so it takes no step of its own."""


Asked: TypeAlias = GetImageSet | GetImageSetMetadata
# Any other call has `on`: the items before it -> its answer and the items after it.
Call: TypeAlias = tuple[Any, ...]
