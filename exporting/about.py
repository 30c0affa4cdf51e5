"""What an export says of itself, in the metadata of each of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
import pyarrow.parquet as pq

from imaging_index import __version__
from imaging_index.dicom.deidentification import methods
from imaging_index.entry.entry import FORMAT

if TYPE_CHECKING:
    from pathlib import Path

    from imaging_index.profile.profile import Profile

KEY: Final = "imaging_index"


class NotOurs(ValueError):  # noqa: N818
    """A file or folder is not an export of Imaging Index. The text says which, and what to do."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What an export is of.

    Attributes:
        profile_revision: the profile's revision, and `profile_hash` its hash.
        entry_format: the format of entries that this version of the program writes.
        as_of: the moment of the table's state. A scan is none: it reads each entry at some moment from this one on.
        until: when the last entry was read.
        consistent: whether all entries are as they were at `as_of`.
        image_sets: how many the export has, and `outdated` how many of them have an entry of another profile or format.
        left_out: how many more have an entry of another profile, which may hold what this one does not keep.
        privacy: what becomes of the attributes that the profile protects.
        deidentification: of a pseudonymous profile, the codes of what it does (PS3.16, CID 7050, scheme DCM).
    """

    profile_revision: int
    profile_hash: str
    entry_format: int
    as_of: str
    until: str
    consistent: bool
    image_sets: int
    outdated: int
    privacy: dict[str, str]
    deidentification: tuple[str, ...]
    left_out: int = 0
    program: str = __version__

    @classmethod
    def of(cls, profile: Profile, **of_export: Any) -> Self:
        """What an export under a profile says of itself."""
        return cls(
            profile_revision=profile.revision,
            profile_hash=profile.hash,
            entry_format=FORMAT,
            privacy={name: str(policy) for name, policy in sorted(profile.private.items())},
            deidentification=tuple(method.code for method in methods(profile.retained, shifted=profile.shifts))
            if profile.pseudonymous
            else (),
            **of_export,
        )

    @property
    def plain(self) -> dict[str, Any]:
        """The same as plain values."""
        return msgspec.structs.asdict(self)

    @property
    def metadata(self) -> dict[str, str]:
        """The same as a file's metadata."""
        return {KEY: msgspec.json.encode(self).decode()}


def read(file: Path) -> About:
    """What a file says of itself.

    Raises:
        NotOurs: it is no file of an export.
    """
    try:
        return msgspec.json.decode(_said(file), type=About)
    except msgspec.MsgspecError:
        raise _not_ours(file) from None


def check(file: Path) -> None:
    """Check that a file is one of an export.

    Raises:
        NotOurs: it is not.
    """
    _said(file)


def _said(file: Path) -> bytes:
    try:
        said: bytes = (pq.read_metadata(file).metadata or {})[KEY.encode()]
    except (OSError, KeyError, ValueError):
        raise _not_ours(file) from None
    return said


def _not_ours(file: Path) -> NotOurs:
    return NotOurs(f"{file} is not an export of Imaging Index. Make one with `imaging-index export`.")
