"""The rows of an answer: image sets, and the series, studies and patients that they make up.

A study is a data store and a StudyInstanceUID; a series is that and a SeriesInstanceUID; a patient is a data store, a
PatientID and an IssuerOfPatientID, where no issuer equals only no issuer. An image set without the identifier is a row
of its own, since nothing says where it belongs.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.entry.item import Item, plain_value
from imaging_index.profile.derived import SEVERAL
from imaging_index.searching.question import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

# What an index must hold of an entry, so that it can be put into rows.
NEEDED: Final = (
    *("StudyInstanceUID", "SeriesInstanceUID", "PatientID", "IssuerOfPatientID", "Modality", "InstanceCount"),
    "IsPrimary",
)

RowKey = tuple[str, ...]

_KEYS: Final[dict[Level, tuple[str, ...]]] = {
    Level.SERIES: ("StudyInstanceUID", "SeriesInstanceUID"),
    Level.STUDY: ("StudyInstanceUID",),
    Level.PATIENT: ("PatientID",),
}
# One person has one of each.
_OF_ONE_PATIENT: Final = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")


def key_of(item: Item, level: Level) -> RowKey:
    """The row that an entry belongs to: a data store, and what identifies the row in it."""
    datastore, _, image_set = item["ImageSet"]["S"].partition("/")
    if level is Level.IMAGE_SET:
        return (datastore, image_set)
    values = [item[name]["S"] for name in _KEYS[level] if name in item]
    if len(values) < len(_KEYS[level]):
        return (datastore, "", image_set)
    if level is Level.PATIENT and "IssuerOfPatientID" in item:
        values.append(item["IssuerOfPatientID"]["S"])
    return (datastore, *values)


def digest_of(key: RowKey) -> str:
    """Stands for a row, in 12 characters."""
    return base64.b64encode(hashlib.sha256("\0".join(key).encode()).digest()[:9]).decode()


def is_left_out(item: Item) -> bool:
    """Whether an entry says that its image set is not primary."""
    return "IsPrimary" in item and not item["IsPrimary"]["BOOL"]


def value_of(item: Item, name: str) -> Any:
    """The plain value of an attribute in an entry, all of several values as a list; or None."""
    stored = item.get(f"{name}{SEVERAL}", item.get(name))
    return None if stored is None else plain_value(stored)


class Counts(msgspec.Struct, frozen=True):
    """How much there is of a whole study, series or patient."""

    studies: int
    series: int
    image_sets: int
    instances: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of an answer.

    Attributes:
        level: what it is.
        entries: those that match, in the answer's order, in DynamoDB's form; one at least.
        whole: all entries of the study, series or patient that are not left out; None where they were not read.
        possible: no entry matches for certain; at least one may.
        only_non_primary: the study or series has no other image sets than those that are not primary.
        non_primary: how many image sets of the series, study or patient are left out as not primary; None where that
            was not read.
        study: all entries of the study of a series that are not left out; None where they were not read.
    """

    level: Level
    entries: tuple[Item, ...]
    whole: tuple[Item, ...] | None
    possible: bool = False
    only_non_primary: bool = False
    non_primary: int | None = None
    study: tuple[Item, ...] | None = None

    @property
    def datastore_id(self) -> str:
        """The data store that all its entries are in."""
        return str(self.entries[0]["ImageSet"]["S"].partition("/")[0])

    def value(self, name: str) -> Any:
        """The plain value of an attribute in the first entry that has one, all of several values as a list; or None."""
        return next((value for item in self.entries if (value := value_of(item, name)) is not None), None)

    @property
    def counts(self) -> Counts | None:
        """How much there is of the whole; None where it was not read."""
        if self.whole is None:
            return None
        return Counts(
            studies=len({key_of(item, Level.STUDY) for item in self.whole}),
            series=len({key_of(item, Level.SERIES) for item in self.whole}),
            image_sets=len(self.whole),
            instances=sum(int(item["InstanceCount"]["N"]) for item in self.whole),
        )

    @property
    def modalities(self) -> tuple[str, ...] | None:
        """The modalities of the whole, sorted; None where it was not read."""
        return None if self.whole is None else modalities_of(self.whole)

    @property
    def conflicts(self) -> dict[str, tuple[str, ...]]:
        """The attributes of the patient that have several values where one person has one, with the values."""
        values = {name: _distinct(self.whole or self.entries, name) for name in _OF_ONE_PATIENT}
        return {name: several for name, several in values.items() if len(several) > 1}


def modalities_of(items: Iterable[Item]) -> tuple[str, ...]:
    """The modalities of some image sets, sorted."""
    return _distinct(items, "Modality")


def _distinct(items: Iterable[Item], name: str) -> tuple[str, ...]:
    return tuple(sorted({item[name]["S"] for item in items if name in item}))
