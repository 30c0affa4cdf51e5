"""Reads an image set's metadata document: gzip JSON in pieces -> the selected values.

The shape of a document is that of the AWS HealthImaging Developer Guide, "Understanding image sets": Patient, Study, a
map of series by their UID, in each a map of instances by theirs. The types that the decoder is given are made from the
profile, so that what is not selected is skipped without becoming a Python object.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec
from isal import isal_zlib
from isal.igzip_lib import IsalError

from imaging_index.dictionary import Level
from imaging_index.errors import Poison
from imaging_index.private_elements import PrivateElements
from imaging_index.profile import Profile

# What a document may at most be; beyond it is a hostile one. (The service's quota is 50 MB of metadata an image set.)
MOST_BYTES: Final = 256 * 2**20
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

_GZIP: Final = b"\x1f\x8b"
_MEMBER_OF_GZIP: Final = 31  # zlib's wbits for a gzip header and trailer
_PIECE: Final = 2**20

_Patient = TypeVar("_Patient")
_Study = TypeVar("_Study")
_Series = TypeVar("_Series")
_Instance = TypeVar("_Instance")


class Frame(msgspec.Struct, rename={"id": "ID"}):
    """One item of an instance's `ImageFrames`."""

    id: Any = None


class Instance(
    msgspec.Struct, Generic[_Instance], rename={"dicom": "DICOM", "frames": "ImageFrames", "vrs": "DICOMVRs"}
):
    """One instance.

    `dicom` has the selected keywords as attributes, each the document's JSON value or None, and when the profile
    selects private elements, `private_elements`: their JSON values by source.
    """

    dicom: _Instance = None  # type: ignore[assignment]  # optional, but msgspec takes no `Raw | None`
    frames: list[Frame] | None = None
    vrs: dict[str, Any] | None = None


class Series(msgspec.Struct, Generic[_Series, _Instance], rename={"dicom": "DICOM", "instances": "Instances"}):
    """One series: `dicom` as in `Instance`, `instances` by SOP instance UID."""

    dicom: _Series | None = None
    instances: dict[str, Instance[_Instance]] | None = None


class Patient(msgspec.Struct, Generic[_Patient], rename={"dicom": "DICOM"}):
    """The patient: `dicom` as in `Instance`."""

    dicom: _Patient | None = None


class Study(msgspec.Struct, Generic[_Study, _Series, _Instance], rename={"dicom": "DICOM", "series": "Series"}):
    """The study: `dicom` as in `Instance`, `series` by series instance UID."""

    dicom: _Study | None = None
    series: dict[str, Series[_Series, _Instance]] | None = None


class Document(
    msgspec.Struct,
    Generic[_Patient, _Study, _Series, _Instance],
    rename={"datastore_id": "DatastoreID", "image_set_id": "ImageSetID", "patient": "Patient", "study": "Study"},
):
    """A document, as far as it was selected. The ids are its own words: compare them with what was asked for."""

    datastore_id: Any = None
    image_set_id: Any = None
    patient: Patient[_Patient] | None = None
    study: Study[_Study, _Series, _Instance] | None = None


AnyDocument = Document[Any, Any, Any, Any]


class Reader:
    """Reads documents for one profile. Made once: making the types costs more than reading a small document."""

    def __init__(self, profile: Profile) -> None:
        patient, study, series, instance = (_values(profile, level) for level in Level)
        private = profile.private_sources()
        self._private = PrivateElements(private) if private else None
        self._instance: msgspec.json.Decoder[Any] = msgspec.json.Decoder(instance | None)
        at_first = msgspec.Raw if private else instance | None
        self._decoder: msgspec.json.Decoder[AnyDocument] = msgspec.json.Decoder(
            Document[patient, study, series, at_first]  # type: ignore[valid-type]
        )

    def read(self, pieces: Iterable[bytes]) -> AnyDocument:
        """The document whose bytes, gzip or plain JSON, come in `pieces`.

        Raises:
            Poison: when they are no metadata document, or one beyond the bounds.
        """
        plain = bytearray()
        for piece in _plain(pieces):
            plain += piece
            if len(plain) > MOST_BYTES:
                raise Poison(f"the document is larger than {MOST_BYTES} bytes")
        try:
            document = self._decoder.decode(plain)
            if self._private:
                self._decode_instances(document, self._private)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise Poison("the document is not HealthImaging's JSON") from None
        _check_bounds(document)
        return document

    def _decode_instances(self, document: AnyDocument, private: PrivateElements) -> None:
        """Decode what was left raw: an instance's private elements have keys that only its creators tell."""
        for series in ((document.study and document.study.series) or {}).values():
            for instance in (series.instances or {}).values():
                if instance.dicom is not None:
                    raw = instance.dicom
                    instance.dicom = self._instance.decode(raw)
                    if instance.dicom is not None:
                        instance.dicom.private_elements = private.find(raw, instance.vrs)


def _values(profile: Profile, level: Level) -> type[msgspec.Struct]:
    """A type with the top keywords of the attributes selected at `level`; every value may be anything."""
    keywords = set(profile.keywords(level))
    if level is Level.INSTANCE:
        keywords.update(KEPT, ["private_elements"])
    return msgspec.defstruct(f"{level}Values", [(keyword, Any, None) for keyword in sorted(keywords)])


def _check_bounds(document: AnyDocument) -> None:
    series = (document.study and document.study.series) or {}
    if len(series) > MOST_SERIES:
        raise Poison(f"the document has more than {MOST_SERIES} series")
    if sum(len(one.instances or ()) for one in series.values()) > MOST_INSTANCES:
        raise Poison(f"the document has more than {MOST_INSTANCES} instances")


def _plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of a body: its first two bytes tell gzip, since the header Content-Encoding need not be right."""
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        if len(head) >= len(_GZIP):
            break
    if not head.startswith(_GZIP):
        yield head
        yield from rest
        return
    yield from _gunzip(head, rest)


def _gunzip(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """One or more gzip members; zeros may follow them, as gzip's manual has it, and anything else is an error."""
    member = isal_zlib.decompressobj(_MEMBER_OF_GZIP)
    try:
        for data in itertools.chain((head,), rest):
            left = data
            while left:
                if member.eof:
                    left = left.lstrip(b"\0")
                    if not left:
                        break
                    member = isal_zlib.decompressobj(_MEMBER_OF_GZIP)
                # A small piece may hold a gigabyte of zeros: no more than a MiB of it at a time.
                yield (plain := member.decompress(left, _PIECE))
                while len(plain) == _PIECE and not member.unconsumed_tail and not member.eof:
                    yield (plain := member.decompress(b"", _PIECE))
                left = member.unused_data if member.eof else member.unconsumed_tail
    except IsalError:  # type: ignore[misc]  # isal's stub says Any
        raise Poison("the document is not whole gzip") from None
    if not member.eof:
        raise Poison("the document's gzip ends too early")
