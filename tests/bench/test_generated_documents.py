import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench import documents
from bench.documents import packed


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(documents, "_FOLDER", tmp_path)
    return tmp_path


def read(name: str) -> list[dict[str, Any]]:
    """The instances of a document's only series."""
    document = json.loads(gzip.decompress(packed(name).read_bytes()))
    (series,) = document["Study"]["Series"].values()
    instances: dict[str, dict[str, Any]] = series["Instances"]
    assert [*instances] == [each["DICOM"]["SOPInstanceUID"] for each in instances.values()]
    return [*instances.values()]


@pytest.mark.parametrize(("kind", "size", "private"), [("mr", 3_000, 0), ("ct", 12_400, 179)])
def test_a_document_has_the_instances_that_its_name_says_in_the_size_that_is_told(
    kind: str, size: int, private: int
) -> None:
    instances = read(f"{kind}_40")
    assert len(instances) == 40
    assert len({frame["ID"] for each in instances for frame in each["ImageFrames"]}) == 40
    assert len({each["DICOM"]["SliceLocation"] for each in instances}) == 40
    assert {len(each["DICOMVRs"]) for each in instances} == {private}
    told = [len(json.dumps(each, separators=(",", ":"))) for each in instances]
    assert sum(told) / 40 == pytest.approx(size, rel=0.03)


def test_a_multi_frame_document_is_one_instance_with_an_item_and_an_image_frame_for_each_frame() -> None:
    (instance,) = read("mf_50")
    assert len(instance["ImageFrames"]) == len(instance["DICOM"]["PerFrameFunctionalGroupsSequence"]) == 50
    assert instance["DICOM"]["NumberOfFrames"] == "50"


def test_a_document_is_made_once_and_is_always_the_same(folder: Path) -> None:
    path = packed("ct_3")
    first = path.read_bytes()
    path.write_bytes(b"there already")
    assert packed("ct_3").read_bytes() == b"there already"
    path.unlink()
    assert packed("ct_3").read_bytes() == first
    assert [each for each in folder.rglob("*") if each.is_file()] == [path]


@pytest.mark.parametrize("name", ["", "ct", "ct_0", "ct_-1", "us_1", "../ct_1"])
def test_a_name_that_no_document_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="take mr_N, ct_N or mf_N"):
        packed(name)
