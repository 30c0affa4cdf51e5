"""Reads an image set's metadata document as it streams by: gzip JSON in pieces -> the selected values.

The shape of a document is that of the AWS HealthImaging Developer Guide, "Understanding image sets": Patient, Study, a
map of series by their UID, in each a map of instances by theirs. Nothing but the instances is large: they are handed on
as they come, by runs of many, so that memory stays the same however many there are. Of an instance that is large itself
its frames' ids are held, and what differs in their functional groups.

Whatever a document holds, it is bounded what of it is held. A value that is too large is `UNUSABLE` and so left out and
named; a structure that is too large is a hostile document's.
"""

import itertools
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import msgspec

from imaging_index.document.cursor import JsonCursor
from imaging_index.document.document import Document, Run
from imaging_index.document.gunzip import blocks
from imaging_index.document.streaming import Streaming
from imaging_index.document.types import (
    Instance,
    Shapes,
    Values,
)
from imaging_index.profile.profile import Profile

# Some instances a run; of more, a processor's cache would hold less.
_BLOCK: Final = 64 * 2**10


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
        try:
            if not second and (document := self._read_at_once(first, take)):
                return document
            return Streaming(self._shapes, JsonCursor(itertools.chain((first, second), text)), take).read()
        finally:
            if self._shapes.private:
                self._shapes.private.forget()

    def _read_at_once(self, text: bytes, take: Callable[[Run], object]) -> Document | None:
        """A document that is small, as most are; None when it has to be looked at more closely."""
        try:
            whole: Any = self._shapes.whole.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        series = (whole.Study and whole.Study.Series) or {}
        runs = [Run(uid, each.DICOM, each.Instances, {}, len(text)) for uid, each in series.items() if each.Instances]
        instances = [instance for run in runs for instance in run.instances.values()]
        if not _comes_once(text, whole, series.values(), instances):
            return None
        private = self._shapes.private
        if private and any(private.listed(instance.vrs) != () for instance in instances):
            return None
        for run in runs:
            take(run)
        patient, study = whole.Patient and whole.Patient.DICOM, whole.Study and whole.Study.DICOM
        values = {uid: each.DICOM for uid, each in series.items()}
        return Document(whole.DatastoreID, whole.ImageSetID, patient, study, values)


def _comes_once(text: bytes, whole: Any, series: Collection[Any], instances: Collection[Instance[Values]]) -> bool:
    """Whether every key of the structure comes once in a text, of which only the last of equal ones was decoded.

    In JSON without blanks each object but the outermost is a member (`":{`) or an item. HealthImaging writes no members
    but the structure's, so that as many are decoded as are there. If this cannot be decided, the answer is no.
    """
    befores = [before[-2:] for before in text.split(b"{")[1:-1]]
    members = befores.count(b'":')
    if members + sum(before.endswith((b"[", b",")) for before in befores) != len(befores):
        return False
    patient, study = whole.Patient, whole.Study
    decoded = len(series) + len(instances)
    if patient:
        decoded += 1 + (patient.DICOM is not None)
    if study:
        decoded += 1 + (study.DICOM is not None) + (study.Series is not None)
    for one in series:
        decoded += (one.DICOM is not None) + (one.Instances is not None)
    for instance in instances:
        decoded += (instance.dicom is not None) + (instance.vrs is not None and bytes(instance.vrs).startswith(b"{"))
    return decoded == members
