"""The columns of an export: what each is named, what it is in DynamoDB's JSON, and its type in Arrow.

Names are DICOM's keywords, and those that the index itself writes. What serves the search alone is left out: folded
names, StudyMoment, and what the write protocol needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from exporting.values import MOMENT, NAME, type_of
from imaging_index.profile.derived import SEVERAL
from imaging_index.profile.privacy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.form import Arrangement
    from imaging_index.profile.profile import Profile

TEXT: Final = pa.struct([("S", pa.string())])
NUMBER: Final = pa.struct([("N", pa.string())])
# Among several, an empty text stands for no number.
_NUMBER_OR_NONE: Final = pa.struct([("N", pa.string()), ("S", pa.string())])
_FLAG: Final = pa.struct([("BOOL", pa.bool_())])

# Texts by attribute: all values of one that DICOM gives one value and that has several; and the values that a column's
# type cannot hold, which are null in the column.
TEXTS_BY_NAME: Final = pa.map_(pa.string(), pa.list_(pa.string()))
MISSING_BY_NAME: Final = pa.map_(pa.string(), pa.int64())
BY_NAME: Final = {"MissingIn": MISSING_BY_NAME, "SeveralValues": TEXTS_BY_NAME, "InexactValues": TEXTS_BY_NAME}


# What the index itself says of an image set.
INDEX_COLUMNS: Final = frozenset(
    {
        *("DatastoreId", "ImageSetId", "ImageSetVersion", "IsPrimary", "InstanceCount", "FrameCount", "FrameBytes"),
        *("EventTime", "IndexedAt", "FirstIndexedAt", "Generation", "ProfileHash", "Cause", "SeriesInstanceUIDs"),
        *("InvalidAttributes", "TruncatedAttributes", *BY_NAME),
    }
)

# How an entry arranges an attribute's values, as the metadata of its column has it.
ARRANGEMENT: Final = b"arrangement"


class Column(msgspec.Struct, frozen=True):
    """One column: `raw` is its type in DynamoDB's JSON, `type` that of an export."""

    name: str
    raw: pa.DataType
    type: pa.DataType
    arrangement: Arrangement = "one"

    @property
    def field(self) -> pa.Field:
        """The column as a schema has it."""
        return pa.field(self.name, self.type, metadata={ARRANGEMENT: self.arrangement})


def columns(profile: Profile) -> list[Column]:
    """The columns that an export under a profile has besides those of `BY_NAME`, the index's own first."""
    return [*_own(profile), *map(_selected, profile.attributes)]


def several(profile: Profile) -> dict[str, tuple[str, pa.DataType]]:
    """What an entry has all values of an attribute in, by the attributes that DICOM gives one value: name and type."""
    return {
        each.name: (f"{each.name}{SEVERAL}", listed(NUMBER if each.form.kind == "number" else TEXT))
        for each in profile.attributes
        if not each.multiple
    }


def counted(profile: Profile) -> list[str]:
    """The attributes of which an entry says in `MissingIn` how many instances have no value."""
    return [each.name for each in profile.attributes if each.form.arrangement in ("distinct", "column")]


def listed(raw: pa.DataType) -> pa.DataType:
    """A list in DynamoDB's JSON."""
    return pa.struct([("L", pa.list_(raw))])


def _own(profile: Profile) -> Iterator[Column]:
    yield from (Column(name, TEXT, pa.string()) for name in ("DatastoreId", "ImageSetId"))
    yield Column("ImageSetVersion", NUMBER, pa.int64())
    yield Column("IsPrimary", _FLAG, pa.bool_())
    yield from (Column(name, NUMBER, pa.int64()) for name in ("InstanceCount", "FrameCount", "FrameBytes"))
    if not profile.private:
        # The moment at which a study arrived is close to its date, whatever a policy made of that.
        yield from (Column(name, TEXT, MOMENT) for name in ("EventTime", "IndexedAt", "FirstIndexedAt"))
    yield from (Column(name, TEXT, pa.string()) for name in ("Generation", "ProfileHash", "Cause"))
    for name in ("SeriesInstanceUIDs", "InvalidAttributes", "TruncatedAttributes"):
        yield Column(name, listed(TEXT), pa.list_(pa.string()))


def _selected(attribute: Attribute) -> Column:
    form = attribute.form
    single, of_several = (NUMBER, _NUMBER_OR_NONE) if form.kind == "number" else (TEXT, TEXT)
    wanted = type_of(form.kind, attribute.vr)
    if attribute.vr == "PN" and attribute.policy is Policy.KEEP:
        wanted = NAME
    if form.arrangement == "one":
        return Column(attribute.name, single, wanted)
    if form.arrangement != "range":
        return Column(attribute.name, listed(of_several), pa.list_(wanted), form.arrangement)
    raw, value = (listed(of_several), pa.list_(wanted)) if form.whole else (single, wanted)
    summary = pa.struct([("Min", raw), ("Max", raw), ("Values", listed(raw)), ("Missing", NUMBER)])
    of_summary = [("min", value), ("max", value), ("values", pa.list_(value)), ("missing", pa.int64())]
    return Column(attribute.name, pa.struct([("M", summary)]), pa.struct(of_summary), form.arrangement)
