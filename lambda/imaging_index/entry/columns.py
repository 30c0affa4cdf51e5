"""Takes the instances of a document as they stream by: sums them up for the entry, and packs them into pages.

They are gathered in columns, of each keyword the JSON texts, until there are enough for a page: what most instances say
alike is then typed once.
"""

import functools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast

from imaging_index.dicom import vrs
from imaging_index.dicom.dictionary import Level
from imaging_index.dicom.functional_groups import GROUPS, PER_FRAME
from imaging_index.document.document import Run
from imaging_index.document.mending import UNUSABLE
from imaging_index.document.streaming import MOST_FRAMES
from imaging_index.document.texts import decoded, one, only_uid, present, series_uid, uid
from imaging_index.document.types import KEPT, Values
from imaging_index.entry.conversion import Conversion, Text
from imaging_index.entry.geometry import placed
from imaging_index.entry.item import Item
from imaging_index.entry.pages import Columns, Pages, leave_out_what_does_not_fit
from imaging_index.entry.siblings import Siblings
from imaging_index.entry.slices import Gathering
from imaging_index.entry.summary import Summary
from imaging_index.faults import Poison
from imaging_index.profile.attributes import Attribute, Source
from imaging_index.profile.privacy import Policy
from imaging_index.profile.schema import MOST_VALUES

_ROWS_A_PAGE: Final = 1000
# The bytes of texts that are held for a page at most, whose rows are then fewer.
_MOST_HELD: Final = 16 * 2**20
# To look at each keyword of a few instances costs as much as of many.
_RUNS_HELD: Final = 8

# A larger one is no size. (The service takes files of up to 10 GB.)
_LARGEST_FRAME: Final = 2**40

_UIDS: Final = frozenset({"SOPInstanceUID", "SOPClassUID"})
# Marks a series whose UID comes later in the document. No UID begins like it.
_LATER: Final = "\0"

# Where a column's texts come from: a keyword at the top of an instance, or a source that is more than that.
_Place = str | Source

_From = TypeVar("_From", bound=Hashable)
_To = TypeVar("_To")


class Instances:
    """Takes the instances of one document; `count`, `frames` and `frame_bytes` say how many there were.

    `slices` gathers where they lie, if the profile wants it.
    """

    def __init__(self, conversion: Conversion) -> None:
        self._conversion = conversion
        self._profile = profile = conversion.profile
        self.count = 0
        self.frames = 0
        self.frame_bytes = 0
        self._pages = Pages()
        self._series: list[str] = []
        self._keys: list[str] = []
        self._values: list[Values] = []
        self._runs = 0
        # The bytes that the texts held have at most.
        self._size = 0
        self._frames: list[list[str]] = []
        # The keys of series whose values come after their instances in the document.
        self._later: set[str] = set()
        keywords = sorted(profile.keywords(Level.INSTANCE) | set(KEPT))
        self._nothing = SimpleNamespace(**dict.fromkeys(keywords))
        self._keywords = keywords
        self._texts = attrgetter(*keywords)
        self._sources = profile.by_tag()
        self._conditional = profile.conditional_sources()
        places: list[_Place] = [*keywords, *self._sources, *self._conditional]
        self._columns: dict[_Place, list[Text]] = {place: [] for place in places}
        summaries = [
            Siblings(each, conversion) if len(each) > 1 else Summary(each[0], conversion)
            for each in profile.summed_up()
        ]
        self._summaries = [(each, _Origin(each.sources)) for each in summaries]
        self.slices = Gathering(profile.volume) if profile.volume else None

    def take(self, run: Run) -> None:
        """More instances, in the order of the document."""
        size = len(run.instances)
        self._values += (self._nothing if each.dicom is None else each.dicom for each in run.instances.values())
        self._runs += 1
        for source in self._sources:
            self._columns[source] += run.private.get(source) or [None] * size
        self._keys += run.instances
        self._series += repeat(self._label(run), size)
        ids = [
            [name for frame in instance.frames or () if (name := uid(frame.id))] for instance in run.instances.values()
        ]
        self.frames += sum(map(len, ids))
        if self.frames > MOST_FRAMES:
            raise Poison(f"the document has more than {MOST_FRAMES} frames")
        self.frame_bytes += sum(
            frame.size
            for instance in run.instances.values()
            for frame in instance.frames or ()
            if type(frame.size) is int and 0 < frame.size <= _LARGEST_FRAME
        )
        self._frames += ids if self._profile.instances.frames else ([] for _ in ids)
        self.count += size
        if self._runs == _RUNS_HELD or len(self._keys) >= _ROWS_A_PAGE:
            self._gather()
        self._size += run.size
        if self._size > _MOST_HELD:
            self._bound()
        while len(self._keys) >= _ROWS_A_PAGE:
            self._flush(_ROWS_A_PAGE)
            self._size = run.size

    def _bound(self) -> None:
        """Sum up and pack rows that are too many to hold. That depends on their texts, not on how they came."""
        self._gather()
        texts = [sum(map(_size, row)) for row in zip(*self._columns.values(), strict=True)]
        sizes = [
            size + len(key) + sum(map(len, frames))
            for size, key, frames in zip(texts, self._keys, self._frames, strict=True)
        ]
        first = self._size = 0
        for row, size in enumerate(sizes, 1):
            self._size += size
            if self._size > _MOST_HELD or row - first == _ROWS_A_PAGE:
                self._flush(row - first)
                first, self._size = row, 0

    def _gather(self) -> None:
        """The values of the last runs in columns: until then they hold the runs' texts in memory."""
        for keyword, raws in zip(self._keywords, zip(*map(self._texts, self._values), strict=True), strict=False):
            if keyword == PER_FRAME:
                self._columns[keyword] += map(_text, raws)
            else:
                self._columns[keyword] += [raw and bytes(raw) for raw in raws] if any(raws) else raws
        for source in self._conditional:
            self._columns[source] += self._where_it_counts(source)
        self._values.clear()
        self._runs = 0

    def _where_it_counts(self, source: Source) -> list[Text]:
        """The column of a source, for the rows that it does not reach yet, without those where it does not count."""
        rows = slice(len(self._columns[source]), None)
        column, *others = (self._columns[keyword][rows] for keyword in (source.path[0], *source.unless))
        if not any(column):
            return column
        return [
            None if text is None or any(map(_says, more)) else text for text, *more in zip(column, *others, strict=True)
        ]

    def finish(self, series: Mapping[str, str]) -> tuple[Item, Pages]:
        """What the entry gets of all of them, and their pages; `series` has the UID of each series by its key."""
        self._gather()
        if self._keys:
            self._flush(_ROWS_A_PAGE)
        attributes: Item = {}
        missing: dict[str, int] = {}
        for summary, _ in self._summaries:
            attributes |= summary.attributes()
            missing |= summary.missing
        if missing:
            attributes["MissingIn"] = {"M": {name: {"N": str(times)} for name, times in missing.items()}}
        later = {f"{_LATER}{key}": self._named(series[key]) for key in self._later}
        return attributes, self._pages.with_series(later) if later else self._pages

    def _label(self, run: Run) -> str:
        if run.values is None:
            self._later.add(run.series)
            return f"{_LATER}{run.series}"
        return self._named(series_uid(run.values, run.series))

    def _named(self, uid: str) -> str:
        """A series' UID as the pages have it. A text in any case: null marks the rows that go on with another's."""
        return self._conversion.privacy.apply(self._profile.policy("SeriesInstanceUID"), uid) or ""

    def _flush(self, most: int) -> None:
        """Sum up and pack the first rows, as a page."""
        rows = slice(0, most)
        columns = {place: column[rows] for place, column in self._columns.items()}
        filled = {place: column for place, column in columns.items() if any(column)}
        size = len(self._keys[rows])
        for summary, origin in self._summaries:
            summary.add(origin.texts(filled, size))
        if self.slices:
            self.slices.add(filled, size)
        if self._profile.instances.on:
            self._pages.add(self._rows(columns, rows))
        for column in self._columns.values():
            del column[rows]
        del self._keys[rows], self._series[rows], self._frames[rows]

    def _rows(self, columns: Mapping[_Place, list[Text]], rows: slice) -> Columns:
        """The columns of a page."""
        page: Columns = {"SeriesInstanceUID": self._series[rows]}
        for keyword in KEPT:
            column = cast("list[bytes | None]", columns[keyword])
            kept = _each(column, _uid if keyword in _UIDS else _whole_number)
            if keyword == "SOPInstanceUID":
                kept = [name or uid(key) for name, key in zip(kept, self._keys[rows], strict=True)]
            policy = self._profile.policy(keyword)
            if policy is not Policy.KEEP:
                kept = [self._conversion.privacy.apply(policy, value) for value in kept]
            page[keyword] = kept
        kept_too: Columns = {}
        for attribute in self._profile.instances.keep:
            texts = zip(*(columns[place] for place in _places(attribute.sources)), strict=True)
            kept_too[attribute.name] = _each([*texts], functools.partial(self._kept, attribute))
        for attribute in self._profile.instances.geometry:
            texts = zip(*(columns[place] for place in _places(attribute.sources)), strict=True)
            kept_too[attribute.name] = _each([*texts], functools.partial(placed, attribute, self._conversion))
        self._conversion.flaws.truncated |= leave_out_what_does_not_fit(kept_too)
        return page | kept_too | {"Frames": self._frames[rows]}

    def _kept(self, attribute: Attribute, texts: tuple[Text, ...]) -> Any:
        """An instance's own value of an attribute that the profile keeps with the instances."""
        if attribute.whole:
            wholes = self._conversion.wholes(attribute, texts)
            return [*wholes[0][:MOST_VALUES]] if len(wholes) == 1 else None
        found = self._conversion.found(attribute, texts)
        values = [value for value in found if value is not None]
        if attribute.multiple:
            return ["" if value is None else value for value in found[:MOST_VALUES]] if values else None
        return values[0] if len(values) == 1 else None


class _Origin:
    """The columns of some sources: several may be in one, that of functional groups."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._places = _places(sources)

    def texts(self, filled: Mapping[_Place, list[Text]], size: int) -> dict[tuple[Text, ...], int]:
        """What so many instances say at each source, and how many say that; `filled` has columns with something in."""
        places = [place for place in self._places if place in filled]
        rest = (None,) * (len(self._places) - 1)
        if not places:
            return {(None, *rest): size}
        # Most instances say the same: what differs is typed once.
        if places == self._places[:1]:
            return {(text, *rest): times for text, times in Counter(filled[places[0]]).items()}
        places = [*dict.fromkeys(places)]
        # What the text of functional groups must hold for a source to be in it: to look is far cheaper than to decode.
        macros = [source.path[1].encode() if source.path[0] in GROUPS else b"" for source in self._sources]
        texts: Counter[tuple[Text, ...]] = Counter()
        for several, times in Counter(zip(*(filled[place] for place in places), strict=True)).items():
            at = dict(zip(places, several, strict=True))
            lookups = zip(macros, self._places, strict=True)
            texts[tuple(_holding(macro, at.get(place)) for macro, place in lookups)] += times
        return texts


def _holding(macro: bytes, text: Text) -> Text:
    """A text, or None for one of functional groups that do not have a macro. (An escape may stand for any letter.)"""
    if not isinstance(text, bytes) or text == UNUSABLE or macro in text or b"\\" in text:
        return text
    return None


def _places(sources: Iterable[Source]) -> list[_Place]:
    """The columns of some sources."""
    return [source if source.vr or source.unless else source.path[0] for source in sources]


def _size(text: Text) -> int:
    """The bytes of a text."""
    return sum(len(part) for _, part in text) if isinstance(text, tuple) else len(text or b"")


def _text(raw: Any) -> Text:
    if raw is None:
        return None
    return tuple(raw) if isinstance(raw, list) else bytes(raw)


def _each(column: Sequence[_From], become: Callable[[_From], _To]) -> list[_To]:
    """What each value becomes. Equal values are converted once."""
    known = {value: become(value) for value in set(column)}
    return [known[value] for value in column]


def _uid(text: bytes | None) -> str | None:
    return only_uid(decoded(text))


def _whole_number(text: bytes | None) -> int | None:
    number = one("IS", vrs.integer, decoded(text))
    return None if number is None else int(number)


def _says(text: Text) -> bool:
    return isinstance(text, bytes) and bool(present("DA", decoded(text)))
