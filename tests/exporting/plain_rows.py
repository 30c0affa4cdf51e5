"""What an export should have, worked out one value after the other from entries in DynamoDB's form."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from imaging_index.entry.item import Item, plain
from imaging_index.profile import toml_file

if TYPE_CHECKING:
    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile

# A column of each kind, for tests that write many exports: Parquet and Iceberg take their time for each column.
NARROW: Final = toml_file.parse("""
revision = 1
attributes = [
  "PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "SeriesInstanceUID",
  "SeriesNumber", "Modality", "SliceThickness", "ImageType",
]
""")
WHOLE: Final = ("IS", "US", "SS", "UL", "SL", "SV")


def row(item: Item, profile: Profile) -> dict[str, Any]:
    """The columns of an entry that are not null."""
    values = plain(item)
    names = ("DatastoreId", "ImageSetId", "ImageSetVersion", "IsPrimary", "Generation", "ProfileHash", "Cause")
    found = {name: values.get(name) for name in names}
    found |= {name: values.get(name) for name in ("InstanceCount", "FrameCount", "FrameBytes", "MissingIn")}
    found |= {name: values.get(name) for name in ("SeriesInstanceUIDs", "InvalidAttributes", "TruncatedAttributes")}
    if not profile.private:
        for name in ("EventTime", "IndexedAt", "FirstIndexedAt"):
            found[name] = datetime.fromisoformat(values[name]).replace(tzinfo=None)
    found |= {each.name: _column(each, values[each.name]) for each in profile.attributes if each.name in values}
    several = {
        each.name: [*map(str, values[f"{each.name}Values"])]
        for each in profile.attributes
        if f"{each.name}Values" in values
    }
    return {name: value for name, value in (found | {"SeveralValues": several or None}).items() if value is not None}


def _column(attribute: Attribute, value: Any) -> Any:
    if isinstance(value, dict):
        least, greatest = (_column(attribute, value[bound]) for bound in ("Min", "Max"))
        values = [_column(attribute, each) for each in value["Values"]] if "Values" in value else None
        return {"min": least, "max": greatest, "values": values, "missing": int(value.get("Missing", 0))}
    if isinstance(value, list):
        return [_column(attribute, each) for each in value]
    return _value(attribute, value) if value != "" else None


def _value(attribute: Attribute, value: str | Decimal) -> Any:
    if isinstance(value, Decimal):
        return int(value) if attribute.vr in WHOLE else value
    match attribute.form.kind:
        case "date":
            return date(int(value[:4]), int(value[4:6]), int(value[6:]))
        case "time":
            microseconds = int(value[7:].ljust(6, "0"))
            return time(int(value[:2]), int(value[2:4]), int(value[4:6]), microseconds)
    if attribute.vr == "PN" and attribute.form.kind != "token":
        groups = [group or None for group in value.split("=")]
        names = ("Alphabetic", "Ideographic", "Phonetic")
        return dict(zip(names, [*groups, None, None], strict=False))
    return value
