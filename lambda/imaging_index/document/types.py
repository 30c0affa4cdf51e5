"""The types that a document is decoded into, made from the profile so that nothing else becomes an object.

Every value stays the JSON text that it is: most instances say the same, and whoever takes them decodes what differs.
"""

import functools
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec

from imaging_index.dicom import dictionary
from imaging_index.dicom.dictionary import Level
from imaging_index.dicom.functional_groups import CONVERTED, PER_FRAME
from imaging_index.document.cursor import Long
from imaging_index.document.private_elements import PrivateElements
from imaging_index.profile.profile import Profile

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

# References that PS3.3 has in objects of many frames, or without pixels, alone. The decoder compares every key of an
# instance with all that are wanted: an image of one frame, of which there are most, is not decoded for these.
_NOT_OF_ONE_FRAME: Final = frozenset(
    {
        *("PertinentOtherEvidenceSequence", "IdenticalDocumentsSequence", "PredecessorDocumentsSequence"),
        *("BlendingSequence", "AdvancedBlendingSequence", "ReferencedSpatialRegistrationSequence"),
        *("ReferencedImageEvidenceSequence", "SourceImageEvidenceSequence", "ReferencedPresentationStateSequence"),
        *("ReferencedRawDataSequence", "ReferencedWaveformSequence", "ContributingSourcesSequence"),
        *("SourceSeriesInformationSequence", "RTPhysicianIntentSequence", "RTPrescriptionSequence"),
        *("AcquisitionTaskSequence", "ReferencedRTPlanSequence"),
    }
)

# Of what looks like the key of an instance, only every second or third is one.
_KEYS_TRIED: Final = 32
_DIGITS_AND_DOTS: Final = b"0123456789."
_LAYOUTS_KEPT: Final = 64
_KEYS_KEPT: Final = 64

# One level's selected keywords as attributes: each the JSON text of the value (`msgspec.Raw`), or None. Of a very long
# PerFrameFunctionalGroupsSequence a list of pairs: a macro's keyword, and the JSON list of its values in some frames.
Values = Any

_Values = TypeVar("_Values")


class Frame(msgspec.Struct, rename={"id": "ID", "size": "FrameSizeInBytes"}, gc=False):
    """One item of an instance's `ImageFrames`."""

    id: Any = None
    size: Any = None


class Instance(
    msgspec.Struct, Generic[_Values], rename={"dicom": "DICOM", "vrs": "DICOMVRs", "frames": "ImageFrames"}, gc=False
):
    """One instance: the values of its `DICOM`, the VRs of its private elements in JSON, and its frames."""

    dicom: _Values | None = None
    vrs: msgspec.Raw = None  # type: ignore[assignment]  # optional, but msgspec takes no `Raw | None`
    frames: list[Frame] | None = None


class LevelShape(msgspec.Struct):
    """The `DICOM` of a patient, a study or a series: what decodes it, and the selected keywords."""

    decoder: "msgspec.json.Decoder[Values]"
    keywords: Collection[str]


# Up to this many frames, the geometry is kept for each frame.
MOST_IN_ORDER: Final = 2_000
# Up to this many slices, the geometry of a volume is derived.
MOST_SLICES: Final = 100_000


def in_order(macro: str) -> str:
    """The name under which a macro's values are kept for each frame, beside the list of distinct ones."""
    return f"{macro} of each frame"


# The name under which is how many frames each of these runs has.
RUNS_OF_FRAMES: Final = "runs of frames"


def of_each_slice(macro: str) -> str:
    """The name under which they are kept of more frames than that, some frames at a time."""
    return f"{macro} of each slice"


class Shapes:
    """What a document is decoded into: of each level, only what the profile selects."""

    def __init__(self, profile: Profile) -> None:
        self.keywords = profile.keywords(Level.INSTANCE) | set(KEPT)
        self.not_of_one_frame = self.keywords & _NOT_OF_ONE_FRAME
        patient, study, series = (
            _values(profile.keywords(level)) for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
        )
        self.patient = LevelShape(msgspec.json.Decoder(patient | None), profile.keywords(Level.PATIENT))
        self.study = LevelShape(msgspec.json.Decoder(study | None), profile.keywords(Level.STUDY))
        self.series = LevelShape(msgspec.json.Decoder(series | None), profile.keywords(Level.SERIES))
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
        self.in_order = profile.in_order()
        self.of_slices = bool(profile.volume)
        macros = profile.per_frame()
        self.macros = {macro: attrgetter(field(macro)) for macro in macros}
        # Of macros in which most frames differ, only what is selected is held.
        self.reduced = {
            macro: msgspec.json.Decoder(list[_values(keys)])  # type: ignore[misc]
            for macro, keys in macros.items()
            if macro in self.in_order or macro == CONVERTED[PER_FRAME]
        }
        # How such a macro begins that says one thing alone, which is then not decoded.
        alone = {macro: keys for macro, keys in macros.items() if macro in self.reduced and len(keys) == 1}
        self.alone = {macro: b'[{"%b":' % min(keys).encode() for macro, keys in alone.items()}
        self.group = _values(self.macros)
        item = self.group | None | bool | int | float | str | list[Any]
        self.groups = Long(b"[]", msgspec.json.Decoder(list[item]), _border_of_groups)  # type: ignore[valid-type]
        private = profile.by_tag()
        self.private = PrivateElements(private) if private else None
        self._instances = functools.lru_cache(_LAYOUTS_KEPT)(self._made)

    def instances(self, more: frozenset[str]) -> "msgspec.json.Decoder[dict[str, Instance[Values]]]":
        """What decodes instances by their keys, with some private elements and what only some kinds of objects have.

        Scanners have few ways to lay them out. Of documents, tags alone are held from one to the next, and few of them.
        """
        return self._instances(more) if len(more) <= _KEYS_KEPT else self._made(more)

    def _made(self, more: frozenset[str]) -> "msgspec.json.Decoder[dict[str, Instance[Values]]]":
        keys = (self.keywords - self.not_of_one_frame) | more
        values: Any = _values(keys, self.keywords - keys)
        return msgspec.json.Decoder(dict[str, Instance[values]])

    def more(self, instances: Iterable[Instance[Values]]) -> frozenset[str]:
        """What some of these instances are to be read for besides, since they are no images of one frame."""
        every = (each.dicom for each in instances)
        if all(each is None or (each.Rows is not None and each.NumberOfFrames is None) for each in every):
            return frozenset()
        return self.not_of_one_frame


def field(key: str) -> str:
    """A keyword, or a tag as `_GGGGEEEE`."""
    return key if key.isidentifier() else f"_{key}"


def _tag(key: str) -> str:
    element = dictionary.lookup(key) if key.isidentifier() else None
    return element.tag if element else key


def _values(keys: Iterable[str], absent: Iterable[str] = ()) -> type[msgspec.Struct]:
    """A type with some keywords and tags; every value stays text. What is absent is None, and not decoded."""
    # The decoder looks for a key's field from that of the last key on, and most documents are in the order of tags.
    names = {field(key): key for key in sorted(keys, key=_tag)}
    fields = [(name, msgspec.Raw, None) for name in names]
    # Nothing in it can refer back to it, which the garbage collector need not find out a million times.
    nothing = dict.fromkeys(absent)
    return msgspec.defstruct("Values", fields, rename=names, omit_defaults=True, gc=False, namespace=nothing)


def _level(values: type[msgspec.Struct], **more: Any) -> type[msgspec.Struct]:
    """A type with a level's `DICOM`, and what else it has."""
    fields = {"DICOM": values, **more}
    return msgspec.defstruct("Level", [(name, each | None, None) for name, each in fields.items()])


def border_of_instances(block: bytes) -> int:
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
    # Most items end with the item of one of their sequences, which no two items of a sequence within them do.
    for border in (b"}]},{", b"},{", b"}, {"):
        if (start := block.rfind(border)) >= 0:
            return start + border.index(b",")
    return -1


FRAMES: Final = Long(b"[]", msgspec.json.Decoder(list[Frame]), _border_of_frames)
# The members of any object, whose texts are of all lengths.
MEMBERS: Final[Long[dict[str, Any]]] = Long(b"{}", msgspec.json.Decoder(dict[str, msgspec.Raw]), None)
