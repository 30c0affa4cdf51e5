"""Pages of any rows: each fits an item of DynamoDB, and together they give the rows back."""

import gzip
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.document.reader import Reader
from imaging_index.entry import entry, pages
from imaging_index.entry.pages import COLUMNS, Pages, leave_out_what_does_not_fit, unpack
from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError
from imaging_index.profile.schema import LONGEST_NAMES_KEPT

LARGEST_PLAIN = 390_000
LARGEST_ITEM = 400_000  # DynamoDB Developer Guide, "Quotas"
KEPT = [
    "ImageComments",
    "DerivationDescription",
    "FrameComments",
    "ContrastBolusAgent",
    "AcquisitionDeviceProcessingDescription",
    "ImageType",
]


def incompressible(chance: random.Random, size: int) -> str:
    return chance.randbytes(size // 2).hex()


@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0, 10, 1_000, 9_000, 60_000]))
def test_every_page_fits_an_item_and_the_rows_come_back(seed: int, rows: int, size: int) -> None:
    chance = random.Random(seed)
    columns: dict[str, list[Any]] = {name: [None] * rows for name in COLUMNS}
    columns["SeriesInstanceUID"] = ["1.2"] * rows
    columns["SOPInstanceUID"] = [f"1.2.{row:06d}" for row in range(rows)]
    columns["InstanceNumber"] = [*range(rows)]
    columns["Frames"] = [[incompressible(chance, 32) for _ in range(chance.choice((0, 1, 3)))] for _ in range(rows)]
    kept: dict[str, list[Any]] = {
        name: [chance.choice((None, incompressible(chance, chance.randint(0, size) + 2))) for _ in range(rows)]
        for name in KEPT
    }
    leave_out_what_does_not_fit(kept)
    packing = Pages()
    packing.add(columns | kept)
    plain = [gzip.decompress(page) for page in packing.packed]
    assert max(map(len, plain)) <= LARGEST_PLAIN
    assert max(map(len, packing.packed)) < LARGEST_ITEM - 2_000
    found, checksum = unpack(packing.packed)
    assert checksum == packing.checksum
    whole = [dict(zip(columns | kept, row, strict=True)) for row in zip(*(columns | kept).values(), strict=True)]
    assert found == [{name: value for name, value in row.items() if value is not None} for row in whole]


def test_of_values_that_are_too_large_together_the_largest_are_left_out_and_named() -> None:
    columns: dict[str, list[Any]] = {"A": ["a" * 100_000, "a"], "B": ["b" * 120_000, "b"], "C": ["c" * 90_000, "c"]}
    assert leave_out_what_does_not_fit(columns) == {"B"}
    assert columns["B"] == [None, "b"]
    assert [len(value) for value in columns["A"]] == [100_000, 1]
    assert leave_out_what_does_not_fit(columns) == set()
    assert leave_out_what_does_not_fit({}) == set()


def test_an_instance_that_keeps_long_lists_has_a_page_that_fits() -> None:
    names = ["ImageType", "ConvolutionKernel", "LossyImageCompressionMethod", "ScanningSequence", "ScanOptions"]
    selected = toml_file.parse(f'revision = 1\nattributes = ["Modality"]\n[instances]\nkeep = {json.dumps(names)}\n')
    chance = random.Random(1)
    values = {name: [incompressible(chance, 1_000) for _ in range(100)] for name in names}
    instances = {"1.2.3": {"DICOM": values, "ImageFrames": [{"ID": "1"}]}}
    document = {"Study": {"DICOM": {}, "Series": {"1.2": {"DICOM": {}, "Instances": instances}}}}
    content = entry.build(Reader(selected), [json.dumps(document).encode()])
    (page,) = content.pages
    assert len(gzip.decompress(page)) <= LARGEST_PLAIN
    left_out = {each["S"] for each in content.attributes["TruncatedAttributes"]["L"]}
    (row,) = unpack(content.pages)[0]
    assert {name: row.get(name) for name in names} == {
        name: None if name in left_out else values[name] for name in names
    }
    assert len(left_out) == 3


def test_names_that_a_page_has_no_room_for_are_refused() -> None:
    deep = ".".join(["ReferencedImageSequence"] * 60)
    names = ("ReferencedSOPInstanceUID", "ReferencedSOPClassUID", "ReferencedFrameNumber")
    keep = [f"{deep[: -24 * less or None]}.{name}" for name in names for less in range(6)]
    with pytest.raises(ProfileError, match="a page has room for 20000"):
        toml_file.parse(f'revision = 1\nattributes = ["Modality"]\n[instances]\nkeep = {json.dumps(keep)}\n')


def test_the_bounds_leave_a_page_room_for_everything_else_in_a_row() -> None:
    row = 6 * 1024 * (len(COLUMNS) + 1) + 2_000  # each character of a value escaped
    assert pages.LARGEST_KEPT + LONGEST_NAMES_KEPT + row <= LARGEST_PLAIN
