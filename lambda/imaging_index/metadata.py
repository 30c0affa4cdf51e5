"""Reads an image set's metadata document as it streams by: gzip JSON in pieces -> the selected values.

The shape of a document is that of the AWS HealthImaging Developer Guide, "Understanding image sets": Patient, Study, a
map of series by their UID, in each a map of instances by theirs. Nothing but the instances is large: they are handed on
as they come, by runs of many, so that memory stays the same however many there are. Of an instance that is large itself
its frames' ids are held, and what differs in their functional groups.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import msgspec

from imaging_index.errors import Poison
from imaging_index.functional_groups import CONVERTED, PER_FRAME
from imaging_index.json_cursor import LARGE, UNUSABLE, JsonCursor, Long
from imaging_index.private_elements import Places
from imaging_index.profile import Profile
from imaging_index.selection import Source
from imaging_index.shapes import FRAMES, Instance, Shapes, Values, border_of_instances
from imaging_index.unpacking import blocks

# What a document may at most have; beyond it is a hostile one. (Its bytes are bounded where they are unpacked.)
MOST_SERIES: Final = 10_000
MOST_INSTANCES: Final = 1_000_000

# Some instances a run; of more, a processor's cache would hold less.
_BLOCK: Final = 64 * 2**10


class Run(NamedTuple):
    """Some instances of a series, in the order of the document.

    `series` is the series' key in its map, `values` what it says of itself, None when the document tells that only
    later. `instances` are by their keys in the map; `private` has, for each private source that some of them have, the
    JSON text of each, None where there is none.
    """

    series: str
    values: Values
    instances: dict[str, Instance[Values]]
    private: dict[Source, list[bytes | None]]


class Document(msgspec.Struct):
    """What a document says besides its instances.

    The ids are its own words: compare them with what was asked for. `series` has the values of each by its key in the
    map. `mended` says that there was something which is not JSON, and was taken for a value of a wrong type.
    """

    datastore_id: Any = None
    image_set_id: Any = None
    patient: Values = None
    study: Values = None
    series: dict[str, Values] = msgspec.field(default_factory=dict)
    mended: bool = False


class Reader:
    """Reads documents for one profile. Made once: making the types costs more than reading a small document."""

    def __init__(self, profile: Profile, block: int = _BLOCK) -> None:
        """Read what `profile` selects, about `block` bytes of plain text at a time."""
        self.profile = profile
        self._block = block
        self._shapes = Shapes(profile)

    def read(self, pieces: Iterable[bytes], take: Callable[[Run], object]) -> Document:
        """The document whose bytes, gzip or plain JSON, come in `pieces`; `take` gets its instances as they come.

        Raises:
            Poison: when they are no metadata document, or one beyond the bounds.
        """
        text = blocks(pieces, self._block)
        first, second = next(text, b""), next(text, b"")
        if not second and (document := self._read_at_once(first, take)):
            return document
        return _Reading(self._shapes, JsonCursor(itertools.chain((first, second), text)), take).read()

    def _read_at_once(self, text: bytes, take: Callable[[Run], object]) -> Document | None:
        """A document that is small, as most are; None when it has to be looked at more closely."""
        try:
            whole: Any = self._shapes.whole.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        series = (whole.Study and whole.Study.Series) or {}
        runs = [Run(uid, each.DICOM, each.Instances, {}) for uid, each in series.items() if each.Instances]
        instances = [instance for run in runs for instance in run.instances.values()]
        if len(series) > MOST_SERIES or len(instances) > MOST_INSTANCES:
            return None
        private = self._shapes.private
        if private and any(private.listed(instance.vrs) != () for instance in instances):
            return None
        for run in runs:
            take(run)
        patient, study = whole.Patient and whole.Patient.DICOM, whole.Study and whole.Study.DICOM
        values = {uid: each.DICOM for uid, each in series.items()}
        return Document(whole.DatastoreID, whole.ImageSetID, patient, study, values)


class _Reading:
    """One document in the reading."""

    def __init__(self, shapes: Shapes, cursor: JsonCursor, take: Callable[[Run], object]) -> None:
        self._shapes = shapes
        self._cursor = cursor
        self._take = take
        self._document = Document()
        self._count = 0
        # Private elements and rarer sequences that were met; most documents have the same in all instances.
        self._met: frozenset[str] = frozenset()
        self._kind = Long(b"{}", shapes.instances(self._met), border_of_instances)

    def read(self) -> Document:
        """The whole document."""
        document, cursor = self._document, self._cursor
        for key in cursor.members():
            match key:
                case "DatastoreID":
                    document.datastore_id = self._value(_anything)
                case "ImageSetID":
                    document.image_set_id = self._value(_anything)
                case "Patient":
                    self._read_patient()
                case "Study":
                    self._read_study()
                case _:
                    cursor.skip()
        cursor.end()
        document.mended = cursor.mended
        return document

    def _read_patient(self) -> None:
        for part in self._keys():
            match part:
                case "DICOM":
                    self._document.patient = self._value(self._shapes.patient)
                case _:
                    self._cursor.skip()

    def _read_study(self) -> None:
        for part in self._keys():
            match part:
                case "DICOM":
                    self._document.study = self._value(self._shapes.study)
                case "Series":
                    for uid in self._keys():
                        if len(self._document.series) == MOST_SERIES:
                            raise Poison(f"the document has more than {MOST_SERIES} series")
                        self._read_series(uid)
                case _:
                    self._cursor.skip()

    def _read_series(self, uid: str) -> None:
        series = self._document.series
        series[uid] = None
        for part in self._cursor.members():
            match part:
                case "DICOM":
                    series[uid] = self._value(self._shapes.series)
                case "Instances":
                    self._read_instances(uid)
                case _:
                    self._cursor.skip()

    def _read_instances(self, uid: str) -> None:
        if self._cursor.null():
            return
        values = self._document.series[uid]
        large: dict[Source, list[bytes | None]] = {}
        for run, text in self._cursor.runs(self._kind, lambda key: {key: self._large_instance(large)}):
            self._count += len(run)
            if self._count > MOST_INSTANCES:
                raise Poison(f"the document has more than {MOST_INSTANCES} instances")
            if text:
                places = self._shapes.private.places(run, text) if self._shapes.private else []
                instances = self._with_more(places, run, text)
                private = self._shapes.private.columns(places, instances.values()) if self._shapes.private else {}
            else:
                instances, private = run, dict(large)
                large.clear()
            self._take(Run(uid, values, instances, private))

    def _with_more(
        self, places: Iterable[Places], instances: dict[str, Instance[Values]], text: bytes
    ) -> dict[str, Instance[Values]]:
        """Instances, decoded once more if they have what none before had."""
        met = self._met.union(*(place.keys for each in {*places} for place in each))
        if not met >= self._shapes.not_of_one_frame:
            met |= self._shapes.more(instances.values())
        if met == self._met:
            return instances
        self._met = met
        self._kind.decoder = self._shapes.instances(met)
        return self._kind.decoder.decode(text)

    def _large_instance(self, private: dict[Source, list[bytes | None]]) -> Instance[Values]:
        """An instance that is too large to be held, part by part; `private` gets its private elements."""
        instance: Instance[Values] = Instance()
        elements: dict[str, msgspec.Raw] = {}
        vrs: msgspec.Raw | None = None
        for part in self._cursor.members():
            match part:
                case "DICOM" if not self._cursor.null():
                    instance.dicom = self._large_values(elements)
                case "DICOMVRs" if not self._cursor.null():
                    vrs = msgspec.Raw(self._cursor.value().strip())
                case "ImageFrames" if not self._cursor.null():
                    instance.frames = [frame for run, _ in self._cursor.runs(FRAMES) for frame in run]
                case "DICOM" | "DICOMVRs" | "ImageFrames":
                    pass
                case _:
                    self._cursor.skip()
        if self._shapes.private:
            places = self._shapes.private.listed(vrs)
            if places is None:
                places = self._shapes.private.searched(msgspec.json.encode(elements))
            private.update({source: [text] for source, text in self._shapes.private.find(places, elements.get).items()})
        return instance

    def _large_values(self, elements: dict[str, msgspec.Raw]) -> Values:
        """Its values; `elements` gets the private ones by key."""
        values: dict[str, Any] = dict.fromkeys(self._shapes.keywords)
        for keyword in self._cursor.members():
            if keyword == PER_FRAME and keyword in values and self._cursor.peek() == b"[":
                parts = [part for groups in self._many_groups() for part in self._by_macro(groups)]
                values[keyword] = parts or None
            elif keyword in values:
                values[keyword] = msgspec.Raw(self._cursor.value())
            elif self._shapes.private and self._shapes.private.wanted(keyword):
                elements[keyword] = msgspec.Raw(self._cursor.value())
            else:
                self._cursor.skip()
        return SimpleNamespace(**values)

    def _many_groups(self) -> Iterator[list[Any]]:
        """The functional groups of some frames at a time, however few of them a run has."""
        many: list[Any] = []
        held = 0
        for groups, text in self._cursor.runs(self._shapes.groups):
            many += groups
            held += len(text)
            if held >= LARGE:
                yield many
                many, held = [], 0
        if many:
            yield many

    def _by_macro(self, groups: list[Any]) -> Iterator[tuple[str, bytes]]:
        """Of some frames' functional groups, for each macro the JSON list of its values in them, each once.

        Whole items are nearly all distinct, since each frame has its own place; of most macros there is one.
        """
        others: list[bytes] = []
        if {*map(type, groups)} != {self._shapes.group}:
            # What is no item has no macro, and is named when it is typed.
            others = [_NULL if each is None else UNUSABLE for each in groups if not isinstance(each, msgspec.Struct)]
            groups = [each for each in groups if isinstance(each, msgspec.Struct)]
        for macro, get in self._shapes.macros.items():
            raws = [*map(get, groups)]
            if not any(raws):
                texts: Iterable[bytes] = [_NULL for _ in raws[:1]]
            elif macro == CONVERTED[PER_FRAME]:
                texts = map(self._selected, raws)
            else:
                texts = (_NULL if raw is None else bytes(raw) for raw in raws)
            yield macro, b"[%b]" % b",".join(dict.fromkeys((*texts, *others)))

    def _selected(self, converted: msgspec.Raw | None) -> bytes:
        """Of all that a frame was converted with, what the profile selects: of that, most frames say the same."""
        if converted is None:
            return _NULL
        try:
            return msgspec.json.encode(self._shapes.converted.decode(converted))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return bytes(converted)  # no list of items: it is named when it is typed

    def _keys(self) -> Iterable[str]:
        """The keys of the object that comes next; null is as if it were missing."""
        return () if self._cursor.null() else self._cursor.members()

    def _value(self, decoder: "msgspec.json.Decoder[Any]") -> Any:
        try:
            return decoder.decode(self._cursor.value())
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise Poison("the document is not HealthImaging's JSON") from None


_NULL: Final = b"null"

_anything: Final = msgspec.json.Decoder(Any)
