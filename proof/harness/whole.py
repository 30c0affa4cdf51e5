"""A document as the reader tells it, gathered whole: for comparison with what other readers make of it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from imaging_index.document.document import Run
from imaging_index.document.reader import Reader

Instances = dict[str, dict[str, Any]]

UNUSABLE = object()  # what cannot be decoded


def read(reader: Reader, pieces: Iterable[bytes]) -> dict[str, Any]:
    """What is selected of a document, decoded.

    `DatastoreID`, `ImageSetID`, `Patient` and `Study` (values by keyword); `Series`: for each key its `values`, and of
    its `Instances` for each key `values`, `frames` (ids) and `private` (values by source).
    """
    series: dict[str, Instances] = {}

    def take(run: Run) -> None:
        assert run.instances
        instances = series.setdefault(run.series, {})
        for row, (key, instance) in enumerate(run.instances.items()):
            assert key not in instances
            private = {
                source: msgspec.json.decode(text)
                for source, column in run.private.items()
                if (text := column[row]) is not None
            }
            ids = [frame.id for frame in instance.frames or ()]
            instances[key] = {"values": values(instance.dicom), "frames": ids, "private": private}

    document = reader.read(pieces, take)
    return {
        "DatastoreID": document.datastore_id,
        "ImageSetID": document.image_set_id,
        "Patient": values(document.patient),
        "Study": values(document.study),
        "Series": {
            key: {"values": values(each), "Instances": series.get(key, {})} for key, each in document.series.items()
        },
    }


def values(level: Any) -> dict[str, Any]:
    """The values of a level that are there, by keyword."""
    if level is None:
        return {}
    names = level.__struct_fields__ if isinstance(level, msgspec.Struct) else vars(level)
    found = {name: getattr(level, name) for name in names if not name.startswith("_")}
    return {name: _decoded(text) for name, text in found.items() if text is not None}


def _decoded(text: bytes | list[tuple[str, bytes]]) -> Any:
    if isinstance(text, list):
        return tuple((macro, value) for macro, part in text for value in msgspec.json.decode(part))
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return UNUSABLE
