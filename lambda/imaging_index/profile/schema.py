"""What an entry holds besides the attributes that a profile selects, and the bounds of its values."""

from collections.abc import Mapping
from typing import Final

from imaging_index.profile.derived import PATIENT_NAME_KEY, STUDY_MOMENT

# What the index itself writes into an entry, and which of it may be a key. No name is a DICOM keyword (a test).
OWN_KEYS: Final[Mapping[str, str]] = {
    "DatastoreId": "S",
    "ImageSetId": "S",
    "ImageSetVersion": "N",
    "InstanceCount": "N",
    "FrameCount": "N",
    "EventTime": "S",
    "IndexedAt": "S",
    "FirstIndexedAt": "S",
    "Cause": "S",
    STUDY_MOMENT.name: STUDY_MOMENT.form.type,
    PATIENT_NAME_KEY.name: PATIENT_NAME_KEY.form.type,
    "NonPrimary": "S",
    "FrameBytes": "N",
}
# When an entry was written. No entry has them whose dates are shifted: most studies are indexed on the day that they
# are made, so that one subtraction would give the shift.
MOMENTS: Final = frozenset({"EventTime", "FirstIndexedAt", "IndexedAt"})
# Not every entry has these, which would be missed in an index that sorts by them.
SOMETIMES: Final = frozenset({"EventTime", "NonPrimary"})
OF_TOMBSTONES: Final = frozenset({"DatastoreId", "ImageSetId", "IndexedAt"})
OWN_NAMES: Final = frozenset(OWN_KEYS) | {
    "ImageSet",
    "Part",
    "IsPrimary",
    "Generation",
    "Attempt",
    "ProfileHash",
    "Pages",
    "PagesChecksum",
    "DocumentIn",
    "SeriesInstanceUIDs",
    "MissingIn",
    "InvalidAttributes",
    "TruncatedAttributes",
}

# The bounds of an entry's values: text in bytes, the texts of a list together, the values of a list, the numbers or
# dates of the instances. What is longer is cut or left out, so that an entry stays within DynamoDB's 400 kB an item.
LONGEST_TEXT: Final = 1024
LONGEST_LIST: Final = 8192
# The lists of several values where DICOM allows one, of all attributes together: hardly any image set has one.
LONGEST_SEVERAL: Final = 65_536
MOST_VALUES: Final = 100
MOST_LISTED: Final = 16
# The values of one attribute in one instance, or in the frames of one: of more, none is looked at.
MOST_OF_AN_ATTRIBUTE: Final = 100_000
# 400 kB less what the index itself writes: its own attributes, and the names of those that were left out or cut.
LARGEST_ENTRY: Final = 380_000
# The names of what a page keeps, which each page has once.
LONGEST_NAMES_KEPT: Final = 20_000

# The keys of the table, which every index holds as well.
TABLE_KEYS: Final = ("ImageSet", "Part")

# DynamoDB Developer Guide, "Quotas": 20 indexes a table; "Multi-attribute keys": four attributes each.
MOST_INDEXES: Final = 20
MOST_KEY_ATTRIBUTES: Final = 4
# DynamoDB API Reference, "Projection": the attributes that an index lists besides keys, and those that all indexes of a
# table list together. An attribute counts in each index that lists it.
MOST_HELD: Final = 20
MOST_HELD_TOGETHER: Final = 100
