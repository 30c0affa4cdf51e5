"""What the objects of an answer have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.question import Level


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer's objects have.

    Attributes:
        level: of the objects: study, series, or image set for instances.
        relational: the path names no study, or no series of instances: attributes of the levels above are in, too.
        names: of the profile's attributes that were asked for or matched on, and of the index's own that the private
            block has; those that are always in need not be.
        everything: all attributes that the profile selects (includefield=all).
        all_copies: image sets that are not primary count like the others.
        retrieve_root: what RetrieveURLs begin with; without one there are none.
        conditions: what was asked, to name the attributes that match possibly, and not for certain. Of instances those
            alone that are in doubt.
    """

    level: Level
    relational: bool
    names: tuple[str, ...] = ()
    everything: bool = False
    all_copies: bool = False
    retrieve_root: str = ""
    conditions: tuple[Condition, ...] = ()
