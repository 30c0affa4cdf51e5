"""Answers of QIDO-RS: rows as DICOM JSON objects with the attributes of PS3.18, section 10.6.3.3."""

from imaging_index.qido.elements import Elements as Object
from imaging_index.qido.instances import of_instances
from imaging_index.qido.objects import Objects
from imaging_index.qido.selection import needed
from imaging_index.qido.tree import tree
from imaging_index.qido.wanted import Wanted

__all__ = ["Object", "Objects", "Wanted", "needed", "of_instances", "tree"]
