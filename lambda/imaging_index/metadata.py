"""Reads an image set's metadata document as it streams by: gzip JSON in pieces -> the selected values.

The shape of a document is that of the AWS HealthImaging Developer Guide, "Understanding image sets": Patient, Study, a
map of series by their UID, in each a map of instances by theirs. Nothing but the instances is large: they are handed on
as they come, by runs of many, so that memory stays the same however many there are. The types that the decoder is given
are made from the profile, and what is not selected is passed over without becoming a Python object. What is selected
stays JSON text: most instances say the same, and whoever takes them decodes what differs.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from imaging_index.dictionary import Level
from imaging_index.errors import Poison
from imaging_index.functional_groups import PER_FRAME
from imaging_index.json_cursor import JsonCursor, Long
from imaging_index.private_elements import KEY as PRIVATE_KEY
from imaging_index.private_elements import Place, PrivateElements
from imaging_index.profile import Profile
from imaging_index.selection import Source
from imaging_index.unpacking import blocks

# What a document may at most have; beyond it is a hostile one. (Its bytes are bounded where they are unpacked.)
MOST_SERIES: Final = 10_000
MOST_INSTANCES: Final = 1_000_000

# What the pages keep of each instance, selected or not.
KEPT: Final = (
    "SOPInstanceUID",
    "SOPClassUID",
    "InstanceNumber",
    "Rows",
    "Columns",
    "BitsAllocated",
    "NumberOfFrames",
)

# Some instances a run; of more, a processor's cache would hold less.
_BLOCK: Final = 64 * 2**10
# Of what looks like the key of an instance, only every second or third is one.
_KEYS_TRIED: Final = 32
_DIGITS_AND_DOTS: Final = b"0123456789."
_LAYOUTS_KEPT: Final = 64

# One level's selected keywords as attributes: each the JSON text of the value (`msgspec.Raw`), or None. Of a very long
# PerFrameFunctionalGroupsSequence a list of such texts, each of some of its items.
Values = Any

_Values = TypeVar("_Values")


class Frame(msgspec.Struct, rename={"id": "ID"}, gc=False):
    """One item of an instance's `ImageFrames`."""

    id: Any = None


class Instance(
    msgspec.Struct, Generic[_Values], rename={"dicom": "DICOM", "vrs": "DICOMVRs", "frames": "ImageFrames"}, gc=False
):
    """One instance: the values of its `DICOM`, the VRs of its private elements in JSON, and its frames."""

    dicom: _Values | None = None
    vrs: msgspec.Raw = None  # type: ignore[assignment]  # optional, but msgspec takes no `Raw | None`
    frames: list[Frame] | None = None


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


@dataclass(slots=True)
class Document:
    """What a document says besides its instances.

    The ids are its own words: compare them with what was asked for. `series` has the values of each by its key in the
    map. `mended` says that there was something which is not JSON, and was taken for a value of a wrong type.
    """

    datastore_id: Any = None
    image_set_id: Any = None
    patient: Values = None
    study: Values = None
    series: dict[str, Values] = field(default_factory=dict)
    mended: bool = False


class Reader:
    """Reads documents for one profile. Made once: making the types costs more than reading a small document."""

    def __init__(self, profile: Profile, block: int = _BLOCK) -> None:
        """Read what `profile` selects, about `block` bytes of plain text at a time."""
        self.profile = profile
        self._block = block
        self._types = _Types(profile)

    def read(self, pieces: Iterable[bytes], take: Callable[[Run], object]) -> Document:
        """The document whose bytes, gzip or plain JSON, come in `pieces`; `take` gets its instances as they come.

        Raises:
            Poison: when they are no metadata document, or one beyond the bounds.
        """
        text = blocks(pieces, self._block)
        first, second = next(text, b""), next(text, b"")
        if not second and (document := self._read_at_once(first, take)):
            return document
        return _Reading(self._types, JsonCursor(itertools.chain((first, second), text)), take).read()

    def _read_at_once(self, text: bytes, take: Callable[[Run], object]) -> Document | None:
        """A document that is small, as most are; None when it has to be looked at more closely."""
        try:
            whole: Any = self._types.whole.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        series = (whole.Study and whole.Study.Series) or {}
        runs = [Run(uid, each.DICOM, each.Instances, {}) for uid, each in series.items() if each.Instances]
        instances = [instance for run in runs for instance in run.instances.values()]
        if len(series) > MOST_SERIES or len(instances) > MOST_INSTANCES:
            return None
        private = self._types.private
        if private and any(private.places(instance.vrs) != () for instance in instances):
            return None
        for run in runs:
            take(run)
        patient, study = whole.Patient and whole.Patient.DICOM, whole.Study and whole.Study.DICOM
        values = {uid: each.DICOM for uid, each in series.items()}
        return Document(whole.DatastoreID, whole.ImageSetID, patient, study, values)


class _Whole(msgspec.Struct, rename={"dicom": "DICOM"}):
    """An instance whose `DICOM` stays text."""

    dicom: msgspec.Raw = None  # type: ignore[assignment]


class _Types:
    """What a document is decoded into: of each level, only what the profile selects."""

    def __init__(self, profile: Profile) -> None:
        self.keywords = profile.keywords(Level.INSTANCE) | set(KEPT)
        patient, study, series = (
            _values(profile.keywords(level)) for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
        )
        self.patient, self.study, self.series = (msgspec.json.Decoder(each | None) for each in (patient, study, series))
        instance: Any = Instance[_values(self.keywords)]  # type: ignore[misc]
        one_series: Any = _level(series, Instances=dict[str, instance])
        self.whole = msgspec.json.Decoder(
            msgspec.defstruct(
                "Whole",
                [
                    ("DatastoreID", Any, None),
                    ("ImageSetID", Any, None),
                    ("Patient", _level(patient) | None, None),
                    ("Study", _level(study, Series=dict[str, one_series]) | None, None),
                ],
            )
        )
        group = _values(profile.per_frame())
        self.groups = Long(b"[]", msgspec.json.Decoder(list[group | None]), _border_of_groups)  # type: ignore[valid-type]
        private = profile.private_sources()
        self.private = PrivateElements(private) if private else None
        self.instances = functools.lru_cache(_LAYOUTS_KEPT)(self._instances)

    def _instances(self, private: frozenset[str]) -> "msgspec.json.Decoder[dict[str, Instance[Values]]]":
        """What decodes instances with some private elements, by their keys: scanners have few ways to lay them out."""
        values: Any = _values(self.keywords, private)
        return msgspec.json.Decoder(dict[str, Instance[values]])


class _Reading:
    """One document in the reading."""

    def __init__(self, types: _Types, cursor: JsonCursor, take: Callable[[Run], object]) -> None:
        self._types = types
        self._cursor = cursor
        self._take = take
        self._document = Document()
        self._count = 0
        # The keys of private elements that were met; most documents have the same in all instances.
        self._private: frozenset[str] = frozenset()
        self._kind = Long(b"{}", types.instances(self._private), _border_of_instances)

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
                    self._document.patient = self._value(self._types.patient)
                case _:
                    self._cursor.skip()

    def _read_study(self) -> None:
        for part in self._keys():
            match part:
                case "DICOM":
                    self._document.study = self._value(self._types.study)
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
                    series[uid] = self._value(self._types.series)
                case "Instances":
                    self._read_instances(uid)
                case _:
                    self._cursor.skip()

    def _read_instances(self, uid: str) -> None:
        if self._cursor.null():
            return
        values = self._document.series[uid]
        large: dict[Source, list[bytes | None]] = {}
        for instances, text in self._cursor.runs(self._kind, lambda key: {key: self._large_instance(large)}):
            self._count += len(instances)
            if self._count > MOST_INSTANCES:
                raise Poison(f"the document has more than {MOST_INSTANCES} instances")
            if text and self._types.private:
                self._take(Run(uid, values, *self._with_private(self._types.private, instances, text)))
            else:
                self._take(Run(uid, values, instances, dict(large)))
                large.clear()

    def _with_private(
        self, private: PrivateElements, instances: dict[str, Instance[Values]], text: bytes
    ) -> tuple[dict[str, Instance[Values]], dict[Source, list[bytes | None]]]:
        """Instances, decoded once more if they have private elements that none before had; and these, in columns."""
        places = list(self._places(private, instances, text))
        met = self._private.union(*((place.creator, place.element) for each in set(places) for place in each))
        if met != self._private:
            self._private = met
            self._kind.decoder = self._types.instances(met)
            instances = self._kind.decoder.decode(text)
        columns: dict[Source, list[bytes | None]] = {}
        for row, (where, instance) in enumerate(zip(places, instances.values(), strict=True)):
            if where and instance.dicom is not None:
                for source, value in private.find(where, _Elements(instance.dicom).get).items():
                    columns.setdefault(source, [None] * len(instances))[row] = value
        return instances, columns

    @staticmethod
    def _places(
        private: PrivateElements, instances: dict[str, Instance[Values]], text: bytes
    ) -> Iterator[tuple[Place, ...]]:
        """Where the private elements of each instance may stand; one without `DICOMVRs` is searched itself."""
        whole: dict[str, _Whole] = {}
        last: msgspec.Raw | None = None
        places: tuple[Place, ...] = ()
        for key, instance in instances.items():
            # To compare texts is cheaper than to hash them, and most are the same.
            if last is None or instance.vrs != last:
                last, told = instance.vrs, private.places(instance.vrs)
                if told is None:
                    whole = whole or _whole.decode(text)
                    last, told = None, private.searched(bytes(whole[key].dicom or b""))
                places = told
            yield places

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
                    instance.frames = [frame for run, _ in self._cursor.runs(_FRAMES) for frame in run]
                case "DICOM" | "DICOMVRs" | "ImageFrames":
                    pass
                case _:
                    self._cursor.skip()
        if self._types.private:
            places = self._types.private.places(vrs)
            if places is None:
                places = self._types.private.searched(msgspec.json.encode(elements))
            private.update({source: [text] for source, text in self._types.private.find(places, elements.get).items()})
        return instance

    def _large_values(self, elements: dict[str, msgspec.Raw]) -> Values:
        """Its values; `elements` gets the private ones by key."""
        values: dict[str, Any] = dict.fromkeys(self._types.keywords)
        for keyword in self._cursor.members():
            if keyword == PER_FRAME and keyword in values and self._cursor.peek() == b"[":
                values[keyword] = [
                    b"[%b]" % b",".join(dict.fromkeys(map(msgspec.json.encode, groups)))
                    for groups, _ in self._cursor.runs(self._types.groups)
                ]
            elif keyword in values:
                values[keyword] = msgspec.Raw(self._cursor.value())
            elif self._types.private and PRIVATE_KEY.fullmatch(keyword):
                elements[keyword] = msgspec.Raw(self._cursor.value())
            else:
                self._cursor.skip()
        return SimpleNamespace(**values)

    def _keys(self) -> Iterable[str]:
        """The keys of the object that comes next; null is as if it were missing."""
        return () if self._cursor.null() else self._cursor.members()

    def _value(self, decoder: "msgspec.json.Decoder[Any]") -> Any:
        try:
            return decoder.decode(self._cursor.value())
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise Poison("the document is not HealthImaging's JSON") from None


class _Elements:
    """The private elements among an instance's values, by key."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def get(self, key: str) -> msgspec.Raw | None:
        """The JSON text at a key."""
        found: msgspec.Raw | None = getattr(self._values, f"_{key}")
        return found


def _values(keywords: Iterable[str], private: Iterable[str] = ()) -> type[msgspec.Struct]:
    """A type with some keywords, and with the keys of private elements as `_GGGGEEEE`; every value stays text."""
    names = {f"_{key}": key for key in sorted(private)}
    fields = [(name, msgspec.Raw, None) for name in (*sorted(keywords), *names)]
    # Nothing in it can refer back to it, which the garbage collector need not find out a million times.
    return msgspec.defstruct("Values", fields, rename=names, omit_defaults=True, gc=False)


def _level(values: type[msgspec.Struct], **more: Any) -> type[msgspec.Struct]:
    """A type with a level's `DICOM`, and what else it has."""
    fields = {"DICOM": values, **more}
    return msgspec.defstruct("Level", [(name, each | None, None) for name, each in fields.items()])


def _border_of_instances(block: bytes) -> int:
    """The last comma before something like `"1.2.3":{`; a line or blank in between is not looked for."""
    end = len(block)
    for _ in range(_KEYS_TRIED):
        end = block.rfind(b'":{', 0, end)
        start = block.rfind(b',"', 0, max(end, 0))
        if start < 0:
            break
        if not block[start + 2 : end].strip(_DIGITS_AND_DOTS):
            return start
    return -1


def _border_of_frames(block: bytes) -> int:
    border = block.rfind(b'},{"ID"')
    return border if border < 0 else border + 1


def _border_of_groups(block: bytes) -> int:
    # An item ends with the item of one of its sequences.
    border = block.rfind(b"}]},{")
    return border if border < 0 else border + 3


_FRAMES: Final = Long(b"[]", msgspec.json.Decoder(list[Frame]), _border_of_frames)
_anything: Final = msgspec.json.Decoder(Any)
_whole: Final = msgspec.json.Decoder(dict[str, _Whole])
