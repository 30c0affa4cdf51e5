"""What is read of a metadata document: its own values, and its instances by runs of many."""

from typing import Any, NamedTuple

import msgspec

from imaging_index.document.types import Instance, Values
from imaging_index.profile.attributes import Source


class Run(NamedTuple):
    """Some instances of a series, in the order of the document.

    `series` is the series' key in its map, `values` what it says of itself, None when the document tells that only
    later. `instances` are by their keys in the map; `private` has, for each private source that some of them have, the
    JSON text of each, None where there is none. `size` is the bytes of the text they came in, or of what is held of it.
    """

    series: str
    values: Values
    instances: dict[str, Instance[Values]]
    private: dict[Source, list[bytes | None]]
    size: int


class Document(msgspec.Struct):
    """What a document says besides its instances.

    The ids are its own words: compare them with what was asked for. `series` has the values of each by its key in the
    map. `mended` says that there was something which is not JSON, and was taken for a value of a wrong type.
    """

    datastore_id: Any = None
    image_set_id: Any = None
    patient: Values = None
    study: Values = None
    series: dict[str, Values] = msgspec.field(default_factory=dict)
    mended: bool = False
