"""What synthesis has written: one stack's template, and the assets that it is made from (a CDK cloud assembly)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Of what `cdk bootstrap` makes ("Bootstrap stack version" in the CDK's guide): an account and region without this
# parameter of Systems Manager is not bootstrapped.
BOOTSTRAP_VERSION: Final = "/cdk-bootstrap/hnb659fds/version"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file or folder to be uploaded before the stack is made.

    Attributes:
        path: the file, or the folder whose content is to be uploaded as a zip.
        bucket: the name of the bucket that the template expects it in, with CloudFormation's pseudo parameters.
        key: its key there.
    """

    path: Path
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Assembly:
    """A synthesized stack.

    Attributes:
        folder: the cloud assembly.
        stack_name: the name of the CloudFormation stack.
        region: the AWS region that it is for.
        template: its template's file.
        assets: everything to be uploaded, the template among it.
        is_protected: whether the stack is to be protected from deletion ("Protect CloudFormation stacks from being
            deleted", AWS CloudFormation User Guide).
    """

    folder: Path
    stack_name: str
    region: str
    template: Path
    assets: tuple[Asset, ...]
    is_protected: bool = False


def read(folder: Path) -> Assembly:
    """The assembly that the app has written into a folder.

    Raises:
        ValueError: it has more than one stack.
    """
    artifacts = json.loads((folder / "manifest.json").read_text("utf-8"))["artifacts"]
    (stack_id, stack), *others = _of_type(artifacts, "aws:cloudformation:stack")
    if others:
        raise ValueError(f"One stack is expected, not {1 + len(others)} ({stack_id}, {others[0][0]}, ...).")
    properties = stack["properties"]
    return Assembly(
        folder=folder,
        stack_name=properties.get("stackName", stack_id),
        region=stack["environment"].rpartition("/")[2],
        template=folder / properties["templateFile"],
        assets=tuple(
            Asset(folder / file["source"]["path"], destination["bucketName"], destination["objectKey"])
            for _, manifest in _of_type(artifacts, "cdk:asset-manifest")
            for file in json.loads((folder / manifest["properties"]["file"]).read_text("utf-8"))["files"].values()
            for destination in file["destinations"].values()
        ),
        is_protected=properties.get("terminationProtection", False),
    )


def protect(folder: Path, *, on: bool) -> None:
    """Say in an assembly whether its stack is to be protected, whatever the settings say.

    The CDK's command line protects a stack, or ends its protection, when it prepares a change set.
    """
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    for _, stack in _of_type(manifest["artifacts"], "aws:cloudformation:stack"):
        stack["properties"]["terminationProtection"] = on
    file.write_text(json.dumps(manifest), "utf-8")


def _of_type(artifacts: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    return ((name, artifact) for name, artifact in artifacts.items() if artifact["type"] == kind)
