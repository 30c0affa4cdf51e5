"""The CDK's own command line, as `make deploy` runs it, against the local cloud."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from local.deployment import LOCAL_CONTEXT, ROOT


def _cdk(*arguments: str, folder: Path = ROOT) -> str:
    """Run the pinned CDK command line; returns everything it says."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.run(
        [ROOT / "node_modules/.bin/cdk", *arguments, "--ci"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


@pytest.mark.usefixtures("assembly")  # whose bundle is ready then
def test_the_stock_cdk_bootstraps_deploys_compares_and_destroys(
    environment: dict[str, str], aws: boto3.Session, tmp_path: Path
) -> None:
    assembly = str(tmp_path / "assembly")
    _cdk("bootstrap", f"aws://{environment['AWS_ACCESS_KEY_ID']}/{environment['AWS_REGION']}", folder=tmp_path)
    settings = [each for name, value in LOCAL_CONTEXT.items() for each in ("-c", f"{name}={value}")]
    assert "ImagingIndex.TableName" in _cdk("deploy", "--require-approval=never", "--output", assembly, *settings)
    (table,) = aws.client("dynamodb").list_tables()["TableNames"]
    assert table.startswith("ImagingIndex")
    assert "There were no differences" in _cdk("diff", "--fail", "--app", assembly)
    _cdk("destroy", "--force", "--app", assembly)
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
