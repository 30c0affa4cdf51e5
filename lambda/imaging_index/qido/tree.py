"""A study with everything below it, in one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from imaging_index.entry.item import plain_value
from imaging_index.qido import retrieving
from imaging_index.qido.instances import Own
from imaging_index.qido.objects import Objects
from imaging_index.qido.selection import is_addressed
from imaging_index.searching.question import Level
from imaging_index.searching.rows import Row, is_left_out, key_of, value_of
from imaging_index.table.layout import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Profile
    from imaging_index.qido.wanted import Wanted
    from imaging_index.table.reading import ImageSet, TableReader


def tree(row: Row, wanted: Wanted, profile: Profile, table: TableReader) -> dict[str, Any]:
    """A study's row with everything below it: series, image sets, instances.

    The image sets are all of the study; those that are not primary only with `all_copies`, or if there are no others.
    Series come by SeriesNumber. Of each, the primary image set comes first. Instances come by InstanceNumber.

    Returns:
        `study`, an object of DICOM JSON, and `series`, a list. Each item has `series`, an object of DICOM JSON, and
        `imageSets`, a list. Each item of this has `datastoreId`, `imageSetId`, `version`, `isPrimary` (null where it is
        not known), `instanceCount`, `frameCount`, `firstIndexedAt`, `indexedAt`, `retrieveURL` (null without one), and
        `instances`: objects of DICOM JSON with what the pages have of each instance itself.

    Raises:
        Damaged: the pages of an image set are not complete.
    """
    keys = [Key(*key_of(item, Level.IMAGE_SET)) for item in row.whole or row.entries]
    image_sets = [image_set for key in keys if (image_set := table.read(key)) is not None]
    of_series: dict[tuple[str, ...], list[ImageSet]] = {}
    for image_set in sorted(image_sets, key=_place):
        of_series.setdefault(key_of(image_set.entry, Level.SERIES), []).append(image_set)
    return {
        "study": Objects(wanted, profile).of_row(row),
        "series": [_series(each, row, wanted, profile) for each in of_series.values()],
    }


def _place(image_set: ImageSet) -> tuple[Any, ...]:
    """What sorts image sets: the series, primary ones first."""
    number = value_of(image_set.entry, "SeriesNumber")
    series = key_of(image_set.entry, Level.SERIES)
    return (number is None, number or 0, series, is_left_out(image_set.entry), str(image_set.entry["ImageSet"]["S"]))


def _series(image_sets: Sequence[ImageSet], row: Row, wanted: Wanted, profile: Profile) -> dict[str, Any]:
    below = msgspec.structs.replace(wanted, level=Level.SERIES, relational=False)
    entries = tuple(each.entry for each in image_sets)
    series = Row(level=Level.SERIES, entries=entries, whole=entries, study=row.whole)
    own = Own(msgspec.structs.replace(wanted, level=Level.IMAGE_SET, relational=False), profile)
    return {
        "series": Objects(below, profile).of_row(series),
        "imageSets": [
            _image_set(each.entry, below, profile) | {"instances": [own.elements(one) for one in each.instances]}
            for each in image_sets
        ],
    }


def _image_set(entry: Item, wanted: Wanted, profile: Profile) -> dict[str, Any]:
    datastore, image_set = key_of(entry, Level.IMAGE_SET)
    path = [value_of(entry, name) for name in ("StudyInstanceUID", "SeriesInstanceUID")]
    address = None
    if is_addressed(wanted, profile) and all(path):
        address = retrieving.url(wanted.retrieve_root, datastore, path, image_set if is_left_out(entry) else None)
    return {
        "datastoreId": datastore,
        "imageSetId": image_set,
        "version": value_of(entry, "ImageSetVersion"),
        "isPrimary": plain_value(entry["IsPrimary"]) if "IsPrimary" in entry else None,
        "instanceCount": value_of(entry, "InstanceCount"),
        "frameCount": value_of(entry, "FrameCount"),
        "firstIndexedAt": value_of(entry, "FirstIndexedAt"),
        "indexedAt": value_of(entry, "IndexedAt"),
        "retrieveURL": address,
    }
