"""The objects of an image set's instances, from its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imaging_index.dicom.dictionary import Level as Place
from imaging_index.document.types import KEPT
from imaging_index.profile.privacy import Policy
from imaging_index.qido import private, required, retrieving
from imaging_index.qido.common import Common
from imaging_index.qido.elements import Elements, add, element, empty, in_order
from imaging_index.qido.objects import ONLINE, Counted
from imaging_index.qido.selection import attributes, is_addressed
from imaging_index.searching.question import Level
from imaging_index.table.layout import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imaging_index.profile.attributes import Attribute
    from imaging_index.profile.profile import Profile
    from imaging_index.qido.wanted import Wanted
    from imaging_index.searching.rows import Row
    from imaging_index.table.reading import ImageSet, TableReader

_REQUIRED: Final = frozenset(each.keyword for each in required.INSTANCE if each.type in ("U", "R"))


def of_instances(
    row: Row, wanted: Wanted, profile: Profile, table: TableReader
) -> Iterator[tuple[dict[str, Any], Elements]]:
    """For each instance of an image set's row: its columns as the pages have them, to match on, and its object.

    They come by InstanceNumber. There are none if the image set was deleted, or if the profile keeps no instances.

    An instance's own values are those that the pages have: the fixed columns (`document.types.KEPT`), and what the
    profile keeps with instances (`instances.keep`, and of `instances.geometry` what is not of frames). Of any other
    attribute the entry has a summary only. The object has it if all instances of the image set have the same value;
    where they differ, or some have none, it is not known, and is left out. Of an instance of a second series in one
    image set, nothing of its series is known but the UID.

    Raises:
        Damaged: the image set's pages are not complete.
    """
    for item in row.entries:
        image_set = table.read(Key(*item["ImageSet"]["S"].split("/")))
        if image_set is not None:
            yield from _of_image_set(image_set, row, wanted, profile)


class Own:
    """Makes the elements that the pages have of an instance itself."""

    def __init__(self, wanted: Wanted, profile: Profile) -> None:
        self._fixed = [keyword for keyword in KEPT if profile.policy(keyword) is Policy.KEEP]
        kept = {each.name for each in (*profile.instances.keep, *profile.instances.geometry)}
        self.names = kept | {*KEPT}
        self._kept = [each for each in attributes(wanted, profile) if each.name in kept.difference(KEPT)]

    def elements(self, instance: Mapping[str, Any]) -> Elements:
        """The elements of an instance, required ones also without a value."""
        found: Elements = {}
        for keyword in self._fixed:
            found |= element(keyword, [instance.get(keyword)]) or (empty(keyword) if keyword in _REQUIRED else {})
        for attribute in self._kept:
            add(found, attribute, _values(attribute, instance.get(attribute.name)))
        return found


def _values(attribute: Attribute, value: Any) -> list[Any]:
    """The single values of an instance; none where its frames differ."""
    if isinstance(value, list):
        of_frames = not attribute.multiple or any(isinstance(each, list) or each is None for each in value)
        return [] if of_frames else value
    return [] if value is None or isinstance(value, dict) else [value]


def _of_image_set(
    image_set: ImageSet, row: Row, wanted: Wanted, profile: Profile
) -> Iterator[tuple[dict[str, Any], Elements]]:
    entry = (image_set.entry,)
    read = msgspec.structs.replace(row, level=Level.IMAGE_SET, entries=entry, whole=entry)
    own = Own(wanted, profile)
    selected = [each for each in attributes(wanted, profile) if each.name not in own.names]
    of_series = _common(read, selected, wanted) | Counted(wanted, profile).elements(read)
    others = _common(read, [each for each in selected if each.level is not Place.SERIES], wanted)
    study, series = read.value("StudyInstanceUID"), read.value("SeriesInstanceUID")
    names_series = profile.policy("SeriesInstanceUID") is Policy.KEEP
    addressed = is_addressed(wanted, profile)
    for instance in image_set.instances:
        its_series = instance["SeriesInstanceUID"]
        found = (of_series if its_series == series else others) | own.elements(instance)
        if names_series:
            found |= element("SeriesInstanceUID", [its_series])
        path = [study, its_series, instance.get("SOPInstanceUID")]
        if addressed and all(path):
            address = retrieving.url(wanted.retrieve_root, row.datastore_id, path, retrieving.image_set_of(read))
            found |= element("RetrieveURL", [address])
        yield instance, in_order(found)


def _common(row: Row, selected: Sequence[Attribute], wanted: Wanted) -> Elements:
    """What the objects of an image set's instances have in common."""
    made = Common(selected, wanted)
    return made.elements(row.entries) | ONLINE | private.elements(row, wanted, made.names)
