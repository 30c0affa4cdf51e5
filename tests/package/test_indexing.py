"""What the index adds to an entry besides what the document says."""

from typing import Any

import pytest

from imaging_index.document.reader import Reader
from imaging_index.entry import entry
from imaging_index.indexing import Indexer, _Target
from imaging_index.profile import toml_file
from imaging_index.queue.hint import Cause, Hint, Kind
from imaging_index.table.layout import Key

PROFILE = toml_file.parse('revision = 1\nattributes = ["Modality"]')


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        (True, {"IsPrimary": {"BOOL": True}}),
        (False, {"IsPrimary": {"BOOL": False}, "NonPrimary": {"S": "1"}}),
        (None, {}),
    ],
)
def test_an_entry_says_that_its_image_set_is_not_primary_in_a_key_that_primary_ones_have_not(
    told: bool | None, stored: dict[str, Any]
) -> None:
    no_aws: Any = None
    reader = Reader(PROFILE)
    content = entry.build(reader, [b"{}"])
    hint = Hint(Kind.CREATED, Cause.EVENT, "d" * 32, "i" * 32, 1, told, None)
    item = Indexer(no_aws, no_aws, PROFILE, reader)._item(Key("d" * 32, "i" * 32), hint, _Target(1, told), content)
    assert {name: value for name, value in item.items() if "Primary" in name} == stored
