"""The generation of an entry, which decides which of two descriptions of an image set is newer.

It is text, so that DynamoDB compares it: (image set version, profile revision, entry format, repair number), each
padded with zeros. A tombstone's is greater than all.
"""

from typing import Final

TOMBSTONE: Final = "~"

_REPAIR_DIGITS: Final = 4
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def make(version: int, revision: int, entry_format: int, repair: int = 0) -> str:
    """The generation of a version (up to 10 digits) under a profile's revision (6) and an entry format (4)."""
    return f"{version:010d}.{revision:06d}.{entry_format:04d}.{_repair(repair)}"


def described(generation: str) -> tuple[int, int, int]:
    """The version, the profile's revision and the entry format of a generation other than a tombstone's."""
    version, revision, entry_format, _ = generation.split(".")
    return int(version), int(revision), int(entry_format)


def same_but_for_repair(one: str, other: str) -> bool:
    """Whether two generations describe the same version in the same way, however often it was repaired."""
    return one.rpartition(".")[0] == other.rpartition(".")[0]


def repaired(generation: str) -> str:
    """The generation that replaces an entry which turned out to be damaged."""
    described, _, repair = generation.rpartition(".")
    return f"{described}.{_repair(int(repair.lstrip(_LETTERS)) + 1)}"


def _repair(number: int) -> str:
    """Four digits or, of more, a letter for how many and then these: text order stays number order."""
    digits = f"{number:0{_REPAIR_DIGITS}d}"
    more = len(digits) - _REPAIR_DIGITS
    return _LETTERS[more - 1] + digits if more else digits
