"""What a RetrieveURL is and serves: AWS HealthImaging's DICOMweb service, by its developer guide.

By a path alone it serves primary image sets. One that is not primary is named by `imageSetId` ("Getting DICOM series
metadata from HealthImaging", "Getting a DICOM instance from HealthImaging").
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imaging_index.searching.question import Level
from imaging_index.searching.rows import is_left_out, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging_index.entry.item import Item
    from imaging_index.searching.rows import Row


def url(root: str, datastore: str, uids: Sequence[str], image_set: str | None) -> str:
    """The address of a study, series or instance, of which the UIDs are given from the study's on.

    Args:
        root: of the service.
        datastore: its id.
        uids: of the study, series and instance.
        image_set: the id of one that is not primary.
    """
    path = "".join(f"/{name}/{quote(uid, '')}" for name, uid in zip(_PATH, uids, strict=False))
    return f"{root}/datastore/{datastore}{path}{'' if image_set is None else f'?imageSetId={image_set}'}"


_PATH = ("studies", "series", "instances")


def image_set_of(row: Row) -> str | None:
    """The image set that a row's RetrieveURL must name: the first one, if none is primary.

    They are those of the whole study, and of a series those that match.
    """
    items = _of(row)
    return key_of(items[0], Level.IMAGE_SET)[1] if all(map(is_left_out, items)) else None


def is_served(row: Row) -> bool:
    """Whether one RetrieveURL serves a row: not of a study whose image sets are several and none primary."""
    return row.level is not Level.STUDY or len(_of(row)) == 1 or image_set_of(row) is None


def _of(row: Row) -> tuple[Item, ...]:
    return row.whole or row.entries if row.level is Level.STUDY else row.entries


def instances_of_series(row: Row) -> int | None:
    """How many instances the RetrieveURL of a row's series serves; None where the series was not read."""
    if image_set_of(row) is not None:
        return _instances(row.entries[:1])
    series = row.whole
    if row.level is Level.IMAGE_SET and row.study is not None:
        key = key_of(row.entries[0], Level.SERIES)
        series = tuple(item for item in row.study if key_of(item, Level.SERIES) == key)
    return None if series is None else _instances(_primary(series))


def series_and_instances(study: Sequence[Item]) -> tuple[int, int | None]:
    """How many series and instances of a study are served.

    Without a primary image set: how many there are. Several image sets of one series may have the same instances, so
    that these are not known then.
    """
    primary = _primary(study)
    served = primary or study
    series = len({key_of(item, Level.SERIES) for item in served})
    return series, _instances(served) if primary or series == len(served) else None


def _primary(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if not is_left_out(item)]


def _instances(items: Sequence[Item]) -> int:
    return sum(int(item["InstanceCount"]["N"]) for item in items)
