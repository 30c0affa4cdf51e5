"""The paths of QIDO-RS: what a request searches for, and below what (PS3.18, section 10.6.1.1)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

import msgspec

from imaging_index.qido.refusal import Refusal, bad_request
from imaging_index.searching.question import Level

_LEVELS: Final = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.IMAGE_SET}
_COUNT: Final = "count"
_DATASTORE: Final = re.compile(r"[0-9a-z]{32}")
# Wider than PS3.5, section 9.1, has it: archives have UIDs with letters.
_UID: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
_PATHS: Final = (
    "The paths are /studies, /series, /instances, /studies/{study}/series, /studies/{study}/instances and "
    "/studies/{study}/series/{series}/instances, each with /count behind it or not, and /studies/{study}?tree. Each "
    "may be below /datastore/{id}. Images are retrieved from HealthImaging."
)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a path asks for.

    Attributes:
        level: of the objects that are searched for: study, series, or image set for instances.
        datastore: the id of the only data store to search, if there is one.
        study: the StudyInstanceUID to search below.
        series: the SeriesInstanceUID to search below.
        counts: only the number of objects is asked for.
        tree: everything of the study is asked for.
    """

    level: Level
    datastore: str | None = None
    study: str | None = None
    series: str | None = None
    counts: bool = False
    tree: bool = False

    @property
    def relational(self) -> bool:
        """Whether the path names no study of series, or no series of instances."""
        return {Level.SERIES: self.study, Level.IMAGE_SET: self.series}.get(self.level, "") is None


def find(path: str, *, tree: bool) -> Route:
    """What a path asks for; `tree` says whether the query has this parameter.

    Raises:
        Refusal: there is no such path, or an identifier in it is invalid.
    """
    datastore = None
    parts = path.removesuffix("/").split("/")[1:]
    if parts[:1] == ["datastore"] and len(parts) > 1:
        datastore, parts = parts[1], parts[2:]
        if not _DATASTORE.fullmatch(datastore):
            raise bad_request("The id of a data store has 32 lower-case letters and digits.")
    counts = parts[-1:] == [_COUNT]
    match parts[:-1] if counts else parts:
        case ["studies" | "series" | "instances" as level]:
            route = Route(level=_LEVELS[level])
        case ["studies", study, "series" | "instances" as level]:
            route = Route(level=_LEVELS[level], study=study)
        case ["studies", study, "series", series, "instances"]:
            route = Route(level=Level.IMAGE_SET, study=study, series=series)
        case ["studies", study] if tree and not counts:
            route = Route(level=Level.STUDY, study=study, tree=True)
        case _:
            raise Refusal(HTTPStatus.NOT_FOUND, _PATHS)
    if any(uid is not None and not _UID.fullmatch(uid) for uid in (route.study, route.series)):
        raise bad_request("A UID in the path has at most 64 digits and dots. Write several UIDs as a key of the query.")
    return msgspec.structs.replace(route, datastore=datastore, counts=counts)
