"""Rows as answers of QIDO-RS have them: DICOM JSON objects with the attributes of PS3.18, section 10.6.3.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaging_index.profile.profile import Profile
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.question import Level
    from imaging_index.searching.rows import Row
    from imaging_index.table.reading import TableReader

Object = dict[str, dict[str, Any]]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer's objects have.

    Attributes:
        level: of the objects: study, series, or image set for instances.
        relational: the path names no study, or no series of instances: attributes of the levels above are in, too.
        names: of the profile's attributes that were asked for or matched on; those that are always in need not be.
        everything: all attributes that the profile selects (includefield=all).
        all_copies: image sets that are not primary count like the others.
        retrieve_root: what RetrieveURLs begin with.
        conditions: what was asked, to name the attributes that match possibly, and not for certain.
    """

    level: Level
    relational: bool
    names: tuple[str, ...] = ()
    everything: bool = False
    all_copies: bool = False
    retrieve_root: str = ""
    conditions: tuple[Condition, ...] = ()


def needed(wanted: Wanted, profile: Profile) -> tuple[str, ...] | None:
    """The attributes that rows must have for such an answer (`Search`'s `shown`); None for all."""
    raise NotImplementedError


def of_row(row: Row, wanted: Wanted, profile: Profile) -> Object:
    """The object of a study or a series."""
    raise NotImplementedError


def of_instances(row: Row, wanted: Wanted, profile: Profile, table: TableReader) -> Iterator[tuple[dict[str, Any], Object]]:
    """For each instance of an image set's row: its columns as the pages have them, to match on, and its object."""
    raise NotImplementedError


def tree(row: Row, wanted: Wanted, profile: Profile, table: TableReader) -> dict[str, Any]:
    """A study's row with everything below it: series, image sets, instances."""
    raise NotImplementedError
