"""What is read of a synthesized assembly."""

import json
from pathlib import Path

import pytest

from infra import assembly


def write(folder: Path, **stacks: str) -> None:
    """An assembly with a stack for each region, and one asset that goes with the template."""
    artifacts: dict[str, object] = {"Assets": {"type": "cdk:asset-manifest", "properties": {"file": "assets.json"}}}
    for name, region in stacks.items():
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://unknown-account/{region}",
            "properties": {"templateFile": f"{name}.json"},
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    destinations = {"here": {"bucketName": "assets-${AWS::Region}", "objectKey": "hash.zip"}}
    files = {"hash": {"source": {"path": "asset.hash", "packaging": "zip"}, "destinations": destinations}}
    (folder / "assets.json").write_text(json.dumps({"files": files}))


def test_the_stack_is_read_with_its_region_template_and_assets(tmp_path: Path) -> None:
    write(tmp_path, Clinic="eu-west-1")
    found = assembly.read(tmp_path)
    assert (found.folder, found.stack_name, found.region) == (tmp_path, "Clinic", "eu-west-1")
    assert found.template == tmp_path / "Clinic.json"
    assert found.assets == (assembly.Asset(tmp_path / "asset.hash", "assets-${AWS::Region}", "hash.zip"),)


def test_an_assembly_of_two_stacks_is_refused(tmp_path: Path) -> None:
    write(tmp_path, One="eu-west-1", Two="eu-west-1")
    with pytest.raises(ValueError, match="One stack is expected, not 2"):
        assembly.read(tmp_path)
