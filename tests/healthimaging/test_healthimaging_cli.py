"""The stock AWS command line against the service, with the standard endpoint variables alone."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.healthimaging.conftest import World

AWS = Path(sys.executable).parent / "aws"


def test_the_aws_command_line_imports_finds_reads_and_deletes(
    world: "World", dicom: Callable[..., Path], tmp_path: Path
) -> None:
    def aws(*arguments: str) -> dict[str, Any]:
        ran = subprocess.run(
            [sys.executable, str(AWS), "medical-imaging", *arguments, "--datastore-id", world.store],
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(json.loads(ran.stdout)) if ran.stdout else {}

    world.load(dicom("a", PatientID="P1"))
    criteria = '{"filters": [{"operator": "EQUAL", "values": [{"DICOMPatientId": "P1"}]}]}'
    found = aws("search-image-sets", "--search-criteria", criteria)
    (summary,) = found["imageSetsMetadataSummaries"]
    identifier = summary["imageSetId"]
    aws("get-image-set-metadata", "--image-set-id", identifier, str(tmp_path / "out"))
    assert json.loads(gzip.decompress((tmp_path / "out").read_bytes()))["ImageSetID"] == identifier
    assert aws("delete-image-set", "--image-set-id", identifier)["imageSetWorkflowStatus"] == "DELETING"
    assert world.idle(identifier)["imageSetState"] == "DELETED"
