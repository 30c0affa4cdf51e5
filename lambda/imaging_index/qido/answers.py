"""Answers of QIDO-RS: rows as DICOM JSON objects with the attributes of PS3.18, section 10.6.3.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imaging_index.qido.elements import Elements as Object
from imaging_index.qido.instances import of_instances
from imaging_index.qido.objects import Objects
from imaging_index.qido.selection import needed
from imaging_index.qido.tree import tree
from imaging_index.qido.wanted import Wanted

if TYPE_CHECKING:
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.rows import Row

__all__ = ["Object", "Objects", "Wanted", "needed", "of_instances", "of_row", "tree"]


def of_row(row: Row, wanted: Wanted, profile: Profile) -> Object:
    """The object of a study or a series. Of many rows, `Objects` makes them faster."""
    return Objects(wanted, profile).of_row(row)
