"""The generation of an entry: which of two descriptions of one image set is the newer.

It is text, so that DynamoDB compares it: (image set version, profile revision, entry format, repair number), each
padded with zeros. A tombstone's is greater than all.
"""

from typing import Final

TOMBSTONE: Final = "~"

_REPAIR_DIGITS: Final = 4


def make(version: int, revision: int, entry_format: int, repair: int = 0) -> str:
    """The generation of a version (up to 10 digits) under a profile's revision (6) and an entry format (4)."""
    return f"{version:010d}.{revision:06d}.{entry_format:04d}.{repair:0{_REPAIR_DIGITS}d}"


def same_but_for_repair(one: str, other: str) -> bool:
    """Whether two generations describe the same version in the same way, however often it was repaired."""
    return one[:-_REPAIR_DIGITS] == other[:-_REPAIR_DIGITS]


def repaired(generation: str) -> str:
    """The generation that replaces an entry which turned out to be damaged."""
    number = int(generation[-_REPAIR_DIGITS:]) + 1
    return f"{generation[:-_REPAIR_DIGITS]}{number:0{_REPAIR_DIGITS}d}"
