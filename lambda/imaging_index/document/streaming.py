"""Reads one metadata document part by part as it streams by, in memory that does not grow with its instances.

Of an instance that is large itself the ids of its frames are held, and what differs in their functional groups.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final

import msgspec
from msgspec import structs

from imaging_index.dicom.functional_groups import PER_FRAME
from imaging_index.document import cursor
from imaging_index.document.cursor import MOST_KEYS, JsonCursor, Long
from imaging_index.document.document import Document, Run
from imaging_index.document.frames import Frames
from imaging_index.document.mending import UNUSABLE
from imaging_index.document.private_elements import Places
from imaging_index.document.types import (
    FRAMES,
    MEMBERS,
    Frame,
    Instance,
    LevelShape,
    Shapes,
    Values,
    border_of_instances,
    field,
)
from imaging_index.faults import Poison
from imaging_index.profile.attributes import Source
from imaging_index.profile.schema import LONGEST_TEXT

# What a document may at most have; beyond it is a hostile one. (Its bytes are bounded where they are unpacked.)
MOST_SERIES: Final = 10_000
MOST_INSTANCES: Final = 1_000_000
MOST_FRAMES: Final = 1_000_000
# What is held of one instance's frames, in bytes of their texts: HealthImaging's ids have 32 each.
_MOST_OF_FRAMES: Final = 64 * 2**20
# The keys of private elements that are selected, with those of their creators: one source may have many blocks.
_MOST_PRIVATE: Final = 256


class Streaming:
    """The reading of one document."""

    def __init__(self, shapes: Shapes, cursor: JsonCursor, take: Callable[[Run], object]) -> None:
        self._shapes = shapes
        self._cursor = cursor
        self._take = take
        self._document = Document()
        self._instances = self._frames = self._groups = 0
        # Private elements and rarer sequences that were met; most documents have the same in all instances.
        self._met: frozenset[str] = frozenset()
        self._kind = Long(b"{}", shapes.instances(self._met), border_of_instances)

    def read(self) -> Document:
        """The whole document."""
        document, cursor = self._document, self._cursor
        for key in self._parts("DatastoreID", "ImageSetID", "Patient", "Study"):
            match key:
                case "DatastoreID":
                    document.datastore_id = _decoded(_anything, cursor.value())
                case "ImageSetID":
                    document.image_set_id = _decoded(_anything, cursor.value())
                case "Patient" if not cursor.null():
                    for _ in self._parts("DICOM"):
                        document.patient = self._level(self._shapes.patient)
                case "Study" if not cursor.null():
                    self._read_study()
        cursor.end()
        document.mended = cursor.mended
        return document

    def _parts(self, *known: str) -> Iterator[str]:
        """Which of the `known` keys the object that comes next has. The others are passed over.

        Raises:
            Poison: one of them comes twice. The first value has already been used when the second one arrives.
        """
        met = set()
        for key in self._cursor.members():
            if key not in known:
                self._cursor.skip()
            elif key in met:
                raise _twice()
            else:
                met.add(key)
                yield key

    def _read_study(self) -> None:
        for part in self._parts("DICOM", "Series"):
            if part == "DICOM":
                self._document.study = self._level(self._shapes.study)
            elif not self._cursor.null():
                for uid in self._cursor.members():
                    if uid in self._document.series:
                        raise _twice()
                    if len(self._document.series) == MOST_SERIES:
                        raise Poison(f"the document has more than {MOST_SERIES} series")
                    self._read_series(uid)

    def _read_series(self, uid: str) -> None:
        series = self._document.series
        series[uid] = None
        for part in self._parts("DICOM", "Instances"):
            if part == "DICOM":
                series[uid] = self._level(self._shapes.series)
            elif not self._cursor.null():
                self._read_instances(uid)

    def _level(self, level: LevelShape) -> Values:
        """The values of a patient, a study or a series."""
        text = self._cursor.whole(cursor.LARGE)
        return self._large_values(level.keywords, None) if text is None else _decoded(level.decoder, text)

    def _read_instances(self, uid: str) -> None:
        values = self._document.series[uid]
        large: dict[Source, list[bytes | None]] = {}
        for run, text in self._cursor.runs(self._kind, lambda key: {key: self._large_instance(large)}):
            self._instances += len(run)
            if self._instances > MOST_INSTANCES:
                raise Poison(f"the document has more than {MOST_INSTANCES} instances")
            if not text:
                self._take(Run(uid, values, run, dict(large), _size(run, large)))
                large.clear()
                continue
            places = self._shapes.private.places(run, text) if self._shapes.private else []
            instances = self._with_more(places, run, text)
            private = self._shapes.private.columns(places, instances.values()) if self._shapes.private else {}
            self._take(Run(uid, values, instances, private, len(text)))

    def _with_more(
        self, places: Iterable[Places], instances: dict[str, Instance[Values]], text: bytes
    ) -> dict[str, Instance[Values]]:
        """Instances, decoded once more if they have what none before had."""
        met = self._met.union(*(place.keys for each in {*places} for place in each))
        if not met >= self._shapes.not_of_one_frame:
            met |= self._shapes.more(instances.values())
        if met == self._met:
            return instances
        _check_private(met - self._shapes.not_of_one_frame)
        self._met = met
        self._kind.decoder = self._shapes.instances(met)
        return self._kind.decoder.decode(text)

    def _count_frames(self, more: int) -> None:
        self._frames += more
        if self._frames > MOST_FRAMES:
            raise Poison(f"the document has more than {MOST_FRAMES} frames")

    def _large_instance(self, private: dict[Source, list[bytes | None]]) -> Instance[Values]:
        """An instance that is too large to be held, part by part; `private` gets its private elements."""
        instance: Instance[Values] = Instance()
        elements: dict[str, msgspec.Raw] = {}
        vrs: msgspec.Raw | None = None
        for part in self._cursor.members():
            match part:
                case "DICOM":
                    elements.clear()
                    instance.dicom = (
                        None if self._cursor.null() else self._large_values(self._shapes.keywords, elements)
                    )
                case "DICOMVRs":
                    vrs = msgspec.Raw(self._cursor.value().strip())
                case "ImageFrames":
                    instance.frames = None if self._cursor.null() else self._many_frames()
                case _:
                    self._cursor.skip()
        if self._shapes.private:
            places = self._shapes.private.listed(vrs)
            if places is None:
                places = self._shapes.private.searched(msgspec.json.encode([*elements]))
            private.update({source: [text] for source, text in self._shapes.private.find(places, elements.get).items()})
        return instance

    def _large_values(self, keywords: Collection[str], private: dict[str, msgspec.Raw] | None) -> Values:
        """The values at some keywords of an object that is too large to be held; `private` gets private elements."""
        values: dict[str, Any] = dict.fromkeys(keywords)
        may_be_wanted = self._shapes.private.wanted if self._shapes.private and private is not None else None

        def large(key: str) -> dict[str, Any]:
            if key == PER_FRAME and key in values and self._cursor.peek() == b"[":
                return {key: self._per_frame()}
            if key in values or (may_be_wanted and may_be_wanted(key)):
                return {key: self._cursor.value()}
            self._cursor.skip()
            return {key: UNUSABLE}

        count = 0
        for run, _ in self._cursor.runs(MEMBERS, large):
            count += len(run)
            if count > MOST_KEYS:
                raise Poison(f"an object of the document has more than {MOST_KEYS} keys")
            # Copies: the texts in a run hold all of it.
            for key in run.keys() & values.keys():
                values[key] = run[key] if isinstance(run[key], list) else bytes(run[key])
            if may_be_wanted and private is not None:
                private |= {key: msgspec.Raw(bytes(run[key])) for key in filter(may_be_wanted, run)}
                _check_private(private)
        return SimpleNamespace(**values)

    def _many_frames(self) -> list[Frame]:
        """The frames of a large instance."""
        frames: list[Frame] = []
        size = 0
        for run, _ in self._cursor.runs(FRAMES, lambda _: [self._large_frame()]):
            self._count_frames(len(run))
            frames += run
            for name in Frame.__struct_fields__:
                values = [*map(attrgetter(name), run)]
                texts = _texts(values)
                if {*map(type, values)} - _SMALL or max(map(len, texts), default=0) > LONGEST_TEXT:
                    for frame, value in zip(run, values, strict=True):
                        if type(value) not in _SMALL or (isinstance(value, str) and len(value) > LONGEST_TEXT):
                            setattr(frame, name, None)
                    texts = _texts(map(attrgetter(name), run))
                size += sum(map(len, texts))
            if size > _MOST_OF_FRAMES:
                raise Poison(f"the frames of an instance have more than {_MOST_OF_FRAMES} bytes")
        return frames

    def _large_frame(self) -> Frame:
        """A frame that is too large to be held."""
        names = {field.encode_name: field.name for field in structs.fields(Frame)}
        frame = Frame()
        for key in self._cursor.members():
            if key in names:
                setattr(frame, names[key], _decoded(_anything, self._cursor.value()))
            else:
                self._cursor.skip()
        return frame

    def _per_frame(self) -> list[tuple[str, bytes]] | None:
        """Of a long sequence of functional groups, each macro with the JSON list of its values in some frames."""
        frames = Frames(self._shapes)
        for groups in self._many_groups():
            frames.take(groups)
        return frames.found()

    def _many_groups(self) -> Iterator[list[Any]]:
        """The functional groups of some frames at a time, however few of them a run has."""
        many: list[Any] = []
        held = 0
        for groups, text in self._cursor.runs(self._shapes.groups, lambda _: [self._large_group()]):
            self._groups += len(groups)
            if self._groups > MOST_FRAMES:
                raise Poison(f"the document has functional groups of more than {MOST_FRAMES} frames")
            many += groups
            held += len(text)
            if held >= cursor.LARGE or not text:
                yield many
                many, held = [], 0
        if many:
            yield many

    def _large_group(self) -> Any:
        """The functional groups of one frame that are too large to be held."""
        if self._cursor.peek() != b"{":
            self._cursor.skip()
            return False  # like `UNUSABLE`, what no macro is in
        values = vars(self._large_values(self._shapes.macros, None))
        return self._shapes.group(**{field(macro): value for macro, value in values.items()})


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _check_private(keys: Collection[str]) -> None:
    if len(keys) > _MOST_PRIVATE:
        raise Poison(f"the document has selected private elements at more than {_MOST_PRIVATE} keys")


def _size(run: Mapping[str, Instance[Values]], private: Mapping[Source, list[bytes | None]]) -> int:
    """The bytes of what is held of large instances."""
    texts = [text for column in private.values() for text in column]
    for instance in run.values():
        texts += vars(instance.dicom).values() if instance.dicom else ()
    return sum(
        sum(len(part) for _, part in text) if isinstance(text, list) else len(text)
        for text in texts
        if text is not None
    )


def _decoded(decoder: "msgspec.json.Decoder[Any]", text: bytes) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Poison("the document is not HealthImaging's JSON") from None


def _twice() -> Poison:
    return Poison("a key comes twice in the document's structure")


# What a frame may say of itself in little memory, if it is short.
_SMALL: Final = frozenset({str, int, float, bool, type(None)})

_anything: Final = msgspec.json.Decoder(Any)
